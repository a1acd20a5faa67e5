"""A progress bar for a job."""

from __future__ import annotations

from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bar,
)

from napari_cellseg.core.jobs import Job, Notice, Progress, run

T = TypeVar("T")


def run_with_bar(job: Job[T], *, is_shown: bool = True) -> T:
    """Drive a job to its end with a progress bar on the error stream.

    Without a terminal, or where it is not to be shown, nothing is drawn; each `Notice` is
    a line of its own anyway. Whatever is raised, Ctrl-C included, closes the job first.
    """
    console = Console(stderr=True)
    bar = Bar(
        BarColumn(30),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
        console=console,
        transient=True,
        disable=not (is_shown and console.is_terminal),
    )
    with bar:
        task = bar.add_task("", total=None)

        def show(progress: Progress) -> None:
            if isinstance(progress, Notice):
                console.print(
                    progress.message, markup=False, highlight=False, soft_wrap=True
                )
                return
            bar.update(
                task,
                completed=progress.done,
                total=progress.total or None,
                description=progress.message,
            )

        return run(job, show)
