"""Corrections of labels, each a pure function that returns an `Edit`.

All take int32 labels with two to four axes, (Y, X) last, or a `CellIndex` of them, which
spares looking for the cells; only the boxes of the cells are read. `ids` or `cell` says
which cells, `sources` are those of all cells. `plane` names one (Y, X) plane by a number
for each axis before it, ``()`` in 2-D; where it may be None, the cells are changed wherever
they are. Nothing here changes its input: `core.editing.edits.apply_edit` writes the edit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.counted import counted
from napari_cellseg.core.editing.cell_index import (
    CellIndex,
    IndexedLabels,
    box_around,
    boxes_on,
    labels_of,
    pixels_on,
)
from napari_cellseg.core.editing.edits import Edit, Source, edit_on_labels
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.labels.boxes import (
    Box,
    box_of,
    counts_inside,
    pixel_counts,
    plane_box,
    start_of,
    union_of,
    without_cells,
)
from napari_cellseg.core.labels.outlines import outline_mask
from napari_cellseg.core.types import Labels

# Cells with at most so many background pixels between them may be merged: wide enough
# for the seam that a watershed or a split leaves, too narrow to join two cells by
# mistake.
MAX_GAP_PX = 4
# A cell is in a region if this share of its pixels is.
REGION_SHARE = 0.5


def delete_cells(
    indexed: IndexedLabels,
    ids: Iterable[int],
    sources: Mapping[int, Source],
    *,
    plane: tuple[int, ...] | None = None,
    name: str = "",
) -> Edit:
    """Return the edit that deletes cells; ids that are not there do not matter.

    Parameters
    ----------
    indexed, ids, sources
        See the head of this module.
    plane : tuple of int or None
        Delete them on this plane only; None: everywhere.
    name : str
        Name of the edit; empty: "delete cell" or "delete N cells".

    Raises
    ------
    EditError
        If none of the cells is there.
    """
    labels = labels_of(indexed)
    found, box = box_around(indexed, ids, plane)
    after = without_cells(labels[box], found)
    named = name or ("delete cell" if len(found) == 1 else f"delete {len(found)} cells")
    return edit_on_labels(indexed, after, start_of(box), named, sources)


def delete_in_region(
    indexed: IndexedLabels,
    region: NDArray[Any],
    plane: tuple[int, ...],
    sources: Mapping[int, Source],
    *,
    everywhere: bool = False,
) -> Edit:
    """Return the edit that deletes the cells that lie in a region of one plane.

    A cell lies in it if at least half of its pixels on the plane do.

    Parameters
    ----------
    indexed, sources, plane
        See the head of this module.
    region : (Y, X) bool or (n, 2) float array
        A mask of the plane, or the corners (y, x) of a polygon in pixels.
    everywhere : bool
        Whether they are deleted on all planes; False: on this one only.

    Raises
    ------
    EditError
        If no cell lies in the region, or it is no region of the plane.
    """
    chosen = cells_in_region(indexed, region, plane)
    return delete_cells(indexed, chosen, sources, plane=None if everywhere else plane)


def cells_in_region(
    indexed: IndexedLabels, region: NDArray[Any], plane: tuple[int, ...]
) -> list[int]:
    """Return the cells of which at least half of the pixels on a plane lie in a region.

    Parameters
    ----------
    indexed, region, plane
        As in `delete_in_region`.

    Raises
    ------
    EditError
        If no cell lies in the region, or it is no region of the plane.
    """
    labels = labels_of(indexed)
    plane_box(labels, plane)  # says so if there is no such plane
    mask, part = _region_mask(region, labels.shape[-2:])
    box = (*(slice(at, at + 1) for at in plane), *part)
    counts = counts_inside(labels[box].reshape(mask.shape), mask)
    whole = pixels_on(indexed, counts, plane) if counts else {}
    chosen = [
        cell for cell, count in counts.items() if count >= REGION_SHARE * whole[cell]
    ]
    if not chosen:
        raise EditError(
            "No cell lies in the region by half or more. Draw it around the cells."
        )
    return chosen


def _region_mask(
    region: NDArray[Any], shape_yx: tuple[int, ...]
) -> tuple[NDArray[np.bool_], Box]:
    """Return a mask on the smallest box around a region, and that box."""
    array = np.asarray(region)
    if array.dtype != np.bool_:
        return outline_mask(array, shape_yx)
    if array.shape != shape_yx:
        raise EditError(
            f"The region has the shape {array.shape}, but the plane has {shape_yx}. "
            "Draw it on this image."
        )
    part = box_of(array)
    return array[part], part


def merge_cells(
    indexed: IndexedLabels,
    ids: Sequence[int],
    sources: Mapping[int, Source],
    *,
    plane: tuple[int, ...] | None = None,
) -> Edit:
    """Return the edit that makes one cell of several; the first id survives.

    No pixel is added: a narrow gap between them stays background.

    Parameters
    ----------
    indexed, sources
        See the head of this module.
    ids : sequence of int
        The cells, two at least; the first is the one whose id survives.
    plane : tuple of int or None
        Merge them on this plane only; None: everywhere.

    Raises
    ------
    EditError
        If fewer than two cells are there, or they neither touch nor lie within
        `MAX_GAP_PX` pixels of each other (in a plane, or across neighbouring planes).
    """
    order = list(dict.fromkeys(int(cell) for cell in ids))
    labels = labels_of(indexed)
    found = boxes_on(indexed, order, plane)
    present = [cell for cell in order if cell in found]
    if len(present) < 2:
        raise EditError(
            f"Merging needs two cells or more; {len(present)} was given. Pick a second "
            "one."
        )
    box = union_of(part for part, _ in found.values())
    before = labels[box]
    mask = np.isin(before, present)
    if far := _unconnected(np.where(mask, before, 0), present[0]):
        raise EditError(
            f"Cell {far[0]} is more than {MAX_GAP_PX} px away from cell {present[0]}. "
            "Merge cells that touch, or paint between them first."
        )
    after = np.where(mask, present[0], before)
    return edit_on_labels(indexed, after, start_of(box), "merge cells", sources)


def _unconnected(cells: Labels, first: int) -> list[int]:
    """Return the ids in a crop that no chain of narrow gaps joins to the first."""
    near = np.empty(cells.shape, bool)
    for index in np.ndindex(cells.shape[:-2]):
        near[index] = _within_gap(cells[index] > 0)
    groups, _ = ndimage.label(near)
    mask = cells > 0
    pairs = np.unique(np.stack([groups[mask], cells[mask]]), axis=1)
    reached = {first}
    while True:
        joined = np.unique(pairs[0][np.isin(pairs[1], list(reached))])
        further = set(pairs[1][np.isin(pairs[0], joined)].tolist())
        if further == reached:
            return sorted(set(pairs[1].tolist()) - reached)
        reached = further


def _within_gap(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of a plane that lie within half the widest gap of `mask`."""
    if not mask.any():
        return mask
    near: NDArray[np.bool_] = ndimage.distance_transform_edt(~mask) <= MAX_GAP_PX / 2
    return near


def remove_small(
    indexed: IndexedLabels,
    min_area_px: int,
    sources: Mapping[int, Source],
    *,
    plane: tuple[int, ...] | None = None,
) -> Edit:
    """Return the edit that deletes the cells that are smaller than an area.

    Parameters
    ----------
    indexed, sources
        See the head of this module.
    min_area_px : int
        Cells with fewer pixels are deleted; a cell on several planes counts with all.
    plane : tuple of int or None
        Look at this plane only; None: at all.

    Raises
    ------
    EditError
        If no cell is smaller.
    """
    labels = labels_of(indexed)
    if plane is None and isinstance(indexed, CellIndex):
        ids, counts = indexed.counts()
        small = ids[counts < min_area_px].tolist()
    else:
        by_cell = pixel_counts(labels[plane_box(labels, plane)])
        small = [cell for cell, count in by_cell.items() if count < min_area_px]
    if not small:
        raise EditError(f"No cell is smaller than {min_area_px} px; nothing to remove.")
    name = f"remove {counted(len(small), 'small cell')}"
    return delete_cells(indexed, small, sources, plane=plane, name=name)
