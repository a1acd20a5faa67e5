"""A large file in S3, of which only the parts that are asked for travel."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from napari_cellseg.io.s3.objects import S3Object, read_span

BLOCK_BYTES = 2**20
#: Blocks that are kept; tiles of one image lie close to each other.
N_BLOCKS = 64
#: Blocks of one request at most.
RUN_BLOCKS = 32


@dataclass(frozen=True, slots=True)
class RangedFile:
    """An object that is read in parts; it can be pickled.

    Attributes
    ----------
    item : S3Object
        As it was when it was first looked at; a part of another state is refused.
    kind : str
        What `io.sniff` takes it for.
    """

    item: S3Object
    kind: str

    @property
    def address(self) -> str:
        """The address of the object."""
        return str(self.item.address)

    def open(self) -> BinaryIO:
        """Return a new binary file."""
        return cast("BinaryIO", _Reader(self.item))

    def store(self) -> Any:
        """Raise: a file is no OME-Zarr."""
        raise NotADirectoryError(20, "it is a file", self.address)


class _Reader(io.RawIOBase):
    """A file object over an object in S3."""

    def __init__(self, item: S3Object) -> None:
        super().__init__()
        self.name = item.address.name
        self._item = item
        self._at = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place in bytes."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to another place."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._item.n_bytes}
        self._at = max(0, start[whence] + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as there are bytes."""
        view = memoryview(buffer).cast("B")
        with self._lock:
            stop = min(self._at + len(view), self._item.n_bytes)
            n_bytes = max(0, stop - self._at)
            done = 0
            while done < n_bytes:
                part = self._part(self._at + done, stop)
                view[done : done + len(part)] = part
                done += len(part)
            self._at += n_bytes
        return n_bytes

    def _part(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` to the end of its block, or to `stop`."""
        number = start // BLOCK_BYTES
        if number not in self._blocks:
            self._fetch(number, -(-stop // BLOCK_BYTES))
        self._blocks.move_to_end(number)
        base = number * BLOCK_BYTES
        return self._blocks[number][start - base : stop - base]

    def _fetch(self, first: int, last: int) -> None:
        """Fetch the missing blocks from `first` on in one request."""
        end = first + 1
        while end < min(last, first + RUN_BLOCKS) and end not in self._blocks:
            end += 1
        start, stop = first * BLOCK_BYTES, min(end * BLOCK_BYTES, self._item.n_bytes)
        data = read_span(self._item, start, stop)
        for number in range(first, end):
            base = (number - first) * BLOCK_BYTES
            self._blocks[number] = data[base : base + BLOCK_BYTES]
        while len(self._blocks) > N_BLOCKS:
            self._blocks.popitem(last=False)
