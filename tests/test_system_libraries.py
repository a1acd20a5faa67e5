"""The system libraries that Qt needs are installed where that is allowed, else named."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).parent.parent / "tools" / "system_libraries.py"


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the tool as on a Debian system where only libGL is missing."""
    spec = importlib.util.spec_from_file_location("system_libraries", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys, "argv", ["system_libraries.py"])
    monkeypatch.setattr(shutil, "which", lambda program: f"/usr/bin/{program}")
    monkeypatch.setattr(module, "is_loadable", lambda library: library != "libGL.so.1")
    return module


def as_user(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: number, raising=False)


def test_without_rights_the_command_is_named(
    tool: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    as_user(monkeypatch, 1000)

    assert tool.main() == 1
    assert "install -y --no-install-recommends libgl1\n" in capsys.readouterr().out


def test_root_installs_what_is_missing_and_nothing_else(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_user(monkeypatch, 0)
    installed = []

    def install(packages: list[str]) -> int:
        installed.extend(packages)
        monkeypatch.setattr(tool, "is_loadable", lambda _: True)
        return 0

    monkeypatch.setattr(tool, "install", install)

    assert tool.main() == 0
    assert installed == ["libgl1"]


def test_what_could_not_be_installed_is_said(
    tool: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    as_user(monkeypatch, 0)
    monkeypatch.setattr(tool, "install", lambda _: 100)

    assert tool.main() == 1
    assert "libgl1" in capsys.readouterr().out


def test_without_apt_the_packages_are_named(
    tool: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)

    assert tool.main() == 1
    assert "libgl1 xvfb xauth" in capsys.readouterr().out


def test_with_a_display_no_screen_is_asked_for(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool, "is_loadable", lambda _: True)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["system_libraries.py", "--screen-if-needed"])
    monkeypatch.setenv("DISPLAY", ":0")

    assert tool.main() == 0


def test_other_systems_need_nothing(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    assert tool.main() == 0
