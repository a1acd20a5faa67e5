"""A whole slide: planned, done tile by tile, put together, written.

Each tile that is done is a file. A run that was stopped, killed or lost its cluster goes on
with the same command, and nothing is done twice.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_cellseg.batch.how_read import how_read
from napari_cellseg.batch.names import plan_names
from napari_cellseg.batch.options import BatchOptions
from napari_cellseg.batch.slide_options import SlideOptions
from napari_cellseg.batch.slide_tile import (
    PLAN_NAME,
    SlideSource,
    TileWork,
    part_segmenter,
)
from napari_cellseg.core.errors import DiskFullError, SaveError, SegmentationError
from napari_cellseg.core.jobs import Job, Notice, Progress
from napari_cellseg.core.measure import MeasurementTable
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.part import PartSegmenter
from napari_cellseg.core.provenance import provenance
from napari_cellseg.core.types import CellImage
from napari_cellseg.io.atomic import make_folder
from napari_cellseg.io.labels_zarr import write_labels_zarr
from napari_cellseg.io.paths import ImagePlace, full_address
from napari_cellseg.io.writers import write_cells_csv
from napari_cellseg.slides.joining import JoinedSlide, join_tiles
from napari_cellseg.slides.painting import PaintedLabels
from napari_cellseg.slides.plan import SlidePlan, make_plan, read_plan
from napari_cellseg.slides.tile_file import is_whole, tile_path
from napari_cellseg.slides.workers import News, do_here, do_with_dask


@dataclass(frozen=True, slots=True)
class SlideReport:
    """What a run came to.

    Attributes
    ----------
    n_cells, n_tiles, n_glass : int
        Cells; tiles, and how many of them are bare glass.
    labels, cells : Path
        The labels and the table.
    """

    n_cells: int
    n_tiles: int
    n_glass: int
    labels: Path
    cells: Path


@dataclass(frozen=True, slots=True)
class SlideResults:
    """Where the results of a slide lie."""

    folder: Path
    name: str

    @property
    def labels(self) -> Path:
        """The labels, with smaller levels for looking at them from afar."""
        return self.folder / f"{self.name}_labels.ome.zarr"

    @property
    def cells(self) -> Path:
        """The table of cells; its record lies beside it."""
        return self.folder / f"{self.name}_cells.csv"

    @property
    def tiles(self) -> Path:
        """The tiles that are done, until the slide is."""
        return self.folder / f"{self.name}_tiles"

    def check_free(self) -> None:
        """Raise `SaveError` if a finished slide would be replaced."""
        for path in (self.labels, self.cells):
            if path.exists():
                raise SaveError(
                    f"'{path}' is there already. Use --overwrite to replace it, or "
                    "another folder."
                )


def segment_slide(
    source: ImagePlace, out: Path, slide: SlideOptions, options: SegmentOptions
) -> Job[SlideReport]:
    """Segment a slide and write its labels and the table of its cells.

    Parameters
    ----------
    source : Path or S3Address
        The slide: any image with one plane that can be read in parts.
    out : Path
        Folder, made if need be. Receives ``NAME_labels.ome.zarr``, ``NAME_cells.csv`` and
        ``NAME_cells.json``; while the run lasts, ``NAME_tiles``.
    slide, options
        How.

    Raises
    ------
    SaveError
        If results are there, or cannot be written.
    ImageReadError, ImageError
        If the slide cannot be read, or is none.
    SegmentationError
        If tiles could not be done; the others are kept.
    OptionsError
        See `part_segmenter` and `do_with_dask`.
    """
    make_folder(out)
    results = SlideResults(out, plan_names([source])[0])
    if slide.overwrite:
        shutil.rmtree(results.tiles, ignore_errors=True)
    else:
        results.check_free()
    yield Progress(0, 0, "opening the slide")
    where = SlideSource(
        full_address(source), slide.scene, slide.level, slide.pixel_size_um
    )
    image = where.read()
    segmenter = part_segmenter(slide.model, slide.device)
    request = _request(source, slide, options, segmenter)
    plan = yield from _settled_plan(results, image, segmenter, options, request)
    key = hashlib.sha256((results.tiles / PLAN_NAME).read_bytes()).hexdigest()
    work = TileWork(where, results.tiles.resolve(), key, slide.model, slide.device)
    yield from _do_tiles(work, len(plan.tiles), slide)
    yield Progress(0, 0, "putting the tiles together")
    joined = join_tiles(results.tiles, len(plan.tiles))
    made = _made_by(segmenter, plan, request)
    yield from _write(results, image, plan, joined, made)
    shutil.rmtree(results.tiles, ignore_errors=True)
    return SlideReport(
        len(joined.table),
        len(plan.tiles),
        joined.n_glass,
        results.labels,
        results.cells,
    )


def _request(
    source: ImagePlace,
    slide: SlideOptions,
    options: SegmentOptions,
    segmenter: PartSegmenter,
) -> dict[str, Any]:
    """Return all that tiles of one run have in common, as plain JSON values."""
    reading = BatchOptions(
        scene=slide.scene, level=slide.level, pixel_size_um=slide.pixel_size_um
    )
    values = {
        "source": full_address(source),
        **how_read(source, reading),
        "options": options.to_dict(),
        "digest": segmenter.spec.weights_sha256,
    }
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


def _settled_plan(
    results: SlideResults,
    image: CellImage,
    segmenter: PartSegmenter,
    options: SegmentOptions,
    request: dict[str, Any],
) -> Job[SlidePlan]:
    """Return the plan of the run that was begun, or a new one."""
    path = results.tiles / PLAN_NAME
    found = read_plan(path)
    if found is None:
        plan = yield from make_plan(image, segmenter, options)
        make_folder(results.tiles)
        plan.write(path, request)
        return plan
    plan, earlier = found
    if earlier != request:
        changed = [name for name in request if earlier.get(name) != request[name]]
        raise SaveError(
            f"'{results.tiles}' holds tiles of a run with another "
            f"{', '.join(changed)}. Repeat that run to its end, use --overwrite to begin "
            "anew, or choose another folder."
        )
    return plan


def _do_tiles(work: TileWork, n_tiles: int, slide: SlideOptions) -> Job[None]:
    """Do the tiles that are not there yet.

    Raises
    ------
    SegmentationError
        If some could not be done, once all others are.
    DiskFullError
        The next tiles would be worked out for nothing.
    """
    todo = [n for n in range(n_tiles) if not is_whole(tile_path(work.folder, n))]
    n_there = n_tiles - len(todo)
    if n_there:
        told = f"{n_there} of {n_tiles} tiles were there already"
        yield Notice(n_there, n_tiles, told)
    n_cells, failed = 0, {}
    with closing(_news(work, todo, slide)) as arriving:
        for number, news in arriving:
            n_there += 1
            if isinstance(news, DiskFullError):
                raise news
            if isinstance(news, BaseException):
                failed[number] = news
                yield Notice(n_there, n_tiles, f"tile {number} failed: {news}")
                continue
            n_cells += news
            yield Progress(n_there, n_tiles, f"tiles · {n_cells} cells")
    if failed:
        first = str(failed[min(failed)]) or type(failed[min(failed)]).__name__
        raise SegmentationError(
            f"{len(failed)} of {n_tiles} tiles could not be done; tile {min(failed)}: "
            f"{first} The others are kept in '{work.folder}': the same command tries "
            "again what is missing."
        )


def _news(work: TileWork, todo: Sequence[int], slide: SlideOptions) -> Generator[News]:
    """Return tiles as they are done, where the options say."""
    if not todo or (slide.workers == 1 and slide.scheduler is None):
        return do_here(work, todo)
    n_workers = min(slide.workers, len(todo))
    return do_with_dask(work, todo, n_workers=n_workers, address=slide.scheduler)


def _made_by(
    segmenter: PartSegmenter, plan: SlidePlan, request: dict[str, Any]
) -> dict[str, Any]:
    """Return what the record says of model and run."""
    spec = segmenter.spec
    return {
        "model": {"name": spec.name, "digest": spec.weights_sha256},
        "options": plan.options.to_dict(),
        "requested_options": request["options"],
        "device": segmenter.device,
        "reading": request["reading"],
        "image_file": request["image_file"],
        "intensity_bounds": list(plan.bounds),
        "zoom": plan.zoom,
    }


def _write(
    results: SlideResults,
    image: CellImage,
    plan: SlidePlan,
    joined: JoinedSlide,
    made: dict[str, Any],
) -> Job[None]:
    """Write labels, table and record; the record last."""
    yield Progress(0, 0, "writing the labels")
    painted = PaintedLabels(results.tiles, plan, joined.numbers)
    write_labels_zarr(results.labels, painted, axes="YX", pixel_size=image.pixel_size)
    yield Progress(0, 0, "writing the table")
    n_pixels = plan.plane_yx[0] * plan.plane_yx[1]
    table = MeasurementTable(joined.table, image.pixel_size, "YX", n_pixels)
    record = {
        **provenance(image),
        **made,
        "n_tiles": len(plan.tiles),
        "n_tiles_of_glass": joined.n_glass,
        "n_cells_cut_off": joined.n_cut,
        "n_contested_pixels": painted.n_contested,
    }
    write_cells_csv(results.cells, table, record)
    if joined.n_cut:
        yield Notice(
            0,
            0,
            f"{joined.n_cut} cells are larger than what is read around a tile and are "
            "cut off there; give their --diameter.",
        )
