"""Where the cells of some labels lie, found in one pass and kept as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.compiled import compiled
from napari_cellseg.core.labels.arrays import present_values
from napari_cellseg.core.types import Labels

#: Beyond any coordinate.
FAR = 2**62


@dataclass(frozen=True, slots=True, eq=False)
class CellRows:
    """Cells as rows: where each lies.

    Attributes
    ----------
    ids, counts : (n,) int64
        Ids, each once, and the number of pixels of each.
    lows, highs : (n, ndim) int64
        Corners of the boxes; the highest coordinates are left out of them.
    """

    ids: NDArray[np.int64]
    counts: NDArray[np.int64]
    lows: NDArray[np.int64]
    highs: NDArray[np.int64]


def find_rows(labels: Labels, ids: NDArray[np.int64] | None = None) -> CellRows:
    """Return where cells of labels in memory lie, in rising order.

    Parameters
    ----------
    labels : int32 array
        2-D to 4-D.
    ids : (n,) int64, optional
        Which cells, rising; of one that is not there the count is 0. None: all.
    """
    lead = 4 - labels.ndim
    stack = labels.reshape((1,) * lead + labels.shape)
    table = np.zeros(0, np.int64)
    if ids is None:
        ids, table = _lookup(stack, int(labels.max(initial=0)))
    counts = np.zeros(len(ids), np.int64)
    lows = np.full((len(ids), 4), FAR, np.int64)
    highs = np.full((len(ids), 4), -1, np.int64)
    if len(ids):
        _measure_boxes(stack, ids, table, counts, lows, highs)
    low, end = (np.ascontiguousarray(each[:, lead:]) for each in (lows, highs + 1))
    return CellRows(ids, counts, low, end)


def joined_rows(parts: Sequence[CellRows], ndim: int) -> CellRows:
    """Return the cells of several blocks as one; a cell may lie in many of them."""
    empty = np.zeros(0, np.int64), np.zeros((0, ndim), np.int64)
    found = np.concatenate([empty[0], *(part.ids for part in parts)])
    ids, places = np.unique(found, return_inverse=True)
    counts = np.zeros(len(ids), np.int64)
    lows = np.full((len(ids), ndim), FAR, np.int64)
    highs = np.full((len(ids), ndim), -1, np.int64)
    np.add.at(counts, places, np.concatenate([empty[0], *(p.counts for p in parts)]))
    np.minimum.at(lows, places, np.concatenate([empty[1], *(p.lows for p in parts)]))
    np.maximum.at(highs, places, np.concatenate([empty[1], *(p.highs for p in parts)]))
    return CellRows(ids, counts, lows, highs)


def _lookup(stack: Labels, highest: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the ids, rising, and a table from id to place; empty if it would be huge."""
    if highest <= max(stack.size, 1 << 20):
        ids = np.flatnonzero(present_values(stack, highest)[1:]) + 1
        table = np.full(highest + 1, -1, np.int64)
        table[ids] = np.arange(len(ids))
        return ids, table
    found = np.unique(stack).astype(np.int64)
    return found[found > 0], np.zeros(0, np.int64)


@compiled
def _measure_boxes(stack, ids, table, counts, lows, highs):  # type: ignore[no-untyped-def]
    """Fill counts, lowest and highest coordinates, run by run along x."""
    for t in range(stack.shape[0]):
        for z in range(stack.shape[1]):
            for y in range(stack.shape[2]):
                x = 0
                while x < stack.shape[3]:
                    cell = stack[t, z, y, x]
                    first = x
                    x += 1
                    while x < stack.shape[3] and stack[t, z, y, x] == cell:
                        x += 1
                    if cell <= 0:
                        continue
                    # For each run: for each pixel it takes ten times as long.
                    row = table[cell] if table.size else np.searchsorted(ids, cell)
                    if row == ids.size or ids[row] != cell:
                        continue
                    counts[row] += x - first
                    for axis, value in enumerate((t, z, y)):
                        lows[row, axis] = min(lows[row, axis], value)
                        highs[row, axis] = max(highs[row, axis], value)
                    lows[row, 3] = min(lows[row, 3], first)
                    highs[row, 3] = max(highs[row, 3], x - 1)
