"""Files appear whole or not at all.

What is written goes to a temporary name in the same folder, is synced to the disk and
then takes the place of the file in one step. Whatever happens in between, the old file
is still there.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_cellseg.core.errors import DiskFullError, SaveError
from napari_cellseg.core.jobs import Job, Progress

#: Windows refuses to replace a file that a virus scanner or a file indexer holds open;
#: they let go within a second or so. Waits between the tries, in seconds.
REPLACE_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8)
#: What Windows answers where another program, such as a spreadsheet, holds a file open. The
#: first also stands for a missing right, but whether it may be written was asked before.
HELD_OPEN = (5, 32, 33)
#: A temporary file that nobody has written to for so long is what a killed program
#: left; it is removed when its file is saved the next time.
LEFTOVER_SECONDS = 3600.0
#: Bytes of a file name that every common file system takes.
MAX_NAME_BYTES = 255
#: Where so little is free, a writer that gives no reason failed for the full disk.
FULL_DISK_BYTES = 2**20
#: File systems that cannot sync (some network shares) answer with one of these.
CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another disk",
    errno.EDQUOT: "your quota on this disk is used up; free some space",
    errno.EFBIG: "the file would be larger than this disk or account allows",
    errno.EACCES: "writing there is not allowed; choose another folder",
    errno.EPERM: "writing there is not allowed; choose another folder",
    errno.EROFS: "the disk can only be read; choose another folder",
    errno.ENOENT: "the folder does not exist; make it or choose another",
    errno.ENOTDIR: "a part of the path is no folder; choose another path",
    errno.EISDIR: "it is a folder; choose a file name",
    errno.ENODEV: "it is no ordinary file; choose another name",
    errno.ENODATA: "nothing was written to it",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.EBUSY: "another program holds it open; close it there and save again",
    errno.EIO: "the disk reported a fault; save to another disk",
    errno.ESTALE: "the network drive has gone away; connect it and save again",
}


@contextmanager
def replacing(path: str | Path, *, is_synced: bool = True) -> Iterator[Path]:
    """Give a temporary path; what is written to it replaces `path` at the block's end.

    Parameters
    ----------
    path : str or Path
        The file that is to be written; it need not exist, its folder must. A link is
        followed: the file that it points to is replaced. The rights of an existing file
        are kept; one that is write-protected is refused.
    is_synced : bool
        False where thousands of files are written that mean nothing before all of them
        are there: `sync_files` syncs them at the end, which takes less time.

    Yields
    ------
    Path
        An empty file in the same folder with the same suffixes, to be written over and
        closed by the caller.

    Raises
    ------
    SaveError
        If it cannot be written, or nothing was; the message names the path and the
        reason. `path` is then what it was before. `DiskFullError` if there is no room.

    Notes
    -----
    Any other exception of the block is passed on, after the temporary file is removed.
    A program that is killed in the block leaves the temporary file; see
    `LEFTOVER_SECONDS`.
    """
    target = _resolved(path)
    temporary: Path | None = None
    try:
        _check_target(target)
        temporary = _claim(target)
        yield temporary
        _check_written(temporary)
        if is_synced:
            sync_file(temporary)
        _keep_rights(target, temporary)
        move(temporary, target)
    except OSError as error:
        raise _save_error(target, temporary, error) from error
    finally:
        if temporary is not None:
            with suppress(OSError):  # the error in hand matters more
                temporary.unlink(missing_ok=True)
    if is_synced:
        sync_folder(target.parent)


def make_folder(folder: Path) -> None:
    """Make a folder that files are to be written to, unless it is there.

    Raises
    ------
    SaveError
        If it cannot be made or written to; said now, not after the work.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = REASONS.get(error.errno or 0, error.strerror)
        if isinstance(error, FileExistsError):
            reason = "it is a file; choose another name"
        raise SaveError(f"The folder '{folder}' cannot be made: {reason}.") from error
    if not os.access(folder, os.W_OK):
        raise SaveError(
            f"The folder '{folder}' cannot be written to. Choose another one."
        )


def _resolved(path: str | Path) -> Path:
    """Return the file that a path leads to."""
    try:
        return Path(path).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a null byte
        raise SaveError(
            f"{str(path)!r} could not be written: no file can have this path "
            f"({error}); choose another name."
        ) from error


