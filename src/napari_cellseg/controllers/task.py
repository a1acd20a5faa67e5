"""The state of one piece of long work: idle, running, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from psygnal import Signal

from napari_cellseg.core.errors import CellsegError
from napari_cellseg.core.jobs import Job, Progress

TaskState = Literal["idle", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Why a job stopped, without the frames (and arrays) of the exception.

    Attributes
    ----------
    message : str
        One or two sentences for the person.
    details : str
        The traceback, for a report.
    """

    message: str
    details: str = ""


class JobListener(Protocol):
    """Hears of a job, on the main thread; exactly one of the last three ends it."""

    def on_job_progress(self, progress: Progress) -> None:
        """Hear of a step."""
        ...

    def on_job_result(self, result: Any) -> None:
        """Take what the job returned."""
        ...

    def on_job_failed(self, failure: JobFailure) -> None:
        """Hear that it stopped by an error."""
        ...

    def on_job_cancelled(self) -> None:
        """Hear that it stopped because `RunningJob.cancel` was called."""
        ...


class RunningJob(Protocol):
    """A job that was started."""

    def cancel(self) -> None:
        """Ask it to stop at its next step."""
        ...


JobStarter = Callable[[Job[Any], JobListener], RunningJob]


def failure_from(error: BaseException, details: str) -> JobFailure:
    """Return what the person reads of `error`; only `CellsegError` speaks for itself."""
    if isinstance(error, CellsegError):
        return JobFailure(str(error), details)
    if isinstance(error, MemoryError):
        return JobFailure(
            "There is not enough memory for this. Close other programs, or work on a "
            "smaller region.",
            details,
        )
    reason = f"{type(error).__name__}: {error}".strip().removesuffix(":")
    return JobFailure(
        f"This stopped on a fault of the program ({reason}). Nothing was changed; copy "
        "the details into a report.",
        details,
    )


class TaskController:
    """Runs one job at a time and announces how it goes.

    Parameters
    ----------
    starter : JobStarter
        `widgets.basics.jobs.start_job`, or a synchronous one in tests.
    clock : callable
        Seconds, for the time left.
    """

    changed = Signal()

    def __init__(
        self, starter: JobStarter, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.starter = starter
        self._clock = clock
        self._running: RunningJob | None = None
        self._listener: _TaskListener | None = None
        self.state: TaskState = "idle"
        self.name = ""
        self.progress = Progress(0, 0)
        self.failure: JobFailure | None = None
        self._started_at = 0.0

    @property
    def is_running(self) -> bool:
        """True from `start` until the job has ended."""
        return self.state == "running"

    def start(
        self, name: str, job: Job[Any], on_result: Callable[[Any], object]
    ) -> None:
        """Start a job; one that still runs is cancelled first and not heard of again.

        Parameters
        ----------
        name : str
            What is being done, such as ``"Segmenting"``.
        job : Job
            The generator; it is closed whatever happens.
        on_result : callable
            Takes what the job returns, on the main thread.
        """
        self.abandon()
        self.name = name
        self.state = "running"
        self.progress = Progress(0, 0)
        self.failure = None
        self._started_at = self._clock()
        listener = _TaskListener(self, on_result)
        self._listener = listener
        self.changed.emit()
        running = self.starter(job, listener)
        if self._listener is listener:
            self._running = running

    def cancel(self) -> None:
        """Ask the job to stop; nothing happens where none runs."""
        if self._running is not None:
            self._running.cancel()

    def abandon(self) -> None:
        """Cancel the job and never hear of it again, as when the window closes."""
        if self._listener is not None:
            self._listener.task = None
            self.cancel()
            self._end("cancelled")

    def seconds_left(self) -> float | None:
        """Return the time left at the pace so far, None where it is not known."""
        if self.progress.total <= 0 or self.progress.done <= 0:
            return None
        elapsed = self._clock() - self._started_at
        return elapsed * (self.progress.total - self.progress.done) / self.progress.done

    def _end(self, state: TaskState) -> None:
        self._listener = None
        self._running = None
        self.state = state
        self.changed.emit()

    def take_progress(self, progress: Progress) -> None:
        """Note how far the job is."""
        self.progress = progress
        self.changed.emit()

    def take_result(self, result: Any, on_result: Callable[[Any], object]) -> None:
        """Hand the result on; what fails in doing so is shown like any failure."""
        self._listener = None
        self._running = None
        self.state = "done"
        try:
            on_result(result)
        except CellsegError as error:
            self.fail(failure_from(error, str(error)))
        else:
            self.changed.emit()

    def fail(self, failure: JobFailure) -> None:
        """Note why the work stopped."""
        self.failure = failure
        self._end("failed")

    def take_cancelled(self) -> None:
        """Note that the job stopped because it was asked to."""
        self._end("cancelled")


class _TaskListener:
    """Links one run to its task; cut when the task moves on."""

    def __init__(
        self, task: TaskController, on_result: Callable[[Any], object]
    ) -> None:
        self.task: TaskController | None = task
        self._on_result: Callable[[Any], object] | None = on_result

    def on_job_progress(self, progress: Progress) -> None:
        if self.task is not None:
            self.task.take_progress(progress)

    def on_job_result(self, result: Any) -> None:
        task, on_result = self.task, self._on_result
        self._drop()
        if task is not None and on_result is not None:
            task.take_result(result, on_result)

    def on_job_failed(self, failure: JobFailure) -> None:
        task = self.task
        self._drop()
        if task is not None:
            task.fail(failure)

    def on_job_cancelled(self) -> None:
        task = self.task
        self._drop()
        if task is not None:
            task.take_cancelled()

    def _drop(self) -> None:
        self.task = None
        self._on_result = None
