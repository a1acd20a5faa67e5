"""Many files, one after another: each read, segmented, measured and written.

Nothing of an image is kept when the next one begins, so memory does not grow with their
number. A file that cannot be done becomes a row with its error, and the run goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_cellseg.cli.batch_options import BatchOptions
from napari_cellseg.cli.how_read import how_read
from napari_cellseg.cli.names import plan_names
from napari_cellseg.cli.results import ImageResults, Row, names_by_image
from napari_cellseg.cli.summary import SUMMARY_NAME, write_summary
from napari_cellseg.core.errors import CellsegError, DiskFullError, SaveError
from napari_cellseg.core.given_sizes import with_given_sizes
from napari_cellseg.core.jobs import Job, Notice, Progress
from napari_cellseg.core.measure import measure_cells
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmenter import Segmenter
from napari_cellseg.core.track_options import TrackOptions
from napari_cellseg.core.tracks import Parents
from napari_cellseg.core.types import CellImage
from napari_cellseg.io.atomic import make_folder
from napari_cellseg.io.images import read_one_image
from napari_cellseg.io.paths import ImagePlace, full_address
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


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What a run came to; one number for each outcome of an image."""

    n_done: int
    n_skipped: int
    n_failed: int
    summary: ImagePlace


OnDone = Callable[[ImageResults], None]


def segment_files(
    sources: Sequence[ImagePlace],
    out: str | Path,
    segmenter: Segmenter,
    batch: BatchOptions,
    options: SegmentOptions,
    on_done: OnDone | None = None,
) -> Job[BatchReport]:
    """Segment files one after another and write what each came to into a folder.

    Parameters
    ----------
    sources : sequence of Path or S3Address
        Images; none may appear twice.
    out : str or Path
        Folder, made if need be. Receives ``NAME_labels.tif``, ``NAME_cells.csv`` and
        ``NAME_cells.json`` for each image, and ``summary.csv`` at the end, also when
        the job is closed early.
    on_done : callable, optional
        Called with the results of each image once they are written; a `SaveError` makes
        the image a failed one.

    Raises
    ------
    SaveError
        If the folder cannot be made, or holds results and neither `skip_existing` nor
        `overwrite` is set, or its disk is full. Errors of single images become rows
        instead, and a `Notice` each.
    """
    out = Path(out)
    make_folder(out)
    results = _plan(sources, out, batch.scene)
    if not batch.skip_existing and not batch.overwrite:
        _refuse_existing(results, batch)
    rows: list[Row] = []
    try:
        for index, (source, result) in enumerate(zip(sources, results, strict=True)):
            yield Progress(index, len(sources), source.name)
            if batch.skip_existing and result.is_finished:
                how = how_read(source, batch)
                row = result.finished_row(segmenter.spec, options, how)
                if row["status"] == "failed" or result.has_all(batch):
                    rows.append(row)
                    yield from _told(row, index, len(sources))
                    continue
            job = _segment_file(result, segmenter, batch, options, on_done)
            row = yield from _moved_on(job, index, len(sources), source.name)
            rows.append(row)
            yield from _told(row, index + 1, len(sources))
        yield Progress(len(sources), len(sources), "summary")
    finally:
        write_summary(out / SUMMARY_NAME, rows)
    return _report(rows, out / SUMMARY_NAME)


def _moved_on(job: Job[Row], done: int, total: int, name: str) -> Job[Row]:
    """Pass on the progress inside one image as a message under the run's own count."""
    try:
        while True:
            progress = next(job)
            yield Progress(done, total, f"{name}: {progress.message}")
    except StopIteration as stop:
        row: Row = stop.value
        return row
    finally:
        job.close()


def _told(row: Row, done: int, total: int) -> Job[None]:
    """Tell of a failed image at once; the summary comes only at the end."""
    if row["status"] == "failed":
        yield Notice(done, total, f"failed: {row['file']}: {row['error']}")


def _segment_file(
    result: ImageResults,
    segmenter: Segmenter,
    batch: BatchOptions,
    options: SegmentOptions,
    on_done: OnDone | None,
) -> Job[Row]:
    """Do one image and return its row; an error of the image becomes the row.

    Raises `DiskFullError`.
    """
    try:
        if not batch.overwrite:
            result.check_free(batch)
        yield Progress(0, 0, "reading")
        how = how_read(result.source, batch)
        image = read_image_with(full_address(result.source), batch)
        asked = replace(options, keep_maps=batch.needs_maps)
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
        if on_done is not None:
            on_done(result)
    except DiskFullError:
        raise  # the next ones would be worked out for nothing
    except ONE_IMAGE_ERRORS as error:
        if not isinstance(error, CellsegError):
            logger.exception("Unexpected error with %s", result.source)
        return result.failed_row(error)
    else:
        return row


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
    image = read_one_image(source, batch.scene, axes=batch.axes)
    return with_given_sizes(image, batch.pixel_size_um, batch.z_step_um)


def _plan(
    sources: Sequence[ImagePlace], out: Path, scene: int | None
) -> list[ImageResults]:
    """Return where each source's results go; never where another image's results are.

    What an earlier run called the results of a source stays their name, whatever other
    sources there are now. One of several images in a file has its number in the name.
    """
    results = []
    earlier = names_by_image(out)
    taken: set[str] = set()
    behind = "" if scene is None else f"_scene{scene}"
    for source, planned in zip(sources, plan_names(sources), strict=True):
        name = earlier.get((full_address(source), scene), planned + behind)
        result, number = ImageResults(out, name, source, scene), 2
        while result.name.casefold() in taken or result.is_of_another_image:
            other = f"{name}_{number}"
            result, number = ImageResults(out, other, source, scene), number + 1
        taken.add(result.name.casefold())
        results.append(result)
    return results


def _refuse_existing(results: Sequence[ImageResults], batch: BatchOptions) -> None:
    """Raise before any work is done if results would be replaced."""
    existing = [files for each in results if (files := each.existing_files(batch))]
    if existing:
        first = existing[0][0]
        raise SaveError(
            f"Results of {len(existing)} of {len(results)} images are there already, "
            f"'{first}' for one. Use --skip-existing to go on with a stopped run, "
            "--overwrite to replace them, or another folder."
        )


def _report(rows: Sequence[dict[str, Any]], summary: Path) -> BatchReport:
    """Return the number of images of each outcome."""
    states = [row["status"] for row in rows]
    return BatchReport(
        states.count("done"), states.count("skipped"), states.count("failed"), summary
    )
