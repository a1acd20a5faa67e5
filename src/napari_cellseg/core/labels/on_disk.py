"""Labels that are too large for memory, read and written by boxes as if they were an array.

Tools look at the boxes of their cells and at nothing else, so they need no array: they
need something that gives them a box. What is changed stays in memory until it is written.
"""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Protocol, TypeGuard, cast

import numpy as np

from napari_cellseg.core.errors import EditError
from napari_cellseg.core.labels.boxes import Box
from napari_cellseg.core.types import LABELS_DTYPE, Labels

#: Labels of more pixels stay on disk and are edited in a window. napari 0.9.2 on a loaded
#: machine of 2 cores without a graphics card, the repaint of 0.2 s taken off: with outlines
#: shown an undo takes 0.5 s at 1024² and 1.4 s at 2048²; filled, 0.2 s at 1024² to 4096²
#: and 1.1 s at 8192², where new labels take 1.4 s. Our own tools repaint their part only
#: and were fine at 8192² (`benchmarks/tools.py`); beyond it napari's are not, and labels
#: that are held twice take over 0.5 GB.
LARGE_PX = 2**26
#: Chunks of the file that are kept in memory, 1 MB each.
MAX_KEPT_CHUNKS = 256
#: A box of more pixels is not read: 64 million are 256 MB, and an edit holds it twice.
MAX_BOX_PX = 2**26

Place = tuple[int, ...]


class Chunked(Protocol):
    """A chunked array on disk, such as zarr's."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of each axis."""
        ...

    @property
    def chunks(self) -> tuple[int, ...]:
        """Size of a chunk along each axis."""
        ...

    def __getitem__(self, key: Box) -> Any:
        """Return what lies in a box."""
        ...


def is_large(shape: tuple[int, ...]) -> bool:
    """Say whether labels of a shape are left on disk."""
    return math.prod(shape) > LARGE_PX


class LabelsOnDisk:
    """Labels of which a box at a time is in memory.

    Whatever would need all of them at once (``np.asarray``, ``copy``) raises `EditError`.

    Parameters
    ----------
    source : Chunked
        int32; never written here. Who writes the changed chunks calls `written`.

    Attributes
    ----------
    dtype : dtype
        int32.
    """

    dtype = np.dtype(LABELS_DTYPE)

    def __init__(self, source: Chunked) -> None:
        self._source = source
        self.shape = tuple(int(n) for n in source.shape)
        self.chunks = tuple(int(n) for n in source.chunks)
        self._kept: OrderedDict[Place, Labels] = OrderedDict()
        self._changed: set[Place] = set()

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Number of bytes that are in memory."""
        return sum(chunk.nbytes for chunk in self._kept.values())

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:  # noqa: FBT001 -- numpy asks so
        """Refuse: they would not fit into memory."""
        raise EditError(self._too_large(self.size))

    def copy(self) -> Labels:
        """Refuse: they would not fit into memory."""
        raise EditError(self._too_large(self.size))

    def _too_large(self, n_pixels: int) -> str:
        sizes = " × ".join(f"{n:,}" for n in self.shape)
        return (
            f"This would take {n_pixels:,} pixels of the labels ({sizes}) into memory at "
            f"once; {MAX_BOX_PX:,} are the limit. Do it for a part of the image."
        )

    def __getitem__(self, key: Any) -> Any:
        """Return a copy of a box, or the number at a pixel; keys are numbers and slices."""
        box, dropped = self._box_of(key)
        n_pixels = math.prod(part.stop - part.start for part in box)
        if n_pixels > MAX_BOX_PX:
            raise EditError(self._too_large(n_pixels))
        found = np.zeros([part.stop - part.start for part in box], LABELS_DTYPE)
        for place, inner, outer in self._parts(box):
            found[outer] = self._chunk(place)[inner]
        crop = found.reshape(
            [n for axis, n in enumerate(found.shape) if axis not in dropped]
        )
        return crop if crop.ndim else int(crop)

    def __setitem__(self, key: Any, values: Labels) -> None:
        """Write a box; it stays in memory until `written` says that it is on disk."""
        box, _ = self._box_of(key)
        for place, inner, outer in self._parts(box):
            self._chunk(place)[inner] = values[outer]
            self._changed.add(place)

    def written(self, places: set[Place]) -> None:
        """Note that chunks are on the disk as they are here."""
        self._changed -= places
        self._let_go()

    @property
    def n_kept(self) -> int:
        """Number of chunks that are in memory."""
        return len(self._kept)

    def _box_of(self, key: Any) -> tuple[Box, set[int]]:
        """Return a key as a box, and the axes that were indexed by a number."""
        keys = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            keys[at : at + 1] = [slice(None)] * (self.ndim - len(keys) + 1)
        keys += [slice(None)] * (self.ndim - len(keys))
        box, dropped = [], set()
        for axis, (item, size) in enumerate(zip(keys, self.shape, strict=True)):
            if isinstance(item, slice):
                start, stop, step = item.indices(size)
                if step != 1:
                    raise IndexError(
                        f"Labels on disk are read without gaps, not {item}."
                    )
                box.append(slice(start, max(start, stop)))
                continue
            index = int(item) + (size if item < 0 else 0)
            if not 0 <= index < size:
                raise IndexError(f"Pixel {int(item)} is outside an axis of {size}.")
            box.append(slice(index, index + 1))
            dropped.add(axis)
        return tuple(box), dropped

    def _parts(self, box: Box) -> Iterator[tuple[Place, Box, Box]]:
        """Yield each chunk that a box touches: its place, the part in it and in the box."""
        ranges = [
            range(part.start // size, -(-part.stop // size))
            for part, size in zip(box, self.chunks, strict=True)
        ]
        for place in itertools.product(*ranges):
            inner, outer = [], []
            for at, part, size in zip(place, box, self.chunks, strict=True):
                low, high = max(part.start, at * size), min(part.stop, (at + 1) * size)
                inner.append(slice(low - at * size, high - at * size))
                outer.append(slice(low - part.start, high - part.start))
            yield place, tuple(inner), tuple(outer)

    def _chunk(self, place: Place) -> Labels:
        """Return a chunk, read where it is not in memory."""
        chunk = self._kept.get(place)
        if chunk is None:
            chunk = np.array(self._source[self.box_at(place)], LABELS_DTYPE)
            self._kept[place] = chunk
            self._let_go(but=place)
        self._kept.move_to_end(place)
        return chunk

    def box_at(self, place: Place) -> Box:
        """Return the box of a chunk."""
        spans = zip(place, self.chunks, self.shape, strict=True)
        return tuple(
            slice(at * size, min((at + 1) * size, whole)) for at, size, whole in spans
        )

    def _let_go(self, but: Place | None = None) -> None:
        """Forget the chunks that were used longest ago, never one that is not written."""
        excess = len(self._kept) - MAX_KEPT_CHUNKS
        if excess > 0:
            free = [p for p in self._kept if p not in self._changed and p != but]
            for place in free[:excess]:
                del self._kept[place]


def is_on_disk(labels: Any) -> TypeGuard[LabelsOnDisk]:
    """Say whether labels are read by boxes only."""
    return isinstance(labels, LabelsOnDisk)


def as_labels(labels: LabelsOnDisk) -> Labels:
    """Return the same object in the type of arrays.

    For who reads boxes, and writes by `core.editing.edits.apply_edit` only.
    """
    return cast(Labels, labels)
