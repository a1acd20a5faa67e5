"""The window from the command line, with and without a display."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner

from napari_cellseg.cli import app_command
from napari_cellseg.cli.display import has_display, virtual_display
from napari_cellseg.cli.main import app
from napari_cellseg.core.errors import CellsegError, SaveError

runner = CliRunner()
needs_xvfb = pytest.mark.skipif(
    shutil.which("Xvfb") is None, reason="Xvfb is not installed"
)


@pytest.fixture
def no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


@needs_xvfb
def test_a_screen_in_memory_lasts_as_long_as_it_is_needed(no_display: None) -> None:
    with virtual_display() as display:
        assert os.environ["DISPLAY"] == display
        assert has_display()
        number = display.removeprefix(":")
        assert Path(f"/tmp/.X11-unix/X{number}").exists()

    assert "DISPLAY" not in os.environ
    assert not Path(f"/tmp/.X11-unix/X{number}").exists()


@needs_xvfb
def test_two_screens_at_once_are_two(no_display: None) -> None:
    with virtual_display() as first, virtual_display() as second:
        assert first != second


def test_without_xvfb_the_sentence_names_it(
    no_display: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)

    with pytest.raises(CellsegError, match="apt-get install xvfb"), virtual_display():
        pass


@needs_xvfb
def test_without_a_display_picture_and_table_are_written_and_named(
    no_display: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def open_app(*, sample: bool, screenshot: Path, csv: Path) -> None:
        seen.append((sample, os.environ.get("DISPLAY", "")))
        screenshot.write_bytes(b"picture")
        csv.write_bytes(b"table")

    monkeypatch.setattr(app_command, "find_window", lambda: open_app)

    result = runner.invoke(app, ["app", "--output", str(tmp_path / "new" / "folder")])

    assert result.exit_code == 0, result.output
    assert seen[0][0] is True
    assert seen[0][1].startswith(":")
    text = result.output.replace("\n", "")
    assert str(tmp_path / "new" / "folder" / "window.png") in text
    assert str(tmp_path / "new" / "folder" / "cells.csv") in text


@needs_xvfb
def test_a_window_that_leaves_nothing_is_an_error(
    no_display: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_command, "find_window", lambda: lambda **_: None)

    result = runner.invoke(app, ["app", "--output", str(tmp_path)])

    assert isinstance(result.exception, CellsegError)


def test_an_empty_window_that_nobody_sees_is_refused(no_display: None) -> None:
    result = runner.invoke(app, ["app", "--no-sample"])

    assert isinstance(result.exception, CellsegError)


def test_with_a_display_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", ":7")
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr(
        app_command, "find_window", lambda: lambda **key: asked.append(key)
    )

    result = runner.invoke(app, ["app", "--no-sample"])

    assert result.exit_code == 0
    assert asked == [{"sample": False, "screenshot": None, "csv": None}]
    assert list(tmp_path.iterdir()) == []


def test_without_napari_the_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = EntryPoint("napari", "napari_cellseg_not_there:open_app", "g")
    monkeypatch.setattr(app_command, "entry_points", lambda group: [entry])

    with pytest.raises(CellsegError, match="pip install"):
        app_command.find_window()


def test_a_home_that_cannot_be_written_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Entry:
        def load(self) -> None:
            raise OSError(errno.EROFS, "Read-only file system", "/home/me/.cache")

    monkeypatch.setattr(app_command, "entry_points", lambda group: [Entry()])

    with pytest.raises(CellsegError, match=r"'/home/me/\.cache' .*XDG_CACHE_HOME="):
        app_command.find_window()


def test_a_folder_that_cannot_be_made_is_one_sentence(
    no_display: None, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")

    result = runner.invoke(app, ["app", "--output", str(tmp_path / "file" / "app")])

    assert isinstance(result.exception, SaveError)
    assert "cannot be made" in str(result.exception)


def test_an_error_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "napari_cellseg.cli", "measure", "no.tif"]

    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert done.stderr.startswith("cellseg: ")
    assert len(done.stderr.splitlines()) == 1
    assert "no.tif" in done.stderr


def test_the_version_is_told() -> None:
    assert runner.invoke(app, ["--version"]).output.startswith("cellseg 0.")