def _check_target(target: Path) -> None:
    """Say at once, not after the work, what the file cannot be replaced for."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise _os_error(errno.EISDIR, target)
    if not stat.S_ISREG(mode):  # a device or a pipe must not be replaced by a file
        raise _os_error(errno.ENODEV, target)
    if not os.access(target, os.W_OK):
        raise _os_error(errno.EACCES, target)


def _claim(target: Path) -> Path:
    """Make an empty file beside the target that no one else writes to."""
    usual = _temporary(target, "0")
    _remove_leftover(usual)
    try:
        _make(usual)
    except FileExistsError:  # someone is saving the same file right now
        other = _temporary(target, secrets.token_hex(4))
        _make(other)
        return other
    return usual


def _temporary(target: Path, mark: str) -> Path:
    """Return a hidden name with the target's suffix, by which writers pick formats."""
    prefix = f".{mark}.tmp."
    name = os.fsencode(target.name)[-(MAX_NAME_BYTES - len(prefix)) :]
    return target.with_name(prefix + name.decode("utf-8", "ignore"))


def _remove_leftover(temporary: Path) -> None:
    """Remove what a killed program left under this name."""
    with suppress(FileNotFoundError):
        if time.time() - temporary.stat().st_mtime > LEFTOVER_SECONDS:
            temporary.unlink()


def _make(temporary: Path) -> None:
    """Make an empty file; raises `FileExistsError` if the name is taken."""
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))


def _check_written(temporary: Path) -> None:
    """Refuse an empty file, which means that the writer failed."""
    if temporary.stat().st_size == 0:
        raise _os_error(errno.ENODATA, temporary)


def sync_file(path: Path) -> None:
    """Wait until what is in a file is on the disk, where files can be synced."""
    handle = os.open(path, os.O_RDWR)
    try:
        _sync(handle)
    finally:
        os.close(handle)


def sync_files(folder: Path) -> Job[None]:
    """Wait until the files right in a folder are on the disk, with their names.

    Raises
    ------
    SaveError
        If one could not be written after all, as on a network drive that has filled.
    """
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    for place, path in enumerate(paths):
        yield Progress(place, len(paths), "waiting for the disk")
        try:
            sync_file(path)
        except OSError as error:
            raise _save_error(path, None, error) from error
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where folders can be synced.

    Nothing is raised: what was written is in its place already and whole, so after a
    power cut there is the old file or the new one.
    """
    if os.name == "nt":
        return
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _sync(handle: int) -> None:
    """Sync an open file, where the file system can."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in CANNOT_SYNC:
            raise


def _keep_rights(target: Path, temporary: Path) -> None:
    """Give the new file the rights of the one that it replaces."""
    with suppress(FileNotFoundError, PermissionError):
        temporary.chmod(stat.S_IMODE(target.stat().st_mode))


def move(source: Path, target: Path) -> None:
    """Put a file, or a folder where there is none, in its place.

    It is tried again for a while if another program holds it.

    Raises
    ------
    OSError
        If it cannot be moved.
    """
    for wait in REPLACE_WAITS:
        try:
            source.replace(target)
        except PermissionError:
            time.sleep(wait)
        else:
            return
    source.replace(target)


def _os_error(number: int, path: Path) -> OSError:
    """Return the error of the operating system with this number."""
    return OSError(number, os.strerror(number), str(path))


def _save_error(target: Path, temporary: Path | None, error: OSError) -> SaveError:
    """Return the error with the sentence for the person."""
    ours = (target, target.parent, temporary, _temporary(target, "0"))
    number = error.errno
    if getattr(error, "winerror", None) in HELD_OPEN:
        number = errno.EBUSY
    if number is None and is_full(target.parent):
        number = errno.ENOSPC
    if error.filename is not None and error.filename not in map(str, ours):
        reason = str(error)  # the block failed at a file of its own
    elif number in REASONS:
        reason = REASONS[number]
    else:
        reason = error.strerror or str(error) or type(error).__name__
    kind = DiskFullError if number in NO_ROOM else SaveError
    return kind(
        f"'{target}' could not be written: {reason}. What was there is untouched."
    )


def is_full(folder: Path) -> bool:
    """Return True if hardly anything is free on the disk of a folder."""
    try:
        return shutil.disk_usage(folder).free < FULL_DISK_BYTES
    except OSError:
        return False
