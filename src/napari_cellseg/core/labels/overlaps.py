"""How many pixels the cells of two labels of one shape have in common."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix

from napari_cellseg.core.labels import arrays as label_arrays

#: Of any integers; 0 is background.
Labels: TypeAlias = NDArray[np.integer[Any]]
#: Pixels that are compared at a time, so that memory stays small.
BLOCK_PIXELS = 1 << 22
# Above it, counting by sorting is cheaper in memory than a table of all numbers.
MAX_TABLE = 1 << 24


def dense(labels: Labels) -> tuple[NDArray[np.int64], Labels]:
    """Return ids, and labels that hold the place of each: no table is larger than need be.

    The background is at place 0.
    """
    highest = int(labels.max(initial=0))
    if highest <= MAX_TABLE:
        return np.arange(highest + 1), labels
    ids, places = np.unique(np.append(labels, 0), return_inverse=True)
    found = places.reshape(-1)[:-1].reshape(labels.shape).astype(labels.dtype)
    return ids.astype(np.int64), found


def areas(labels: Labels, n: int) -> NDArray[np.int64]:
    """Return the pixels of each id up to n - 1; none for the background."""
    counts = label_arrays.areas(labels, n)
    counts[0] = 0
    return counts


def shared_pixels(before: Labels, after: Labels) -> csr_matrix:
    """Return how many pixels each old cell (rows) shares with each new one.

    Runs of one pair are counted at once, so that little is left to sort.
    """
    shape = (int(before.max(initial=0)) + 1, int(after.max(initial=0)) + 1)
    total = csr_matrix(shape, dtype=np.int64)
    old, new = before.reshape(-1), after.reshape(-1)
    for low in range(0, old.size, BLOCK_PIXELS):
        a, b = old[low : low + BLOCK_PIXELS], new[low : low + BLOCK_PIXELS]
        is_new = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
        starts = np.concatenate([[0], np.flatnonzero(is_new) + 1])
        lengths = np.diff(starts, append=a.size)
        a, b = a[starts], b[starts]
        both = (a > 0) & (b > 0)
        total = total + coo_matrix((lengths[both], (a[both], b[both])), shape).tocsr()
    return total


def best_agreement(labels: Labels, others: Labels) -> dict[int, float]:
    """Return for each cell its highest IoU with one of `others`, 0 where there is none.

    Parameters
    ----------
    labels, others : integer array
        Of one shape; ids may have gaps.
    """
    (ids, own), (_, theirs) = dense(labels), dense(others)
    own_area = areas(own, len(ids))
    their_area = areas(theirs, int(theirs.max(initial=0)) + 1)
    pairs = shared_pixels(own, theirs).tocoo()
    union = own_area[pairs.row] + their_area[pairs.col] - pairs.data
    best = np.zeros(len(ids))
    np.maximum.at(best, pairs.row, pairs.data / union)
    is_there = own_area > 0
    return dict(zip(ids[is_there].tolist(), best[is_there].tolist(), strict=True))
