"""Checked cells that are kept out of the training, to compare old and new model on.

The choice depends on the names of the images and on what is checked, never on their order
or on chance: training again on more corrections keeps the same images out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.training_item import TrainingItem

#: With fewer images a part of each is held out; with so many, whole images are.
MIN_GROUPS = 4
#: An image with fewer checked cells is not parted.
MIN_CELLS_TO_PART = 5
#: So many times the wanted cells may be held out where images differ in size.
MAX_OVERSHOOT = 2.0
#: Pixels between what is learned and what is held out that are used for neither.
GAP_PX = 8


def hold_out(
    items: Sequence[TrainingItem], share: float
) -> tuple[list[TrainingItem], list[TrainingItem]]:
    """Return items to learn from, and items to compare models on.

    Whole groups are held out where there are `MIN_GROUPS`; else a strip at the end of
    each image, the same in all its planes. Either may be empty where there is too little.

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
    cuts = _cuts(items, share)
    parted = [_parted(item, cuts.get(_image_of(item))) for item in items]
    return (
        [kept for kept, _ in parted if kept.valid.any()],
        [held for _, held in parted if held.valid.any()],
    )


def _chosen_groups(counts: dict[str, int], share: float) -> set[str]:
    """Return groups with about a share of the cells, in the order of their digests.

    A group with far more cells than are wanted is learned from, unless all are so large:
    then the smallest is held out.
    """
    wanted = share * sum(counts.values())
    chosen: set[str] = set()
    held = 0
    for group in sorted(counts, key=_digest):
        # The last image is never taken: something must be left to learn from.
        if held >= wanted or len(chosen) == len(counts) - 1:
            break
        if held + counts[group] <= MAX_OVERSHOOT * wanted:
            chosen.add(group)
            held += counts[group]
    return chosen or {min(counts, key=lambda group: (counts[group], _digest(group)))}


def _digest(group: str) -> bytes:
    return hashlib.sha256(group.encode()).digest()


@dataclass(frozen=True, slots=True)
class _Cut:
    """Where an image is parted: cells whose middle lies beyond `edge` are held out."""

    axis: int
    edge: float
    held_ids: NDArray[np.int32]


def _image_of(item: TrainingItem) -> tuple[str, str]:
    """Return what the planes of one image share."""
    return item.group, item.name


def _cuts(
    items: Sequence[TrainingItem], share: float
) -> dict[tuple[str, str], _Cut | None]:
    """Return the cut of each image; None where it has too few cells.

    A cell of a stack lies in many planes: it is on the side of its middle in all of them.
    """
    planes: dict[tuple[str, str], list[TrainingItem]] = {}
    for item in items:
        planes.setdefault(_image_of(item), []).append(item)
    return {image: _cut_of(of_image, share) for image, of_image in planes.items()}


def _cut_of(planes: Sequence[TrainingItem], share: float) -> _Cut | None:
    """Return where to part the planes of one image."""
    found: dict[int, list[tuple[float, ...]]] = {}
    for item in planes:
        ids = item.cell_ids()
        places = ndimage.center_of_mass(item.labels > 0, item.labels, ids)
        for cell, place in zip(ids.tolist(), places, strict=True):
            found.setdefault(cell, []).append(place)
    if len(found) < MIN_CELLS_TO_PART:
        return None
    ids = np.array(list(found), np.int32)
    middles = np.array([np.mean(places, axis=0) for places in found.values()])
    axis = int(np.argmax(np.ptp(middles, axis=0)))
    edge = float(np.quantile(middles[:, axis], 1 - share))
    return _Cut(axis, edge, ids[middles[:, axis] > edge])


def _parted(item: TrainingItem, cut: _Cut | None) -> tuple[TrainingItem, TrainingItem]:
    """Return the item without a strip of its checked part, and with that strip only."""
    if cut is None:
        return item, replace(item, valid=np.zeros_like(item.valid))
    place = np.arange(item.valid.shape[cut.axis])
    before = _along(place < cut.edge - GAP_PX, cut.axis)
    after = _along(place > cut.edge, cut.axis)
    # A cell belongs to the side of its middle, whole.
    is_held = np.isin(item.labels, cut.held_ids)
    is_kept = np.isin(item.labels, np.setdiff1d(item.cell_ids(), cut.held_ids))
    kept = item.valid & (before | is_kept) & ~is_held
    held = item.valid & (after | is_held) & ~is_kept
    return replace(item, valid=kept), replace(item, valid=held)


def _along(line: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """Return a line as a column (axis 0) or a row, to be broadcast over a plane."""
    return line[:, None] if axis == 0 else line[None, :]
