"""By what an image is recognised: a file by its ends, an object in S3 by its ETag."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.io.reading.paths import ImagePlace, list_places
from napari_cellseg.io.s3.address import S3Address
from napari_cellseg.io.sniff import ZARR_FILES

#: Size in bytes, and a digest of the two ends of a file or the ETag of an object.
Identity: TypeAlias = tuple[int, str]

#: So many bytes of both ends of a file, with its size, tell it from others.
FINGERPRINT_BYTES = 65536
ETAG = "etag:"
BLOCK_BYTES = 2**20
#: Sizes of parts in MiB that programs upload large objects in; their ETag depends on it.
PART_MIB = (8, 16, 5, 15, 25, 32, 50, 64, 100, 128, 256, 512)


def identity_of(place: ImagePlace) -> Identity:
    """Return by what an image is recognised; ``(0, "")`` for a folder without a sign.

    An object that this program has read is the one that was read: S3 is not asked again.

    Raises
    ------
    ImageReadError
        If an object in S3 cannot be looked at.
    OSError
        If a file cannot be read.
    """
    if isinstance(place, S3Address):
        return seen_identity(place) or _in_s3(place)
    return fingerprint(place)


def identities(places: Iterable[ImagePlace]) -> Job[dict[ImagePlace, Identity]]:
    """Return the identity of each image; those in S3 are asked for, one after the other.

    Raises
    ------
    ImageReadError, OSError
        As `identity_of`.
    """
    listed = list(places)
    found: dict[ImagePlace, Identity] = {}
    for index, place in enumerate(listed):
        yield Progress(index, len(listed), f"looking at {place.name}")
        found[place] = identity_of(place)
    return found


def fingerprint(path: Path) -> Identity:
    """Return the size in bytes of a file and a digest of its two ends.

    A folder (OME-Zarr) is known by the file that describes it.
    """
    if path.is_dir():
        described = (path / name for name in ZARR_FILES)
        path = next((file for file in described if file.is_file()), path)
        if path.is_dir():
            return 0, ""
    n_bytes = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(FINGERPRINT_BYTES)
        if n_bytes > 2 * FINGERPRINT_BYTES:
            file.seek(-FINGERPRINT_BYTES, os.SEEK_END)
        return n_bytes, _digest(head, file.read(FINGERPRINT_BYTES))


def is_same(place: ImagePlace, identity: Identity) -> bool:
    """Say whether what lies at a place is the image of that identity.

    A file is compared with an ETag by its MD5, an object with a file by its two ends; an
    object that AWS encrypted with a key of its own has an ETag that says nothing of it.

    Raises
    ------
    ImageReadError, OSError
        If it cannot be read.
    """
    n_bytes, known = identity
    if isinstance(place, S3Address):
        found = _in_s3(place)
        if found == identity or found[0] != n_bytes or known.startswith(ETAG):
            return found == identity
        return _ends_in_s3(place, n_bytes) == known
    if not known.startswith(ETAG):
        return fingerprint(place) == identity
    path = next(
        (place / name for name in ZARR_FILES if (place / name).is_file()), place
    )
    if not path.is_file() or path.stat().st_size != n_bytes:
        return False
    etag = known.removeprefix(ETAG).strip('"')
    return any(found == etag for found in _etags_of(path, n_bytes, etag))


def seen_identity(address: S3Address) -> Identity | None:
    """Return the identity of an object as it was last read; None if it never was."""
    from napari_cellseg.io.s3.objects import seen

    known = next(
        (item for item in map(seen, _signs(address)) if item is not None), None
    )
    return None if known is None else (known.n_bytes, f"{ETAG}{known.etag}")


def _signs(address: S3Address) -> list[S3Address]:
    """Return the objects whose ETag stands for an image, the first that is there."""
    if address.name.lower().endswith(".zarr"):
        return [address.below(name) for name in ZARR_FILES]
    return [address]


def _in_s3(address: S3Address) -> Identity:
    """Return size and ETag of an object, or of the file that describes an OME-Zarr."""
    from napari_cellseg.io.s3.client import NotInS3Error
    from napari_cellseg.io.s3.objects import look_at

    *others, last = _signs(address)
    item = None
    for sign in others:
        with suppress(NotInS3Error):
            item = look_at(sign)
            break
    item = item or look_at(last)
    return item.n_bytes, f"{ETAG}{item.etag}"


def _ends_in_s3(address: S3Address, n_bytes: int) -> str:
    """Return the digest of the two ends of an object, as `fingerprint` makes it."""
    from napari_cellseg.io.s3.objects import look_at, read_span

    item = look_at(address)
    start = min(FINGERPRINT_BYTES, n_bytes)
    if n_bytes > 2 * FINGERPRINT_BYTES:
        start = n_bytes - FINGERPRINT_BYTES
    head = read_span(item, 0, min(FINGERPRINT_BYTES, n_bytes))
    return _digest(
        head, read_span(item, start, min(start + FINGERPRINT_BYTES, n_bytes))
    )


def _digest(head: bytes, tail: bytes) -> str:
    digest = hashlib.sha256(head)
    digest.update(tail)
    return digest.hexdigest()


def _etags_of(path: Path, n_bytes: int, like: str) -> Iterator[str]:
    """Yield the ETags that a file gets in S3, with as many parts as another has."""
    _, dash, number = like.partition("-")
    if not dash:
        yield _md5_of_parts(path, n_bytes)[0].hex()
        return
    for mib in PART_MIB:
        if str(-(-n_bytes // (mib * 2**20))) == number:
            parts = _md5_of_parts(path, mib * 2**20)
            yield f"{_md5(b''.join(parts)).hexdigest()}-{len(parts)}"


def _md5_of_parts(path: Path, part_bytes: int) -> list[bytes]:
    """Return the MD5 of each part of a file; that of nothing for an empty file."""
    parts: list[bytes] = []
    with path.open("rb") as file:
        while True:
            digest, left = _md5(), part_bytes
            while left and (block := file.read(min(left, BLOCK_BYTES))):
                digest.update(block)
                left -= len(block)
            if left == part_bytes and parts:
                return parts
            parts.append(digest.digest())
            if left:
                return parts


def _md5(data: bytes = b"") -> Any:
    """Return an MD5 that guards nothing: it is how S3 makes its ETags."""
    return hashlib.md5(data, usedforsecurity=False)


def s3_additions(text: str) -> Job[dict[ImagePlace, Identity]]:
    """Return the images that an address in S3 means, each with its identity.

    Parameters
    ----------
    text : str
        An object, a prefix or a pattern; see `io.reading.paths.list_places`.

    Raises
    ------
    ImageReadError
        If there is none, or S3 cannot be asked.
    """
    yield Progress(0, 0, f"looking at {text}")
    return (yield from identities(list_places([text])))
