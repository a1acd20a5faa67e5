"""Running a model again over labels that hold work by hand: what stays, what is new."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from napari_cellseg.core.cell_boxes import cell_boxes, pixel_counts
from napari_cellseg.core.edits import NUMBER_ANEW, Edit
from napari_cellseg.core.errors import LabelsError
from napari_cellseg.core.types import LABELS_DTYPE, Labels, SegmentationResult

#: A new cell that lies this much in kept or deleted cells is the same cell: it is left out.
SAME_CELL_SHARE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """The part of an image that is segmented.

    Attributes
    ----------
    box_yx_yx : (top, left, bottom, right)
        In pixels; bottom and right are left out.
    plane : tuple of int
        Position of T and Z, one number an axis before Y and X; empty for a 2-D image.
    outline_yx : (n, 2) float array or None
        Polygon in pixels of the whole plane; None takes the box.
    """

    box_yx_yx: tuple[int, int, int, int]
    plane: tuple[int, ...] = ()
    outline_yx: NDArray[np.float64] | None = None

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Height and width of the box."""
        top, left, bottom, right = self.box_yx_yx
        return bottom - top, right - left

    @property
    def box(self) -> tuple[slice, ...]:
        """Where the region lies in the labels: one plane, so leading slices of 1."""
        top, left, bottom, right = self.box_yx_yx
        leading = (slice(at, at + 1) for at in self.plane)
        return (*leading, slice(top, bottom), slice(left, right))

    def mask(self) -> NDArray[np.bool_]:
        """Return what of the box belongs to the region, (y, x)."""
        if self.outline_yx is None:
            return np.ones(self.shape_yx, bool)
        corner = np.asarray(self.box_yx_yx[:2], float)
        outline = self.outline_yx - corner
        mask: NDArray[np.bool_] = polygon2mask(self.shape_yx, outline)  # type: ignore[no-untyped-call]
        return mask


