"""``cellseg measure``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_cellseg.batch.labels_reading import LabelsReading
from napari_cellseg.cli.flags import takes_options


@takes_options("reading", LabelsReading)
def measure(
    labels: Annotated[Path, typer.Argument(help="Labels, such as NAME_labels.tif.")],
    *,
    image: Annotated[
        Path | None, typer.Option(help="Image that intensities are taken from.")
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            help="What kind each cell is: a CSV with the columns label and class, or "
            "cells with classes in GeoJSON or COCO."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="CSV to write; beside the labels if not given."
        ),
    ] = None,
    reading: LabelsReading,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the CSV.")
    ] = False,
) -> None:
    """Measure the cells of labels, for instance after they were corrected by hand.

    Example: cellseg measure A01_labels.tif --image A01.tif --overwrite
    """
    from napari_cellseg.batch.measuring import measure_file

    table, path, notes = measure_file(
        labels,
        image=image,
        classes=classes,
        out=out,
        reading=reading,
        overwrite=overwrite,
    )
    for note in notes:
        typer.echo(note, err=True)
    kinds = [f"{n} {name or 'without a class'}" for name, n in table.n_by_class.items()]
    counts = f" ({', '.join(kinds)})" if kinds else ""
    typer.echo(f"{table.summary['n_cells']} cells{counts}: {path}")
