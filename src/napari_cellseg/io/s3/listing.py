"""Which images in S3 a command line means."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.io.s3.address import S3Address, parse_s3_address
from napari_cellseg.io.s3.client import NotInS3Error
from napari_cellseg.io.s3.objects import list_below, look_at
from napari_cellseg.io.sniff import IMAGE_SUFFIXES

MAGIC = "*?"


def list_s3_images(text: str) -> list[S3Address]:
    """Return the images that an address means, sorted.

    Parameters
    ----------
    text : str
        An object; a prefix, whose images are meant, without those in folders below it; or
        a pattern with ``*`` and ``?``, which do not reach over ``/``. An object whose key
        holds these signs is taken as itself.

    Raises
    ------
    ImageReadError
        If the address is none, nothing is found, or S3 cannot be asked.
    """
    address = parse_s3_address(text)
    if address.key and not address.key.endswith("/"):
        try:
            return [look_at(address).address]
        except NotInS3Error:
            pass
    if any(sign in address.key for sign in MAGIC):
        return _matching(address)
    if address.name.lower().endswith(".zarr"):
        return [S3Address(address.bucket, address.key.rstrip("/"))]
    return sorted(_images_in(address))


def _images_in(address: S3Address) -> Iterator[S3Address]:
    """Yield the images right below a prefix."""
    prefix = S3Address(address.bucket, address.as_prefix)
    found = False
    for item in list_below(prefix, deep=False):
        found = True
        if item.address.name.lower().endswith(IMAGE_SUFFIXES):
            yield item.address
    if not found:
        raise ImageReadError(
            f"There is nothing at '{address}'. Check the spelling, capital letters too."
        )


def _matching(pattern: S3Address) -> list[S3Address]:
    """Return the images whose keys fit a pattern."""
    first = min(pattern.key.find(sign) % (len(pattern.key) + 1) for sign in MAGIC)
    literal = pattern.key[:first].rpartition("/")[0]
    start = S3Address(pattern.bucket, f"{literal}/" if literal else "")
    wanted = pattern.key.replace("[", "[[]").split("/")
    found = {_zarr_or_itself(item.address) for item in list_below(start, deep=True)}
    return sorted(
        address
        for address in found
        if address.name.lower().endswith(IMAGE_SUFFIXES)
        and _fits(address.key.split("/"), wanted)
    )


def _fits(parts: list[str], wanted: list[str]) -> bool:
    """Say whether each part of a key fits its part of a pattern."""
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _zarr_or_itself(address: S3Address) -> S3Address:
    """Return the OME-Zarr that an object is a part of, else the object."""
    head, mark, _ = address.key.partition(".zarr/")
    return S3Address(address.bucket, f"{head}.zarr") if mark else address
