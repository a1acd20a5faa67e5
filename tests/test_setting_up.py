"""The set-up in the README: any folder, and one sentence where it cannot work."""

from __future__ import annotations

import configparser
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", ["cellseg", "My Zellen ü"])
def test_versions_are_held_wherever_the_checkout_is(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    shutil.copy(ROOT / "constraints.txt", folder)
    tox = configparser.RawConfigParser()
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    settings = tox["testenv"]["set_env"].strip().splitlines()
    held = dict(line.split(" = ") for line in settings if not line.startswith("#"))
    path = held["PIP_CONSTRAINT"].replace("{tox_root}", str(folder))

    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-index", "--dry-run", "pip"],
        cwd=folder,
        env={**os.environ, "PIP_CONSTRAINT": path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_a_python_that_is_too_old_is_one_sentence_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 13, "final", 0))

    with pytest.raises(SystemExit, match=r"This is Python 3\.10\.13 .*Python 3\.11 or"):
        runpy.run_path(str(ROOT / "toxfile.py"))


def test_a_python_that_is_new_enough_is_taken() -> None:
    runpy.run_path(str(ROOT / "toxfile.py"))


def test_tox_asks_for_the_python_that_the_package_needs() -> None:
    needed = runpy.run_path(str(ROOT / "toxfile.py"))["NEEDED"]
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    assert f'requires-python = ">={".".join(map(str, needed))}"' in text
