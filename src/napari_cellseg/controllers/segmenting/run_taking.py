"""A run of a model, and how it goes into the labels under correction."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.projects.large_project import MAX_IN_MEMORY_PX
from napari_cellseg.core.editing.region_run import merge_region
from napari_cellseg.core.editing.rerun import Merged, Region, merge_run
from napari_cellseg.core.errors import ImageError, LabelsError
from napari_cellseg.core.types import LABELS_DTYPE, CellImage, SegmentationResult


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


def take_into(proofread: ProofreadController, run: Run, *, keeps: bool) -> Merged:
    """Take a run over the labels that are there, or open labels where none fit."""
    check_room(proofread, run.image, run.region)
    if fits(proofread, run.image):
        merged = merged_with(proofread, run, run.result, keeps=keeps)
        proofread.take_run(merged, "segment", keeps=keeps)
    else:
        shape = run.image.labels_shape
        if run.region is not None and math.prod(shape) > MAX_IN_MEMORY_PX:
            raise ImageError(
                "The cells of this image are not open, so those of the region were not "
                "taken. Open them, and segment the region again."
            )
        none_yet = np.zeros(shape, LABELS_DTYPE)
        merged = merge_run(none_yet, run.result, region=run.region)
        proofread.open(merged.labels, None, merged.confidence)
    note_origin(proofread, run.result)
    return merged


def merged_with(
    proofread: ProofreadController, run: Run, result: SegmentationResult, *, keeps: bool
) -> Merged:
    """Return a result merged with the labels as they are now; large ones around a region.

    Raises
    ------
    EditError
        If labels that are too large for memory would be needed as a whole.
    """
    cells = proofread.cells
    if cells is not None and cells.is_large and run.region is not None:
        return merge_region(
            cells.index,
            result,
            run.region,
            keep=proofread.kept_ids if keeps else (),
            deleted=proofread.kept_empty if keeps else (),
        )
    if cells is None or cells.labels.shape != run.image.labels_shape:
        raise LabelsError(
            f"'{run.image.name}' has other cells by now, or none. Segment it again."
        )
    return merge_run(
        cells.labels,
        result,
        keep=proofread.kept_ids if keeps else (),
        deleted=proofread.kept_empty if keeps else (),
        region=run.region,
        last_id=cells.index.last_id,
    )


def note_origin(proofread: ProofreadController, result: SegmentationResult) -> None:
    """Remember with the labels what made them; the maps stay with the run."""
    if proofread.cells is not None:
        proofread.cells.origin = replace(result, maps=())
        proofread.cells.model_digest = result.model_digest
