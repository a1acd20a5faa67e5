"""``cellseg segment``."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_cellseg.cli.batch_options import BatchOptions
from napari_cellseg.cli.flags import takes_options
from napari_cellseg.core.errors import DiskFullError, SaveError
from napari_cellseg.core.options import SegmentOptions

#: Exit code of a program that was stopped by Ctrl-C.
INTERRUPTED = 130


@takes_options("options", SegmentOptions, leave_out=("keep_maps",))
@takes_options("batch", BatchOptions)
def segment(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Image files, folders ('FOLDER/**/*.tif' for those below, too), globs in "
            "quotes, or s3://BUCKET/FOLDER."
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            "--out", "-o", help="Folder of the results, or s3://BUCKET/FOLDER."
        ),
    ],
    *,
    batch: BatchOptions,
    options: SegmentOptions,
) -> None:
    """Segment images; writes labels, a table of cells and one summary.

    For each image NAME: NAME_labels.tif, NAME_cells.csv and NAME_cells.json (where the
    numbers come from). Exit code 1 if an image could not be done; summary.csv says why.

    Example: cellseg segment plate7/ --out plate7_cells --pixel-size 0.65 --skip-existing
    """
    from napari_cellseg.cli.batch import segment_files
    from napari_cellseg.cli.progress import run_with_bar
    from napari_cellseg.cli.s3_results import segment_to_s3
    from napari_cellseg.engines import open_segmenter
    from napari_cellseg.io.paths import list_places
    from napari_cellseg.io.s3.address import is_s3_address

    sources = list_places(paths)
    # With several jobs each opens a network of its own; here none is needed.
    segmenter = open_segmenter(
        batch.where, batch.model, in_child=batch.jobs > 1, device=batch.device
    )
    make_job = segment_to_s3 if is_s3_address(out) else segment_files
    try:
        report = run_with_bar(make_job(sources, out, segmenter, batch, options))
    except KeyboardInterrupt:
        typer.echo(
            f"Stopped. What was finished is in '{out}'; the same command with "
            "--skip-existing goes on from there.",
            err=True,
        )
        raise typer.Exit(INTERRUPTED) from None
    except DiskFullError as error:
        raise SaveError(
            f"{error} The run was stopped; then the same command with --skip-existing "
            "goes on."
        ) from error
    finally:
        segmenter.close()
    typer.echo(
        f"{report.n_done} done, {report.n_skipped} skipped, {report.n_failed} failed: "
        f"{report.summary}"
    )
    if report.n_failed:
        raise typer.Exit(1)
