"""Pixels of a large TIFF, read where they are asked for."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray
from tifffile import TiffFile

Opener = Callable[[], Path | BinaryIO]


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
        """Return the zarr array over the file."""
        with self._lock:
            if self._array is None:
                self._array = self._open()
            return self._array

    def _open(self) -> Any:
        """Open the file as a zarr array that closes with this object."""
        import zarr

        opener, flags, series, level = self._origin
        tiff = TiffFile(opener(), **flags)
        weakref.finalize(self, tiff.close)
        store = tiff.series[series].aszarr(level=level)
        return zarr.open_array(store, mode="r")
