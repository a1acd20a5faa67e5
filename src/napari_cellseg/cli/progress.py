"""A progress bar for a job."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from napari_cellseg.core.jobs import Job, Notice, Progress, run

T = TypeVar("T")
#: So often a log is told how far a job is: often enough to see that a run of a night is
#: alive, and no more than some hundred lines.
LOG_SECONDS = 120.0
#: Said when a training is stopped.
GOES_ON = "The same command goes on from there."
#: Exit code of what Ctrl-C ended, as shells have it.
INTERRUPTED = 130


def run_with_bar(
    job: Job[T],
    *,
    when_stopped: str = "",
    is_shown: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """Drive a job to its end with a progress bar on the error stream.

    Without a terminal, as in a log, there is a line every `LOG_SECONDS` of the clock
    instead. Each `Notice` is a line of its own anyway. Whatever is raised closes the job first;
    after Ctrl-C the command ends with what `when_stopped` says of going on.
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
    pace = _Pace(clock)
    with bar:
        task = bar.add_task("", total=None)

        def say(text: str) -> None:
            console.print(text, markup=False, highlight=False, soft_wrap=True)

        def show(progress: Progress) -> None:
            if isinstance(progress, Notice):
                say(progress.message)
                return
            if is_shown and not console.is_terminal and pace.is_due():
                say(_line_of(progress))
            bar.update(
                task,
                completed=progress.done,
                total=progress.total or None,
                description=progress.message,
            )

        try:
            return run(job, show)
        except KeyboardInterrupt:
            say(f"Stopped. {when_stopped}".rstrip())
            raise typer.Exit(INTERRUPTED) from None


class _Pace:
    """Says when the next line of a log is due."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next = clock() + LOG_SECONDS

    def is_due(self) -> bool:
        """Return True once every `LOG_SECONDS`."""
        now = self._clock()
        if now < self._next:
            return False
        self._next = now + LOG_SECONDS
        return True


def _line_of(progress: Progress) -> str:
    """Return how far a job is, in one line."""
    count = f"{progress.done} of {progress.total}: " if progress.total else ""
    return f"{count}{progress.message}"
