"""Where cells lie: boxes, pixel counts and planes, in one pass over the labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.compiled import compiled
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.labels.arrays import areas
from napari_cellseg.core.labels.rows import find_rows
from napari_cellseg.core.types import LABELS_DTYPE, Labels

Box: TypeAlias = tuple[slice, ...]
#: Up to this id a table of all ids is faster than sorting.
MAX_TABLE = 1 << 20


def cell_boxes(labels: Labels, ids: Iterable[int]) -> dict[int, tuple[Box, int]]:
    """Return the box and the number of pixels of cells, in rising order of their ids.

    Parameters
    ----------
    labels : int32 array
        2-D to 4-D.
    ids : iterable of int
        Which cells; those that are not in the labels are left out of the answer.
    """
    wanted = np.array(sorted(set(ids)), np.int64)
    if wanted.size == 0 or labels.size == 0:
        return {}
    rows = find_rows(labels, wanted)
    corners = zip(rows.lows.tolist(), rows.highs.tolist(), strict=True)
    boxes = [tuple(map(slice, *ends)) for ends in corners]
    cells = zip(wanted.tolist(), boxes, rows.counts.tolist(), strict=True)
    return {cell: (box, count) for cell, box, count in cells if count}


def pixel_counts(values: NDArray[Any]) -> dict[int, int]:
    """Return how often each id but 0 is there, in rising order of the ids.

    Runs of one id are counted at once, so that sorting is cheap.
    """
    flat = np.ravel(values)
    if flat.size == 0:
        return {}
    if flat.dtype == LABELS_DTYPE and (n_ids := _table_size(flat)):
        return _as_counts(areas(flat, n_ids))
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    lengths = np.diff(starts, append=flat.size)
    runs = flat[starts]
    if runs.min() >= 0 and runs.max() <= MAX_TABLE:
        table = np.bincount(runs, weights=lengths)
        ids = np.flatnonzero(table)
        counts = table[ids].astype(np.int64)
    else:
        ids, places = np.unique(runs, return_inverse=True)
        counts = np.bincount(places, weights=lengths).astype(np.int64)
    pairs = zip(ids.tolist(), counts.tolist(), strict=True)
    return {cell: count for cell, count in pairs if cell > 0}


def counts_inside(labels: Labels, mask: NDArray[np.bool_]) -> dict[int, int]:
    """Return how often each id but 0 is there where a mask, both (y, x), is true."""
    n_ids = _table_size(labels) if labels.size else 0
    if n_ids == 0:
        return pixel_counts(labels[mask])
    table = np.zeros(n_ids, np.int64)
    _count_inside(labels, mask, table)
    return _as_counts(table)


def changed_counts(
    before: Labels, after: Labels
) -> tuple[dict[int, int], dict[int, int]]:
    """Return how many pixels each id but 0 loses, and how many it gains.

    Parameters
    ----------
    before, after : int32 array
        Of one shape.

    Returns
    -------
    lost, gained : dict of int to int
        In rising order of the ids.
    """
    old, new = np.ravel(before), np.ravel(after)
    if old.size == 0:
        return {}, {}
    sizes = _table_size(old), _table_size(new)
    if not all(sizes):
        where = old != new
        return pixel_counts(old[where]), pixel_counts(new[where])
    lost, gained = (np.zeros(n_ids, np.int64) for n_ids in sizes)
    _count_changes(old, new, lost, gained)
    return _as_counts(lost), _as_counts(gained)


def emptied_counts(before: Labels, after: Labels) -> dict[int, int]:
    """Return by ids how many of their pixels become background.

    Parameters
    ----------
    before, after : int32 array
        Of one shape; ids may not be negative.
    """
    old, new = np.ravel(before), np.ravel(after)
    if old.size == 0:
        return {}
    if not (n_ids := _table_size(old)):
        return pixel_counts(old[new == 0])
    emptied = np.zeros(n_ids, np.int64)
    _count_emptied(old, new, emptied)
    return _as_counts(emptied)


def changed_box(before: NDArray[Any], after: NDArray[Any]) -> Box:
    """Return the smallest box around the pixels that differ; empty if none does.

    Parameters
    ----------
    before, after : int array
        2-D to 4-D, of one shape.
    """
    lead = (1,) * (4 - before.ndim)
    stacks = (array.reshape(lead + array.shape) for array in (before, after))
    lows, highs = _find_change(*stacks)
    ends = zip(lows[len(lead) :].tolist(), highs[len(lead) :].tolist(), strict=True)
    return tuple(slice(low, high) if high else slice(0, 0) for low, high in ends)


def without_cells(labels: Labels, ids: Iterable[int]) -> Labels:
    """Return a copy of labels in which the pixels of some cells are background."""
    cleared = np.array(labels, order="C")
    wanted = np.array(sorted({int(cell) for cell in ids}), np.int64)
    if wanted.size == 0 or cleared.size == 0:
        return cleared
    n_ids = int(wanted[-1] - wanted[0]) + 1
    if n_ids > MAX_TABLE:
        cleared[np.isin(cleared, wanted)] = 0
        return cleared
    is_gone = np.zeros(n_ids, np.bool_)
    is_gone[wanted - wanted[0]] = True
    _clear(cleared.reshape(-1), wanted[0], is_gone)
    return cleared


def _as_counts(table: NDArray[np.int64]) -> dict[int, int]:
    """Return the counts of a table from id to count that are not 0."""
    table[0] = 0
    ids = np.flatnonzero(table)
    return dict(zip(ids.tolist(), table[ids].tolist(), strict=True))


def ids_outside(labels: Labels, box: Box, ids: set[int]) -> set[int]:
    """Return those of `ids` that have pixels outside `box`."""
    wanted = np.array(sorted(ids), LABELS_DTYPE)
    found: set[int] = set()
    for slab in slabs_around(box):
        part = labels[slab]
        found |= set(part[np.isin(part, wanted)].tolist())
    return found


def slabs_around(box: Box) -> list[Box]:
    """Return boxes that together cover everything outside `box`, without overlap."""
    slabs = []
    for axis, part in enumerate(box):
        rest = (slice(None),) * (len(box) - axis - 1)
        slabs.append((*box[:axis], slice(0, part.start), *rest))
        slabs.append((*box[:axis], slice(part.stop, None), *rest))
    return slabs


def union_of(boxes: Iterable[Box]) -> Box:
    """Return the smallest box around boxes; there must be one at least."""
    return tuple(
        slice(min(part.start for part in parts), max(part.stop for part in parts))
        for parts in zip(*boxes, strict=True)
    )


def grown(box: Box, margin_px: int, shape: tuple[int, ...]) -> Box:
    """Return a box with a margin in y and x, cut at the edge of the labels."""
    lead, plane = box[:-2], zip(box[-2:], shape[-2:], strict=True)
    return lead + tuple(
        slice(max(part.start - margin_px, 0), min(part.stop + margin_px, size))
        for part, size in plane
    )


def shifted(box: Box, start: tuple[int, ...]) -> Box:
    """Return a box as seen from a crop that begins at `start`."""
    return tuple(
        slice(part.start - low, part.stop - low)
        for part, low in zip(box, start, strict=True)
    )


def start_of(box: Box) -> tuple[int, ...]:
    """Return the corner of a box with the lowest coordinates."""
    return tuple(part.start for part in box)


def plane_box(labels: NDArray[Any], plane: tuple[int, ...] | None) -> Box:
    """Return the box of one (Y, X) plane, or of all labels if `plane` is None.

    Raises
    ------
    EditError
        If there is no such plane.
    """
    if plane is None:
        return tuple(slice(0, size) for size in labels.shape)
    lead = labels.shape[:-2]
    inside = len(plane) == len(lead) and all(
        0 <= index < size for index, size in zip(plane, lead, strict=True)
    )
    if not inside:
        raise EditError(
            f"Plane {tuple(plane)} was asked for, but the labels have the shape "
            f"{labels.shape}. Choose one number for each axis before y and x."
        )
    rest = tuple(slice(0, size) for size in labels.shape[-2:])
    return tuple(slice(int(index), int(index) + 1) for index in plane) + rest


def on_plane(plane: tuple[int, ...], spans: tuple[slice, ...]) -> tuple[Any, ...]:
    """Return the key of a (y, x) part of one plane; the crop has these two axes only."""
    return (*plane, *spans)


def box_of(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the smallest box around the true pixels; empty if there are none."""
    part = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        hits = np.flatnonzero(mask.any(axis=others))
        part.append(
            slice(int(hits[0]), int(hits[-1]) + 1) if hits.size else slice(0, 0)
        )
    return tuple(part)


