"""An array that reads what is asked of it, in the project's order of axes."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.io.foreign import translated
from napari_cellseg.io.reading.axes import KNOWN, canonical_axes


class Sliceable(Protocol):
    """A zarr array, or anything with its indexing by slices."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of each axis."""
        ...

    def __getitem__(self, key: tuple[slice, ...]) -> Any:
        """Return an array."""
        ...


class LazyArray:
    """A view of `source` in the order ``(T, C, Z, Y, X)`` that reads on indexing.

    Parameters
    ----------
    source : Sliceable
        Indexed by one slice an axis, start and stop only.
    axes : str
        One letter an axis of `source`, resolved; either C or S may be longer than 1.
    shape : tuple of int
        What of `source` is used, such as three of four samples; axes as in `source`.
    dtype : dtype
        Native; what is read is cast to it.
    name : str
        File name for errors.

    Raises
    ------
    ImageReadError
        On indexing, if the file cannot be read any more.
    """

    def __init__(
        self,
        source: Sliceable,
        axes: str,
        shape: tuple[int, ...],
        dtype: np.dtype,
        name: str,
    ) -> None:
        self._source = source
        self._name = name
        self.axes, self.shape = canonical_axes(axes, shape)
        self._place = _places(axes, shape, self.axes)
        self._n_source_axes = len(shape)
        self.dtype = np.dtype(dtype).newbyteorder("=")

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod([int(n) for n in self.shape], dtype=object))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001 -- numpy asks so
        """Read everything."""
        return np.asarray(self[...], dtype=dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        spans, picks = self._spans(key)
        with translated(self._name):
            data = np.asarray(self._source[self._source_key(spans)])
        letters = sorted(self._place, key=self._place.__getitem__)
        data = data.reshape([data.shape[self._place[letter]] for letter in letters])
        kept = [letter for letter in self.axes if letter in self._place]
        data = data.transpose([letters.index(letter) for letter in kept])
        if "C" not in kept:
            data = np.expand_dims(data, self.axes.index("C"))
            data = data[tuple(spans[x] if x == "C" else slice(None) for x in self.axes)]
        return np.asarray(data.astype(self.dtype, copy=False)[picks])

    def _source_key(self, spans: dict[str, slice]) -> tuple[slice, ...]:
        """Return one slice for each axis of the source."""
        key = [slice(0, 1)] * self._n_source_axes
        for letter, index in self._place.items():
            key[index] = spans[letter]
        return tuple(key)

    def _spans(self, key: Any) -> tuple[dict[str, slice], tuple[Any, ...]]:
        """Return what to read of each axis, and how to index what was read."""
        keys = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in [item for item in keys if item is Ellipsis]:
            at = next(i for i, item in enumerate(keys) if item is Ellipsis)
            keys[at : at + 1] = [slice(None)] * (self.ndim - len(keys) + 1)
        keys += [slice(None)] * (self.ndim - len(keys))
        if len(keys) > self.ndim:
            raise IndexError(f"{len(keys)} indices for an array of {self.ndim} axes.")
        spans: dict[str, slice] = {}
        picks: list[Any] = []
        for letter, item, size in zip(self.axes, keys, self.shape, strict=True):
            spans[letter], pick = _span(item, size)
            picks.append(pick)
        return spans, tuple(picks)


def _places(axes: str, shape: tuple[int, ...], kept: str) -> dict[str, int]:
    """Return which axis of the source each kept letter is; of C and S, the longer."""
    places: dict[str, int] = {}
    for index, stored in enumerate(axes):
        letter = "C" if stored == "S" else stored
        if letter in kept and shape[index] >= shape[places.get(letter, index)]:
            places[letter] = index
    return places


def _span(item: Any, size: int) -> tuple[slice, Any]:
    """Return the span to read of one axis, and the index into what was read."""
    if isinstance(item, slice):
        indices = range(*item.indices(size))
        if not indices:
            return slice(0, 0), slice(None)
        first, last = min(indices[0], indices[-1]), max(indices[0], indices[-1])
        return slice(first, last + 1), slice(None, None, indices.step)
    if isinstance(item, int | np.integer):
        index = int(item) + (size if item < 0 else 0)
        if not 0 <= index < size:
            raise IndexError(f"Index {int(item)} is outside an axis of {size}.")
        return slice(index, index + 1), 0
    raise IndexError(
        f"Only whole numbers and slices can index an image on disk, not {item!r}."
    )


def lazy_fits(axes: str, shape: tuple[int, ...]) -> bool:
    """Say whether `LazyArray` can show these axes: not both channels and samples."""
    sizes = dict(zip(axes, shape, strict=True))
    return not (sizes.get("C", 1) > 1 and sizes.get("S", 1) > 1) and {
        x for x, n in sizes.items() if n > 1
    } <= set(KNOWN)
