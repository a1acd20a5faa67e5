"""Copies of objects on this computer, so that an image is fetched once.

Each object has a folder of its own, named by bucket and key; in it lies one folder, named
by the ETag, with the copy. What was not used for the longest time goes when the cache is
full.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path

from napari_cellseg.core.errors import ImageReadError, LimitError, SaveError
from napari_cellseg.io.atomic import replacing
from napari_cellseg.io.limits import GIB, human_bytes
from napari_cellseg.io.s3.address import S3Address, file_name_of
from napari_cellseg.io.s3.objects import S3Object, read_span

#: Where the cache lies and how large it may grow, if not as usual.
FOLDER_VARIABLE, SIZE_VARIABLE = "CELLSEG_S3_CACHE", "CELLSEG_S3_CACHE_GIB"
USUAL_GIB = 10.0
#: Bytes of one request; a broken line costs no more than that again.
PART_BYTES = 16 * 2**20
#: A copy that was used so recently may be open in a window, and stays.
IN_USE_SECONDS = 600.0

Report = Callable[[int, int], None]


def cache_folder() -> Path:
    """Return the folder of the cache."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else user_cache_path("napari-cellseg") / "s3"


def cache_bytes() -> int:
    """Return how large the cache may grow; raises `LimitError` if the variable is none."""
    text = os.environ.get(SIZE_VARIABLE, str(USUAL_GIB))
    try:
        return max(0, int(float(text) * GIB))
    except (ValueError, OverflowError) as error:
        raise LimitError(
            f"{SIZE_VARIABLE} is '{text}'; a number of GiB is expected, such as 10."
        ) from error


def local_copy(item: S3Object, report: Report | None = None) -> Path:
    """Return a copy of an object, fetched if it is not here or was replaced in S3.

    Parameters
    ----------
    item : S3Object
        As it is in S3 now.
    report : callable, optional
        Called with the bytes that are here, and all bytes.

    Raises
    ------
    LimitError
        If it is larger than the whole cache.
    ImageReadError
        If it does not arrive, or cannot be kept.
    """
    folder = _folder_of(item.address)
    path = folder / _digest(item.etag) / file_name_of(item.address)
    with suppress(OSError):
        if path.stat().st_size == item.n_bytes:
            os.utime(path)
            return path
    limit = cache_bytes()
    if item.n_bytes > limit:
        raise LimitError(
            f"'{item.address}' has {human_bytes(item.n_bytes)}; copies here may take "
            f"{human_bytes(limit)}. Set {SIZE_VARIABLE} to more, or write it as tiled TIFF or "
            "OME-Zarr, which are read in parts."
        )
    try:
        _make_room(item.n_bytes, limit, folder)
        _fetch(item, path, report)
    except (SaveError, OSError) as error:
        raise ImageReadError(
            f"'{item.address}' could not be kept here: {error} Set {FOLDER_VARIABLE} to "
            "another folder."
        ) from error
    return path


def kept_copy(address: S3Address) -> Path | None:
    """Return the last copy of an object that was fetched, or None; S3 is not asked."""
    found = sorted(
        (path.stat().st_mtime, path)
        for path in _folder_of(address).glob("*/*")
        if path.is_file() and path.name == file_name_of(address)
    )
    return found[-1][1] if found else None


def _folder_of(address: S3Address) -> Path:
    """Return the folder of all copies of an object."""
    return cache_folder() / _digest(f"{address.bucket}\0{address.key}")


def _digest(text: str) -> str:
    """Return a name that tells texts apart and holds no strange letter."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _fetch(item: S3Object, path: Path, report: Report | None) -> None:
    """Fetch an object in parts; nothing stands at `path` before it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if item.n_bytes == 0:
        path.write_bytes(b"")
        return
    with replacing(path) as new, new.open("wb") as file:
        for start in range(0, item.n_bytes, PART_BYTES):
            stop = min(start + PART_BYTES, item.n_bytes)
            file.write(read_span(item, start, stop))
            if report is not None:
                report(stop, item.n_bytes)


def _make_room(n_bytes: int, limit: int, folder: Path) -> None:
    """Remove older copies of this object, then those that were not used for longest."""
    shutil.rmtree(folder, ignore_errors=True)
    found = []
    for path in cache_folder().glob("*/*/*"):
        with suppress(OSError):
            state = path.stat()
            found.append((state.st_mtime, state.st_size, path))
    total = sum(size for _, size, _ in found) + n_bytes
    for used, size, path in sorted(found):
        if total <= limit or used > time.time() - IN_USE_SECONDS:
            break
        with suppress(OSError):  # Windows keeps what is open
            path.unlink()
            total -= size
            path.parent.rmdir()
            path.parent.parent.rmdir()
