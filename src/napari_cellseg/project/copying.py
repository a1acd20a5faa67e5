"""A copy of a project's database, and what need not be kept of it.

Edits that were undone and overtaken by another one are *dropped*: nothing brings them back.
They stay while a crash could need them to replay what happened, and are purged when the
project is closed, or from its copy.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_cellseg.core.errors import ProjectError
from napari_cellseg.project.database.database import (
    DATABASE_NAME,
    open_database,
    transaction,
)
from napari_cellseg.project.images.images import absolute_path, stored_path
from napari_cellseg.project.labels.journal import Journal

#: The labels on disk hold what these steps did: no replay begins before them.
FORGET_STEPS = """
DELETE FROM steps WHERE edit IN (SELECT id FROM edits WHERE state = 'dropped')
AND id <= (SELECT written_step FROM images WHERE images.id = steps.image)
"""
PURGE = """
DELETE FROM edits WHERE state = 'dropped'
AND NOT EXISTS (SELECT 1 FROM steps WHERE steps.edit = edits.id)
"""


@contextmanager
def whole_or_nothing(folder: Path) -> Iterator[None]:
    """Take a new folder away again if it cannot be filled."""
    try:
        yield
    except ProjectError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def purge_dropped(connection: sqlite3.Connection) -> int:
    """Delete the dropped edits that no replay needs; return how many they were.

    Their room in the file is used again. Nothing is written where there are none.

    Raises
    ------
    sqlite3.Error
        If it cannot be written; all edits are then still there.
    """
    query = "SELECT 1 FROM edits WHERE state = 'dropped' LIMIT 1"
    if connection.execute(query).fetchone() is None:
        return 0
    with transaction(connection):
        connection.execute(FORGET_STEPS)
        return connection.execute(PURGE).rowcount


def copy_database(connection: sqlite3.Connection, source: Path, target: Path) -> None:
    """Copy the database of one project folder into that of another.

    Paths of images are made to fit the new folder; dropped edits are left out, and the
    file is as small as what it holds.

    Raises
    ------
    sqlite3.Error
        If it cannot be written.
    """
    copy = sqlite3.connect(target / DATABASE_NAME, isolation_level=None)
    try:
        connection.backup(copy)
        rows = copy.execute("SELECT id, path FROM images").fetchall()
        moved = [
            (stored_path(absolute_path(path, source), target), image_id)
            for image_id, path in rows
        ]
        with transaction(copy):
            copy.executemany("UPDATE images SET path = ? WHERE id = ?", moved)
        purge_dropped(copy)
        copy.execute("VACUUM")
    finally:
        copy.close()


def write_waiting(journals: Iterable[Journal], folder: Path) -> None:
    """Write the steps that the disk did not take into a copy.

    Raises
    ------
    sqlite3.Error
        If it cannot be written.
    """
    copy = open_database(folder, writable=True)
    try:
        with transaction(copy):
            for journal in journals:
                journal.write_waiting(copy)
    finally:
        copy.close()
