"""A run of a model, and how it goes into the labels under correction."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.controllers.labels.cells_before import (
    CellsBefore,
    cells_before,
    is_done_at_once,
)
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.labels.run_step import RunStep, step_of_run
from napari_cellseg.controllers.projects.large_project import MAX_IN_MEMORY_PX
from napari_cellseg.core.editing.cell_index import CellIndex
from napari_cellseg.core.editing.region_run import merge_region
from napari_cellseg.core.editing.rerun import Merged, Region, merge_run
from napari_cellseg.core.errors import ImageError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.types import LABELS_DTYPE, CellImage, SegmentationResult
from napari_cellseg.project.database.packing import packed_ahead


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One run of a model on one image, with its maps so that thresholds can move.

    Attributes
    ----------
    image : CellImage
        What was segmented.
    result : SegmentationResult
        Of the region.
    region : Region or None
        None is everything.
    """

    image: CellImage
    result: SegmentationResult
    region: Region | None = None

    @property
    def notes(self) -> dict[str, Any]:
        """What a layer with its cells says of where they come from."""
        result = self.result
        return {
            "model": result.model_name,
            "digest": result.model_digest,
            "options": result.options.to_dict(),
            "device": result.device,
            "seconds": result.seconds,
            "image": self.image.name,
        }


def fits(proofread: ProofreadController, image: CellImage | None) -> bool:
    """Say whether there are labels that fit an image."""
    labels = proofread.labels
    if image is None or labels is None:
        return False
    return labels.shape == image.labels_shape


def check_room(
    proofread: ProofreadController, image: CellImage, region: Region | None
) -> None:
    """Raise `ImageError` if the cells of a whole image would not fit into memory."""
    cells = proofread.cells
    is_on_disk = fits(proofread, image) and cells is not None and cells.is_large
    if region is None and is_on_disk:
        sizes = " × ".join(f"{n:,}" for n in image.labels_shape)
        raise ImageError(
            f"The image has {sizes} pixels, and its cells are kept on disk: a run over all "
            "of them does not fit into memory. Segment what is in view, or draw a region."
        )


@dataclass(frozen=True, slots=True, eq=False)
class PreparedRun:
    """A run, ready to be taken.

    Attributes
    ----------
    before : CellsBefore or None
        The cells that it was merged with, None where there were none.
    merged : Merged
        Both together.
    step : RunStep or None
        What it changes of `before`, None for nothing.
    new : CellLabels or None
        The cells where there were none.
    """

    before: CellsBefore | None
    merged: Merged
    step: RunStep | None = None
    new: CellLabels | None = None

    def still_fits(self, proofread: ProofreadController, image: CellImage) -> bool:
        """Say whether it can be taken: nothing was edited since."""
        if self.before is None:
            return not fits(proofread, image)
        return self.before.still_holds(proofread.cells)


def is_quick(proofread: ProofreadController, run: Run) -> bool:
    """Say whether a run is merged in no time: few pixels, or a region of large labels."""
    cells = proofread.cells
    if cells is not None and cells.is_large and fits(proofread, run.image):
        return True  # what lies on the disk is read by the main thread only
    return is_done_at_once(run.image.labels_shape)


def preparation(
    proofread: ProofreadController, run: Run, name: str, *, keeps: bool
) -> Job[PreparedRun]:
    """Return the job that merges a run with the labels as they are now.

    Parameters
    ----------
    proofread : ProofreadController
        Has the labels; the job does not look at it.
    run : Run
        Of its image.
    name : str
        What undo is to say.
    keeps : bool
        Whether what was done by hand stays.

    Raises
    ------
    ImageError
        If the cells would not fit into memory, or are not open.
    """
    check_room(proofread, run.image, run.region)
    cells = proofread.cells
    if cells is not None and fits(proofread, run.image):
        return _prepare_step(cells_before(cells), run, name, keeps=keeps)
    shape = run.image.labels_shape
    if run.region is not None and math.prod(shape) > MAX_IN_MEMORY_PX:
        raise ImageError(
            "The cells of this image are not open, so those of the region were not "
            "taken. Open them, and segment the region again."
        )
    return _prepare_new(run)


def _prepare_new(run: Run) -> Job[PreparedRun]:
    yield Progress(0, 0, "taking the cells")
    none_yet = np.zeros(run.image.labels_shape, LABELS_DTYPE)
    merged = merge_run(none_yet, run.result, region=run.region)
    new = CellLabels(merged.labels, None, merged.confidence)
    new.copy_ahead()
    return PreparedRun(None, merged, new=new)


def _prepare_step(
    before: CellsBefore, run: Run, name: str, *, keeps: bool
) -> Job[PreparedRun]:
    yield Progress(0, 0, "merging the cells")
    copied = before.on_a_copy()
    merged = merged_with(copied, run, keeps=keeps)
    step = step_of_run(copied, merged, name)
    is_light = is_done_at_once(copied.labels.shape) or before.cells.is_large
    if step is not None and not is_light:
        step = replace(step, kept=packed_ahead(step.kept))
    return PreparedRun(before, merged, step)


def take_prepared(
    proofread: ProofreadController, run: Run, prepared: PreparedRun, *, keeps: bool
) -> None:
    """Take a run that `still_fits`."""
    if prepared.new is not None:
        proofread.reopen(prepared.new)
    else:
        proofread.take_step(prepared.step, keeps=keeps)
    note_origin(proofread, run.result)


def merged_with(before: CellsBefore, run: Run, *, keeps: bool) -> Merged:
    """Return a run merged with labels; large ones around a region.

    Raises
    ------
    EditError
        If labels that are too large for memory would be needed as a whole.
    """
    keep = before.kept_ids if keeps else ()
    deleted = before.kept_empty if keeps else ()
    if isinstance(before.indexed, CellIndex) and run.region is not None:
        return merge_region(
            before.indexed, run.result, run.region, keep=keep, deleted=deleted
        )
    return merge_run(
        before.labels,
        run.result,
        keep=keep,
        deleted=deleted,
        region=run.region,
        last_id=before.last_id,
    )


def note_origin(proofread: ProofreadController, result: SegmentationResult) -> None:
    """Remember with the labels what made them; the maps stay with the run."""
    if proofread.cells is not None:
        proofread.cells.origin = replace(result, maps=())
        proofread.cells.model_digest = result.model_digest
