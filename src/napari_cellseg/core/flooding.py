"""The loops of decoding that numpy cannot express, and what they stand on.

The flood is a watershed on a bucket queue (Meyer 1991): each pixel is visited once, in the
order of its level, so its cost is linear in pixels. Planes are padded by one pixel, so that
no loop has to ask whether a neighbour exists.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.compiled import compiled
from napari_cellseg.core.types import Labels

#: Stands in the labels where a flood may not go.
CLOSED = -1


def flood(seeds: Labels, height: NDArray[np.uint8], mask: NDArray[np.bool_]) -> Labels:
    """Return seeds grown over `mask`, from high places to low ones.

    Parameters
    ----------
    seeds : (y, x) int32
        Where cells begin; ids from 1.
    height : (y, x) uint8
        High places are flooded first.
    mask : (y, x) bool
        Where cells may grow.
    """
    labels = np.full([size + 2 for size in seeds.shape], CLOSED, dtype=np.int32)
    inner = labels[1:-1, 1:-1]
    inner[mask] = 0
    np.copyto(inner, seeds, where=seeds > 0)
    _flood(labels.ravel(), np.pad(height, 1).ravel(), labels.shape[1])
    return np.maximum(inner, 0)


@compiled
def _flood(labels, heights, width):  # type: ignore[no-untyped-def]
    """Flood flat, padded arrays; `labels` is changed in place.

    The queues of all levels are linked lists in two arrays that are written from front to
    back, so that what was appended lately is still in the processor's cache: four times
    faster than links that lie where their pixels do. Pixels that can pass nothing on are
    not appended.
    """
    first = np.full(256, -1, np.int32)
    last = np.full(256, -1, np.int32)
    following = np.empty(labels.size, np.int32)
    pixels = np.empty(labels.size, np.int32)
    n_entries = 0
    for pixel in range(labels.size):
        if labels[pixel] > 0 and _is_open(labels, pixel, width):
            pixels[n_entries] = pixel
            _append(first, last, following, heights[pixel], n_entries)
            n_entries += 1
    level = 255
    while level >= 0:
        entry = first[level]
        if entry < 0:
            level -= 1
            continue
        first[level] = following[entry]
        pixel = pixels[entry]
        own = labels[pixel]
        for step in (-width, width, -1, 1):
            neighbour = pixel + step
            if labels[neighbour] != 0:
                continue
            labels[neighbour] = own
            if _is_open(labels, neighbour, width):
                pixels[n_entries] = neighbour
                # A pixel higher than the flood joins at the flood's level.
                joined = heights[neighbour]
                if joined > level:
                    joined = level
                _append(first, last, following, joined, n_entries)
                n_entries += 1


@compiled
def _is_open(labels, pixel, width):  # type: ignore[no-untyped-def]
    """Return True if one of the four neighbours is still to be flooded."""
    return (
        labels[pixel - width] == 0
        or labels[pixel + width] == 0
        or labels[pixel - 1] == 0
        or labels[pixel + 1] == 0
    )


@compiled
def _append(first, last, following, level, entry):  # type: ignore[no-untyped-def]
    """Put an entry at the end of the queue of its level."""
    following[entry] = -1
    if first[level] < 0:
        first[level] = entry
    else:
        following[last[level]] = entry
    last[level] = entry


@compiled
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
                to_y = min(max(round(y + flow_y[y, x]), 0), n_rows - 1)
                to_x = min(max(round(x + flow_x[y, x]), 0), n_columns - 1)
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


def hole_owners(gaps: Labels, labels: Labels) -> Labels:
    """Return for each gap the only cell around it; 0 for several, or the plane's edge.

    Parameters
    ----------
    gaps : (y, x) int32
        Connected pieces of background, from 1; 0 on cells.
    labels : (y, x) int32
        Cells.

    Returns
    -------
    (n_gaps + 1,) int32
    """
    owners = np.zeros(int(gaps.max(initial=0)) + 1, dtype=np.int32)
    padded = np.pad(labels, 1)
    _find_owners(np.pad(gaps, 1).ravel(), padded.ravel(), padded.shape[1], owners)
    for edge in (gaps[0], gaps[-1], gaps[:, 0], gaps[:, -1]):
        owners[edge] = 0
    return np.maximum(owners, 0)


@compiled
def _find_owners(gaps, labels, width, owners):  # type: ignore[no-untyped-def]
    """Fill `owners` from flat, padded arrays; -1 stands for several cells."""
    for pixel in range(gaps.size):
        gap = gaps[pixel]
        if gap > 0:
            for step in (-width, width, -1, 1):
                cell = labels[pixel + step]
                if cell > 0 and owners[gap] != cell:
                    owners[gap] = cell if owners[gap] == 0 else -1


def peak_heights(labels: Labels, height: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the greatest height of each id 0..max; both arrays are (y, x)."""
    peaks = np.zeros(int(labels.max(initial=0)) + 1, dtype=np.uint8)
    _raise_peaks(labels.ravel(), height.ravel(), peaks)
    return peaks


@compiled
def _raise_peaks(labels, heights, peaks):  # type: ignore[no-untyped-def]
    """Fill `peaks` from flat arrays."""
    for pixel in range(labels.size):
        if heights[pixel] > peaks[labels[pixel]]:
            peaks[labels[pixel]] = heights[pixel]


def sums_in_cells(
    labels: Labels, values: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pixels, and the sum of the values, of each id 0..max."""
    n_ids = int(labels.max(initial=0)) + 1
    n_pixels, total = np.zeros(n_ids, np.int64), np.zeros(n_ids, np.int64)
    _add_up(labels.ravel(), values.ravel(), n_pixels, total)
    return n_pixels, total


@compiled
def _add_up(labels, values, n_pixels, total):  # type: ignore[no-untyped-def]
    """Fill `n_pixels` and `total` from flat arrays."""
    for pixel in range(labels.size):
        n_pixels[labels[pixel]] += 1
        total[labels[pixel]] += values[pixel]


def contacts(
    labels: Labels, height: NDArray[np.uint8]
) -> tuple[Labels, NDArray[np.uint8]]:
    """Return every contact of two cells: both ids, and the lower height at that place.

    Parameters
    ----------
    labels : (y, x) int32
        Cells.
    height : (y, x) uint8
        Heights.

    Returns
    -------
    pairs : (n, 2) int32
        Lower id first; one row a pair of 4-neighbours.
    heights : (n,) uint8
    """
    pairs, heights = [], []
    for axis in (0, 1):
        here, there = _shifted(labels, axis)
        is_contact = (here > 0) & (there > 0) & (here != there)
        touching = np.stack([here[is_contact], there[is_contact]], axis=1)
        pairs.append(np.sort(touching, axis=1))
        low, high = _shifted(height, axis)
        heights.append(np.minimum(low[is_contact], high[is_contact]))
    return np.concatenate(pairs), np.concatenate(heights)


def _shifted(plane: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return each pixel, and its next one along `axis`."""
    return (plane[:-1], plane[1:]) if axis == 0 else (plane[:, :-1], plane[:, 1:])
