"""``cellseg segment``."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from napari_cellseg.batch.options import BatchOptions
from napari_cellseg.cli.flags import takes_options
from napari_cellseg.core.errors import DiskFullError, SaveError
from napari_cellseg.core.options import SegmentOptions, range_of

#: Typed as text: by number, or by a name that each image has its own number for.
CHANNELS = ("channel", "nuclei_channel")


@takes_options("options", SegmentOptions, leave_out=("keep_maps", *CHANNELS))
@takes_options("batch", BatchOptions, leave_out=[f"{name}_name" for name in CHANNELS])
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
    channel: Annotated[
        str | None,
        typer.Option(
            help="Channel that shows the cells: its name, such as DAPI, or its number "
            "from 0; needed where there are several. Colour images use all three."
        ),
    ] = None,
    nuclei_channel: Annotated[
        str | None,
        typer.Option(
            help="Channel that shows the nuclei of the same cells, by name or number: "
            "cells that run into each other are told apart by them. Takes twice as long."
        ),
    ] = None,
    batch: BatchOptions,
    options: SegmentOptions,
) -> None:
    """Segment images; writes labels, a table of cells and one summary.

    For each image NAME: NAME_labels.tif, NAME_cells.csv and NAME_cells.json (where the
    numbers come from). Exit code 1 if an image could not be done; summary.csv says why.

    Example: cellseg segment plate7/ --out plate7_cells --pixel-size 0.65 --skip-existing
    """
    from napari_cellseg.batch.s3_results import segment_to_s3
    from napari_cellseg.batch.segmenting import segment_files
    from napari_cellseg.cli.progress import run_with_bar
    from napari_cellseg.engines import open_segmenter
    from napari_cellseg.io.reading.paths import list_places
    from napari_cellseg.io.s3.address import is_s3_address

    batch, options = _with_channels(batch, options, channel, nuclei_channel)
    sources = list_places(paths)
    # With several jobs each opens a network of its own; here none is needed.
    segmenter = open_segmenter(
        batch.where, batch.model, in_child=batch.jobs > 1, device=batch.device
    )
    make_job = segment_to_s3 if is_s3_address(out) else segment_files
    try:
        report = run_with_bar(
            make_job(sources, out, segmenter, batch, options),
            when_stopped=f"What was finished is in '{out}'; the same command with "
            "--skip-existing goes on from there.",
        )
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


def _with_channels(
    batch: BatchOptions, options: SegmentOptions, cells: str | None, nuclei: str | None
) -> tuple[BatchOptions, SegmentOptions]:
    """Return options with the channels of cells and nuclei that were typed.

    What can be the number of a channel is one; anything else, 488 too, is a name, which
    each image knows its own number of.
    """
    cells_number, cells_name = _told_apart(cells)
    nuclei_number, nuclei_name = _told_apart(nuclei)
    return (
        replace(batch, channel_name=cells_name, nuclei_channel_name=nuclei_name),
        replace(options, channel=cells_number, nuclei_channel=nuclei_number),
    )


def _told_apart(typed: str | None) -> tuple[int | None, str | None]:
    """Return the number, or else the name, that a text is."""
    if typed is None:
        return None, None
    highest = range_of(SegmentOptions, "channel").maximum or 0
    if typed.isascii() and typed.isdecimal() and int(typed) <= highest:
        return int(typed), None
    return None, typed
