"""One window at a time may write to a project."""

from __future__ import annotations

import errno
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from napari_cellseg.core.errors import ReadOnlyProjectError
from napari_cellseg.project.database.database import told

LOCK_NAME = ".lock"
#: What the system says where writing is not allowed, or the disk is read only.
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
#: What it says on shares that know no locks.
LOCKLESS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)

NO_LOCKS = (
    "{} lies on a share that gives no locks: two windows could write at once. Copy it to "
    "a disk of yours."
)


def taken_lock(folder: Path) -> FileLock:
    """Return the lock of a project, taken; a killed program's lock is free.

    Raises
    ------
    ReadOnlyProjectError
        If another window has it, or nothing can be written there.
    """
    lock = FileLock(folder / LOCK_NAME, timeout=0)
    _take(lock, folder)
    return lock


def retake(lock: FileLock, folder: Path) -> None:
    """Take a lock again whose file may be another by now; raises as `taken_lock`."""
    with suppress(OSError):  # the file may be gone
        lock.release(force=True)
    _take(lock, folder)


def _take(lock: FileLock, folder: Path) -> None:
    with told(folder):
        try:
            lock.acquire()
        except Timeout as error:
            raise ReadOnlyProjectError(
                f"{folder.name} is open in another window or program. Close it there."
            ) from error
        except NotImplementedError as error:
            raise ReadOnlyProjectError(NO_LOCKS.format(folder)) from error
        except OSError as error:
            if error.errno in LOCKLESS:
                raise ReadOnlyProjectError(NO_LOCKS.format(folder)) from error
            if error.errno not in FORBIDDEN:
                raise
            raise ReadOnlyProjectError(
                f"{folder} cannot be written: {error}. Copy it to a place of yours."
            ) from error
