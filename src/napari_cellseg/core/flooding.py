"""The two loops of decoding that numpy cannot express: a seeded flood and a pointer walk.

The flood is a watershed on a bucket queue (Meyer 1991): each pixel is visited once, in the
order of its level, so its cost is linear in pixels.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def flood(labels, height_map, mask):  # type: ignore[no-untyped-def]
    """Grow seeds over `mask` from high to low; `labels` is changed in place.

    Parameters
    ----------
    labels : (y, x) int32
        Seeds on entry, cells on return.
    height_map : (y, x) uint8
        High values are flooded first.
    mask : (y, x) bool
        Where cells may grow.
    """
    n_rows, n_columns = labels.shape
    flat = labels.ravel()
    heights = height_map.ravel()
    allowed = mask.ravel()
    first = np.full(256, -1, np.int32)
    last = np.full(256, -1, np.int32)
    following = np.full(flat.size, -1, np.int32)
    for pixel in range(flat.size):
        if flat[pixel] > 0:
            _append(first, last, following, heights[pixel], pixel)
    level = 255
    while level >= 0:
        pixel = first[level]
        if pixel < 0:
            level -= 1
            continue
        first[level] = following[pixel]
        y = pixel // n_columns
        x = pixel - y * n_columns
        for side in range(4):
            if side == 0:
                if y == 0:
                    continue
                neighbour = pixel - n_columns
            elif side == 1:
                if y == n_rows - 1:
                    continue
                neighbour = pixel + n_columns
            elif side == 2:
                if x == 0:
                    continue
                neighbour = pixel - 1
            else:
                if x == n_columns - 1:
                    continue
                neighbour = pixel + 1
            if allowed[neighbour] and flat[neighbour] == 0:
                flat[neighbour] = flat[pixel]
                # A pixel higher than the flood joins at the flood's level.
                _append(first, last, following, min(level, heights[neighbour]), neighbour)


@numba.njit(cache=True, nogil=True, inline="always")  # type: ignore[untyped-decorator]
def _append(first, last, following, level, pixel):  # type: ignore[no-untyped-def]
    """Put a pixel at the end of the queue of its level."""
    following[pixel] = -1
    if first[level] < 0:
        first[level] = pixel
    else:
        following[last[level]] = pixel
    last[level] = pixel


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def follow_flow(flow_y, flow_x, mask, n_doublings):  # type: ignore[no-untyped-def]
    """Return for each pixel of `mask` the flat index where its flow ends; -1 elsewhere.

    Parameters
    ----------
    flow_y, flow_x : (y, x) float32
        Step in pixels; a step that leaves the mask is not taken.
    mask : (y, x) bool
        Foreground.
    n_doublings : int
        2 ** n_doublings steps are walked, by pointer jumping.
    """
    n_rows, n_columns = mask.shape
    target = np.full(mask.size, -1, np.int32)
    for y in range(n_rows):
        for x in range(n_columns):
            if mask[y, x]:
                to_y = min(max(int(round(y + flow_y[y, x])), 0), n_rows - 1)
                to_x = min(max(int(round(x + flow_x[y, x])), 0), n_columns - 1)
                if not mask[to_y, to_x]:
                    to_y, to_x = y, x
                target[y * n_columns + x] = to_y * n_columns + to_x
    for _ in range(n_doublings):
        jumped = target.copy()
        for pixel in range(target.size):
            if target[pixel] >= 0:
                jumped[pixel] = target[target[pixel]]
        target = jumped
    return target


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def hole_owners(gaps, labels, n_gaps):  # type: ignore[no-untyped-def]
    """Return for each gap the only cell around it; 0 for several, or the image's edge.

    Parameters
    ----------
    gaps : (y, x) int32
        Connected pieces of background, 1..n_gaps; 0 on cells.
    labels : (y, x) int32
        Cells.

    Returns
    -------
    (n_gaps + 1,) int32
    """
    n_rows, n_columns = labels.shape
    owners = np.zeros(n_gaps + 1, np.int32)
    is_open = np.zeros(n_gaps + 1, np.bool_)
    is_open[0] = True
    for y in range(n_rows):
        for x in range(n_columns):
            gap = gaps[y, x]
            if gap == 0 or is_open[gap]:
                continue
            if y == 0 or x == 0 or y == n_rows - 1 or x == n_columns - 1:
                is_open[gap] = True
                continue
            for side in range(4):
                to_y = y + (side == 1) - (side == 0)
                to_x = x + (side == 3) - (side == 2)
                cell = labels[to_y, to_x]
                if cell > 0:
                    if owners[gap] == 0:
                        owners[gap] = cell
                    elif owners[gap] != cell:
                        is_open[gap] = True
    for gap in range(n_gaps + 1):
        if is_open[gap]:
            owners[gap] = 0
    return owners


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def contacts(labels, height_map):  # type: ignore[no-untyped-def]
    """Return every contact of two cells: both ids and the height at that place.

    Parameters
    ----------
    labels : (y, x) int32
        Cells.
    height_map : (y, x) uint8
        The height of a contact is the lower one of its two pixels.

    Returns
    -------
    pairs : (n,) int64
        Lower id * 2**32 + higher id; one entry a pair of 4-neighbours.
    heights : (n,) uint8
    """
    n_rows, n_columns = labels.shape
    n_found = 0
    for y in range(n_rows):
        for x in range(n_columns):
            here = labels[y, x]
            if here > 0:
                if x + 1 < n_columns and labels[y, x + 1] > 0 and labels[y, x + 1] != here:
                    n_found += 1
                if y + 1 < n_rows and labels[y + 1, x] > 0 and labels[y + 1, x] != here:
                    n_found += 1
    pairs = np.empty(n_found, np.int64)
    heights = np.empty(n_found, np.uint8)
    place = 0
    for y in range(n_rows):
        for x in range(n_columns):
            here = labels[y, x]
            if here > 0:
                for side in range(2):
                    to_y = y + side
                    to_x = x + 1 - side
                    if to_y < n_rows and to_x < n_columns:
                        there = labels[to_y, to_x]
                        if there > 0 and there != here:
                            pairs[place] = np.int64(min(here, there)) << 32 | max(here, there)
                            heights[place] = min(height_map[y, x], height_map[to_y, to_x])
                            place += 1
    return pairs, heights
