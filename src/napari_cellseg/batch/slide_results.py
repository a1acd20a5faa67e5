"""What a slide comes to on the disk: labels, table, density, outlines, and the record last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_cellseg.batch.names import refuse_to_replace, remove_earlier
from napari_cellseg.batch.slide_tile import PLAN_NAME
from napari_cellseg.core.jobs import Job, Notice, Progress
from napari_cellseg.core.measuring.measure import UM2_PER_MM2
from napari_cellseg.core.measuring.provenance import pixel_size_values, provenance
from napari_cellseg.core.types import CellImage
from napari_cellseg.io.exchange.geojson import write_features
from napari_cellseg.io.writing.labels_file import write_pixels
from napari_cellseg.io.writing.labels_zarr import write_labels_zarr
from napari_cellseg.io.writing.writers import write_cells_in_parts, write_summary_csv
from napari_cellseg.slides.annotations import Region, counts
from napari_cellseg.slides.density import density_map
from napari_cellseg.slides.joining import JoinedSlide
from napari_cellseg.slides.outlines import features_of
from napari_cellseg.slides.painting import PaintedLabels
from napari_cellseg.slides.plan import SlidePlan
from napari_cellseg.slides.table import rows_in_parts, table_of_slide


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
        """The table of cells."""
        return self.folder / f"{self.name}_cells.csv"

    @property
    def record(self) -> Path:
        """Where the numbers come from; there once all else is written."""
        return self.cells.with_suffix(".json")

    @property
    def density(self) -> Path:
        """Cells per square millimetre, where the pixel size is known."""
        return self.folder / f"{self.name}_density.tif"

    @property
    def outlines(self) -> Path:
        """The outlines of the cells for QuPath, if they were asked for."""
        return self.folder / f"{self.name}.geojson.gz"

    @property
    def annotations(self) -> Path:
        """How many cells lie in each annotation, if there are any."""
        return self.folder / f"{self.name}_annotations.csv"

    @property
    def tiles(self) -> Path:
        """The tiles that are done, until the slide is."""
        return self.folder / f"{self.name}_tiles"

    @property
    def files(self) -> tuple[Path, ...]:
        """What of a slide is there, but the record."""
        paths = (self.labels, self.cells, self.density, self.annotations, self.outlines)
        return tuple(path for path in paths if path.exists())

    def check_free(self) -> None:
        """Raise `SaveError` if a finished slide would be replaced.

        What a run left that was killed while it wrote may be replaced: its tiles are there.
        """
        is_unfinished = (self.tiles / PLAN_NAME).exists() and not self.record.exists()
        if not is_unfinished:
            refuse_to_replace([*self.files, self.record], overwrite=False)

    def take_earlier_away(self) -> None:
        """Remove what an earlier run wrote and this one may not: nothing is of two runs.

        Labels and table are replaced. Without the record, a run that is killed while it
        writes goes on.
        """
        for path in (self.record, self.density, self.annotations, self.outlines):
            remove_earlier(path)


@dataclass(frozen=True, slots=True, eq=False)
class DoneSlide:
    """All tiles of a slide, put together.

    Attributes
    ----------
    image : CellImage
        The slide at the level that was read.
    plan : SlidePlan
        How it was cut.
    joined : JoinedSlide
        Its cells.
    regions : sequence of Region
        What was asked for; empty: all.
    pixels_a_level_pixel : (y, x)
        How many pixels of the full resolution one of the level is.
    """

    image: CellImage
    plan: SlidePlan
    joined: JoinedSlide
    regions: Sequence[Region]
    pixels_a_level_pixel: tuple[float, float]

    @property
    def summary(self) -> dict[str, Any]:
        """Return the numbers of the slide as plain JSON values.

        With annotations, which may lie over each other, the areas are in their own table.
        """
        image, joined = self.image, self.joined
        n_pixels = self.plan.plane_yx[0] * self.plan.plane_yx[1]
        summary = table_of_slide(joined, image.pixel_size, n_pixels).summary
        if self.regions:
            summary |= {"area_mm2": None, "density_per_mm2": None}
        if not image.is_rgb or image.pixel_size is None:
            return summary
        tissue_mm2 = joined.n_tissue_px * image.pixel_size.area_um2 / UM2_PER_MM2
        density = joined.n_cells / tissue_mm2 if tissue_mm2 else None
        return {
            **summary,
            "tissue_area_mm2": tissue_mm2,
            "density_per_mm2_of_tissue": density,
        }


def write_slide(
    results: SlideResults,
    done: DoneSlide,
    made_by: dict[str, Any],
    *,
    with_outlines: bool,
) -> Job[dict[str, Any]]:
    """Write all of a slide, the record last; return the summary.

    Parameters
    ----------
    results : SlideResults
        Where; its tiles are read.
    done : DoneSlide
        What.
    made_by : dict
        What the record says of model and run.
    with_outlines : bool
        True writes them for QuPath.

    Raises
    ------
    SaveError
        If something cannot be written.
    """
    image, joined = done.image, done.joined
    yield Progress(0, 0, "writing the labels")
    results.take_earlier_away()
    painted = PaintedLabels(results.tiles, done.plan, joined.numbers)
    write_labels_zarr(results.labels, painted, axes="YX", pixel_size=image.pixel_size)
    if image.pixel_size is not None:
        density, size = density_map(
            joined.middles_yx, done.plan.plane_yx, image.pixel_size
        )
        write_pixels(results.density, density, axes="YX", pixel_size=size)
    if done.regions:
        write_summary_csv(
            results.annotations, counts(done.regions, joined, image.pixel_size)
        )
    if with_outlines:
        yield Progress(0, 0, "writing the outlines")
        factor = done.pixels_a_level_pixel
        write_features(
            results.outlines, features_of(results.tiles, joined, image, factor)
        )
    yield Progress(0, 0, "writing the table")
    record = _record(done, made_by) | {"n_contested_pixels": painted.n_contested}
    write_cells_in_parts(results.cells, rows_in_parts(results.tiles, joined), record)
    if joined.n_cut:
        yield Notice(
            0,
            0,
            f"{joined.n_cut} cells are larger than what is read around a tile and are "
            "cut off there; give their --diameter.",
        )
    summary: dict[str, Any] = record["summary"]
    return summary


def _record(done: DoneSlide, made_by: dict[str, Any]) -> dict[str, Any]:
    """Return what stands beside the table."""
    joined = done.joined
    return {
        **provenance(done.image),
        **made_by,
        "n_tiles": len(joined.numbers),
        "n_tiles_of_glass": joined.n_glass,
        "n_cells_cut_off": joined.n_cut,
        "summary": done.summary,
        "pixel_size_um": pixel_size_values(done.image.pixel_size),
    }
