"""Cells a pixel larger or smaller, and cells with a hole cut into them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.editing.cell_index import IndexedLabels, boxes_on, labels_of
from napari_cellseg.core.editing.crops import crops_around
from napari_cellseg.core.editing.edits import Edit, Source, edit_on_labels
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.labels.boxes import pixel_counts, plane_box, start_of
from napari_cellseg.core.labels.outlines import outline_mask


def grow_cells(
    indexed: IndexedLabels,
    ids: Iterable[int],
    sources: Mapping[int, Source],
    *,
    plane: tuple[int, ...] | None = None,
) -> Edit:
    """Return the edit that grows cells by a pixel over background, never over cells.

    Parameters
    ----------
    sources, plane
        As in `core.editing.corrections`.
    indexed : int32 array or CellIndex
        2-D to 4-D; cells grow in their planes.
    ids : iterable of int
        Which cells; where two reach for a pixel, the lower id gets it.

    Raises
    ------
    EditError
        If the cells are not there or nothing around them is free.
    """
    crops = crops_around(indexed, ids, plane, margin_px=1)
    before = crops.before
    for cell, crop in crops:
        crop[_dilated(before[crops.parts[cell]] == cell) & (crop == 0)] = cell
    refusal = "Nothing around the cell is free, so it cannot grow."
    return crops.edit("grow cell", sources, refusal)


def shrink_cells(
    indexed: IndexedLabels,
    ids: Iterable[int],
    sources: Mapping[int, Source],
    *,
    plane: tuple[int, ...] | None = None,
) -> Edit:
    """Return the edit that takes the outermost pixel of cells away.

    The edge of the image is no edge of a cell. A cell too thin to be made smaller on a
    plane stays as it is there.

    Parameters
    ----------
    ids, sources, plane
        As in `core.editing.corrections`.
    indexed : int32 array or CellIndex
        2-D to 4-D; cells shrink in their planes.

    Raises
    ------
    EditError
        If the cells are not there, or too thin.
    """
    crops = crops_around(indexed, ids, plane, margin_px=1)
    for cell, crop in crops:
        for index in np.ndindex(crop.shape[:-2]):
            mask = crop[index] == cell
            inner = ndimage.binary_erosion(mask, border_value=1)
            if inner.any():
                crop[index][mask & ~inner] = 0
    refusal = "The cell is too thin to shrink. Delete it if it is no cell."
    return crops.edit("shrink cell", sources, refusal)


def cut_hole(
    indexed: IndexedLabels,
    outline_yx: NDArray[Any],
    plane: tuple[int, ...],
    sources: Mapping[int, Source],
) -> Edit:
    """Return the edit that makes the inside of an outline background, in one cell.

    The cell that has most pixels in the outline is cut; the others stay whole.

    Parameters
    ----------
    indexed, sources, plane
        As in `core.editing.corrections`.
    outline_yx : (n, 2) float array
        Corners of the outline in pixels, three at least.

    Raises
    ------
    EditError
        If no cell is in the outline, or nothing of the cell would be left on the plane.
    """
    labels = labels_of(indexed)
    plane_box(labels, plane)  # says so if there is no such plane
    mask, part = outline_mask(outline_yx, labels.shape[-2:])
    box = (*(slice(at, at + 1) for at in plane), *part)
    after = labels[box].copy()
    mask = mask.reshape(after.shape)
    counts = pixel_counts(after[mask])
    if not counts:
        raise EditError("No cell is in the outline. Draw it inside a cell.")
    cell = max(counts, key=lambda one: counts[one])
    (_, n_pixels), *_ = boxes_on(indexed, [cell], plane).values()
    if n_pixels == counts[cell]:
        raise EditError(
            f"The outline holds all of cell {cell}. Draw a smaller one, or delete it."
        )
    after[mask & (after == cell)] = 0
    return edit_on_labels(indexed, after, start_of(box), "cut hole", sources)


def _dilated(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask grown by a pixel in each plane."""
    cross = ndimage.generate_binary_structure(2, 1)
    structure = cross.reshape((1,) * (mask.ndim - 2) + cross.shape)
    larger: NDArray[np.bool_] = ndimage.binary_dilation(mask, structure)
    return larger
