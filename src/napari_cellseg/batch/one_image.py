"""One image of a run: read, segmented, measured and written; its errors become its row."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from napari_cellseg.batch.how_read import how_read
from napari_cellseg.batch.options import BatchOptions
from napari_cellseg.batch.results import ImageResults, Row
from napari_cellseg.core.errors import CellsegError, DiskFullError
from napari_cellseg.core.given_sizes import with_given_sizes
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.measuring.measure import measure_cells
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.intensity import channel_named
from napari_cellseg.core.segmentation.region_text import parse_region
from napari_cellseg.core.segmenter import Segmenter
from napari_cellseg.core.track_options import TrackOptions
from napari_cellseg.core.tracking.tracks import Parents
from napari_cellseg.core.types import CellImage
from napari_cellseg.io.reading.images import read_one_image
from napari_cellseg.io.reading.paths import full_address
from napari_cellseg.tracking import track_result

logger = logging.getLogger(__name__)

#: What one image may do wrong without ending the run; an interrupt is not among them.
ONE_IMAGE_ERRORS = (
    CellsegError,
    OSError,
    MemoryError,
    ArithmeticError,
    LookupError,
    TypeError,
    ValueError,
    RuntimeError,
)


def segment_file(
    result: ImageResults,
    segmenter: Segmenter,
    batch: BatchOptions,
    options: SegmentOptions,
) -> Job[Row]:
    """Do one image and return its row; an error of the image becomes the row.

    Raises
    ------
    DiskFullError
        See `row_of_error`.
    """
    try:
        if not batch.overwrite:
            result.check_free(batch)
        yield Progress(0, 0, "reading")
        reading = result.read_by(batch)
        how = how_read(result.source, reading)
        image = read_image_with(full_address(result.source), reading)
        asked = replace(
            with_named_channels(options, image, batch), keep_maps=batch.needs_maps
        )
        segmented = yield from segmenter.segment(image, asked)
        parents: Parents | None = None
        if batch.track and image.n_along("T") > 1:
            yield Progress(0, 0, "linking")
            segmented, parents = track_result(segmented, image, TrackOptions())
        yield Progress(0, 0, "measuring")
        confidence = dict(enumerate(segmented.confidence.tolist(), start=1))
        table = measure_cells(image, segmented.labels, confidence=confidence)
        table = replace(table, parents=parents)
        yield Progress(0, 0, "saving")
        result.begin(image, segmented, batch)
        row = result.write(image, segmented, table, options, how)
    except ONE_IMAGE_ERRORS as error:
        return row_of_error(result, error)
    else:
        return row


def row_of_error(result: ImageResults, error: Exception) -> Row:
    """Return the row of an image that failed; what nobody expected is logged whole.

    Raises
    ------
    DiskFullError
        If that is the error: the next images would be worked out for nothing.
    """
    if isinstance(error, DiskFullError):
        raise error
    if not isinstance(error, CellsegError):
        logger.error("Unexpected error with %s", result.source, exc_info=error)
    return result.failed_row(error)


def read_image_with(source: str | Path, batch: BatchOptions) -> CellImage:
    """Return the image of a file; sizes of the options count more than those it says.

    Raises
    ------
    ImageReadError
        If the file cannot be read, its axes are ambiguous and `axes` is None, or it holds
        several images and `scene` is None.
    OptionsError
        If a distance of planes is given, but no pixel size is known.
    """
    box = None if batch.region is None else parse_region(batch.region)
    image = read_one_image(
        source, batch.scene, axes=batch.axes, level=batch.level, region=box
    )
    um = batch.pixel_size_um
    if um is None and image.pixel_size is None:
        um = batch.pixel_size_if_unknown_um
    return with_given_sizes(image, um, batch.z_step_um)


def with_named_channels(
    options: SegmentOptions, image: CellImage, batch: BatchOptions
) -> SegmentOptions:
    """Return options in which channels that were named have the image's numbers.

    Raises
    ------
    ImageError
        If the image has no channel of that name.
    """
    cells, nuclei = (
        number if name is None else channel_named(image, name)
        for number, name in (
            (options.channel, batch.channel_name),
            (options.nuclei_channel, batch.nuclei_channel_name),
        )
    )
    return replace(options, channel=cells, nuclei_channel=nuclei)
