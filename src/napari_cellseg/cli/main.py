"""Entry of the command line: collects the commands and turns errors into a sentence."""

from __future__ import annotations

import io
import logging
import sys
from typing import Annotated

import typer

from napari_cellseg import __version__
from napari_cellseg.batch.logs import set_up_logging
from napari_cellseg.cli import (
    app_command,
    cloud_command,
    dataset_command,
    doctor_command,
    evaluate_command,
    fine_tune_command,
    measure_command,
    models_command,
    project_command,
    segment_command,
    serve_command,
    slide_command,
    train_command,
)
from napari_cellseg.core.errors import CellsegError

app = typer.Typer(
    name="cellseg",
    help="Segment cells in microscopy images and measure them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("segment")(segment_command.segment)
app.command("slide")(slide_command.slide)
app.command("measure")(measure_command.measure)
app.command("evaluate")(evaluate_command.evaluate)
app.command("train")(train_command.train)
app.command("fine-tune")(fine_tune_command.fine_tune)
app.command("serve")(serve_command.serve)
app.add_typer(cloud_command.app, name="cloud")
app.add_typer(models_command.app, name="models")
app.add_typer(project_command.app, name="project")
app.add_typer(dataset_command.app, name="dataset")
app.command("doctor")(doctor_command.doctor)
app.command("app")(app_command.open_window)


def _show_version(value: bool) -> None:  # noqa: FBT001 - typer calls it
    """Print the version and stop."""
    if value:
        print(f"cellseg {__version__}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Version."
        ),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show what happens, for a report.")
    ] = False,
) -> None:
    """Segment cells in microscopy images and measure them."""
    del version  # its callback has done it
    set_up_logging(logging.DEBUG if verbose else logging.ERROR)


def _let_every_name_be_shown() -> None:
    """Show what the encoding of the output does not have as an escape.

    Windows writes files in an encoding of the country: the name of an image would else end
    the program when its work is done.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not so in a window, or when tested
            stream.reconfigure(errors="backslashreplace")


def main() -> None:
    """Run the command line; an expected error is one sentence and exit code 1."""
    _let_every_name_be_shown()
    try:
        app()
    except CellsegError as error:
        print(f"cellseg: {error}", file=sys.stderr)
        sys.exit(1)
