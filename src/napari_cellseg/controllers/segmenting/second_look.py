"""Looks at the cells of a run again, for what speaks for some of them being wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from psygnal import Signal

from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.segmenting.run_taking import Run
from napari_cellseg.controllers.segmenting.segment import SegmentController
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.editing.cell_index import overlap
from napari_cellseg.core.editing.edits import Edit
from napari_cellseg.core.editing.numbering import moved_numbers
from napari_cellseg.core.editing.rerun import Footprint, Merged, Region, with_footprints
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.labels.boxes import shifted, start_of
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.review.doubt_signs import (
    NO_SIGNS,
    Signs,
    cells_cut_off,
    cells_on_seams,
    disagreements,
    disagreements_between,
    touching_shares,
)
from napari_cellseg.core.review.missing_cells import MissingPlace, missing_places
from napari_cellseg.core.types import LABELS_DTYPE, Labels, PlaneMaps

#: Maps of more pixels are not read again: 16 million take 4 s and 0.3 GB in the background.
MAX_READ_AGAIN_PX = 2**24
#: Cells of large labels are looked at so far around a region that was segmented.
AROUND_PX = 64


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What of a run is looked at again.

    Attributes
    ----------
    maps : tuple of PlaneMaps
        Of the region, one a plane; empty where they were not kept.
    options : SegmentOptions
        Of the run, settled.
    region : Region or None
        As seen from the labels that are looked at; None is all of them.
    start : tuple of int
        Where the labels that are looked at begin in all of them.
    kept_empty : list of Footprint
        Where no cell may be, in all labels.
    former : int32 array or None
        What another model had made of these labels; None where none did.
    """

    maps: tuple[PlaneMaps, ...]
    options: SegmentOptions
    region: Region | None
    start: tuple[int, ...]
    kept_empty: list[Footprint]
    former: Labels | None = None


class SecondLook:
    """Looks again whenever labels are opened or a run is over, off the main thread.

    Parameters
    ----------
    segment : SegmentController
        Tells of runs, and keeps the maps of the last one.
    proofread : ProofreadController
        Has the labels.
    task : TaskController
        Looks.

    """

    looked = Signal(Signs)

    def __init__(
        self,
        segment: SegmentController,
        proofread: ProofreadController,
        task: TaskController,
    ) -> None:
        self._segment = segment
        self._proofread = proofread
        self.task = task
        self._replaced: tuple[str, Edit] | None = None
        proofread.opened.connect(self._on_opened)
        proofread.edited.connect(self._on_edited)
        segment.finished.connect(self._on_finished)
        segment.redecoded.connect(self._on_redecoded)

    def release(self) -> None:
        """Stop looking, and hear of nothing more."""
        self.task.abandon()
        self._proofread.opened.disconnect(self._on_opened, missing_ok=True)
        self._proofread.edited.disconnect(self._on_edited, missing_ok=True)
        self._segment.finished.disconnect(self._on_finished, missing_ok=True)
        self._segment.redecoded.disconnect(self._on_redecoded, missing_ok=True)

    def _on_opened(self) -> None:
        self.task.abandon()
        self._replaced = None
        cells = self._proofread.cells
        if self.signs is not NO_SIGNS:  # from before, or from the project
            self.looked.emit(self.signs)
        if cells is not None and not cells.is_large and cells.sources:
            self._start(cells.labels, None)

    @property
    def signs(self) -> Signs:
        """What was seen of the cells under correction."""
        cells = self._proofread.cells
        return NO_SIGNS if cells is None else cells.signs

    def _on_edited(self, edit: Edit) -> None:
        """Follow cells to new numbers; remember what a run takes the place of."""
        cells = self._proofread.cells
        if cells is None:
            return
        if moved := moved_numbers(edit):
            cells.signs = cells.signs.moved(moved)
            self.looked.emit(cells.signs)
        elif edit.name == "segment" and not self._proofread.is_undo:
            # What made the cells before is noted anew after this.
            self._replaced = (cells.model_digest, edit)

    def _former(
        self, part: Labels, start: tuple[int, ...], digest: str
    ) -> Labels | None:
        """Return a part of the labels as it was, where another model had made them."""
        replaced, self._replaced = self._replaced, None
        if replaced is None or replaced[0] in ("", digest):
            return None
        former, edit = part.copy(), replaced[1]
        spans = zip(start, part.shape, strict=True)
        common = overlap(edit.box, tuple(slice(low, low + n) for low, n in spans))
        if common is not None:
            inner = shifted(common, edit.start)
            was, now = edit.before[inner], edit.after[inner]
            np.copyto(former[shifted(common, start)], was, where=was != now)
        return former

    def _on_finished(self, run: Run, _merged: Merged, _is_new: bool) -> None:  # noqa: FBT001
        self._look(run)

    def _on_redecoded(self) -> None:
        if self._segment.run is not None:
            self._look(self._segment.run)

    def _look(self, run: Run) -> None:
        """Look at what a run made; of large labels at the region and what is around it."""
        cells = self._proofread.cells
        if cells is None or (cells.is_large and run.region is None):
            return
        last = self._segment.session.result or run.result
        labels, region, start = cells.labels, run.region, (0,) * cells.labels.ndim
        if cells.is_large and region is not None:
            labels, region, start = _part_of(labels, region)
        former = self._former(labels, start, run.result.model_digest)
        kept_empty = self._proofread.kept_empty
        seen = _Seen(run.result.maps, last.options, region, start, kept_empty, former)
        self._start(labels, seen)

    def _start(self, labels: Labels, seen: _Seen | None) -> None:
        self.task.start(
            "Looking for doubtful cells", _look_job(labels, seen), self._take
        )

    def _take(self, signs: Signs) -> None:
        cells = self._proofread.cells
        if cells is not None:
            cells.signs = cells.signs.updated(signs)
            self.looked.emit(cells.signs)


