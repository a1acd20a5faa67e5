"""An OME-Zarr in S3: each chunk is an object that travels when it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import BinaryIO

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype

from napari_cellseg.io.limits import GIB
from napari_cellseg.io.s3.address import S3Address
from napari_cellseg.io.s3.client import DeniedError, NotInS3Error
from napari_cellseg.io.s3.objects import S3Object, list_below, look_at, read_object

#: No chunk or shard is read whole beyond this.
MAX_CHUNK_BYTES = 2 * GIB
METADATA = ("zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata")


@dataclass(frozen=True, slots=True)
class ZarrFolder:
    """An OME-Zarr in S3; it can be pickled.

    Attributes
    ----------
    place : S3Address
        Its folder.
    """

    place: S3Address
    kind: str = "zarr"

    @property
    def address(self) -> str:
        """The address of the folder."""
        return str(self.place)

    def open(self) -> BinaryIO:
        """Raise: a folder is no file."""
        raise IsADirectoryError(21, "it is a folder", self.address)

    def store(self) -> Store:
        """Return the store that zarr reads from."""
        return S3Store(self.place)


class S3Store(Store):
    """A store that can only be read.

    Parameters
    ----------
    place : S3Address
        The folder that holds the zarr.
    """

    def __init__(self, place: S3Address) -> None:
        super().__init__(read_only=True)
        self._place = place

    def __eq__(self, other: object) -> bool:
        return isinstance(other, S3Store) and other._place == self._place

    def __hash__(self) -> int:
        return hash(self._place)

    def __reduce__(self) -> tuple[type, tuple[S3Address]]:
        return type(self), (self._place,)

    @property
    def supports_writes(self) -> bool:
        """False."""
        return False

    @property
    def supports_deletes(self) -> bool:
        """False."""
        return False

    @property
    def supports_listing(self) -> bool:
        """True."""
        return True

    async def get(
        self,
        key: str,
        prototype: BufferPrototype,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Return an object or a part of it, None if there is none."""
        data = await asyncio.to_thread(self._read, key, byte_range)
        return None if data is None else prototype.buffer.from_bytes(data)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Return several parts."""
        asked = [self.get(key, prototype, part) for key, part in key_ranges]
        return list(await asyncio.gather(*asked))

    async def exists(self, key: str) -> bool:
        """Say whether there is such an object."""
        return await asyncio.to_thread(self._find, key) is not None

    async def set(self, key: str, value: Buffer) -> None:
        """Raise: nothing is written here."""
        raise NotImplementedError(f"{self._place} is only read; {key} stays as it is")

    async def delete(self, key: str) -> None:
        """Raise: nothing is deleted here."""
        raise NotImplementedError(f"{self._place} is only read; {key} stays as it is")

    async def list(self) -> AsyncIterator[str]:
        """Yield every key."""
        async for key in self.list_prefix(""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield the keys that begin with `prefix`."""
        start = len(self._place.as_prefix)
        where = S3Address(self._place.bucket, self._place.as_prefix + prefix)
        for item in await asyncio.to_thread(_listed, where):
            yield item.address.key[start:]

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield the names right below `prefix`."""
        start = f"{prefix.rstrip('/')}/" if prefix else ""
        seen = set()
        async for key in self.list_prefix(start):
            name = key[len(start) :].split("/", 1)[0]
            if name not in seen:
                seen.add(name)
                yield name

    def _find(self, key: str) -> S3Object | None:
        try:
            return look_at(self._place.below(key))
        except NotInS3Error:
            return None
        except DeniedError:
            if _is_metadata(key):
                return None
            raise

    def _read(self, key: str, part: ByteRequest | None) -> bytes | None:
        try:
            return read_object(self._place.below(key), _span(part), MAX_CHUNK_BYTES)
        except DeniedError:
            # Who may not list gets 403 for what is not there; zarr tries several names.
            if _is_metadata(key):
                return None
            raise


def _is_metadata(key: str) -> bool:
    """Say whether a key is that of a description, not of a chunk."""
    return key.rsplit("/", 1)[-1] in METADATA


def _listed(where: S3Address) -> list[S3Object]:
    return list(list_below(where, deep=True))


def _span(part: ByteRequest | None) -> str:
    """Return what is asked for as the header Range says it."""
    if isinstance(part, RangeByteRequest):
        return f"bytes={part.start}-{part.end - 1}"
    if isinstance(part, OffsetByteRequest):
        return f"bytes={part.offset}-"
    if isinstance(part, SuffixByteRequest):
        return f"bytes=-{part.suffix}"
    return ""
