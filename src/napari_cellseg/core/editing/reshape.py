"""The shape of single cells: fill their holes, smooth their edges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.editing.cell_index import CellIndex, IndexedLabels
from napari_cellseg.core.editing.crops import crops_around
from napari_cellseg.core.editing.edits import Edit, Source
from napari_cellseg.core.types import LABELS_DTYPE, Labels

# The smoothing width is at most this share of the cell's radius, so that small cells
# keep their form; a width that tears a cell apart is halved down to the last one.
MAX_RADIUS_SHARE = 0.35
LEAST_WIDTH_PX = 0.4
# Reach of the Gaussian in widths; beyond it the weights are below 0.02.
REACH = 3.0
EIGHT = np.ones((3, 3), bool)


def fill_holes(
    indexed: IndexedLabels,
    ids: Iterable[int],
    sources: Mapping[int, Source],
    *,
    plane: tuple[int, ...] | None = None,
) -> Edit:
    """Return the edit that fills the holes of cells; other cells in a hole stay.

    Parameters
    ----------
    ids, sources
        As in `core.editing.corrections`.
    indexed : int32 array or CellIndex
        2-D to 4-D; holes are those of a plane.
    plane : tuple of int or None
        Fill on this plane only; None: everywhere.

    Raises
    ------
    EditError
        If the cells are not there or have no holes.
    """
    crops = crops_around(indexed, ids, plane)
    for cell, crop in crops:
        for index in np.ndindex(crop.shape[:-2]):
            filled = ndimage.binary_fill_holes(crop[index] == cell)
            crop[index][filled & (crop[index] == 0)] = cell
    refusal = "The chosen cells have no holes that could be filled."
    return crops.edit("fill holes", sources, refusal)


def cell_around(index: CellIndex, position: tuple[int, ...]) -> int:
    """Return the cell in whose hole a pixel of background lies, 0 if it is in none.

    Parameters
    ----------
    index : CellIndex
        Of the labels; holes are those of a plane.
    position : tuple of int
        One number an axis of the labels.
    """
    here = tuple(slice(at, at + 1) for at in position)
    plane, y, x = here[:-2], position[-2], position[-1]
    for cell, (box, _) in index.boxes(index.touching(here)).items():
        rows, columns = box[-2:]
        is_inside = rows.start <= y < rows.stop and columns.start <= x < columns.stop
        if not is_inside:
            continue
        mask = (index.labels[(*plane, rows, columns)] == cell).reshape(
            rows.stop - rows.start, columns.stop - columns.start
        )
        filled = ndimage.binary_fill_holes(mask)
        if filled[y - rows.start, x - columns.start]:
            return cell
    return 0


def smooth_cells(
    indexed: IndexedLabels,
    ids: Iterable[int],
    sources: Mapping[int, Source],
    *,
    width_px: float = 2.0,
    plane: tuple[int, ...] | None = None,
) -> Edit:
    """Return the edit that smooths the edges of cells and keeps their areas.

    The mask of a cell is blurred (Gaussian); of its own and the background pixels it
    keeps as many as it had, those with the highest values. Other cells keep their
    pixels, and no cell falls apart.

    Parameters
    ----------
    ids, sources
        As in `core.editing.corrections`.
    indexed : int32 array or CellIndex
        2-D to 4-D; edges are those of a plane.
    width_px : float
        Standard deviation of the blur in pixels; less for small cells.
    plane : tuple of int or None
        Smooth on this plane only; None: everywhere.

    Raises
    ------
    EditError
        If the cells are not there or their edges stay as they are.
    """
    crops = crops_around(indexed, ids, plane, int(np.ceil(REACH * width_px)))
    for cell, crop in crops:
        for index in np.ndindex(crop.shape[:-2]):
            crop[index] = _smoothed(crop[index], cell, width_px)
    refusal = "The edges of the chosen cells are smooth already."
    return crops.edit("smooth edge", sources, refusal)


def _smoothed(crop: Labels, cell: int, width_px: float) -> Labels:
    """Return a crop of a plane in which one cell is smoothed, or as it was."""
    mask = crop == cell
    area = int(mask.sum())
    if area == 0:
        return crop
    width = min(width_px, MAX_RADIUS_SHARE * float(np.sqrt(area / np.pi)))
    allowed = mask | (crop == 0)
    n_before = ndimage.label(mask, EIGHT)[1]
    while width >= LEAST_WIDTH_PX:
        smooth = _highest(mask, allowed, width, area)
        if ndimage.label(smooth, EIGHT)[1] <= n_before:
            return np.where(smooth, cell, np.where(mask, 0, crop)).astype(LABELS_DTYPE)
        width /= 2
    return crop


def _highest(
    mask: NDArray[np.bool_], allowed: NDArray[np.bool_], width: float, area: int
) -> NDArray[np.bool_]:
    """Return the `area` allowed pixels with the highest blurred values."""
    # "nearest": the edge of the image is no edge of a cell.
    values = ndimage.gaussian_filter(
        mask.astype(np.float64), width, mode="nearest", truncate=REACH
    )
    places = np.flatnonzero(allowed)
    # Rounded, so that noise of the last digit does not decide; then the cell's own
    # first.
    keys = (~mask.flat[places], -np.round(values.flat[places], 9))
    chosen = places[np.lexsort(keys)[:area]]
    smooth = np.zeros(mask.shape, bool)
    smooth.flat[chosen] = True
    return smooth