def _part_of(labels: Labels, region: Region) -> tuple[Labels, Region, tuple[int, ...]]:
    """Return the labels around a region, the region as seen from there, and where it is."""
    top, left, bottom, right = region.box_yx_yx
    height, width = labels.shape[-2:]
    box = (
        *region.box[:-2],
        slice(max(top - AROUND_PX, 0), min(bottom + AROUND_PX, height)),
        slice(max(left - AROUND_PX, 0), min(right + AROUND_PX, width)),
    )
    inner = shifted(region.box, start_of(box))[-2:]
    box_yx_yx = (inner[0].start, inner[1].start, inner[0].stop, inner[1].stop)
    # Whether it was drawn does not matter: only its box was seen.
    here = replace(
        region, box_yx_yx=box_yx_yx, plane=(0,) * len(region.plane), outline_yx=None
    )
    return labels[box], here, start_of(box)


def _look_job(labels: Labels, seen: _Seen | None) -> Job[Signs]:
    """Look at labels; a step between any two things that take long."""
    yield Progress(0, 4, "looking at outlines")
    # Copied here: of a large image that takes long enough to stop the window.
    labels = labels.copy()
    signs = Signs(touching_shares(labels))
    if seen is None:
        return signs
    yield Progress(1, 4, "looking at seams")
    part, cut_off = labels, frozenset[int]()
    if seen.region is not None:
        part = labels[seen.region.box]
        cut_off = cells_cut_off(labels, seen.region.plane, seen.region.box_yx_yx)
    signs = replace(signs, cut_off=cut_off)
    if seen.former is not None:
        other_model = disagreements_between(labels, seen.former)
        changed = set(np.unique(labels[labels != seen.former]).tolist())
        signs = replace(
            signs,
            other_model={
                cell: share for cell, share in other_model.items() if cell in changed
            },
        )
    if not _can_be_read_again(seen):
        return signs
    on_seam = cells_on_seams(part, seen.maps)
    yield Progress(2, 4, "reading the maps another way")
    disagreement = disagreements(part, seen.maps, seen.options)
    signs = replace(signs, on_seam=on_seam, disagreement=disagreement)
    yield Progress(3, 4, "looking for missed cells")
    return replace(signs, missing=tuple(_missing(part, seen)))


def _missing(part: Labels, seen: _Seen) -> list[MissingPlace]:
    """Return where cells may be missing, in pixels of all labels."""
    inner = (0,) * part.ndim if seen.region is None else start_of(seen.region.box)
    start = tuple(a + b for a, b in zip(seen.start, inner, strict=True))
    box = tuple(slice(low, low + n) for low, n in zip(start, part.shape, strict=True))
    is_taken = with_footprints(np.zeros(part.shape, bool), box, seen.kept_empty)
    taken = np.where(is_taken & (part == 0), -1, part).astype(LABELS_DTYPE)
    found = missing_places(taken, seen.maps, seen.options)
    return [place.moved(start) for place in found]


def _can_be_read_again(seen: _Seen) -> bool:
    """Say whether there are maps of a size that another decoder can read."""
    options = seen.options
    is_settled = None not in (options.foreground_threshold, options.seed_threshold)
    n_pixels = sum(one.maps[0].size for one in seen.maps)
    return is_settled and 0 < n_pixels <= MAX_READ_AGAIN_PX