def _table_size(labels: Labels) -> int:
    """Return the size of a table of all ids, 0 if it would be too large or some are < 0."""
    # numpy takes many pixels at a time, which numba does not. Below 0 is above 2**31.
    highest = int(labels.view(np.uint32).max())
    return highest + 1 if highest <= MAX_TABLE else 0


@compiled
def _clear(flat, first_id, is_gone):  # type: ignore[no-untyped-def]
    """Set what is gone to 0; the table begins with the lowest id."""
    for place in range(flat.size):
        at = flat[place] - first_id
        if 0 <= at < is_gone.size and is_gone[at]:
            flat[place] = 0


@compiled
def _count_inside(labels, mask, n_pixels):  # type: ignore[no-untyped-def]
    """Count the pixels of each id where a mask is true."""
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            if mask[y, x]:
                n_pixels[labels[y, x]] += 1


@compiled
def _count_changes(before, after, lost, gained):  # type: ignore[no-untyped-def]
    """Count what each value loses and gains where two arrays differ."""
    for place in range(before.size):
        if before[place] != after[place]:
            lost[before[place]] += 1
            gained[after[place]] += 1


@compiled
def _count_emptied(before, after, emptied):  # type: ignore[no-untyped-def]
    """Count what of each value becomes 0."""
    for place in range(before.size):
        if after[place] == 0:
            emptied[before[place]] += 1


@compiled
def _find_change(before, after):  # type: ignore[no-untyped-def]
    """Return the lowest and one above the highest coordinates that differ, (4,) each."""
    lows, highs = np.full(4, 2**62, np.int64), np.zeros(4, np.int64)
    n_t, n_z, n_y, n_x = before.shape
    for t in range(n_t):
        for z in range(n_z):
            for y in range(n_y):
                first, last = 0, n_x
                while first < n_x and before[t, z, y, first] == after[t, z, y, first]:
                    first += 1
                if first == n_x:
                    continue
                # From the other end: what lies between is not looked at.
                while before[t, z, y, last - 1] == after[t, z, y, last - 1]:
                    last -= 1
                for axis, value in enumerate((t, z, y)):
                    lows[axis] = min(lows[axis], value)
                    highs[axis] = max(highs[axis], value + 1)
                lows[3], highs[3] = min(lows[3], first), max(highs[3], last)
    return lows, highs
