"""Checked cells that are kept out of the training, to compare old and new model on.

The choice depends on the names of the images and on what is checked, never on their order
or on chance: training again on more corrections keeps the same images out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.training_item import TrainingItem

#: With fewer images a part of each is held out; with so many, whole images are.
MIN_GROUPS = 4
#: An image with fewer checked cells is not parted.
MIN_CELLS_TO_PART = 5
#: Pixels between what is learned and what is held out that are used for neither.
GAP_PX = 8


def hold_out(
    items: Sequence[TrainingItem], share: float
) -> tuple[list[TrainingItem], list[TrainingItem]]:
    """Return items to learn from, and items to compare models on.

    Whole groups are held out where there are `MIN_GROUPS`; else a strip at the end of
    each image. Either may be empty where there is too little.

    Parameters
    ----------
    items : sequence of TrainingItem
        Everything that is checked.
    share : float
        Share of the checked cells to hold out, about.
    """
    counts: dict[str, int] = {}
    for item in items:
        counts[item.group] = counts.get(item.group, 0) + len(item.cell_ids())
    if len(counts) >= MIN_GROUPS:
        chosen = _chosen_groups(counts, share)
        return (
            [item for item in items if item.group not in chosen],
            [item for item in items if item.group in chosen],
        )
    parted = [_parted(item, share) for item in items]
    return (
        [kept for kept, _ in parted if kept.valid.any()],
        [held for _, held in parted if held.valid.any()],
    )


def _chosen_groups(counts: dict[str, int], share: float) -> set[str]:
    """Return groups with about a share of the cells, in the order of their digests."""
    wanted = share * sum(counts.values())
    chosen: set[str] = set()
    held = 0
    for group in sorted(counts, key=_digest):
        # The last image is never taken: something must be left to learn from.
        if held >= wanted or len(chosen) == len(counts) - 1:
            break
        chosen.add(group)
        held += counts[group]
    return chosen


def _digest(group: str) -> bytes:
    return hashlib.sha256(group.encode()).digest()


def _parted(item: TrainingItem, share: float) -> tuple[TrainingItem, TrainingItem]:
    """Return the item without a strip of its checked part, and with that strip only."""
    ids = item.cell_ids()
    nothing = np.zeros_like(item.valid)
    if len(ids) < MIN_CELLS_TO_PART:
        return item, replace(item, valid=nothing)
    middles = np.array(ndimage.center_of_mass(item.labels > 0, item.labels, ids))
    axis = int(np.argmax(np.ptp(middles, axis=0)))
    edge = float(np.quantile(middles[:, axis], 1 - share))
    place = np.arange(item.valid.shape[axis])
    before = _along(place < edge - GAP_PX, axis)
    after = _along(place > edge, axis)
    # A cell belongs to the side of its middle, whole.
    held_ids = ids[middles[:, axis] > edge]
    is_held = np.isin(item.labels, held_ids)
    is_kept = np.isin(item.labels, np.setdiff1d(ids, held_ids))
    kept = item.valid & (before | is_kept) & ~is_held
    held = item.valid & (after | is_held) & ~is_kept
    return replace(item, valid=kept), replace(item, valid=held)


def _along(line: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """Return a line as a column (axis 0) or a row, to be broadcast over a plane."""
    return line[:, None] if axis == 0 else line[None, :]
