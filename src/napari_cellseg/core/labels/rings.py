"""Cells as polygons and back: outlines that run along the sides of pixels.

A corner (y, x) is a corner of pixels: pixel (0, 0) covers 0..1 in both. A pixel belongs to
a polygon if its centre lies inside, so that the polygons made here give back the very
pixels that they were made of. ImageJ, QuPath and COCO count corners the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.compiled import compiled
from napari_cellseg.core.errors import LabelsError
from napari_cellseg.core.labels.boxes import cell_boxes
from napari_cellseg.core.labels.outlines import FARTHEST_PX

#: (n, 2) corners (y, x), not closed: the last is joined with the first.
Ring: TypeAlias = NDArray[np.float64]
#: The outline of a piece, and then its holes.
Polygon: TypeAlias = list[Ring]
#: An outline that crosses the rows of an image more often is no outline of a cell.
MAX_CROSSINGS = 2**26
# Steps (y, x) to the east, south, west and north.
_STEPS = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])


def polygons_of(mask: NDArray[np.bool_]) -> list[Polygon]:
    """Return a polygon for each piece of a mask; pixels that share a corner only are two.

    Parameters
    ----------
    mask : (y, x) bool
        May be empty: then there is no polygon.

    Returns
    -------
    list of polygons
        Outlines run clockwise on the screen, holes the other way.
    """
    # Not by np.pad, which takes longer than all the rest for a small cell.
    framed = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), np.bool_)
    framed[1:-1, 1:-1] = mask
    corners, ends = _trace(framed, _STEPS)
    rings = np.split(corners, ends[:-1]) if len(ends) else []
    outer = [ring for ring in rings if _doubled_area(ring) > 0]
    if len(outer) == 1:
        holes = [ring for ring in rings if ring is not outer[0]]
        return [_polygon([outer[0], *holes])]
    polygons = [[ring] for ring in outer]
    for ring in rings:
        if _doubled_area(ring) < 0:
            polygons[_piece_around(ring, outer)].append(ring)
    return [_polygon(each) for each in polygons]


def _polygon(rings: Sequence[NDArray[np.int64]]) -> Polygon:
    """Return a piece and its holes as rings that do not touch themselves."""
    loops = [loop for ring in rings for loop in _loops(ring)]
    outer = loops[0] if len(loops) == 1 else max(loops, key=_doubled_area)
    return [_as_ring(each) for each in (outer, *(x for x in loops if x is not outer))]


def _loops(ring: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return a ring cut where it touches itself, which strict readers refuse.

    What an outline closes around with its own corner becomes a hole.
    """
    corners = list(map(tuple, ring.tolist()))
    if len(set(corners)) == len(corners):
        return [ring]
    loops: list[list[tuple[int, ...]]] = []
    way: list[tuple[int, ...]] = []
    places: dict[tuple[int, ...], int] = {}
    for corner in corners:
        if corner in places:
            start = places[corner]
            loops.append(way[start:])
            for passed in way[start:]:
                del places[passed]
            del way[start:]
        places[corner] = len(way)
        way.append(corner)
    return [np.array(loop, np.int64) for loop in (*loops, way)]


def _as_ring(corners: NDArray[np.int64]) -> Ring:
    """Return corners in the frame as corners in the mask."""
    return corners.astype(np.float64) - 1


def _doubled_area(ring: NDArray[np.int64]) -> int:
    """Return twice the area, negative for a hole."""
    y, x = ring[:, 0], ring[:, 1]
    last = x[-1] * y[0] - x[0] * y[-1]
    return int(x[:-1] @ y[1:] - x[1:] @ y[:-1] + last)


def _piece_around(hole: NDArray[np.int64], outer: Sequence[NDArray[np.int64]]) -> int:
    """Return which outline is the smallest around a hole."""
    # The first step of a ring goes east, along the top of the pixel under the hole.
    y, x = float(hole[0, 0]) + 0.5, float(hole[0, 1]) + 0.5
    areas = [
        (_doubled_area(ring), place)
        for place, ring in enumerate(outer)
        if _is_inside(ring, y, x)
    ]
    return min(areas)[1]


def _is_inside(ring: NDArray[np.int64], y: float, x: float) -> bool:
    """Say whether a point that is no corner lies in a ring."""
    ahead = np.roll(ring, -1, axis=0)
    crossed = (ring[:, 1] == ahead[:, 1]) & (ring[:, 1] > x)
    low, high = np.minimum(ring[:, 0], ahead[:, 0]), np.maximum(ring[:, 0], ahead[:, 0])
    return bool((crossed & (low < y) & (y < high)).sum() % 2)


def outlines_on_plane(plane: NDArray[np.int32]) -> Iterator[tuple[int, list[Polygon]]]:
    """Yield the id and the polygons, in corners of the plane, of every cell on it.

    Parameters
    ----------
    plane : (y, x) int32
        0 is background.
    """
    ids = np.unique(plane)
    for cell, (box, _) in cell_boxes(plane, ids[ids > 0].tolist()).items():
        corner = np.array([box[0].start, box[1].start], np.float64)
        polygons = polygons_of(plane[box] == cell)
        yield cell, [[ring + corner for ring in rings] for rings in polygons]


