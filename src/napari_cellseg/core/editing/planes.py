"""Cells from plane to plane: copied to the next one, interpolated between two."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.editing.cell_index import IndexedLabels, boxes_on, labels_of
from napari_cellseg.core.editing.edits import Edit, Source, edit_on_labels, is_empty
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.labels.boxes import plane_box, start_of, union_of
from napari_cellseg.core.types import Labels


def copy_to_plane(
    indexed: IndexedLabels,
    cell: int,
    plane: tuple[int, ...],
    target: tuple[int, ...],
    sources: Mapping[int, Source],
) -> Edit:
    """Return the edit that gives a cell the same pixels on another plane, where free.

    Parameters
    ----------
    indexed : int32 array or CellIndex
        3-D or 4-D.
    cell : int
        Which cell; it keeps its id on the other plane.
    plane, target : tuple of int
        From which plane to which.
    sources : mapping of int to Source
        The sources of all cells.

    Raises
    ------
    EditError
        If the cell is not on the plane, there is no such plane, or nothing is free there.
    """
    labels = labels_of(indexed)
    if labels.ndim < 3:
        raise EditError(
            "There is only one plane. This works on stacks and time series."
        )
    if not all(0 <= at < n for at, n in zip(target, labels.shape, strict=False)):
        raise EditError("This is the last plane; there is none to copy the cell to.")
    plane_box(labels, target)
    ((box, _),) = boxes_on(indexed, [cell], plane).values()
    there = (*(slice(at, at + 1) for at in target), *box[-2:])
    after = labels[there].copy()
    after[(labels[box] == cell) & (after == 0)] = cell
    edit = edit_on_labels(
        indexed, after, start_of(there), "copy to next plane", sources
    )
    if is_empty(edit):
        raise EditError(
            f"Nothing is free there: other cells, or cell {cell} itself, fill its place."
        )
    return edit


def interpolate_cell(
    indexed: IndexedLabels,
    ids: Sequence[int],
    sources: Mapping[int, Source],
    *,
    time: tuple[int, ...] = (),
) -> Edit:
    """Return the edit that fills the planes that a cell lacks between two of its planes.

    Shape-based interpolation: signed distances from the two outlines are averaged
    (Raya and Udupa 1990, doi:10.1109/42.57784); ours moves both shapes to a common centre
    first, so that a cell that drifts from plane to plane does not vanish between them.
    Only background is filled.

    Parameters
    ----------
    indexed : int32 array or CellIndex
        3-D, or 4-D with the time first.
    ids : sequence of int
        The cell; a second one, drawn on another plane, becomes part of it.
    sources : mapping of int to Source
        The sources of all cells.
    time : tuple of int
        Position on the axes before the planes; () in 3-D.

    Raises
    ------
    EditError
        If the cell is not there, or lacks no plane between two of its planes.
    """
    labels = labels_of(indexed)
    if labels.ndim < 3:
        raise EditError(
            "There is only one plane. This works on stacks and time series."
        )
    found = boxes_on(indexed, ids, None)
    box = union_of(part for part, _ in found.values())
    box = (*(slice(at, at + 1) for at in time), *box[len(time) :])
    after = labels[box].copy()
    stack = after.reshape(after.shape[-3:])
    mask = np.isin(stack, list(found))
    planes = np.flatnonzero(mask.any(axis=(1, 2)))
    gaps = [(a, b) for a, b in itertools.pairwise(planes.tolist()) if b - a > 1]
    if not gaps:
        raise EditError(
            f"Cell {ids[0]} lacks no plane between two of its own. Draw it on two planes, "
            "and click it on both."
        )
    stack[mask] = ids[0]
    for first, last in gaps:
        _fill_gap(stack, ids[0], first, last)
    edit = edit_on_labels(indexed, after, start_of(box), "interpolate", sources)
    if is_empty(edit):
        raise EditError("Nothing is free between the planes; other cells are there.")
    return edit


def _fill_gap(stack: Labels, cell: int, first: int, last: int) -> None:
    """Write a cell into the planes between two, where they are free."""
    low, high = stack[first] == cell, stack[last] == cell
    centres = [np.argwhere(mask).mean(axis=0) for mask in (low, high)]
    for place in range(first + 1, last):
        share = (place - first) / (last - first)
        centre = (1 - share) * centres[0] + share * centres[1]
        distances = [
            _signed_distance(mask, centre - own)
            for mask, own in zip((low, high), centres, strict=True)
        ]
        inside = (1 - share) * distances[0] + share * distances[1] > 0
        stack[place][inside & (stack[place] == 0)] = cell


def _signed_distance(
    mask: NDArray[np.bool_], move_yx: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the distance to the outline, positive inside, of a mask that is moved."""
    reach = int(np.ceil(np.abs(move_yx).max())) + 1
    wide = np.pad(mask, reach)
    inside = ndimage.distance_transform_edt(wide)
    outside = ndimage.distance_transform_edt(~wide)
    signed = np.where(wide, inside - 0.5, 0.5 - outside)
    moved = ndimage.shift(signed, move_yx, order=1, mode="nearest")
    inner = slice(reach, -reach)
    return np.asarray(moved[inner, inner])
