"""``cellseg train``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_cellseg.cli.flags import takes_options
from napari_cellseg.core.options import TrainOptions


@takes_options("options", TrainOptions)
def train(
    data: Annotated[Path, typer.Argument(help="Folder with the training sets.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.")],
    *,
    preset: Annotated[
        Literal["base"], typer.Option(help="base: the general model that ships.")
    ] = "base",
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where to train.")
    ] = "auto",
    options: TrainOptions,
) -> None:
    """Train a model; the same command goes on where it was stopped.

    Writes checkpoint.pt, curve.csv, report.json and the folder model/ into OUT.
    """
    del preset  # there is one so far
    from napari_cellseg.cli.progress import run_with_bar
    from napari_cellseg.nn.base_training import BaseRun, train_base

    command = shlex.join(["cellseg", *sys.argv[1:]])
    report = run_with_bar(train_base(BaseRun(data, out, command, device), options))
    for name, value in sorted(report.figures.items()):
        typer.echo(f"{name:32} {value:.3f}")
    typer.echo(f"{report.steps} steps; the model is in '{out / 'model'}'.")