def pixels_in_polygon(
    polygon: Sequence[NDArray[np.floating] | NDArray[np.integer]],
    shape_yx: tuple[int, int],
) -> NDArray[np.int64]:
    """Return the pixels whose centres lie in a polygon, holes taken out.

    Parameters
    ----------
    polygon : sequence of (n, 2) arrays
        Rings of corners (y, x); what an even number of rings surrounds is outside. A ring
        may be closed by its first corner or not.
    shape_yx : tuple of int
        Size of the plane; what lies outside is left out.

    Returns
    -------
    (n,) int64
        Rising places in the plane, row by row; may be empty.

    Raises
    ------
    LabelsError
        If a ring has fewer than three corners, or a corner is no number.
    """
    rings = [_checked(ring) for ring in polygon]
    if not rings:
        return np.zeros(0, np.int64)
    corners = np.concatenate(rings)
    height, width = shape_yx
    top = int(np.clip(np.floor(corners[:, 0].min()), 0, height))
    bottom = int(np.clip(np.ceil(corners[:, 0].max()), 0, height))
    left = int(np.clip(np.floor(corners[:, 1].min()), 0, width))
    right = int(np.clip(np.ceil(corners[:, 1].max()), 0, width))
    if top >= bottom or left >= right:
        return np.zeros(0, np.int64)
    turns = np.zeros((bottom - top, right - left + 1), np.int32)
    for ring in rings:
        _count_crossings(ring - (top, left), turns)
    rows, columns = np.nonzero(np.cumsum(turns, axis=1)[:, :-1] % 2)
    return (rows + top).astype(np.int64) * width + columns + left


def _checked(ring: NDArray[np.floating] | NDArray[np.integer]) -> Ring:
    """Return a ring as floats, or raise."""
    corners = np.asarray(ring, np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
        raise LabelsError(
            f"A polygon has an outline of shape {corners.shape}; three corners (y, x) at "
            "least are needed. Export it again."
        )
    if not np.isfinite(corners).all():
        raise LabelsError(
            "A polygon has a corner that is no number. Export the outlines again."
        )
    near: Ring = np.clip(corners, -FARTHEST_PX, FARTHEST_PX)
    return near


def _count_crossings(ring: Ring, turns: NDArray[np.int32]) -> None:
    """Add, for each row, where the sides of a ring cross the middle of the row."""
    height, last = turns.shape[0], turns.shape[1] - 1
    start, end = ring, np.roll(ring, -1, axis=0)
    low, high = np.minimum(start[:, 0], end[:, 0]), np.maximum(start[:, 0], end[:, 0])
    # The rows r with low <= r + 0.5 < high.
    first = np.clip(np.ceil(low - 0.5), 0, height).astype(np.int64)
    stop = np.clip(np.ceil(high - 0.5), 0, height).astype(np.int64)
    counts = np.maximum(stop - first, 0)
    if int(counts.sum()) > MAX_CROSSINGS:
        raise LabelsError(
            f"An outline crosses the rows of the image {int(counts.sum())} times, more than "
            "any cell does. Export the outlines again."
        )
    sides = np.repeat(np.arange(len(ring)), counts)
    before = np.repeat(np.cumsum(counts) - counts, counts)
    rows = first[sides] + np.arange(len(sides)) - before
    y0, x0 = start[sides].T
    y1, x1 = end[sides].T
    crossings = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
    columns = np.clip(np.ceil(crossings - 0.5), 0, last).astype(np.int64)
    np.add.at(turns, (rows, columns), 1)


@compiled
def _trace(framed, steps):  # type: ignore[no-untyped-def]
    """Return the corners of all rings, one after the other, and where each ends.

    Each ring is followed with the mask at its right hand, from a top side of a pixel.
    """
    height, width = framed.shape
    seen = np.zeros((height, width), np.bool_)
    corners = [(0, 0) for _ in range(0)]  # numba needs the type
    ends = []
    for row in range(1, height):
        for column in range(1, width):
            is_top = framed[row, column] and not framed[row - 1, column]
            if is_top and not seen[row, column]:
                _follow(framed, steps, row, column, seen, corners)
                ends.append(len(corners))
    result = np.zeros((len(corners), 2), np.int64)
    for place, (y, x) in enumerate(corners):
        result[place, 0] = y
        result[place, 1] = x
    return result, np.array(ends, np.int64)


@compiled
def _follow(framed, steps, y, x, seen, corners):  # type: ignore[no-untyped-def]
    """Add the corners of the ring that goes east from a corner of pixels.

    Where two pixels share a corner only, it turns right and so stays with its own.
    """
    way = 0
    while way != 0 or not seen[y, x]:
        if way == 0:
            seen[y, x] = True
        y, x = y + steps[way, 0], x + steps[way, 1]
        # The two pixels ahead, at the left and at the right hand.
        right = framed[y - (way > 1), x - (way == 1 or way == 2)]
        left = framed[y - (way == 0 or way == 3), x - (way > 1)]
        if right and not left:
            continue
        corners.append((y, x))
        way = (way + 3) % 4 if right else (way + 1) % 4
