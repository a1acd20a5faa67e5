"""Many files in one go, as ``cellseg segment`` does it, with what the dock says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cellseg.controllers.engine import Engine, WarmSegmenter
from napari_cellseg.core.counted import counted
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import CellImage, PixelSize, SegmentationResult

if TYPE_CHECKING:
    from napari_cellseg.batch.segmenting import BatchReport


def segment_many(
    engine: Engine,
    model: str | None,
    paths: Sequence[Path],
    out: Path,
    options: SegmentOptions,
    pixel_size: PixelSize | None,
) -> Job[BatchReport]:
    """Segment files, and write labels, tables and a summary into a folder.

    Parameters
    ----------
    engine : Engine
        Where the model runs.
    model : str or None
        Its name; None is the default.
    paths : sequence of Path
        Images. Those that an earlier run into the same folder finished are left.
    out : Path
        Folder, made if need be.
    options : SegmentOptions
        Of every image.
    pixel_size : PixelSize or None
        Of images that do not say theirs.

    Raises
    ------
    CellsegError
        If the model or the folder cannot be used; errors of single images become rows.
    """
    from napari_cellseg.batch.options import BatchOptions
    from napari_cellseg.batch.segmenting import segment_files

    yield Progress(0, len(paths), "loading the model")
    segmenter = engine.open_segmenter(model)
    try:
        batch = BatchOptions(
            model=model,
            skip_existing=True,
            pixel_size_if_unknown_um=pixel_edge_um(pixel_size),
        )
        plain = replace(options, keep_maps=False)
        return (yield from segment_files(paths, out, segmenter, batch, plain))
    finally:
        segmenter.close()


def segment_file(
    segmenters: WarmSegmenter,
    model: str | None,
    source: str,
    options: SegmentOptions,
    pixel_size: PixelSize | None,
) -> Job[tuple[CellImage, SegmentationResult]]:
    """Read the image of a file and segment it; `pixel_size` counts if it says none.

    Raises
    ------
    CellsegError
        If it cannot be read or segmented.
    """
    from napari_cellseg.io.reading.images import read_image

    yield Progress(0, 0, "reading the image")
    image = read_image(source)
    if image.pixel_size is None:
        image = image.with_pixel_size(pixel_size)
    plain = replace(options, keep_maps=False)
    return image, (yield from segmenters.segment(model, image, plain))


def pixel_edge_um(size: PixelSize | None) -> float | None:
    """Return the edge of a pixel; None if it is not known, or no pixel is square."""
    is_square = size is not None and math.isclose(size.y_um, size.x_um, rel_tol=1e-6)
    return size.x_um if size is not None and is_square else None


def report_words(report: BatchReport) -> str:
    """Return in words what came of it."""
    done = f"{counted(report.n_done, 'image')} segmented"
    left = f", {report.n_skipped} were done before" if report.n_skipped else ""
    if report.n_failed:
        return f"{done}{left}, {report.n_failed} failed; why stands in {report.summary}"
    return f"{done}{left}: see {report.summary}"
