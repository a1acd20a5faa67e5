"""The loops over pixels behind `core.measuring.cell_features`, compiled.

`places` gives for each value of the labels the place of its cell, or -1.
"""

from __future__ import annotations

import numpy as np

from napari_cellseg.core.compiled import compiled

_NOWHERE = 2**62


@compiled
def moments(plane, places, n):  # type: ignore[no-untyped-def]
    """Return sums over the pixels of each cell, and boxes.

    Returns
    -------
    sums : (n, 6) int64
        1, y, x, y y, x x and y x, with y and x counted from the cell's first pixel, so
        that they stay small and exact.
    boxes : (n, 6) int64
        Lowest y and x, highest y and x plus 1, y and x of the first pixel.
    """
    sums = np.zeros((n, 6), np.int64)
    boxes = np.zeros((n, 6), np.int64)
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            place = places[plane[y, x]]
            if place < 0:
                continue
            box = boxes[place]
            if sums[place, 0] == 0:
                box[0], box[1], box[2], box[3], box[4], box[5] = y, x, y, x, y, x
            box[1] = min(box[1], x)
            box[2] = max(box[2], y + 1)
            box[3] = max(box[3], x + 1)
            dy = y - box[4]
            dx = x - box[5]
            sums[place, 0] += 1
            sums[place, 1] += dy
            sums[place, 2] += dx
            sums[place, 3] += dy * dy
            sums[place, 4] += dx * dx
            sums[place, 5] += dy * dx
    return sums, boxes


@compiled
def row_extents(plane, places, boxes, first_rows):  # type: ignore[no-untyped-def]
    """Return lowest and highest x (k, 2) of the rows of all cells, cell after cell.

    A row without pixels has a lowest x above its highest.
    """
    extents = np.empty((first_rows[-1], 2), np.int64)
    extents[:, 0] = _NOWHERE
    extents[:, 1] = -_NOWHERE
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            place = places[plane[y, x]]
            if place >= 0:
                row = extents[first_rows[place] + y - boxes[place, 0]]
                row[0] = min(row[0], x)
                row[1] = max(row[1], x)
    return extents


@compiled
def _on_border(plane, y, x):  # type: ignore[no-untyped-def]
    """Say whether a pixel has a side neighbour outside its cell."""
    cell = plane[y, x]
    height, width = plane.shape
    if y == 0 or x == 0 or y == height - 1 or x == width - 1:
        return True
    return (
        plane[y - 1, x] != cell
        or plane[y + 1, x] != cell
        or plane[y, x - 1] != cell
        or plane[y, x + 1] != cell
    )


@compiled
def _border_neighbours(plane, y, x):  # type: ignore[no-untyped-def]
    """Return how many side and corner neighbours lie on the border of the same cell."""
    height, width = plane.shape
    n_sides = 0
    n_corners = 0
    for dy in range(-1, 2):
        for dx in range(-1, 2):
            other_y, other_x = y + dy, x + dx
            if (dy == 0 and dx == 0) or other_y < 0 or other_x < 0:
                continue
            if other_y >= height or other_x >= width:
                continue
            same_cell = plane[other_y, other_x] == plane[y, x]
            if same_cell and _on_border(plane, other_y, other_x):
                if dy == 0 or dx == 0:
                    n_sides += 1
                else:
                    n_corners += 1
    return n_sides, n_corners


@compiled
def border_steps(plane, places, n):  # type: ignore[no-untyped-def]
    """Return how many border pixels (n, 3) lie on straight, diagonal and corner steps.

    The classes are those of `skimage.measure.perimeter` with 4 neighbours: 1 + 2 sides
    + 10 corners is 5, 7, 15, 17, 25 or 27; 21 or 33; 13 or 23.
    """
    kinds = np.full(50, -1, np.int64)
    kinds[np.array([5, 7, 15, 17, 25, 27])] = 0
    kinds[np.array([21, 33])] = 1
    kinds[np.array([13, 23])] = 2
    steps = np.zeros((n, 3), np.float64)
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            place = places[plane[y, x]]
            if place < 0 or not _on_border(plane, y, x):
                continue
            n_sides, n_corners = _border_neighbours(plane, y, x)
            kind = kinds[1 + 2 * n_sides + 10 * n_corners]
            if kind >= 0:
                steps[place, kind] += 1
    return steps


