"""Cells by a drawn line or outline: split one, add one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.editing.cell_index import IndexedLabels, boxes_on, labels_of
from napari_cellseg.core.editing.edits import Edit, Source, edit_on_labels
from napari_cellseg.core.editing.numbering import check_free_ids, next_id
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.labels.boxes import (
    Box,
    on_plane,
    pixel_counts,
    plane_box,
    shifted,
    start_of,
    union_of,
)
from napari_cellseg.core.labels.outlines import lengthened, line_pixels, outline_mask
from napari_cellseg.core.labels.pieces import by_size, smallest_piece, spread
from napari_cellseg.core.types import LABELS_DTYPE, Labels

# A line that ends so far before the far edge of a cell still cuts it.
OVERSHOOT_PX = 3.0


def split_cell(
    indexed: IndexedLabels,
    line_yx: NDArray[Any],
    plane: tuple[int, ...],
    sources: Mapping[int, Source],
    *,
    through_planes: bool = False,
) -> Edit:
    """Return the edit that splits every cell that a line crosses from edge to edge.

    No pixel is lost: those under the line go to the nearest piece. The largest piece
    keeps the id, the others get new ones. Parts of a cell that the line does not cut go
    to the nearest piece as a whole.

    Parameters
    ----------
    indexed, sources
        As in `core.editing.corrections`.
    line_yx : (n, 2) float array
        Points of the line in pixels, two at least.
    plane : tuple of int
        On which plane the line was drawn.
    through_planes : bool
        Whether the cells are cut on all planes of the last axis before y and x, as by a
        knife; False cuts them on this plane only.

    Raises
    ------
    EditError
        If the line cuts no cell in two.
    """
    labels = labels_of(indexed)
    plane_box(labels, plane)  # says so if there is no such plane
    for line in (line_yx, _lengthened(line_yx)):
        rows, columns = line_pixels(line, labels.shape[-2:])
        crossed = _crossed(labels, plane, rows, columns)
        if not crossed:
            continue
        found = boxes_on(indexed, crossed, None if through_planes else plane)
        boxes = _in_stack(found, plane) if through_planes else found
        edit = _cut(indexed, boxes, np.stack([rows, columns]), sources)
        if edit is not None:
            return edit
    raise EditError(
        "The line cuts no cell in two. Draw it right across a cell, from outside to "
        "outside."
    )


def _crossed(
    labels: Labels,
    plane: tuple[int, ...],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
) -> list[int]:
    """Return the cells under pixels of a plane; only the box around them is read."""
    if not rows.size:
        return []
    top, left = int(rows.min()), int(columns.min())
    spans = slice(top, int(rows.max()) + 1), slice(left, int(columns.max()) + 1)
    return list(
        pixel_counts(labels[on_plane(plane, spans)][rows - top, columns - left])
    )


def _in_stack(
    found: Mapping[int, tuple[Box, int]], plane: tuple[int, ...]
) -> dict[int, tuple[Box, int]]:
    """Return boxes kept to the stack of a plane: all of z, one time."""
    times = tuple(slice(at, at + 1) for at in plane[:-1])
    return {
        cell: ((*times, *box[len(times) :]), count)
        for cell, (box, count) in found.items()
    }


def _lengthened(line_yx: NDArray[Any]) -> NDArray[np.float64]:
    """Return a line with its ends drawn out a little; other arrays as they are."""
    points = np.asarray(line_yx, np.float64)
    is_line = points.ndim == 2 and points.shape[1] == 2 and len(points) >= 2
    return lengthened(points, OVERSHOOT_PX) if is_line else points


def _cut(
    indexed: IndexedLabels,
    found: Mapping[int, tuple[Box, int]],
    line: NDArray[np.intp],
    sources: Mapping[int, Source],
) -> Edit | None:
    """Return the edit that cuts cells along the pixels (2, n) of a line, or None."""
    labels = labels_of(indexed)
    box = union_of(part for part, _ in found.values())
    after = labels[box].copy()
    under_line = np.zeros(after.shape[-2:], bool)
    inner = line - np.array([[box[-2].start], [box[-1].start]])
    inside = ((inner >= 0) & (inner < np.array([under_line.shape]).T)).all(axis=0)
    under_line[tuple(inner[:, inside])] = True
    first_new = new = next_id(indexed)
    for cell, (part, _) in found.items():
        here = shifted(part, start_of(box))
        pieces = _pieces(labels[part] == cell, under_line[here[-2:]])
        n_pieces = int(pieces.max(initial=0))
        check_free_ids(new, n_pieces - 1)
        for piece in range(2, n_pieces + 1):
            after[here][pieces == piece] = new
            new += 1
    if new == first_new:
        return None
    return edit_on_labels(indexed, after, start_of(box), "split cell", sources)


def _pieces(mask: NDArray[np.bool_], under_line: NDArray[np.bool_]) -> Labels:
    """Return the pieces of a cell, numbered from 1, the largest; no pixel is left."""
    parts, n_parts = ndimage.label(mask & ~under_line)
    bodies, _ = ndimage.label(mask)
    kept = _real_pieces(mask, parts, bodies, n_parts)
    if len(kept) < 2:
        return mask.astype(LABELS_DTYPE)
    numbers = np.zeros(n_parts + 1, LABELS_DTYPE)
    numbers[kept] = np.arange(1, len(kept) + 1)
    return by_size(spread(numbers[parts], mask, bodies))


def _real_pieces(
    mask: NDArray[np.bool_], parts: NDArray[Any], bodies: NDArray[Any], n_parts: int
) -> NDArray[np.intp]:
    """Return the parts that become cells, the largest first.

    They are large enough, and the body they come from was cut in two or more of them.
    """
    sizes = np.bincount(parts.ravel(), minlength=n_parts + 1)
    body_of = np.zeros(n_parts + 1, np.intp)
    body_of[parts.ravel()] = bodies.ravel()  # every pixel of a part has one body
    large = np.flatnonzero(sizes >= smallest_piece(mask))
    large = large[large > 0]
    per_body = np.bincount(body_of[large], minlength=int(bodies.max()) + 1)
    real = large[per_body[body_of[large]] >= 2]
    order: NDArray[np.intp] = real[np.argsort(-sizes[real], kind="stable")]
    return order


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
    indexed, sources, plane
        As in `core.editing.corrections`.
    outline_yx : (n, 2) float array
        Corners of the outline in pixels, three at least.

    Raises
    ------
    EditError
        If nothing is free inside the outline.
    """
    labels = labels_of(indexed)
    plane_box(labels, plane)  # says so if there is no such plane
    inside, box = outline_mask(outline_yx, labels.shape[-2:])
    after = labels[on_plane(plane, box)].copy()
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
