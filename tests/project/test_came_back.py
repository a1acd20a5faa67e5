"""A share that is mounted again gives other files in the place of those that were open."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock, Timeout
from tests.project.test_journal import paint

from napari_cellseg.core.editing.edits import apply_edit
from napari_cellseg.core.errors import ProjectError
from napari_cellseg.project.database.database import PlacedConnection
from napari_cellseg.project.database.lock import LOCK_NAME
from napari_cellseg.project.labels.labels import ProjectLabels
from napari_cellseg.project.labels.new_labels import NewLabels
from napari_cellseg.project.store import Project, create_project, open_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    image = tmp_path / "image.tif"
    image.write_bytes(b"pixels")
    project = create_project(tmp_path / "mine")
    project.add_images([image])
    project.start_labels(1, NewLabels(np.zeros((64, 64), np.int32), "YX"))
    return project


def taken_away(project: Project) -> Path:
    """Let the project's files be gone; return a copy that can be put in their place."""
    folder = project.folder
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    folder.rename(folder.with_name("gone"))
    return copy


def step_that_waits(project: Project, opened: ProjectLabels) -> None:
    paint(opened, 2, 4)
    assert opened.journal.n_waiting == 1
    assert "not there any more" in opened.journal.problem
    assert "Put it back" in opened.journal.problem


def test_writing_goes_on_when_a_share_is_mounted_again(project: Project) -> None:
    folder, opened = project.folder, project.open_labels(1)
    paint(opened, 1, 2)
    copy = taken_away(project)
    step_that_waits(project, opened)
    copy.rename(folder)
    assert opened.journal.retry()
    assert opened.journal.problem == ""
    with pytest.raises(Timeout):  # no other window may write now
        FileLock(folder / LOCK_NAME, timeout=0).acquire()
    paint(opened, 3, 6)
    shown = opened.labels.copy()
    project.close()
    with open_project(folder) as again:
        opened = again.open_labels(1)
        assert np.array_equal(opened.labels, shown)
        while (edit := opened.journal.undo()) is not None:
            apply_edit(opened.labels, edit)
        assert not opened.labels.any()


def test_what_others_wrote_meanwhile_is_not_written_over(project: Project) -> None:
    folder, opened = project.folder, project.open_labels(1)
    paint(opened, 1, 2)
    copy = taken_away(project)
    step_that_waits(project, opened)
    copy.rename(folder)
    with open_project(folder) as other:
        paint(other.open_labels(1), 7, 8)
    assert not opened.journal.retry()
    assert "changed" in opened.journal.problem
    assert opened.journal.n_waiting == 1
    with open_project(folder) as other:  # and its lock was let go
        assert set(other.open_labels(1).sources) == {1, 7}


def test_a_window_that_opened_it_meanwhile_keeps_it(project: Project) -> None:
    folder, opened = project.folder, project.open_labels(1)
    copy = taken_away(project)
    step_that_waits(project, opened)
    copy.rename(folder)
    with open_project(folder):
        assert not opened.journal.retry()
        assert "open in another window" in opened.journal.problem
    assert opened.journal.retry()
    project.close()


def test_a_connection_that_failed_is_opened_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, connection = project.open_labels(1), project._connection
    connection.execute("CREATE TEMP TABLE of_this_connection (x)")

    def fail(*_: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    with monkeypatch.context() as failing:
        failing.setattr(PlacedConnection, "execute", fail)
        paint(opened, 1, 2)
        assert "disk I/O error" in opened.journal.problem
    assert opened.journal.retry()
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        connection.execute("SELECT x FROM of_this_connection")
    project.close()


def test_a_project_that_is_gone_is_said_to_be(project: Project) -> None:
    opened = project.open_labels(1)
    paint(opened, 1, 2)
    copy = taken_away(project)
    with pytest.raises(ProjectError, match="not there any more"):
        opened.write()
    copy.rename(project.folder)
    opened.write()
    project.close()
