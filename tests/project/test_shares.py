"""Projects on network shares do without SQLite's write-ahead log."""

import errno
import sqlite3
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.project.test_journal import paint

from napari_cellseg.core.errors import ReadOnlyProjectError
from napari_cellseg.project.database import database, lock, shares
from napari_cellseg.project.database.shares import has_log, mount_type
from napari_cellseg.project.labels.new_labels import NewLabels
from napari_cellseg.project.store import create_project, open_project

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
//nas/big\\040data /mnt/big\\040data cifs rw 0 0
tmpfs /home/me/scratch tmpfs rw 0 0
"""


@pytest.fixture
def folder(tmp_path):
    image = tmp_path / "image.tif"
    image.write_bytes(b"pixels")
    with create_project(tmp_path / "mine") as project:
        project.add_images([image])
        project.start_labels(1, NewLabels(np.zeros((64, 64), np.int32), "YX"))
        return project.folder


@pytest.mark.skipif(sys.platform == "win32", reason="such paths are of Linux")
@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/data/a.cellseg", "ext4"),
        ("/home/me/a.cellseg", "nfs4"),
        ("/home/me/scratch/a", "tmpfs"),
        ("/homely/a", "ext4"),
        ("/mnt/big data/a", "cifs"),
    ],
)
def test_the_file_system_of_a_folder_is_that_of_the_nearest_mount(place, kind):
    assert mount_type(Path(place), MOUNTS) == kind


def steps_are_there(folder, n_steps):
    with open_project(folder) as project:
        opened = project.open_labels(1)
        for _ in range(n_steps):
            assert opened.journal.undo() is not None
        assert opened.journal.undo() is None
        for _ in range(n_steps):
            opened.journal.redo()


def test_a_project_that_is_copied_to_a_share_and_back_keeps_every_step(
    folder, monkeypatch
):
    with open_project(folder) as project:
        paint(project.open_labels(1), 1, 2)
    assert has_log(folder / "project.db")

    monkeypatch.setattr(shares, "is_on_share", lambda _folder: True)
    with open_project(folder) as project:
        paint(project.open_labels(1), 2, 4)
        assert not has_log(folder / "project.db")
        with open_project(folder, read_only=True) as other:  # a second window
            assert other.open_labels(1).labels.any()
    steps_are_there(folder, 2)

    monkeypatch.undo()
    steps_are_there(folder, 2)
    assert has_log(folder / "project.db")


def connected_without(path, mode):
    """Open a file as on a share: SQLite gets no memory that it could share."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}&vfs=unix-dotfile",
        uri=True,
        isolation_level=None,
        factory=database.PlacedConnection,
    )
    connection.path, connection.identity = path, database._identity(path)
    return connection


@pytest.mark.skipif(
    sys.platform == "win32", reason="SQLite has no such file system there"
)
def test_a_log_that_the_place_does_not_allow_is_left(folder, monkeypatch):
    with open_project(folder) as project:
        paint(project.open_labels(1), 1, 2)
    monkeypatch.setattr(database, "_connected", connected_without)
    with open_project(folder) as project:
        opened = project.open_labels(1)
        assert opened.labels.any()
        paint(opened, 2, 4)
        assert opened.journal.problem == ""
        assert not has_log(folder / "project.db")
    steps_are_there(folder, 2)


def test_a_new_project_on_a_share_has_no_log(tmp_path, monkeypatch):
    monkeypatch.setattr(shares, "is_on_share", lambda _folder: True)
    monkeypatch.setattr(database, "is_on_share", lambda _folder: True)
    with create_project(tmp_path / "shared") as project:
        assert not has_log(project.folder / "project.db")


def test_a_share_without_locks_is_said_to_be_one(folder, monkeypatch):
    class Lockless:
        def __init__(self, *_, **__):
            """Take what a lock takes."""

        def acquire(self):
            raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock, "FileLock", Lockless)
    with pytest.raises(ReadOnlyProjectError, match="gives no locks"):
        open_project(folder)
    open_project(folder, read_only=True).close()
