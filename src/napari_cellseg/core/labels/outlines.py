"""Drawn lines and outlines as pixels."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.draw import line as draw_line

from napari_cellseg.core.compiled import compiled
from napari_cellseg.core.counted import counted
from napari_cellseg.core.errors import EditError

# A line is drawn to this far outside the image; the rest would cost time for nothing.
MARGIN_PX = 2.0
# What lies so near to a corner or an edge lies on it.
TOUCH_PX = 1e-9
# No image is as large; numbers beyond it would overflow.
FARTHEST_PX = 1e9
NO_PIXEL = (
    "The outline holds no pixel of the image. Draw it larger and inside the image."
)


def outline_mask(
    outline_yx: NDArray[Any], shape_yx: tuple[int, ...]
) -> tuple[NDArray[np.bool_], tuple[slice, slice]]:
    """Return the pixels whose centres lie in or on a polygon, as a mask on a box.

    The same pixels as `skimage.draw.polygon`, whose cost is pixels times corners.

    Parameters
    ----------
    outline_yx : (n, 2) float array
        Corners in pixels, closed or open, three at least.
    shape_yx : tuple of int
        Size of the plane; what lies outside is left out.

    Returns
    -------
    mask : bool array
        Of the shape of the box.
    box : (slice, slice)
        Rows and columns; it may be a little larger than the polygon.

    Raises
    ------
    EditError
        If it is no outline, or there is no pixel in it.
    """
    corners = _points(outline_yx, 3)
    low = np.clip(np.floor(corners.min(axis=0)), 0, shape_yx).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + 1, low, shape_yx).astype(int)
    mask = np.zeros(tuple(high - low), bool)
    _fill(mask, corners - low)
    if not mask.any():
        raise EditError(NO_PIXEL)
    box = tuple(
        slice(int(start), int(stop)) for start, stop in zip(low, high, strict=True)
    )
    return mask, (box[0], box[1])


@compiled
def _fill(mask, corners):  # type: ignore[no-untyped-def]
    """Set what lies in or on a polygon: row by row, between pairs of crossings."""
    n_rows, n_columns = mask.shape
    n = len(corners)
    crossings = np.empty(n, np.float64)
    for row in range(n_rows):
        n_crossings = 0
        for corner in range(n):
            y0, x0 = corners[corner]
            y1, x1 = corners[(corner + 1) % n]
            low, high = min(y0, y1), max(y0, y1)
            if row < low - TOUCH_PX or row > high + TOUCH_PX:
                continue
            if high - low <= TOUCH_PX:
                first, last = min(x0, x1), max(x0, x1)
            else:
                share = min(max((row - y0) / (y1 - y0), 0.0), 1.0)
                first = last = x0 + share * (x1 - x0)
            for column in range(
                max(math.ceil(first - TOUCH_PX), 0),
                min(math.floor(last + TOUCH_PX), n_columns - 1) + 1,
            ):
                mask[row, column] = True
            if (y0 > row) != (y1 > row):
                crossings[n_crossings] = first
                n_crossings += 1
        ordered = np.sort(crossings[:n_crossings])
        for pair in range(0, n_crossings - 1, 2):
            for column in range(
                max(math.ceil(ordered[pair]), 0),
                min(math.floor(ordered[pair + 1]), n_columns - 1) + 1,
            ):
                mask[row, column] = True


def line_pixels(
    line_yx: NDArray[Any], shape_yx: tuple[int, ...]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows and columns of the pixels of a drawn line, without gaps.

    Neighbouring pixels touch at a side or a corner. What lies outside the image is left
    out; the answer may be empty.

    Parameters
    ----------
    line_yx : (n, 2) float array
        Points in pixels, two at least.
    shape_yx : tuple of int
        Size of the plane.

    Raises
    ------
    EditError
        If it is no line.
    """
    points = _points(line_yx, 2)
    parts = [np.empty((2, 0), np.intp)]
    for segment in itertools.pairwise(points):
        if (near := _near_image(*segment, shape_yx)) is not None:
            (y0, x0), (y1, x1) = np.rint(near).astype(np.intp)
            parts.append(np.stack(draw_line(y0, x0, y1, x1)))  # type: ignore[no-untyped-call]
    rows, columns = np.concatenate(parts, axis=1)
    inside = (
        (rows >= 0) & (rows < shape_yx[0]) & (columns >= 0) & (columns < shape_yx[1])
    )
    return rows[inside], columns[inside]


def _near_image(
    start: NDArray[np.float64], end: NDArray[np.float64], shape_yx: tuple[int, ...]
) -> NDArray[np.float64] | None:
    """Return the part of a segment in and just around the image, (2, 2), or None.

    Liang and Barsky 1984, doi:10.1145/357332.357333.
    """
    way = end - start
    moving = way != 0
    lows = -MARGIN_PX - start
    highs = np.array(shape_yx) - 1 + MARGIN_PX - start
    if ((lows > 0) | (highs < 0))[~moving].any():
        return None
    with np.errstate(over="ignore"):  # along an axis that it hardly moves on
        crossings = np.stack([lows[moving], highs[moving]]) / way[moving]
    first = crossings.min(axis=0).max(initial=0.0)
    last = crossings.max(axis=0).min(initial=1.0)
    if first > last:
        return None
    ends = np.array([[first], [last]])
    near: NDArray[np.float64] = start + ends * way
    return near


def lengthened(line_yx: NDArray[Any], by_px: float) -> NDArray[np.float64]:
    """Return a line with both ends drawn out straight by some pixels.

    Parameters
    ----------
    line_yx : (n, 2) float array
        Points in pixels; repeated ones do not matter.
    by_px : float
        How far, in pixels.
    """
    points = np.asarray(line_yx, np.float64)
    start = points[0] - by_px * _direction(points[0], points)
    end = points[-1] - by_px * _direction(points[-1], points[::-1])
    return np.concatenate([start[None], points, end[None]])


def _direction(point: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
    """Return the unit vector to the first point at least a pixel away, or zeros."""
    offsets = others - point
    lengths = np.hypot(offsets[:, 0], offsets[:, 1])
    far = np.flatnonzero(lengths >= 1)
    if far.size == 0:
        return np.zeros(2)
    first: NDArray[np.float64] = offsets[far[0]] / lengths[far[0]]
    return first


def _points(points_yx: NDArray[Any], n_least: int) -> NDArray[np.float64]:
    """Return drawn points as floats, or say why they are none."""
    points = np.asarray(points_yx, np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise EditError(
            f"Points (y, x) are needed; an array of shape {points.shape} was given."
        )
    if len(points) < n_least:
        raise EditError(
            f"A line of {counted(len(points), 'point')} was drawn; at "
            f"least {n_least} are needed. Keep the mouse button down while you draw."
        )
    if not np.isfinite(points).all():
        raise EditError("A drawn point is not a number. Draw again.")
    near: NDArray[np.float64] = np.clip(points, -FARTHEST_PX, FARTHEST_PX)
    return near
