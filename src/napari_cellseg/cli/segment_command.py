"""``cellseg segment``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_cellseg.cli.batch_options import BatchOptions
from napari_cellseg.cli.flags import takes_options
from napari_cellseg.core.options import SegmentOptions

#: Exit code of a program that was stopped by Ctrl-C.
INTERRUPTED = 130


@takes_options("options", SegmentOptions, leave_out=("keep_maps",))
@takes_options("batch", BatchOptions)
def segment(
    paths: Annotated[
        list[str], typer.Argument(help="Image files, folders, or globs in quotes.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the results.")],
    *,
    batch: BatchOptions,
    options: SegmentOptions,
) -> None:
    """Segment images; writes labels, a table of cells and one summary.

    For each image NAME: NAME_labels.tif, NAME_cells.csv and NAME_cells.json (where the
    numbers come from). Exit code 1 if an image could not be done; summary.csv says why.
    """
    from napari_cellseg.cli.batch import segment_files
    from napari_cellseg.cli.progress import run_with_bar
    from napari_cellseg.engines import open_segmenter
    from napari_cellseg.io.paths import list_images

    sources = list_images(paths)
    segmenter = open_segmenter(batch.where, batch.model)
    try:
        report = run_with_bar(segment_files(sources, out, segmenter, batch, options))
    except KeyboardInterrupt:
        typer.echo(
            f"Stopped. What was finished is in '{out}'; the same command with "
            "--skip-existing goes on from there.",
            err=True,
        )
        raise typer.Exit(INTERRUPTED) from None
    finally:
        segmenter.close()
    typer.echo(
        f"{report.n_done} done, {report.n_skipped} skipped, {report.n_failed} failed: "
        f"{report.summary}"
    )
    if report.n_failed:
        raise typer.Exit(1)
