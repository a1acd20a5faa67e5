"""``cellseg app``."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_cellseg.cli.display import has_display, virtual_display
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.io.atomic import make_folder

#: Where the window registers itself: the command line stands below it and cannot import it.
WINDOW_GROUP = "napari_cellseg.window"
DEFAULT_OUTPUT = Path("cellseg-app")


def open_window(
    *,
    sample: Annotated[
        bool,
        typer.Option("--sample/--no-sample", help="Begin with a segmented sample."),
    ] = True,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Without a display: folder of the screenshot and the CSV.",
        ),
    ] = None,
) -> None:
    """Open napari with the dock, beside a sample that has just been segmented.

    Without a display the same happens on a screen in memory, and a screenshot and the
    CSV are written into a folder.
    """
    if has_display():
        find_window()(sample=sample, screenshot=None, csv=None)
        return
    if not sample:
        raise CellsegError(
            "There is no display, so an empty window would show nothing to anybody. "
            "Leave out --no-sample to get a picture of a segmented sample."
        )
    folder = (output or DEFAULT_OUTPUT).absolute()
    make_folder(folder)
    screenshot, csv = folder / "window.png", folder / "cells.csv"
    with virtual_display():
        find_window()(sample=sample, screenshot=screenshot, csv=csv)
    typer.echo("There is no display; this is what the window showed:")
    for path in (screenshot, csv):
        if not path.exists():
            raise CellsegError(
                f"'{path}' was not written; 'cellseg doctor' may say why."
            )
        typer.echo(f"  {path}")


def find_window() -> Callable[..., Any]:
    """Return the function that opens the window; raises `CellsegError` where none can."""
    for entry in entry_points(group=WINDOW_GROUP):
        try:
            window: Callable[..., Any] = entry.load()
        except ImportError as error:
            raise CellsegError(
                f"The window cannot be opened: {error}. Install napari and Qt with: "
                "pip install 'napari-cellseg[napari]' 'napari[pyqt6]'"
            ) from error
        except OSError as error:  # napari draws its icons into a folder of the user
            raise CellsegError(
                f"The window cannot be opened: '{error.filename}' cannot be made "
                f"({error.strerror}), and napari keeps its icons there. Name folders "
                "that can be written to: XDG_CACHE_HOME=/tmp/cache "
                "XDG_CONFIG_HOME=/tmp/config cellseg app"
            ) from error
        return window
    raise CellsegError(
        "No window is registered; install napari-cellseg anew: "
        "pip install --force-reinstall --no-deps napari-cellseg"
    )
