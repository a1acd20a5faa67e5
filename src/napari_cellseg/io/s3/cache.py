"""Copies of objects on this computer, so that an image is fetched once.

Each object has a folder of its own, named by bucket and key; in it lies one folder, named
by the ETag, with the copy. What was not used for the longest time goes when the cache is
full.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path

from napari_cellseg.core.errors import ImageReadError, LimitError, SaveError
from napari_cellseg.core.jobs import Job, Progress, run
from napari_cellseg.io.atomic import replacing
from napari_cellseg.io.limits import GIB, human_bytes
from napari_cellseg.io.room import make_room
from napari_cellseg.io.s3.address import S3Address, file_name_of
from napari_cellseg.io.s3.objects import S3Object, read_span

#: Where the cache lies and how large it may grow, if not as usual.
FOLDER_VARIABLE, SIZE_VARIABLE = "CELLSEG_S3_CACHE", "CELLSEG_S3_CACHE_GIB"
USUAL_GIB = 10.0
#: Bytes of one request; a broken line costs no more than that again.
PART_BYTES = 16 * 2**20


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


def local_copy(item: S3Object) -> Path:
    """Return a copy of an object, fetched at once; see `copying`."""
    return run(copying(item))


def copying(item: S3Object) -> Job[Path]:
    """Return a copy of an object, fetched if it is not here or was replaced in S3.

    Parameters
    ----------
    item : S3Object
        As it is in S3 now.

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
        # Older copies of this object are of no use any more.
        shutil.rmtree(folder, ignore_errors=True)
        make_room(cache_folder(), item.n_bytes, limit)
        yield from _fetched(item, path)
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


def _fetched(item: S3Object, path: Path) -> Job[None]:
    """Fetch an object in parts; nothing stands at `path` before it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if item.n_bytes == 0:
        path.write_bytes(b"")
        return
    with replacing(path) as new, new.open("wb") as file:
        for start in range(0, item.n_bytes, PART_BYTES):
            stop = min(start + PART_BYTES, item.n_bytes)
            yield Progress(start, item.n_bytes, f"fetching {item.address.name}")
            file.write(read_span(item, start, stop))
