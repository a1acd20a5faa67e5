"""Many files: each read, segmented, measured and written.

Nothing of an image is kept when the next one begins, so memory does not grow with their
number. A file that cannot be done becomes a row with its error, and the run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from napari_cellseg.batch.how_read import how_read
from napari_cellseg.batch.names import plan_names, same_file_name
from napari_cellseg.batch.one_image import ONE_IMAGE_ERRORS, row_of_error, segment_file
from napari_cellseg.batch.options import BatchOptions
from napari_cellseg.batch.results import ImageResults, Row, names_by_image
from napari_cellseg.batch.summary import SUMMARY_NAME, write_summary
from napari_cellseg.batch.together import rows_together
from napari_cellseg.core.errors import SaveError
from napari_cellseg.core.jobs import Job, Notice, Progress
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmenter import Segmenter
from napari_cellseg.io.atomic import make_folder
from napari_cellseg.io.reading.images import probe
from napari_cellseg.io.reading.paths import ImagePlace, full_address


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What a run came to; one number for each outcome of an image."""

    n_done: int
    n_skipped: int
    n_failed: int
    summary: ImagePlace


OnDone = Callable[[ImageResults], None]
#: A file, and the number of its image where that was named.
_Named = tuple[ImagePlace, int | None]


def segment_files(
    sources: Sequence[ImagePlace],
    out: str | Path,
    segmenter: Segmenter,
    batch: BatchOptions,
    options: SegmentOptions,
    on_done: OnDone | None = None,
) -> Job[BatchReport]:
    """Segment files and write what each came to into a folder.

    Parameters
    ----------
    sources : sequence of Path or S3Address
        Images; none may appear twice.
    out : str or Path
        Folder, made if need be. Receives ``NAME_labels.tif``, ``NAME_cells.csv`` and
        ``NAME_cells.json`` for each image, and ``summary.csv`` at the end, also when
        the job is closed early.
    segmenter : Segmenter
        Does one image after another. With `BatchOptions.jobs` above 1 each process opens
        one of its own instead, where and of which model the same options say.
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
    named = yield from _scenes_of(sources, batch)
    images = _Images(_plan(named, out), batch, options, on_done)
    if not batch.skip_existing and not batch.overwrite:
        _refuse_existing(images.results, batch)
    try:
        if batch.skip_existing:
            yield from images.leave_finished(segmenter.spec)
        if min(batch.jobs, len(images.todo)) > 1:
            yield from images.do_together()
        else:
            yield from images.do_one_by_one(segmenter)
        yield Progress(len(named), len(named), "summary")
    finally:
        rows = [row for _, row in sorted(images.rows.items())]
        write_summary(out / SUMMARY_NAME, rows)
    return _report(rows, out / SUMMARY_NAME)


@dataclass(frozen=True, slots=True)
class _Images:
    """The images of a run, and the rows of those that are done.

    Attributes
    ----------
    results : list of ImageResults
        Of each image, in the order of the sources.
    batch, options, on_done
        See `segment_files`.
    rows : dict of int to Row
        By the image's place in `results`.
    """

    results: list[ImageResults]
    batch: BatchOptions
    options: SegmentOptions
    on_done: OnDone | None
    rows: dict[int, Row] = field(default_factory=dict)

    @property
    def todo(self) -> dict[int, ImageResults]:
        """What has no row yet, by its place."""
        places = enumerate(self.results)
        return {place: each for place, each in places if place not in self.rows}

    def leave_finished(self, spec: ModelSpec) -> Job[None]:
        """Take the rows of images that an earlier run finished."""
        for place, result in self.todo.items():
            if not result.is_finished:
                continue
            yield self._at(result.source.name)
            how = how_read(result.source, result.read_by(self.batch))
            row = result.finished_row(spec, self.options, how)
            if row["status"] == "failed" or result.has_all(self.batch):
                yield from self._take(place, row)

    def do_one_by_one(self, segmenter: Segmenter) -> Job[None]:
        """Do what is left in this process."""
        for place, result in self.todo.items():
            name = result.source.name
            yield self._at(name)
            job = segment_file(result, segmenter, self.batch, self.options)
            row = yield from self._moved_on(job, name)
            yield from self._take(place, self._sent(result, row))

    def do_together(self) -> Job[None]:
        """Do what is left in several processes."""
        yield self._at(f"{self.batch.jobs} images at a time")
        with closing(rows_together(self.todo, self.batch, self.options)) as arriving:
            for place, row in arriving:
                result = self.results[place]
                yield from self._take(place, self._sent(result, row))
                yield self._at(result.source.name)

    def _at(self, message: str) -> Progress:
        """Return how far the run is."""
        return Progress(len(self.rows), len(self.results), message)

    def _moved_on(self, job: Job[Row], name: str) -> Job[Row]:
        """Pass on the progress inside one image as a message under the run's count."""
        try:
            while True:
                progress = next(job)
                yield self._at(f"{name}: {progress.message}")
        except StopIteration as stop:
            row: Row = stop.value
            return row
        finally:
            job.close()

    def _sent(self, result: ImageResults, row: Row) -> Row:
        """Say that an image is done; return its row, of an error if that went wrong."""
        if self.on_done is None or row["status"] != "done":
            return row
        try:
            self.on_done(result)
        except ONE_IMAGE_ERRORS as error:
            return row_of_error(result, error)
        else:
            return row

    def _take(self, place: int, row: Row) -> Job[None]:
        """Keep a row; tell of a failed image at once, the summary comes only at the end."""
        self.rows[place] = row
        if row["status"] == "failed":
            told = self._at(f"failed: {row['file']}: {row['error']}")
            yield Notice(told.done, told.total, told.message)


def _scenes_of(sources: Sequence[ImagePlace], batch: BatchOptions) -> Job[list[_Named]]:
    """Return each file with the number of its image, or once for every image it holds."""
    named: list[_Named] = []
    for place, source in enumerate(sources):
        scenes: Sequence[int | None] = (batch.scene,)
        if batch.all_scenes:
            yield Progress(place, len(sources), f"{source.name}: looking for images")
            scenes = _scene_numbers(source)
        named += [(source, scene) for scene in scenes]
    return named


def _scene_numbers(source: ImagePlace) -> Sequence[int | None]:
    """Return the numbers of the images of a file; only None where it has one."""
    try:
        n_images = probe(full_address(source)).n_images
    except ONE_IMAGE_ERRORS:
        # Reading the image will say what is wrong with the file, in its row.
        return (None,)
    return range(1, n_images + 1) if n_images > 1 else (None,)


def _plan(named: Sequence[_Named], out: Path) -> list[ImageResults]:
    """Return where each source's results go; never where another image's results are.

    What an earlier run called the results of a source stays their name, whatever other
    sources there are now. One of several images in a file has its number in the name.
    """
    results = []
    earlier = names_by_image(out)
    taken: set[str] = set()
    sources = list(dict.fromkeys(source for source, _ in named))
    planned = dict(zip(sources, plan_names(sources), strict=True))
    for source, scene in named:
        behind = "" if scene is None else f"_scene{scene}"
        fresh = ImageResults(out, planned[source] + behind, source, scene)
        name = earlier.get(fresh.image_key, fresh.name)
        result, number = replace(fresh, name=name), 2
        while same_file_name(result.name) in taken or result.is_of_another_image:
            other = f"{name}_{number}"
            result, number = ImageResults(out, other, source, scene), number + 1
        taken.add(same_file_name(result.name))
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
