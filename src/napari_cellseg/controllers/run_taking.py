"""A run of a model, and how it goes into the labels under correction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from napari_cellseg.controllers.proofread import ProofreadController
from napari_cellseg.core.rerun import Merged, Region, merge_run
from napari_cellseg.core.types import CellImage, SegmentationResult


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


def take_into(proofread: ProofreadController, run: Run, *, keeps: bool) -> Merged:
    """Take a run over the labels that are there, or open labels where none fit."""
    if fits(proofread, run.image):
        merged = merged_with(proofread, run, run.result, keeps=keeps)
        proofread.take_run(merged, "segment", keeps=keeps)
    else:
        shape = run.image.labels_shape
        merged = merge_run(None, run.result, shape=shape, region=run.region)
        proofread.open(merged.labels, None, merged.confidence)
    note_origin(proofread, run.result)
    return merged


def merged_with(
    proofread: ProofreadController, run: Run, result: SegmentationResult, *, keeps: bool
) -> Merged:
    """Return a result merged with the labels as they are now."""
    return merge_run(
        proofread.labels,
        result,
        shape=run.image.labels_shape,
        keep=proofread.kept_ids if keeps else (),
        deleted=proofread.kept_empty if keeps else (),
        region=run.region,
    )


def note_origin(proofread: ProofreadController, result: SegmentationResult) -> None:
    """Remember with the labels what made them; the maps stay with the run."""
    if proofread.cells is not None:
        proofread.cells.origin = replace(result, maps=())