@compiled
def hull_areas(extents, first_rows, boxes):  # type: ignore[no-untyped-def]
    """Return the pixels (n,) whose centres lie in the convex hull of each cell.

    The hull is that of the middles of all pixel sides, as in
    `skimage.morphology.convex_hull_image`; pixels on it count. Here it is computed in
    whole numbers of half pixels, so without a tolerance.
    """
    n = boxes.shape[0]
    areas = np.zeros(n, np.int64)
    for place in range(n):
        rows = extents[first_rows[place] : first_rows[place + 1]]
        low = _hull_side(rows, 0)
        high = _hull_side(rows, 1)
        for y in range(rows.shape[0]):
            areas[place] += high[y] - low[y] + 1
    return areas


@compiled
def _side_points(rows, side):  # type: ignore[no-untyped-def]
    """Return the outermost point of each half row, in half pixels, mirrored for side 1.

    Mirrored, both sides are found as the lower one. The half row 2 y + 1 is row y.
    """
    sign = 1 - 2 * side
    points = np.full(2 * rows.shape[0] + 1, _NOWHERE, np.int64)
    for y in range(rows.shape[0]):
        if rows[y, 0] > rows[y, 1]:
            continue
        x = sign * 2 * rows[y, side]
        points[2 * y] = min(points[2 * y], x)
        points[2 * y + 1] = min(points[2 * y + 1], x - 1)
        points[2 * y + 2] = min(points[2 * y + 2], x)
    return points


@compiled
def _hull_side(rows, side):  # type: ignore[no-untyped-def]
    """Return the first (side 0) or last (side 1) x in the hull for each row."""
    points = _side_points(rows, side)
    chain = np.empty(points.size, np.int64)
    n_chain = 0
    for at in range(points.size):
        if points[at] == _NOWHERE:
            continue
        while n_chain >= 2:
            a, b = chain[n_chain - 2], chain[n_chain - 1]
            left = (points[b] - points[a]) * (at - a)
            if left < (points[at] - points[a]) * (b - a):
                break
            n_chain -= 1
        chain[n_chain] = at
        n_chain += 1
    bounds = np.empty(rows.shape[0], np.int64)
    step = 0
    for y in range(rows.shape[0]):
        at = 2 * y + 1
        while chain[step + 1] < at:
            step += 1
        a, b = chain[step], chain[step + 1]
        scaled = points[a] * (b - a) + (at - a) * (points[b] - points[a])
        bound = -((-scaled) // (2 * (b - a)))
        bounds[y] = bound if side == 0 else -bound
    return bounds


@compiled
def empty_intensities(n):  # type: ignore[no-untyped-def]
    """Return the state that `add_intensities` fills: (6, n) float64.

    Count, first value, sum and squares of the distances from it, lowest, highest.
    """
    return np.zeros((6, n), np.float64)


@compiled
def add_intensities(plane, places, values, state):  # type: ignore[no-untyped-def]
    """Add the pixels of some rows to `state`, in place."""
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            place = places[plane[y, x]]
            if place < 0:
                continue
            value = values[y, x]
            if state[0, place] == 0:
                state[1, place] = value
                state[4, place] = value
                state[5, place] = value
            distance = value - state[1, place]
            state[0, place] += 1
            state[2, place] += distance
            state[3, place] += distance * distance
            if value < state[4, place] or value != value:
                state[4, place] = value
            if value > state[5, place] or value != value:
                state[5, place] = value