@dataclass(frozen=True, slots=True, eq=False)
class Footprint:
    """Where a cell was that a person deleted; a model must not bring it back.

    Attributes
    ----------
    start : tuple of int
        Corner in the labels.
    mask : bool array
        Pixels of the cell, with the axes of the labels.
    """

    start: tuple[int, ...]
    mask: NDArray[np.bool_]

    @property
    def box(self) -> tuple[slice, ...]:
        """Where it lies in the labels."""
        return tuple(
            slice(low, low + n)
            for low, n in zip(self.start, self.mask.shape, strict=True)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """Labels of a new run and what was kept.

    Attributes
    ----------
    labels : int32 array
        With the axes of the labels before.
    confidence : mapping of int to float
        Of the new cells only.
    n_kept : int
        Cells by hand that were kept.
    start : tuple of int
        Where `labels` begin in those before, if they are a crop of them; () if not.
    """

    labels: Labels
    confidence: Mapping[int, float] = field(default_factory=dict)
    n_kept: int = 0
    start: tuple[int, ...] = ()


def deleted_footprints(edit: Edit) -> list[Footprint]:
    """Return the cells that an edit by hand deletes, or an empty list.

    A cell is deleted when its id is gone and most of its pixels are background; a cell
    that was merged into another is not.
    """
    if edit.name == NUMBER_ANEW:
        return []
    gone = edit.sources_before.keys() - edit.sources_after.keys()
    if not gone:
        return []
    emptied = pixel_counts(np.where(edit.after == 0, edit.before, 0))
    found = []
    for cell, (box, n_pixels) in cell_boxes(edit.before, gone).items():
        if emptied.get(cell, 0) > SAME_CELL_SHARE * n_pixels:
            low = tuple(
                at + part.start for at, part in zip(edit.start, box, strict=True)
            )
            found.append(Footprint(low, edit.before[box] == cell))
    return found


def merge_run(
    current: Labels | None,
    result: SegmentationResult,
    *,
    shape: tuple[int, ...],
    keep: Iterable[int] = (),
    deleted: Iterable[Footprint] = (),
    region: Region | None = None,
) -> Merged:
    """Return the labels of a new run together with the cells that stay.

    Kept cells keep every pixel and their id. Outside a region everything stays; inside it,
    and in the whole image without one, cells that are not kept give way. A new cell that
    lies mostly in kept or deleted cells is left out; elsewhere it gets what is free.

    Parameters
    ----------
    current : int32 array or None
        The labels before; None if there are none. Not changed.
    result : SegmentationResult
        Of the whole image, or of the box of `region` (leading axes of size 1 or none).
    shape : tuple of int
        Shape of the labels of the whole image.
    keep : ids
        Cells by hand that stay.
    deleted : Footprint
        Cells deleted by hand that stay away.
    region : Region or None
        What was segmented; None is the whole image.

    Raises
    ------
    LabelsError
        If the shapes do not fit.
    """
    base = np.zeros(shape, LABELS_DTYPE) if current is None else current
    if base.shape != tuple(shape):
        raise LabelsError(
            f"The labels have the shape {base.shape}, the image needs {tuple(shape)}. "
            "Segment into new labels."
        )
    kept = np.array(sorted({int(cell) for cell in keep} - {0}), LABELS_DTYPE)
    box = tuple(slice(0, n) for n in shape) if region is None else region.box
    labels = _staying(base, kept, region)
    fresh = _fresh_cells(result.labels, labels[box].shape, region)
    taken = labels[box] != 0
    covered = _with_footprints(taken, box, deleted)
    if covered.any():
        fresh = _uncovered_cells(fresh, covered)
        fresh[taken] = 0
    old_ids, new_ids = _place(fresh, labels, box)
    return Merged(labels, _confidences(result, old_ids, new_ids), len(kept))


def keep_cells(
    model_labels: Labels, old_labels: Labels, kept_ids: Iterable[int]
) -> tuple[Labels, dict[int, int]]:
    """Return the labels of a model together with cells that stay as they are.

    Kept cells keep every pixel and their id. A cell of the model of which more than
    half lies in kept cells is left out; the others lose what lies in them, and get
    another id where theirs is taken.

    Parameters
    ----------
    model_labels, old_labels : int32 array
        Of one shape, with any number of axes; neither is changed.
    kept_ids : iterable of int
        The cells of `old_labels` that stay; ids that are not there do not matter.

    Returns
    -------
    labels : int32 array
        A new array.
    new_ids : mapping of int to int
        Id in `labels` of each cell of the model that is in them.

    Raises
    ------
    LabelsError
        If the shapes differ.
    """
    if model_labels.shape != old_labels.shape:
        raise LabelsError(
            f"The model gave labels of shape {model_labels.shape}, those before have "
            f"{old_labels.shape}. Segment the same image, or start new labels."
        )
    kept = np.array(sorted({int(cell) for cell in kept_ids} - {0}), LABELS_DTYPE)
    labels = _staying(old_labels, kept, None)
    taken = labels != 0
    fresh = _uncovered_cells(model_labels, taken)
    fresh[taken] = 0
    old_ids, new_ids = _place(fresh, labels, (slice(None),) * labels.ndim)
    return labels, dict(zip(old_ids.tolist(), new_ids.tolist(), strict=True))


def _place(
    fresh: Labels, labels: Labels, box: tuple[slice, ...]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Write new cells into a box of labels; return their ids and those they get there."""
    is_cell = fresh != 0
    old_ids = np.unique(fresh[is_cell])
    new_ids = _free_ids(labels, old_ids)
    labels[box][is_cell] = new_ids[np.searchsorted(old_ids, fresh[is_cell])]
    return old_ids, new_ids


def _staying(base: Labels, kept: Labels, region: Region | None) -> Labels:
    """Return a copy of the labels with only the cells that do not give way."""
    if region is None:
        return np.where(np.isin(base, kept), base, 0).astype(LABELS_DTYPE)
    labels = base.copy()
    plane = labels[region.plane]
    top, left, bottom, right = region.box_yx_yx
    inside = plane[top:bottom, left:right][region.mask()]
    ids, n_inside = np.unique(inside, return_counts=True)
    n_all = _areas(plane, ids)
    giving = ids[(n_inside >= SAME_CELL_SHARE * n_all) & (ids != 0)]
    giving = np.setdiff1d(giving, kept)
    plane[np.isin(plane, giving)] = 0
    return labels


def _areas(labels: Labels, ids: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the pixels of each of `ids`, which rise."""
    found, counts = np.unique(labels, return_counts=True)
    areas: NDArray[np.int64] = counts[np.searchsorted(found, ids)]
    return areas


def _fresh_cells(
    labels: Labels, shape: tuple[int, ...], region: Region | None
) -> Labels:
    """Return a copy of a run's labels in the shape of the box, without what is outside."""
    if labels.shape[-2:] != shape[-2:] or labels.size != int(np.prod(shape)):
        raise LabelsError(
            f"The run gave labels of shape {labels.shape}; {shape} is needed. Segment again."
        )
    fresh = labels.reshape(shape).copy()
    if region is None or region.outline_yx is None:
        return fresh
    outside = np.broadcast_to(~region.mask(), shape)
    return _uncovered_cells(fresh, outside)


def _with_footprints(
    taken: NDArray[np.bool_], box: tuple[slice, ...], deleted: Iterable[Footprint]
) -> NDArray[np.bool_]:
    """Return what is taken together with where deleted cells were."""
    covered = taken.copy()
    for footprint in deleted:
        inside, own = [], []
        for part, other in zip(box, footprint.box, strict=True):
            low, high = max(part.start, other.start), min(part.stop, other.stop)
            inside.append(slice(low - part.start, max(high, low) - part.start))
            own.append(slice(low - other.start, max(high, low) - other.start))
        covered[tuple(inside)] |= footprint.mask[tuple(own)]
    return covered


def _uncovered_cells(labels: Labels, covered: NDArray[np.bool_]) -> Labels:
    """Return a copy without the cells of which more than `SAME_CELL_SHARE` is covered."""
    ids, n_covered = np.unique(labels[covered], return_counts=True)
    gone = ids[n_covered > SAME_CELL_SHARE * _areas(labels, ids)]
    return np.where(np.isin(labels, gone), 0, labels).astype(LABELS_DTYPE)


def _free_ids(labels: Labels, wanted: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return as many ids as wanted that the labels do not hold: the same if all are free."""
    taken = np.unique(labels)
    if not np.isin(wanted, taken).any():
        return wanted
    candidates = np.arange(1, len(wanted) + len(taken) + 1, dtype=LABELS_DTYPE)
    return np.setdiff1d(candidates, taken)[: len(wanted)]


def _confidences(
    result: SegmentationResult,
    old_ids: NDArray[np.int32],
    new_ids: NDArray[np.int32],
) -> dict[int, float]:
    """Return the confidence of the new cells under their new ids."""
    return {
        int(new): float(result.confidence[old - 1])
        for old, new in zip(old_ids, new_ids, strict=True)
    }
