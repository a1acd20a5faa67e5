"""``cellseg train``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_cellseg.cli.flags import takes_options
from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.train_options import TrainOptions
from napari_cellseg.serving.container import container_folder


@takes_options("options", TrainOptions)
def train(
    data: Annotated[
        Path | None,
        typer.Argument(
            help="A data set with a split; or the folder of the general model's sets."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the run.")
    ] = None,
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

    It begins from nothing and wants thousands of cells and hours; to teach the general
    model your own cells, use cellseg fine-tune.

    Writes into OUT: model/, report.json, curve.csv, validation.csv, curve.svg, examples/
    and checkpoint.pt. On several GPUs or computers it is started by torchrun:
    torchrun --nproc-per-node 4 -m napari_cellseg train ...
    In a SageMaker container `cellseg train` alone fine-tunes what the job asks for.
    """
    del preset  # there is one so far
    if data is None and (root := container_folder()):
        from napari_cellseg.cli.container_training import train_in_container

        train_in_container(root)
        return
    if data is None or out is None:
        raise OptionsError(
            "DATA and --out are needed: the folder with the training sets, and where "
            "the run goes. (Only in a SageMaker container they come from its files.)"
        )
    from napari_cellseg.cli.progress import GOES_ON, run_with_bar
    from napari_cellseg.cli.unlabelled import tell_partly
    from napari_cellseg.nn.training.base import BaseRun, train_base
    from napari_cellseg.nn.training.team import joined_team

    command = shlex.join(["cellseg", *sys.argv[1:]])
    with joined_team(device) as team:
        if team.is_leader:
            tell_partly(data)
        job = train_base(BaseRun(data, out, command, device), options, team)
        report = run_with_bar(job, when_stopped=GOES_ON, is_shown=team.is_leader)
        if not team.is_leader:
            return
    for name, value in sorted(report.figures.items()):
        typer.echo(f"{name:32} {value:.3f}")
    typer.echo(f"{report.steps} steps; the model is in '{out / 'model'}'.")
