"""``cellseg fine-tune``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from napari_cellseg.cli.flags import takes_options
from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.model_spec import NAME
from napari_cellseg.core.train_options import FineTuneOptions

if TYPE_CHECKING:
    from napari_cellseg.io.models.training_files import TrainingRequest


@takes_options("options", FineTuneOptions)
def fine_tune(
    data: Annotated[
        str,
        typer.Argument(
            help="A project NAME.cellseg, a data set, a folder of images/ and masks/ "
            "here or at s3://bucket/folder/, or a .manifest there."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="Folder of the run, and the new model's name."
        ),
    ],
    *,
    model: Annotated[
        str | None, typer.Option("--from", help="Model to start from; name or folder.")
    ] = None,
    channel: Annotated[
        int | None, typer.Option(help="Channel that shows the cells, from 0.")
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where to train.")
    ] = "auto",
    options: FineTuneOptions,
) -> None:
    """Improve a model with checked cells, and say whether it became better.

    The new model is written to OUT/model and has the name of OUT; the same command goes
    on where it was stopped. On several GPUs it is started by torchrun:
    torchrun --nproc-per-node 2 -m napari_cellseg fine-tune ...
    """
    from napari_cellseg.cli.progress import GOES_ON, run_with_bar
    from napari_cellseg.core.training.comparison_rows import comparison_table
    from napari_cellseg.io.models.folder import find_model
    from napari_cellseg.io.models.training_files import TrainingRequest, pictures_in
    from napari_cellseg.nn.fine_tuning.fine_tune import fine_tune as train
    from napari_cellseg.nn.training.team import joined_team

    name = out.absolute().name
    if NAME.fullmatch(name) is None:
        raise OptionsError(
            f"'{name}' is no name for a model: not every system can have such a file. "
            "Give --out another name."
        )
    request = TrainingRequest(str(find_model(model)), device, options, name, name)
    with joined_team(device) as team:
        if team.is_leader:
            _write(request, data, out, channel)
        outcome = run_with_bar(
            train(out, team), when_stopped=GOES_ON, is_shown=team.is_leader
        )
        if not team.is_leader:
            return
    typer.echo(comparison_table(outcome.held_out, outcome.base))
    typer.echo(outcome.reason)
    typer.echo(f"The model is in '{outcome.folder}'.")
    for path in pictures_in(out):
        typer.echo(f"Old and new side by side: '{path}'.")


def _write(request: TrainingRequest, data: str, out: Path, channel: int | None) -> None:
    """Write what is learned from, and say how much it is."""
    from napari_cellseg.cli.unlabelled import tell_unlabelled
    from napari_cellseg.core.training.item import supply_of
    from napari_cellseg.io.models.training_files import write_request
    from napari_cellseg.nn.fine_tuning.split import check_supply
    from napari_cellseg.project.training.training_sources import training_items

    items = training_items(data, channel)
    tell_unlabelled(Path(data))
    supply = supply_of(items)
    typer.echo(f"{supply.n_images} images, {supply.n_cells} checked cells")
    check_supply(items, request.options)  # too little is refused before OUT is taken
    write_request(out, request, items)
