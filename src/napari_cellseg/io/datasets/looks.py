"""What an image looks like in few numbers, to find those that are nearly the same.

A coarse picture of ranks: neither brightness, contrast nor noise change it. Images of one
scene that differ in focus or by a frame stay near; those of one kind do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The picture has so many rows and columns.
SIDE = 24
#: 1 minus the correlation of two pictures; below it they are called nearly the same.
#: Chosen on public sets, see docs/datasets.md.
MAX_DISTANCE = 0.1
BLOCK = 1024


def look_of(plane: NDArray[Any]) -> NDArray[np.float32]:
    """Return the look of a plane.

    Parameters
    ----------
    plane : (c, y, x) array
        Channels are averaged.

    Returns
    -------
    (SIDE * SIDE,) float32
        Mean 0 and length 1, or all 0 for a plane of one value.
    """
    grey = plane.astype(np.float64).mean(axis=0)  # (y, x)
    rows = np.linspace(0, grey.shape[0], SIDE + 1).astype(int)
    columns = np.linspace(0, grey.shape[1], SIDE + 1).astype(int)
    n_pixels = np.outer(np.diff(rows), np.diff(columns))
    totals = np.add.reduceat(grey, rows[:-1], axis=0)
    totals = np.add.reduceat(totals, columns[:-1], axis=1)
    # Where a part of a small image is empty, the next pixel would stand for it.
    totals = np.where(n_pixels > 0, totals, 0)  # (SIDE, SIDE)
    coarse = totals / np.maximum(n_pixels, 1)
    ranks = np.argsort(np.argsort(coarse, axis=None, kind="stable"), kind="stable")
    if np.ptp(coarse) == 0:
        return np.zeros(SIDE * SIDE, np.float32)
    centred = ranks - ranks.mean()
    return np.asarray(centred / np.linalg.norm(centred), np.float32)


def near_pairs(
    looks: Sequence[NDArray[np.float32]],
) -> Iterator[tuple[int, int, float]]:
    """Yield the places and the distance of each pair that looks nearly the same."""
    if len(looks) < 2:
        return
    every = np.stack(looks)  # (n, SIDE * SIDE)
    is_flat: NDArray[np.bool_] = np.asarray(~every.any(axis=1))
    for start in range(0, len(every), BLOCK):
        distances: NDArray[np.float32] = (
            1 - every[start : start + BLOCK] @ every.T
        )  # (block, n)
        for row, column in np.argwhere(distances < MAX_DISTANCE):
            first, second = int(row) + start, int(column)
            if first < second and not is_flat[first]:
                yield first, second, float(distances[row, column])
