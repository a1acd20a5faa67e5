"""Drawn lines and outlines as pixels."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.draw import line as draw_line
from skimage.draw import polygon as draw_polygon

from napari_cellseg.core.errors import EditError

# Points are pulled in to this far outside the image, so that a stray point costs
# nothing.
MARGIN_PX = 16


def outline_pixels(
    outline_yx: NDArray[Any], shape_yx: tuple[int, ...]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows and columns of the pixels whose centres lie in a polygon.

    Parameters
    ----------
    outline_yx : (n, 2) float array
        Corners in pixels, closed or open, three at least.
    shape_yx : tuple of int
        Size of the plane; what lies outside is left out.

    Raises
    ------
    EditError
        If it is no outline, or there is no pixel in it.
    """
    corners = _points(outline_yx, 3, shape_yx)
    rows, columns = draw_polygon(corners[:, 0], corners[:, 1], shape_yx)  # type: ignore[no-untyped-call]
    if rows.size == 0:
        raise EditError(
            "The outline holds no pixel of the image. Draw it larger and inside the "
            "image."
        )
    return rows, columns


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
    points = np.rint(_points(line_yx, 2, shape_yx)).astype(np.intp)
    pairs = itertools.pairwise(points)
    parts = [draw_line(*a, *b) for a, b in pairs]  # type: ignore[no-untyped-call]
    rows = np.concatenate([part[0] for part in parts])
    columns = np.concatenate([part[1] for part in parts])
    inside = (
        (rows >= 0) & (rows < shape_yx[0]) & (columns >= 0) & (columns < shape_yx[1])
    )
    return rows[inside], columns[inside]


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


def _points(
    points_yx: NDArray[Any], n_least: int, shape_yx: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return checked points, pulled in to the surroundings of the image."""
    points = np.asarray(points_yx, np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < n_least:
        raise EditError(
            f"{n_least} points (y, x) at least are needed; an array of shape "
            f"{points.shape} was given. Draw on the image."
        )
    if not np.isfinite(points).all():
        raise EditError("A drawn point is not a number. Draw again.")
    high = np.array(shape_yx, np.float64) + MARGIN_PX
    pulled: NDArray[np.float64] = np.clip(points, -MARGIN_PX, high)
    return pulled
