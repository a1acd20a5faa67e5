"""Projects on network shares: SQLite's write-ahead log needs memory that processes share.

A share does not give it (https://sqlite.org/wal.html), or takes it away with the network.
There the older rollback journal is used: a commit takes a little longer, and is as safe.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
from pathlib import Path

logger = logging.getLogger(__name__)

#: What Linux calls file systems that lie on another computer, or outside the machine.
NETWORK_TYPES = (
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ncpfs", "ceph", "lustre"),
    *("gpfs", "beegfs", "glusterfs", "davfs", "vboxsf", "fuse.sshfs", "fuse.glusterfs"),
    *("fuse.rclone", "fuse.davfs2", "fuse.s3fs", "fuse.gcsfuse", "fuse.ceph"),
)
MOUNTS = Path("/proc/self/mounts")
#: What Windows says of a drive on another computer.
DRIVE_REMOTE = 4
#: The byte of a database file that says how it is written, and its value for WAL.
WRITE_VERSION_AT, WAL_VERSION = 18, 2


def is_on_share(folder: Path) -> bool:
    """Say whether a folder lies on a network share, as far as the system tells.

    False on macOS, where a database that cannot have a write-ahead log is found out when it
    is opened.
    """
    if sys.platform == "win32":
        import ctypes

        drive = os.path.splitdrive(folder.resolve())[0]
        kind = ctypes.windll.kernel32.GetDriveTypeW(f"{drive}\\")
        return drive.startswith("\\\\") or kind == DRIVE_REMOTE
    return MOUNTS.is_file() and mount_type(folder, MOUNTS.read_text()) in NETWORK_TYPES


def mount_type(folder: Path, mounts: str) -> str:
    """Return the type of the file system that a folder lies on, "" if it is not listed.

    Parameters
    ----------
    folder : Path
        Any.
    mounts : str
        As Linux lists them, a line each: device, place, type, ....
    """
    here, found = folder.resolve(), (-1, "")
    for line in mounts.splitlines():
        parts = line.split()
        if len(parts) < 3:
            continue
        place = Path(parts[1].replace("\\040", " "))
        if here == place or place in here.parents:
            found = max(found, (len(place.parts), parts[2]), key=_depth)
    return found[1]


def _depth(found: tuple[int, str]) -> int:
    return found[0]


def has_log(path: Path) -> bool:
    """Say whether a database file is written with a write-ahead log."""
    with path.open("rb") as file:
        header = file.read(WRITE_VERSION_AT + 1)
    return len(header) > WRITE_VERSION_AT and header[-1] == WAL_VERSION


def leave_log(connection: sqlite3.Connection) -> None:
    """Let a database do without a write-ahead log; what the log holds is kept.

    Raises
    ------
    sqlite3.Error
        If another program has it open, or it cannot be written.
    """
    # Alone with the file, SQLite keeps in its own memory what it would share.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA journal_mode = TRUNCATE")
    connection.execute("PRAGMA locking_mode = NORMAL")
    connection.execute("SELECT 1 FROM sqlite_master").fetchone()  # lets the file go
    logger.warning("The project is kept without a write-ahead log, as on a share.")


def suit_place(connection: sqlite3.Connection, path: Path) -> None:
    """Write a database with a log where that works, and without where it does not.

    Parameters
    ----------
    connection : sqlite3.Connection
        Just opened to write; nothing was asked of it yet.
    path : Path
        Of its file.

    Raises
    ------
    sqlite3.Error
        If it cannot be read or written.
    """
    logged, is_share = has_log(path), is_on_share(path.parent)
    if not logged:
        if not is_share:
            # Where that cannot be had, SQLite says so and stays as it is.
            connection.execute("PRAGMA journal_mode = WAL")
        return
    if is_share:
        leave_log(connection)
        return
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_IOERR,
            sqlite3.SQLITE_PROTOCOL,
        ):
            raise
        leave_log(connection)
