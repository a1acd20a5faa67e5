"""Running a model again over labels that hold work by hand: what stays, what is new."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from napari_cellseg.core.editing.difference import same_cells
from napari_cellseg.core.editing.edits import NUMBER_ANEW, Edit
from napari_cellseg.core.editing.numbering import check_free_ids
from napari_cellseg.core.errors import LabelsError
from napari_cellseg.core.labels.arrays import renumbered
from napari_cellseg.core.labels.boxes import cell_boxes, emptied_counts, pixel_counts
from napari_cellseg.core.labels.overlaps import areas, dense
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

    @property
    def key(self) -> tuple[tuple[int, ...], tuple[int, ...], bytes]:
        """What two footprints of the same pixels have in common, and no other."""
        return self.start, self.mask.shape, self.mask.tobytes()


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
    emptied = emptied_counts(edit.before, edit.after)
    found = []
    for cell, (box, n_pixels) in cell_boxes(edit.before, gone).items():
        if emptied.get(cell, 0) > SAME_CELL_SHARE * n_pixels:
            low = tuple(
                at + part.start for at, part in zip(edit.start, box, strict=True)
            )
            found.append(Footprint(low, edit.before[box] == cell))
    return found


def merge_run(
    current: Labels,
    result: SegmentationResult,
    *,
    keep: Iterable[int] = (),
    deleted: Iterable[Footprint] = (),
    region: Region | None = None,
    last_id: int = 0,
) -> Merged:
    """Return the labels of a new run together with the cells that stay.

    Kept cells keep every pixel and their id. Outside a region everything stays; inside it,
    and in the whole image without one, cells that are not kept give way. A new cell that
    lies mostly in kept or deleted cells is left out; elsewhere it gets what is free.

    A cell that the run finds again, with an outline that agrees by `difference.SAME_IOU`, keeps its
    id. Every other new cell gets one that no cell ever had: what is known of a cell that
    is gone, and comes back by undo, must not pass to another.

    Parameters
    ----------
    current : int32 array
        The labels of the whole image before, 0 where there is none. Not changed.
    result : SegmentationResult
        Of the whole image, or of the box of `region` (leading axes of size 1 or none).
    keep : ids
        Cells by hand that stay.
    deleted : Footprint
        Cells deleted by hand that stay away.
    region : Region or None
        What was segmented; None is the whole image.
    last_id : int
        The highest id that any cell of the labels ever had, if it is higher than theirs.
        Where no cell ever was, new cells keep the ids of the run.

    Raises
    ------
    LabelsError
        If the shapes do not fit.
    EditError
        If there are not enough ids.
    """
    kept = np.array(sorted({int(cell) for cell in keep} - {0}), LABELS_DTYPE)
    whole = tuple(slice(0, n) for n in current.shape)
    box = whole if region is None else region.box
    fresh = _fresh_cells(result.labels, current[box].shape, region)
    last_id, gone = max(last_id, int(current.max(initial=0))), list(deleted)
    if not last_id and not gone and region is None:
        ids = {cell: cell for cell in pixel_counts(fresh)}
        return Merged(fresh, _confidences(result, ids))
    labels = _staying(current, kept, region)
    taken = labels[box] != 0
    covered = with_footprints(taken, box, gone)
    if covered.any():
        fresh = _uncovered_cells(fresh, covered)
        fresh[taken] = 0
    numbers = _numbers(fresh, current[box], labels, box, last_id)
    _place(fresh, labels, box, numbers)
    return Merged(labels, _confidences(result, numbers), len(kept))


def _place(
    fresh: Labels, labels: Labels, box: tuple[slice, ...], numbers: dict[int, int]
) -> None:
    """Write new cells into a box of labels under their numbers."""
    if not numbers:
        return
    ids, places = dense(fresh)
    new_ids = np.zeros(len(ids), LABELS_DTYPE)
    new_ids[np.searchsorted(ids, list(numbers))] = list(numbers.values())
    placed = renumbered(places, new_ids)
    np.copyto(labels[box], placed, where=placed != 0)


def _numbers(
    fresh: Labels,
    before: Labels,
    labels: Labels,
    box: tuple[slice, ...],
    last_id: int,
) -> dict[int, int]:
    """Return the number of each new cell, in rising order of the run's own numbers."""
    ids = list(pixel_counts(fresh))
    if not last_id:
        return {cell: cell for cell in ids}
    same = same_cells(np.where(labels[box] == 0, before, 0), fresh)
    staying = pixel_counts(labels)
    numbers, following = {}, last_id
    for cell in ids:
        former = same.get(cell, 0)
        if former == 0 or former in staying:
            following += 1
        numbers[cell] = following if former == 0 or former in staying else former
    check_free_ids(last_id + 1, following - last_id)
    return numbers


def _staying(base: Labels, kept: Labels, region: Region | None) -> Labels:
    """Return a copy of the labels with only the cells that do not give way."""
    if region is None:
        ids, places = dense(base)
        return renumbered(places, _without(ids, ~np.isin(ids, kept)))
    labels = base.copy()
    plane = labels[region.plane]
    top, left, bottom, right = region.box_yx_yx
    ids, places = dense(plane)
    n_inside = areas(places[top:bottom, left:right][region.mask()], len(ids))
    gives_way = n_inside >= SAME_CELL_SHARE * areas(places, len(ids))
    plane[...] = renumbered(places, _without(ids, gives_way & ~np.isin(ids, kept)))
    return labels


def _without(ids: NDArray[np.int64], is_gone: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the new id of each place: the background for those that are gone."""
    return np.where(is_gone, 0, ids).astype(LABELS_DTYPE)


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


def with_footprints(
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
    ids, places = dense(labels)
    n_covered = areas(places[covered], len(ids))
    is_gone = n_covered > SAME_CELL_SHARE * areas(places, len(ids))
    return renumbered(places, _without(ids, is_gone))


def _confidences(
    result: SegmentationResult, numbers: Mapping[int, int]
) -> dict[int, float]:
    """Return the confidence of the new cells under their numbers."""
    return {new: float(result.confidence[old - 1]) for old, new in numbers.items()}
