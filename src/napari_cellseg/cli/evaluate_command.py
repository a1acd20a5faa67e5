"""``cellseg evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_cellseg.cli.flags import takes_options
from napari_cellseg.core.options import SegmentOptions


@takes_options("options", SegmentOptions, leave_out=("keep_maps",))
def evaluate(
    folders: Annotated[
        list[Path], typer.Argument(help="Data sets, or folders of images/ and masks/.")
    ],
    *,
    model: Annotated[
        str | None, typer.Option(help="Name or folder of a model.")
    ] = None,
    split: Annotated[
        Literal["auto", "all", "train", "val", "test"],
        typer.Option(help="Side of a data set; auto: test, or all if it has none."),
    ] = "auto",
    options: SegmentOptions,
) -> None:
    """Compare the cells that a model finds with true labels; prints a table.

    AP50 is the share of cells found with an overlap (IoU) of at least 0.5, by image: true
    positives by all that are true, found or both. One line a folder and one for all.
    """
    from napari_cellseg.cli.evaluating import evaluate_folders
    from napari_cellseg.cli.progress import run_with_bar
    from napari_cellseg.cli.unlabelled import tell_partly, tell_unlabelled
    from napari_cellseg.engines import open_segmenter

    for folder in folders:
        tell_unlabelled(folder)
        tell_partly(folder)
    segmenter = open_segmenter("local", model)
    try:
        table = run_with_bar(evaluate_folders(folders, segmenter, options, split))
    finally:
        segmenter.close()
    spec = segmenter.spec
    typer.echo(f"model {spec.name} {spec.weights_sha256[:16]}, {segmenter.device}")
    typer.echo(table)
