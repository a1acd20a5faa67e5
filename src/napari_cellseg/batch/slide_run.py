"""A whole slide: planned, done tile by tile, put together, written.

Each tile that is done is a file. A run that was stopped, killed or lost its cluster goes on
with the same command, and nothing is done twice.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from napari_cellseg import __version__
from napari_cellseg.batch.how_read import how_read
from napari_cellseg.batch.names import plan_names
from napari_cellseg.batch.options import BatchOptions
from napari_cellseg.batch.slide_options import SlideOptions
from napari_cellseg.batch.slide_results import DoneSlide, SlideResults, write_slide
from napari_cellseg.batch.slide_tile import (
    PLAN_NAME,
    SlideSource,
    TileWork,
    part_segmenter,
    plan_key,
)
from napari_cellseg.core.errors import DiskFullError, SaveError, SegmentationError
from napari_cellseg.core.jobs import Job, Notice, Progress
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.part import PartSegmenter
from napari_cellseg.core.types import CellImage
from napari_cellseg.io.atomic import make_folder
from napari_cellseg.io.exchange.geojson import read_annotations
from napari_cellseg.io.reading.paths import ImagePlace, full_address
from napari_cellseg.slides.annotations import Region, in_any, regions_of, tiles_met
from napari_cellseg.slides.joining import join_tiles
from napari_cellseg.slides.plan import SlidePlan, make_plan, read_plan
from napari_cellseg.slides.tile_file import is_whole, tile_path
from napari_cellseg.slides.workers import News, do_here, do_with_dask


@dataclass(frozen=True, slots=True)
class SlideReport:
    """What a run came to.

    Attributes
    ----------
    n_tiles, n_glass : int
        Tiles, and how many of them are bare glass.
    summary : dict
        The numbers of the slide, see `slide_results.DoneSlide.summary`.
    files : tuple of Path
        What was written, but the record.
    """

    n_tiles: int
    n_glass: int
    summary: dict[str, Any]
    files: tuple[Path, ...]

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.summary["n_cells"])


def segment_slide(
    source: ImagePlace, out: Path, slide: SlideOptions, options: SegmentOptions
) -> Job[SlideReport]:
    """Segment a slide and write its labels and the table of its cells.

    Parameters
    ----------
    source : Path or S3Address
        The slide: any image with one plane that can be read in parts.
    out : Path
        Folder, made if need be. Receives what `SlideResults` names; while the run lasts,
        ``NAME_tiles``.
    slide, options
        How.

    Raises
    ------
    SaveError
        If results are there, or cannot be written.
    ImageReadError, ImageError
        If the slide or its annotations cannot be read, or do not fit.
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
    factor = where.pixels_a_level_pixel(image)
    regions = _regions(slide.annotations, factor)
    segmenter = part_segmenter(slide.model, slide.device)
    request = _request(source, slide, options, segmenter)
    plan = yield from _settled_plan(results, image, segmenter, options, request)
    numbers = tiles_met(regions, plan.cores) if regions else range(len(plan.tiles))
    work = TileWork(
        where,
        results.tiles.resolve(),
        plan_key(results.tiles),
        slide.model,
        slide.device,
        segmenter.spec.weights_sha256,
        __version__,
    )
    yield from _do_tiles(work, numbers, slide)
    yield Progress(0, 0, "putting the tiles together")
    is_wanted = partial(in_any, regions) if regions else None
    joined = join_tiles(results.tiles, numbers, is_wanted)
    done = DoneSlide(image, plan, joined, regions, factor)
    made = _made_by(segmenter, plan, request) | {"annotations": slide.annotations}
    summary = yield from write_slide(
        results, done, made, with_outlines=slide.save_geojson
    )
    shutil.rmtree(results.tiles, ignore_errors=True)
    return SlideReport(len(numbers), joined.n_glass, summary, results.files)


def _regions(path: str | None, factor: tuple[float, float]) -> list[Region]:
    """Return what of the slide is asked for; nothing if all of it is."""
    return [] if path is None else regions_of(read_annotations(path), factor)


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


def _do_tiles(work: TileWork, numbers: Sequence[int], slide: SlideOptions) -> Job[None]:
    """Do the tiles that are not there yet.

    Raises
    ------
    SegmentationError
        If some could not be done, once all others are.
    DiskFullError
        The next tiles would be worked out for nothing.
    """
    n_tiles = len(numbers)
    todo = [n for n in numbers if not is_whole(tile_path(work.folder, n))]
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
    return do_with_dask(
        work, todo, n_workers=n_workers, address=slide.scheduler, check=work.check
    )


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
