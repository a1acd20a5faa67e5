"""The database of a project: its tables, and the one place that opens it.

Write-ahead logging with ``synchronous=FULL``: what is committed is on the disk, whether
the program is killed or the power goes (https://sqlite.org/wal.html). On a network share
it is a rollback journal, see `project.database.shares`.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from napari_cellseg.core.errors import ProjectError, ReadOnlyProjectError
from napari_cellseg.project.database.shares import is_on_share, suit_place

DATABASE_NAME = "project.db"
SCHEMA_VERSION = 1
#: Seconds that a write waits for another program, such as a backup, to let go.
BUSY_SECONDS = 5.0

SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE images (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,      -- relative to the project's folder where possible
    name TEXT NOT NULL,
    group_name TEXT NOT NULL,       -- never split between training and held-out
    n_bytes INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    labels_shape TEXT NOT NULL DEFAULT '',  -- JSON; empty until there are labels
    labels_axes TEXT NOT NULL DEFAULT '',
    written_step INTEGER NOT NULL DEFAULT 0 -- labels/ holds every step up to this one
);
CREATE TABLE edits (
    id INTEGER PRIMARY KEY,
    image INTEGER NOT NULL REFERENCES images(id),
    name TEXT NOT NULL,
    author TEXT NOT NULL,
    made_at REAL NOT NULL,
    start TEXT NOT NULL,            -- JSON: corner of the box
    shape TEXT NOT NULL,            -- JSON: size of the box
    pixels BLOB NOT NULL,           -- Zstandard: int32 before, then int32 after
    sources TEXT NOT NULL,          -- JSON: [before, after], and of classes where they change
    notes BLOB NOT NULL DEFAULT x'', -- Zstandard: JSON, what else a run changes
    state TEXT NOT NULL             -- done, undone, or dropped (undone and overtaken)
);
CREATE INDEX edits_of_image ON edits (image, state, id);
CREATE TABLE steps (                -- what happened, in order: replayed after a crash
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    image INTEGER NOT NULL REFERENCES images(id),
    edit INTEGER NOT NULL REFERENCES edits(id),
    kind TEXT NOT NULL,             -- do, undo, redo
    at REAL NOT NULL
);
CREATE INDEX steps_of_image ON steps (image, id);
CREATE INDEX steps_of_edit ON steps (edit);
CREATE TABLE cells (                -- what is known of a cell beside its pixels
    image INTEGER NOT NULL REFERENCES images(id),
    label INTEGER NOT NULL,
    source TEXT NOT NULL DEFAULT 'model',  -- '' for a cell that is gone; undo may bring it back
    confidence REAL,
    review TEXT NOT NULL DEFAULT 'unseen',
    class TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (image, label)
);
CREATE TABLE checked_areas (
    id INTEGER PRIMARY KEY,
    image INTEGER NOT NULL REFERENCES images(id),
    plane TEXT NOT NULL,            -- JSON: leading indices of the labels
    outline_yx TEXT NOT NULL        -- JSON: vertices in pixels
);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    image INTEGER NOT NULL REFERENCES images(id),
    model_sha256 TEXT NOT NULL,
    options TEXT NOT NULL,          -- JSON
    seconds REAL NOT NULL,
    at REAL NOT NULL
);
CREATE TABLE models (
    sha256 TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    parent_sha256 TEXT,
    folder TEXT NOT NULL,
    at REAL NOT NULL
);
CREATE TABLE promotions (
    id INTEGER PRIMARY KEY,
    model_sha256 TEXT NOT NULL,
    previous_sha256 TEXT,
    at REAL NOT NULL
);
"""

#: After these the files may be others, as when a share or a disk was lost and is back.
LOST = (
    *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT),
    *(sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOTADB),
)
STATE = """
SELECT (SELECT value FROM meta WHERE name = 'made_at'), (SELECT max(id) FROM steps)
"""


class PlacedConnection(sqlite3.Connection):
    """A connection to a file that must stay where it is.

    SQLite follows a file that is renamed, and the labels do not: what was corrected would
    be split between two folders. A share that is mounted again has other files, and SQLite
    does not follow to those.

    Attributes
    ----------
    path : Path or None
        Of the file; None for a copy in memory.
    identity : (int, int)
        Device and number of the file, as they were when it was opened.
    retake : callable or None
        Takes the lock of the project again; raises `ProjectError` if another window has
        it. None: the connection is not opened again.
    state : tuple
        What tells the project from others, and the last step that was written here.
    is_lost : bool
        Whether a write failed so that the file may have to be opened again.
    """

    path: Path | None = None
    identity: tuple[int, int] = (0, 0)
    retake: Callable[[], None] | None = None
    state: tuple[Any, ...] = ()
    is_lost = False

    def open_at(self, path: Path) -> None:
        """Open the file to write in the place of the one that was open."""
        super().__init__(_uri(path, "rw"), **OPTIONS)
        self.path, self.identity = path, _identity(path)
        _prepare(self, path)
        self.is_lost = False


def check_place(connection: sqlite3.Connection) -> None:
    """Raise `ProjectError` if the database is not the file at its path any more.

    A file that came in its place, as on a share that was mounted again, is opened if it
    holds every step that was written here and no other.
    """
    if not isinstance(connection, PlacedConnection) or connection.path is None:
        return
    path = connection.path
    try:
        is_there = _identity(path) == connection.identity
    except FileNotFoundError:
        is_there = False
    if is_there and not connection.is_lost:
        return
    if connection.retake is None or not path.is_file():
        raise ProjectError(
            f"{path.parent} is not there any more: it was moved, renamed or replaced, or "
            "its disk is gone. Put it back, and it is saved to again."
        )
    with closing(_connected(path, "rw")) as there:
        state = tuple(there.execute(STATE).fetchone())
    if state != connection.state:
        raise ProjectError(
            f"{path.parent} is another project now, or was changed while its disk was "
            "away: nothing is saved there. Export the cells to a file, then open it again."
        )
    connection.retake()
    connection.open_at(path)


