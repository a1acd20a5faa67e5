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

#: The flood keeps id and height of a pixel in one word, so that a step to a neighbour
#: touches one place of memory and not two: half the time.
HEIGHT_BITS = 8
#: A word where the flood may not go; one below 256 is still to be flooded.
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
    is_wide = int(seeds.max(initial=0)) >= 1 << (31 - HEIGHT_BITS)
    word: type[np.signedinteger[Any]] = np.int64 if is_wide else np.int32
    words = np.full([size + 2 for size in seeds.shape], CLOSED, dtype=word)
    _write_words(words, seeds, height, mask)
    _flood(words.ravel(), words.shape[1])
    labels = np.empty(seeds.shape, dtype=np.int32)
    _read_words(words, labels)
    return labels


@compiled
def _write_words(words, seeds, height, mask):  # type: ignore[no-untyped-def]
    """Put ids and heights into the words of a padded plane, in one walk over the memory."""
    n_rows, n_columns = seeds.shape
    for y in range(n_rows):
        for x in range(n_columns):
            if seeds[y, x] > 0 or mask[y, x]:
                own = words.dtype.type(max(seeds[y, x], 0)) << HEIGHT_BITS
                words[y + 1, x + 1] = own | height[y, x]


@compiled
def _read_words(words, labels):  # type: ignore[no-untyped-def]
    """Take the ids out of the words of a padded plane."""
    n_rows, n_columns = labels.shape
    for y in range(n_rows):
        for x in range(n_columns):
            labels[y, x] = max(words[y + 1, x + 1] >> HEIGHT_BITS, 0)


@compiled
def _flood(words, width):  # type: ignore[no-untyped-def]
    """Flood a flat, padded plane of words in place.

    The queues of all levels are linked lists in one array that is written from front to
    back, so that what was appended lately is still in the processor's cache: four times
    faster than links that lie where their pixels do. That an entry is appended is written
    out twice: as a function it counts references, and takes half of all the time.
    """
    first = np.full(256, -1, np.int32)
    last = np.full(256, -1, np.int32)
    entries = np.empty((words.size, 2), np.int32)  # pixel, next entry of its level
    n_entries = _append_shores(words, width, first, last, entries)
    level = 255
    while level >= 0:
        entry = first[level]
        if entry < 0:
            level -= 1
            continue
        first[level] = entries[entry, 1]
        pixel = entries[entry, 0]
        own = words[pixel] & ~255
        for step in (-width, width, -1, 1):
            neighbour = pixel + step
            height = words[neighbour]
            if height < 0 or height > 255:
                continue
            words[neighbour] = own | height
            # A pixel higher than the flood joins at the flood's level.
            joined = min(height, level)
            entries[n_entries, 0], entries[n_entries, 1] = neighbour, -1
            if first[joined] < 0:
                first[joined] = n_entries
            else:
                entries[last[joined], 1] = n_entries
            last[joined] = n_entries
            n_entries += 1


@compiled
def _append_shores(words, width, first, last, entries):  # type: ignore[no-untyped-def]
    """Put the pixels of the seeds that touch something to flood into the queues."""
    n_entries = 0
    for pixel in range(words.size):
        if words[pixel] > 255 and _is_open(words, pixel, width):
            level = words[pixel] & 255
            entries[n_entries, 0], entries[n_entries, 1] = pixel, -1
            if first[level] < 0:
                first[level] = n_entries
            else:
                entries[last[level], 1] = n_entries
            last[level] = n_entries
            n_entries += 1
    return n_entries


@compiled
def _is_open(words, pixel, width):  # type: ignore[no-untyped-def]
    """Return True if one of the four neighbours is still to be flooded."""
    return (
        0 <= words[pixel - width] <= 255
        or 0 <= words[pixel + width] <= 255
        or 0 <= words[pixel - 1] <= 255
        or 0 <= words[pixel + 1] <= 255
    )


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
    _find_owners(gaps, labels, owners)
    return np.maximum(owners, 0)


@compiled
def _find_owners(gaps, labels, owners):  # type: ignore[no-untyped-def]
    """Fill `owners`; -1 stands for several cells, or the plane's edge."""
    n_rows, n_columns = gaps.shape
    for y in range(n_rows):
        for x in range(n_columns):
            gap = gaps[y, x]
            if gap == 0 or owners[gap] < 0:
                continue
            if min(y, x, n_rows - 1 - y, n_columns - 1 - x) == 0:
                owners[gap] = -1
                continue
            for cell in (
                labels[y - 1, x],
                labels[y + 1, x],
                labels[y, x - 1],
                labels[y, x + 1],
            ):
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


def high_passes(
    labels: Labels,
    height: NDArray[np.uint8],
    peaks: NDArray[np.uint8],
    least_share: float,
) -> NDArray[np.int32]:
    """Return the pairs of neighbours with a pass that is high beside the lower peak.

    Parameters
    ----------
    labels : (y, x) int32
        Cells.
    height : (y, x) uint8
        A pass is the lower height of two 4-neighbours of different cells.
    peaks : (n_ids,) uint8
        Greatest height of each id.
    least_share : float
        Of the lower peak, 0 to 1.

    Returns
    -------
    (n, 2) int32
        A pair stands there once for each such place.
    """
    n_places = _find_passes(
        labels, height, peaks, least_share, np.empty((0, 2), np.int32)
    )
    pairs = np.empty((n_places, 2), np.int32)
    _find_passes(labels, height, peaks, least_share, pairs)
    return pairs


@compiled
def _find_passes(labels, height, peaks, least_share, pairs):  # type: ignore[no-untyped-def]
    """Return the number of high passes; fill as many of `pairs` as there is room for."""
    n_rows, n_columns = labels.shape
    n_places = 0
    for y in range(n_rows):
        for x in range(n_columns):
            here = labels[y, x]
            if here == 0:
                continue
            for there_y, there_x in ((y + 1, x), (y, x + 1)):
                if there_y == n_rows or there_x == n_columns:
                    continue
                there = labels[there_y, there_x]
                if there > 0 and there != here:
                    pass_height = min(height[y, x], height[there_y, there_x])
                    lower_peak = max(min(peaks[here], peaks[there]), 1)
                    if pass_height / lower_peak >= least_share:
                        if n_places < len(pairs):
                            pairs[n_places, 0] = here
                            pairs[n_places, 1] = there
                        n_places += 1
    return n_places
