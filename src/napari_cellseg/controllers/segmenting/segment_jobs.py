"""What runs off the main thread to segment an image, or to decode its maps anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_cellseg.controllers.engine import Engine, WarmSegmenter
from napari_cellseg.core.editing.rerun import Region
from napari_cellseg.core.errors import ImageError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.region_text import SMALLEST_SIDE_PX
from napari_cellseg.core.types import CellImage, SegmentationResult


def crop_image(image: CellImage, region: Region) -> CellImage:
    """Return the (C, Y, X) pixels of a region's box.

    Raises
    ------
    ImageError
        If the box is too small to hold a cell.
    """
    if min(region.shape_yx) < SMALLEST_SIDE_PX:
        height, width = region.shape_yx
        raise ImageError(
            f"The region is {width} × {height} pixels; at least {SMALLEST_SIDE_PX} × "
            f"{SMALLEST_SIDE_PX} are needed. Zoom out or draw a larger one."
        )
    top, left, bottom, right = region.box_yx_yx
    leading = dict(zip(image.labels_axes[:-2], region.plane, strict=True))
    spans = {**leading, "Y": slice(top, bottom), "X": slice(left, right)}
    key = tuple(spans.get(axis, slice(None)) for axis in image.axes)
    return replace(image, data=np.asarray(image.data[key]), axes="CYX")


def segment_job(
    segmenters: WarmSegmenter,
    model: str,
    image: CellImage,
    region: Region | None,
    options: SegmentOptions,
) -> Job[SegmentationResult]:
    """Read the region and segment it."""
    yield Progress(0, 0, "reading the image")
    part = image if region is None else crop_image(image, region)
    return (yield from segmenters.segment(model, part, options))


def decode_job(
    engine: Engine, result: SegmentationResult, options: SegmentOptions
) -> Job[SegmentationResult]:
    """Decode the kept maps with other thresholds; the size is that of the run."""
    yield Progress(0, 0, "updating")
    settled = replace(options, diameter_px=result.options.diameter_px)
    return engine.decode(result, settled)
