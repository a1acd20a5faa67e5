"""Pixels at another size, in windows that fit together to the last bit.

Bilinear, smoothed before shrinking, as ``torch.nn.functional.interpolate`` with
``antialias=True`` does it. Each value is one sum in one order whatever window it is
computed in, so that a plane that is shown a window at a time, here or on a server, gives
the same labels as in one piece.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.segmentation.zoom import Window

#: Nothing is shown to the network smaller than this.
MIN_SEEN_PX = 16

ReadWindow = Callable[[Window], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class _Axis:
    """What each place of one axis is summed from.

    Attributes
    ----------
    first : (n_places,) intp
        First place in the source.
    weights : (n_places, n_taps) float32
        Of the places from there on; 0 beyond the last one that counts.
    n_source : int
        Length of the source.
    """

    first: NDArray[np.intp]
    weights: NDArray[np.float32]
    n_source: int

    def part(self, span: slice) -> tuple[slice, _Axis]:
        """Return what is read of the source for a part of the places, and its sums."""
        first, weights = self.first[span], self.weights[span]
        start = int(first.min())
        stop = min(int(first.max()) + weights.shape[1], self.n_source)
        return slice(start, stop), _Axis(first - start, weights, stop - start)


def seen_size(shape_yx: tuple[int, int], zoom: float) -> tuple[int, int]:
    """Return the size at which a plane is seen at a zoom, at least `MIN_SEEN_PX`."""
    height, width = (max(MIN_SEEN_PX, round(edge * zoom)) for edge in shape_yx)
    return height, width


def source_window(shape_yx: tuple[int, int], zoom: float, window: Window) -> Window:
    """Return what is read of a plane to see a window of it at a zoom.

    Parameters
    ----------
    shape_yx : (y, x)
        Size of the plane.
    zoom : float
        Pixels seen a pixel of the plane.
    window : (rows, columns)
        In the pixels that are seen.
    """
    seen_yx = seen_size(shape_yx, zoom)
    if seen_yx == shape_yx:
        return window
    rows, columns = (
        _axis(source, to).part(span)[0]
        for source, to, span in zip(shape_yx, seen_yx, window, strict=True)
    )
    return rows, columns


def resized_reader(
    read: ReadWindow, shape_yx: tuple[int, int], zoom: float
) -> tuple[ReadWindow, tuple[int, int]]:
    """Return a function that reads windows of a plane at a zoom, and the size there.

    Parameters
    ----------
    read : callable
        Gets (rows, columns) of the plane and returns (c, y, x) float32; both spans have
        a start and a stop.
    shape_yx : (y, x)
        Size of the plane.
    zoom : float
        Pixels seen a pixel of the plane.
    """
    seen_yx = seen_size(shape_yx, zoom)
    if seen_yx == shape_yx:
        return read, seen_yx
    rows, columns = (
        _axis(source, to) for source, to in zip(shape_yx, seen_yx, strict=True)
    )

    def read_seen(window: Window) -> NDArray[np.float32]:
        read_rows, sums_y = rows.part(window[0])
        read_columns, sums_x = columns.part(window[1])
        pixels = read((read_rows, read_columns))
        # Grey planes are one channel shown three times; it is resized once.
        is_grey = pixels.strides[0] == 0
        source = pixels[:1] if is_grey else pixels
        result = _summed(_summed(source, sums_y, 1), sums_x, 2)
        return np.broadcast_to(result, (len(pixels), *result.shape[1:]))

    return read_seen, seen_yx


def resized(pixels: NDArray[np.float32], zoom: float) -> NDArray[np.float32]:
    """Return (c, y, x) pixels at another size, smoothed before shrinking."""

    def read(window: Window) -> NDArray[np.float32]:
        return pixels[(slice(None), *window)]

    shape_yx = int(pixels.shape[1]), int(pixels.shape[2])
    read_seen, seen_yx = resized_reader(read, shape_yx, zoom)
    return read_seen((slice(0, seen_yx[0]), slice(0, seen_yx[1])))


def _axis(n_source: int, n_places: int) -> _Axis:
    """Return the sums along one axis: a triangle around each place."""
    scale = n_source / n_places
    reach = max(scale, 1.0)
    middles = (np.arange(n_places) + 0.5) * scale
    first = np.maximum((middles - reach + 0.5).astype(np.intp), 0)
    stop = np.minimum((middles + reach + 0.5).astype(np.intp), n_source)
    places = first[:, None] + np.arange(int((stop - first).max()))
    weights = np.maximum(1 - np.abs(places + 0.5 - middles[:, None]) / reach, 0)
    weights[places >= stop[:, None]] = 0
    weights /= weights.sum(1, keepdims=True)
    return _Axis(first, weights.astype(np.float32), n_source)


def _summed(
    pixels: NDArray[np.float32], axis: _Axis, along: int
) -> NDArray[np.float32]:
    """Return (c, y, x) pixels summed along one of their axes."""
    shape = [1, 1, 1]
    shape[along] = len(axis.first)
    size = list(pixels.shape)
    size[along] = len(axis.first)
    total = np.zeros(size, dtype=np.float32)
    for tap in range(axis.weights.shape[1]):
        places = np.minimum(axis.first + tap, axis.n_source - 1)
        part = np.take(pixels, places, axis=along)
        part *= axis.weights[:, tap].reshape(shape)
        total += part
    return total
