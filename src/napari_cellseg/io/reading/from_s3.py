"""From an address in S3 to what the readers of files understand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.io.limits import ReadLimits
from napari_cellseg.io.reading.scene import Request
from napari_cellseg.io.s3.address import S3Address, file_name_of, parse_s3_address
from napari_cellseg.io.s3.cache import kept_copy, local_copy
from napari_cellseg.io.s3.client import DeniedError, NotInS3Error, UnreachableError
from napari_cellseg.io.s3.objects import list_below, look_at, read_span
from napari_cellseg.io.s3.ranged import RangedFile
from napari_cellseg.io.s3.zarr_store import ZarrFolder
from napari_cellseg.io.sniff import HEAD_BYTES, ZARR_FILES, kind_of_head

#: A file of at most this size is fetched whole: that takes seconds, and stays here.
WHOLE_BYTES = 64 * 2**20


def s3_request(text: str, limits: ReadLimits, level: int) -> Request:
    """Return how the image at an address is opened.

    A small file, or one whose format has to be read from end to end, is copied to the
    cache; a large TIFF and an OME-Zarr are read in parts. While S3 cannot be reached, a
    copy that is still here is opened, and the image says so in its notes.

    Raises
    ------
    ImageReadError
        If it is no address, not there, may not be read, or is no image.
    LimitError
        If it is too large to be copied here.
    """
    address = parse_s3_address(text)
    name = Path(file_name_of(address))
    try:
        item = look_at(address)
    except (NotInS3Error, DeniedError) as error:
        if folder := _zarr_at(address):
            return Request(name, limits, level, remote=folder, source=str(address))
        raise _not_there(address, error) from error
    except UnreachableError:
        kept = kept_copy(address)
        if kept is None:
            raise
        notes = (_kept_words(address, kept),)
        return Request(kept, limits, level, source=str(address), notes=notes)
    head = read_span(item, 0, min(HEAD_BYTES, item.n_bytes))
    kind = kind_of_head(Path(address.name), head)
    if kind == "tiff" and item.n_bytes > WHOLE_BYTES:
        remote = RangedFile(item, kind)
        return Request(name, limits, level, remote=remote, source=str(address))
    return Request(local_copy(item), limits, level, source=str(address))


def _kept_words(address: S3Address, kept: Path) -> str:
    """Return what a person must know of a copy that could not be compared with S3."""
    fetched = datetime.fromtimestamp(kept.stat().st_mtime, UTC)
    return (
        f"'{address}' cannot be reached; this is the copy on this computer, last used on "
        f"{fetched:%Y-%m-%d}."
    )


def _zarr_at(address: S3Address) -> ZarrFolder | None:
    """Return the OME-Zarr at an address, None if there is none."""
    for name in ZARR_FILES:
        try:
            look_at(address.below(name))
        except (NotInS3Error, DeniedError):  # who may not list gets 403 for nothing
            continue
        return ZarrFolder(S3Address(address.bucket, address.key.rstrip("/")))
    return None


def _not_there(address: S3Address, error: ImageReadError) -> ImageReadError:
    """Return the error for nothing, or for a folder with images in it."""
    if isinstance(error, DeniedError):
        return error
    below = S3Address(address.bucket, address.as_prefix)
    if next(list_below(below, deep=True), None) is None:
        return error
    return ImageReadError(
        f"'{address}' is a folder, and no OME-Zarr. Name an image in it, or segment all of "
        f"them with: cellseg segment '{below}' --out FOLDER."
    )