def _identity(path: Path) -> tuple[int, int]:
    """Return what tells a file from every other, whatever its name."""
    found = path.stat()
    return found.st_dev, found.st_ino


def create_database(folder: Path) -> None:
    """Make the database of a new project.

    Raises
    ------
    ProjectError
        If there is one already, or it cannot be written.
    """
    path = folder / DATABASE_NAME
    if path.exists():
        raise ProjectError(
            f"{folder} is a project already; open it, or choose a new name."
        )
    with told(folder):
        connection = sqlite3.connect(path)
        try:
            if not is_on_share(folder):
                connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.commit()
        finally:
            connection.close()


def open_database(
    folder: Path, *, writable: bool, retake: Callable[[], None] | None = None
) -> sqlite3.Connection:
    """Open the database of a project; statements outside a transaction commit at once.

    With `retake`, which takes the lock of the project, it is opened again after its disk
    was away, see `check_place`.

    Raises
    ------
    ProjectError
        If it is no project, is damaged, or is of a newer program.
    ReadOnlyProjectError
        If it is to be written to and may not be.
    """
    path = folder / DATABASE_NAME
    if not path.is_file():
        raise ProjectError(
            f"{folder} is no project: it holds no {DATABASE_NAME}. Choose a folder whose "
            "name ends in .cellseg."
        )
    if writable and not os.access(path, os.W_OK):
        raise ReadOnlyProjectError(
            f"{path} cannot be written. Copy the project to a place of yours."
        )
    # A read-only disk has no place for the files of the log.
    can_log = writable or os.access(folder, os.W_OK)
    with told(folder):
        mode = "rw" if writable else "ro"
        connection = _connected(path, mode) if can_log else _copied(path)
        if writable:
            _prepare(connection, path)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        connection.close()
        raise ProjectError(
            f"{folder} has project version {version}; this program reads "
            f"{SCHEMA_VERSION}. Update napari-cellseg."
        )
    if writable and isinstance(connection, PlacedConnection):
        with told(folder):
            connection.retake = retake
            connection.state = tuple(connection.execute(STATE).fetchone())
    return connection


#: How every connection is made; its statements outside a transaction commit at once.
OPTIONS: dict[str, Any] = {
    "uri": True,
    "timeout": BUSY_SECONDS,
    "isolation_level": None,
}


def _uri(path: Path, mode: str) -> str:
    return f"{path.absolute().as_uri()}?mode={mode}"


def _connected(path: Path, mode: str) -> PlacedConnection:
    """Open a database where it lies, ``"rw"`` or ``"ro"``."""
    connection = PlacedConnection(_uri(path, mode), **OPTIONS)
    connection.path, connection.identity = path, _identity(path)
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Let a connection that was just opened write so that nothing is lost."""
    connection.row_factory = sqlite3.Row
    suit_place(connection, path)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _copied(path: Path) -> sqlite3.Connection:
    """Return a database in memory with all that one on a read-only disk holds.

    After a crash the last steps stand in the log only, and SQLite cannot read a log
    where it may not write beside it.
    """
    memory = sqlite3.connect(":memory:", isolation_level=None)
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, path.name)
        for suffix in ("", "-wal"):
            source = path.with_name(path.name + suffix)
            if source.is_file():
                shutil.copyfile(source, copy.with_name(copy.name + suffix))
        connection = _connected(copy, "rw")
        try:
            connection.backup(memory)
        finally:
            connection.close()
    memory.execute("PRAGMA query_only = ON")
    return memory


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit all statements of the block together, or none of them.

    Raises
    ------
    ProjectError
        If the project was moved while it was open.
    """
    check_place(connection)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        state = connection.execute(STATE).fetchone()
        connection.execute("COMMIT")
        if isinstance(connection, PlacedConnection):
            connection.state = tuple(state)
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0)
        if isinstance(connection, PlacedConnection) and code & 0xFF in LOST:
            connection.is_lost = True
        raise
    finally:
        # A failed commit (a full disk) may leave the transaction open.
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def told(folder: Path) -> Iterator[None]:
    """Turn what SQLite and the file system raise into a `ProjectError`."""
    try:
        yield
    except sqlite3.Error as error:
        raise ProjectError(f"{folder} {_reason(error)}") from error
    except OSError as error:
        raise ProjectError(f"{folder} {_reason(error)}") from error


def _reason(error: sqlite3.Error | OSError) -> str:
    """Return what went wrong and what to do, to follow the folder's name."""
    text, number = str(error), getattr(error, "errno", None)
    if "full" in text or number in (errno.ENOSPC, errno.EDQUOT):
        return "could not be written: the disk is full. Free some space."
    is_refused = number in (errno.EROFS, errno.EACCES, errno.EPERM)
    if is_refused or "readonly" in text or "attempt to write" in text:
        return (
            "could not be written: writing there is not allowed. Allow it, or choose "
            "another folder."
        )
    if "locked" in text or "busy" in text:
        return "is held by another program; wait, or close it there."
    if "malformed" in text or "not a database" in text:
        return (
            f"is damaged ({text}), or its disk is. If it stays so with a sound disk, "
            "restore project.db from a backup."
        )
    return f"could not be read or written ({text}). Is its disk there?"
