"""Cells by a drawn line or outline: split one, add one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.cell_boxes import Box, plane_box, union_of
from napari_cellseg.core.cell_index import IndexedLabels, boxes_on, labels_of
from napari_cellseg.core.edits import Edit, Source, edit_on_labels
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.label_arrays import check_free_ids, next_id
from napari_cellseg.core.outlines import lengthened, line_pixels, outline_mask
from napari_cellseg.core.types import LABELS_DTYPE, Labels

# Crumbs that a line grazing the edge cuts off are no cells: smaller than this, or than
# one in so many pixels of the cell.
MIN_PIECE_PX = 3
CRUMB_SHARE = 200
# A line that ends so far before the far edge of a cell still cuts it.
OVERSHOOT_PX = 3.0


def split_cell(
    indexed: IndexedLabels,
    line_yx: NDArray[Any],
    plane: tuple[int, ...],
    sources: Mapping[int, Source],
) -> Edit:
    """Return the edit that splits every cell that a line crosses from edge to edge.

    No pixel is lost: those under the line go to the nearest piece. The largest piece
    keeps the id, the others get new ones. Parts of a cell that the line does not cut go
    to the nearest piece as a whole.

    Parameters
    ----------
    indexed : int32 array or CellIndex
        2-D to 4-D.
    line_yx : (n, 2) float array
        Points of the line in pixels, two at least.
    plane : tuple of int
        Which plane; a cell that goes on in other planes is split in this one only.
    sources : mapping of int to Source
        The sources of all cells.

    Raises
    ------
    EditError
        If the line cuts no cell in two.
    """
    labels = labels_of(indexed)
    view = labels[plane_box(labels, plane)].reshape(labels.shape[-2:])
    first_new = next_id(indexed)
    for line in (line_yx, _lengthened(line_yx)):
        pixels = line_pixels(line, view.shape)
        crossed = np.unique(view[pixels])
        crossed = crossed[crossed > 0]
        if not crossed.size:
            continue
        found = boxes_on(indexed, crossed.tolist(), plane)
        flat = {cell: box[-2:] for cell, (box, _) in found.items()}
        change = _cut_cells(view, pixels, flat, first_new)
        if change is not None:
            after, box = change
            start = (*plane, box[0].start, box[1].start)
            crop = after.reshape((1,) * len(plane) + after.shape)
            return edit_on_labels(indexed, crop, start, "split cell", sources)
    raise EditError(
        "The line cuts no cell in two. Draw it right across a cell, from outside to "
        "outside."
    )


def _lengthened(line_yx: NDArray[Any]) -> NDArray[np.float64]:
    """Return a line with its ends drawn out a little; other arrays as they are."""
    points = np.asarray(line_yx, np.float64)
    is_line = points.ndim == 2 and points.shape[1] == 2 and len(points) >= 2
    return lengthened(points, OVERSHOOT_PX) if is_line else points


def _cut_cells(
    view: Labels,
    line: tuple[NDArray[np.intp], NDArray[np.intp]],
    found: Mapping[int, Box],
    first_new: int,
) -> tuple[Labels, Box] | None:
    """Return a crop of a plane with its cells cut, and its box; None if none is."""
    under_line = np.zeros(view.shape, bool)
    under_line[line] = True
    box = union_of(found.values())
    after = view[box].copy()
    new = first_new
    for cell, part in found.items():
        pieces = _pieces(view[part] == cell, under_line[part])
        n_pieces = int(pieces.max())
        corner = (part[0].start - box[0].start, part[1].start - box[1].start)
        target = after[
            corner[0] : corner[0] + pieces.shape[0],
            corner[1] : corner[1] + pieces.shape[1],
        ]
        check_free_ids(new, n_pieces - 1)
        for piece in range(2, n_pieces + 1):
            target[pieces == piece] = new
            new += 1
    return (after, box) if new > first_new else None


def _pieces(mask: NDArray[np.bool_], under_line: NDArray[np.bool_]) -> Labels:
    """Return the pieces of a cell, numbered from 1, the largest; no pixel is left."""
    parts, n_parts = ndimage.label(mask & ~under_line)
    bodies, _ = ndimage.label(mask)
    kept = _real_pieces(mask, parts, bodies, n_parts)
    if len(kept) < 2:
        return mask.astype(LABELS_DTYPE)
    numbers = np.zeros(n_parts + 1, LABELS_DTYPE)
    numbers[kept] = np.arange(1, len(kept) + 1)
    return _by_size(_spread(numbers[parts], mask, bodies))


def _by_size(pieces: Labels) -> Labels:
    """Return pieces numbered anew, 1 the largest; the order of equal ones stays."""
    sizes = np.bincount(pieces.ravel())[1:]
    numbers = np.zeros(sizes.size + 1, LABELS_DTYPE)
    numbers[1 + np.argsort(-sizes, kind="stable")] = np.arange(1, sizes.size + 1)
    ordered: Labels = numbers[pieces]
    return ordered


def _real_pieces(
    mask: NDArray[np.bool_], parts: NDArray[Any], bodies: NDArray[Any], n_parts: int
) -> NDArray[np.intp]:
    """Return the parts that become cells, the largest first.

    They are large enough, and the body they come from was cut in two or more of them.
    """
    sizes = np.bincount(parts.ravel(), minlength=n_parts + 1)
    body_of = np.zeros(n_parts + 1, np.intp)
    body_of[parts.ravel()] = bodies.ravel()  # every pixel of a part has one body
    smallest = max(MIN_PIECE_PX, int(mask.sum()) // CRUMB_SHARE)
    large = np.flatnonzero(sizes >= smallest)
    large = large[large > 0]
    per_body = np.bincount(body_of[large], minlength=int(bodies.max()) + 1)
    real = large[per_body[body_of[large]] >= 2]
    order: NDArray[np.intp] = real[np.argsort(-sizes[real], kind="stable")]
    return order


def _spread(pieces: Labels, mask: NDArray[np.bool_], bodies: NDArray[Any]) -> Labels:
    """Give every pixel of `mask` to a piece; bodies that were not cut as a whole."""
    distance, nearest = ndimage.distance_transform_edt(pieces == 0, return_indices=True)
    owner = np.where(mask, pieces[tuple(nearest)], 0).astype(LABELS_DTYPE)
    cut_bodies = np.unique(bodies[pieces > 0])
    for body in np.setdiff1d(np.unique(bodies[mask]), cut_bodies):
        where = np.flatnonzero(bodies == body)
        closest = where[np.argmin(distance.flat[where])]
        owner.flat[where] = owner.flat[closest]
    return owner


def add_cell(
    indexed: IndexedLabels,
    outline_yx: NDArray[Any],
    plane: tuple[int, ...],
    sources: Mapping[int, Source],
) -> Edit:
    """Return the edit that adds a cell inside an outline; others keep their pixels.

    If other cells leave several free parts in the outline, the largest becomes the
    cell.

    Parameters
    ----------
    indexed : int32 array or CellIndex
        2-D to 4-D.
    outline_yx : (n, 2) float array
        Corners of the outline in pixels, three at least.
    plane : tuple of int
        Which plane.
    sources : mapping of int to Source
        The sources of all cells.

    Raises
    ------
    EditError
        If nothing is free inside the outline.
    """
    labels = labels_of(indexed)
    view = labels[plane_box(labels, plane)].reshape(labels.shape[-2:])
    inside, box = outline_mask(outline_yx, view.shape)
    after = view[box].copy()
    free = inside & (after == 0)
    if not free.any():
        raise EditError(
            "Other cells fill the whole outline. Draw it where there is background, or "
            "delete the cell there first."
        )
    parts, _ = ndimage.label(free)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    after[parts == int(np.argmax(sizes))] = next_id(indexed)
    crop = after.reshape((1,) * len(plane) + after.shape)
    start = (*plane, box[0].start, box[1].start)
    return edit_on_labels(indexed, crop, start, "add cell", sources)
