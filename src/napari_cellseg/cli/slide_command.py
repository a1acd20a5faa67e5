"""``cellseg slide``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_cellseg.batch.slide_options import SlideOptions
from napari_cellseg.cli.flags import takes_options
from napari_cellseg.core.counted import counted
from napari_cellseg.core.options import SegmentOptions

#: What makes no sense on one large plane.
NOT_OF_SLIDES = ("keep_maps", "nuclei_channel", "join_planes", "plane_overlap")


@takes_options("options", SegmentOptions, leave_out=NOT_OF_SLIDES)
@takes_options("slide_options", SlideOptions)
def slide(
    path: Annotated[
        str, typer.Argument(help="A slide, such as SVS or OME-TIFF; s3:// as well.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the results.")],
    *,
    slide_options: SlideOptions,
    options: SegmentOptions,
) -> None:
    """Segment a whole slide of any size, in tiles, here or on a Dask cluster.

    Writes NAME_labels.ome.zarr, NAME_cells.csv, NAME_cells.json (where the numbers come
    from) and NAME_density.tif. The same command goes on where a run was stopped; nothing is
    done twice.

    Example: cellseg slide tumour.svs --out results --workers 4
    """
    from napari_cellseg.batch.slide_run import segment_slide
    from napari_cellseg.cli.progress import run_with_bar
    from napari_cellseg.io.reading.paths import image_place

    job = segment_slide(image_place(path), out, slide_options, options)
    report = run_with_bar(
        job,
        when_stopped=f"The tiles that are done are in '{out}'; the same command goes on "
        "from there.",
    )
    glass = f", {report.n_glass} of them bare glass" if report.n_glass else ""
    files = ", ".join(map(str, report.files))
    typer.echo(
        f"{counted(report.n_cells, 'cell')} in {counted(report.n_tiles, 'tile')}{glass}"
        f"{_tissue(report.summary)}: {files}"
    )


def _tissue(summary: Mapping[str, Any]) -> str:
    """Return area and density of the tissue in words, where they are known."""
    density = summary.get("density_per_mm2_of_tissue")
    if density is None:
        return ""
    return f", {density:.0f} per mm² on {summary['tissue_area_mm2']:.2f} mm² of tissue"
