"""Pixels of a large TIFF, read where they are asked for."""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffPageSeries

Opener = Callable[[], Path | BinaryIO]
#: So much is read at a time of what lies in one piece.
BAND_BYTES = 64 * 2**20


class TiffPixels:
    """One level of one series; the file is opened at the first read and kept open.

    It can be pickled: the copy opens the file again. The file is closed with the object.

    Parameters
    ----------
    opener : callable
        Gives what `tifffile.TiffFile` opens: a path, or a file object.
    flags : dict
        Keyword arguments of `tifffile.TiffFile`.
    series, level : int
        Which array.
    """

    def __init__(
        self, opener: Opener, flags: dict[str, Any], series: int, level: int
    ) -> None:
        self._origin = (opener, flags, series, level)
        self._lock = threading.Lock()
        self._array: Any = None

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return type(self), self._origin

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of each axis, as stored."""
        return tuple(self._opened().shape)

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[Any]:
        data: NDArray[Any] = self._opened()[key]
        return data

    def _opened(self) -> Any:
        """Return the array over the file."""
        with self._lock:
            if self._array is None:
                self._array = self._open()
            return self._array

    def _open(self) -> Any:
        """Open the file as an array that closes with this object."""
        opener, flags, series, level = self._origin
        tiff = TiffFile(opener(), **flags)
        weakref.finalize(self, tiff.close)
        chosen = tiff.series[series].levels[level]
        if chosen.dataoffset is not None and chosen.transform is None:
            return PlainPixels(tiff, chosen)
        import zarr

        return zarr.open_array(tiff.series[series].aszarr(level=level), mode="r")


class PlainPixels:
    """A series whose values lie in the file one after another, as they are.

    ImageJ writes its images so, each in one piece: of such a piece tifffile and zarr read
    all for any part of it, which are 2.3 GiB for 100 x 100 of 30,000 x 40,000 pixels. Here
    the rows are read that are asked for.

    Parameters
    ----------
    tiff : TiffFile
        Stays open.
    series : TiffPageSeries
        With a `dataoffset`.
    """

    def __init__(self, tiff: TiffFile, series: TiffPageSeries) -> None:
        self.shape = tuple(int(size) for size in series.shape)
        self._file = tiff.filehandle
        self._dtype = np.dtype(tiff.byteorder + series.dtype.char)
        self._offset = int(series.dataoffset or 0)
        self._row_axis = series.axes.index("Y")
        self._lock = threading.Lock()

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[Any]:
        lead, rows = key[: self._row_axis], key[self._row_axis]
        inner = (slice(None), *key[self._row_axis + 1 :])
        sizes = tuple(span.stop - span.start for span in key)
        found = np.empty(sizes, self._dtype.newbyteorder("="))
        for place in np.ndindex(sizes[: self._row_axis]):
            plane = tuple(span.start + at for span, at in zip(lead, place, strict=True))
            for first in range(rows.start, rows.stop, self._band):
                last = min(first + self._band, rows.stop)
                here = slice(first - rows.start, last - rows.start)
                found[(*place, here)] = self._read_rows(plane, first, last)[inner]
        return found

    @property
    def _band(self) -> int:
        """How many rows are read at a time."""
        return max(1, BAND_BYTES // (self._row_size * self._dtype.itemsize))

    @property
    def _row_size(self) -> int:
        """Values in a row."""
        return math.prod(self.shape[self._row_axis + 1 :])

    def _read_rows(self, plane: tuple[int, ...], first: int, last: int) -> NDArray[Any]:
        """Read whole rows of a plane."""
        row = 0
        for at, size in zip(plane, self.shape, strict=False):
            row = row * size + at
        row = row * self.shape[self._row_axis] + first
        start = self._offset + row * self._row_size * self._dtype.itemsize
        n_values = (last - first) * self._row_size
        with self._lock:
            values = self._file.read_array(self._dtype, n_values, start)
        return values.reshape(last - first, *self.shape[self._row_axis + 1 :])
