"""Parts an image in two: what is learned from, and a strip at its end that is held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.training.item import TrainingItem

#: An image with fewer checked cells is not parted.
MIN_CELLS_TO_PART = 5
#: Pixels between what is learned and what is held out that are used for neither.
GAP_PX = 8


@dataclass(frozen=True, slots=True)
class Cut:
    """Where an image is parted: cells whose middle lies beyond it are held out.

    Attributes
    ----------
    axis : int
        0: the strip is at the bottom, 1: at the right.
    edge_px : float
        Where it begins.
    """

    axis: int
    edge_px: float


def cut_of(planes: Sequence[TrainingItem], share: float) -> Cut | None:
    """Return where to part the planes of one image, or None where it has too few cells.

    A cell of a stack lies in many planes: it is on the side of its middle in all of them.

    Parameters
    ----------
    planes : sequence of TrainingItem
        Of one image.
    share : float
        Of its cells to hold out, about.
    """
    _, middles = _cells_of(planes)
    if len(middles) < MIN_CELLS_TO_PART:
        return None
    axis = int(np.argmax(np.ptp(middles, axis=0)))
    return Cut(axis, float(np.quantile(middles[:, axis], 1 - share)))


def parted(
    planes: Sequence[TrainingItem], cut: Cut
) -> tuple[list[TrainingItem], list[TrainingItem]]:
    """Return the planes of an image without the strip, and with the strip only."""
    ids, middles = _cells_of(planes)
    held_ids = ids[middles[:, cut.axis] > cut.edge_px]
    both = [_plane_parted(plane, cut, held_ids) for plane in planes]
    return (
        [kept for kept, _ in both if kept.valid.any()],
        [held for _, held in both if held.valid.any()],
    )


def _cells_of(
    planes: Sequence[TrainingItem],
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the (n,) ids of an image's cells, and their (n, 2) middles over all planes."""
    found: dict[int, list[tuple[float, ...]]] = {}
    for item in planes:
        ids = item.cell_ids()
        places = ndimage.center_of_mass(item.labels > 0, item.labels, ids)
        for cell, place in zip(ids.tolist(), places, strict=True):
            found.setdefault(cell, []).append(place)
    middles = np.array([np.mean(places, axis=0) for places in found.values()])
    return np.array(list(found), np.int32), middles.reshape(-1, 2)


def _plane_parted(
    item: TrainingItem, cut: Cut, held_ids: NDArray[np.int32]
) -> tuple[TrainingItem, TrainingItem]:
    """Return the item without a strip of its checked part, and with that strip only."""
    place = np.arange(item.valid.shape[cut.axis])
    before = _along(place < cut.edge_px - GAP_PX, cut.axis)
    after = _along(place > cut.edge_px, cut.axis)
    # A cell belongs to the side of its middle, whole.
    is_held = np.isin(item.labels, held_ids)
    is_kept = np.isin(item.labels, np.setdiff1d(item.cell_ids(), held_ids))
    kept = item.valid & (before | is_kept) & ~is_held
    held = item.valid & (after | is_held) & ~is_kept
    return replace(item, valid=kept), replace(item, valid=held)


def _along(line: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """Return a line as a column (axis 0) or a row, to be broadcast over a plane."""
    return line[:, None] if axis == 0 else line[None, :]
