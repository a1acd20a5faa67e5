"""Jobs off the main thread: the only threads and timers of the project.

napari's and superqt's workers are not used: they swallow every ``RuntimeError`` (a GPU
that is out of memory is one), do not close the generator on cancel, lose a result that is
cancelled late, and keep their arguments alive.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QCoreApplication, QObject, Qt, QTimer, Signal

from napari_cellseg.controllers.task import JobFailure, JobListener, failure_from
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.core.jobs import Job, Progress

logger = logging.getLogger(__name__)

Message = tuple[str, Any]

MILLISECONDS_BETWEEN_STEPS = 30
"""Of steps that come faster the newest is told: nobody could read them all."""


class JobRunner(QObject):
    """Drives one job on a daemon thread and reports on the thread that made it.

    A result that the job returns is delivered even if `cancel` came too late to stop it.
    """

    _message = Signal(object)

    def __init__(self, listener: JobListener) -> None:
        super().__init__(QCoreApplication.instance())  # lives until it was heard
        self._listener: JobListener | None = listener
        self._cancelled = threading.Event()
        self._newest: Progress | None = None
        self._is_news = False
        self._timer = QTimer(self)
        self._timer.setInterval(MILLISECONDS_BETWEEN_STEPS)
        self._timer.timeout.connect(self._tell_newest)
        self._message.connect(self._on_message, Qt.ConnectionType.QueuedConnection)

    def start(self, job: Job[Any]) -> None:
        """Start the thread; the runner keeps no reference to the job."""
        box = [job]
        del job
        self._timer.start()
        threading.Thread(
            target=self._drive, args=(box,), name="cellseg-job", daemon=True
        ).start()

    def cancel(self) -> None:
        """Close the job at its next step."""
        self._cancelled.set()

    def _drive(self, box: list[Job[Any]]) -> None:
        """Run the job to one last message; runs on the thread."""
        message = self._outcome(box.pop())
        self._send(message)

    def _outcome(self, job: Job[Any]) -> Message:
        """Return how the job ended. Every error is caught here: this is the seam."""
        try:
            return self._run(job)
        except BaseException as error:  # noqa: BLE001 - whatever it was must be reported
            level = logging.INFO if isinstance(error, CellsegError) else logging.ERROR
            details = "".join(traceback.format_exception(error))
            logger.log(level, "A job stopped: %s", details)
            return ("failed", failure_from(error, details))

    def _run(self, job: Job[Any]) -> Message:
        try:
            while not self._cancelled.is_set():
                self._newest = next(job)
                self._is_news = True
        except StopIteration as stop:
            return ("result", stop.value)
        finally:
            job.close()
        return ("cancelled", None)

    def _send(self, message: Message) -> None:
        """Queue how the job ended; the window may be gone, then nobody listens."""
        try:
            self._message.emit(message)
        except RuntimeError:
            logger.debug("A job ended after its window: %s", message[0])

    def _tell_newest(self) -> None:
        """Tell the listener of a step that it has not heard of; on the main thread."""
        is_news, self._is_news = self._is_news, False
        # Read after that: what comes in between is told twice, and never missed.
        if is_news and self._newest is not None and self._listener is not None:
            self._listener.on_job_progress(self._newest)

    def _on_message(self, message: Message) -> None:
        """Tell the listener of the end; runs on the main thread."""
        self._timer.stop()
        self._tell_newest()
        listener, self._listener = self._listener, None
        self.deleteLater()
        if listener is not None:
            _tell_end(listener, *message)


def _tell_end(listener: JobListener, kind: str, value: Any) -> None:
    """Tell how the job ended."""
    if kind == "result":
        listener.on_job_result(value)
    elif kind == "failed":
        failure: JobFailure = value
        listener.on_job_failed(failure)
    else:
        listener.on_job_cancelled()


def start_job(job: Job[Any], listener: JobListener) -> JobRunner:
    """Run a job on its own daemon thread; the listener hears of it on the main thread.

    Parameters
    ----------
    job : Job
        The generator. It is closed at its next step after `JobRunner.cancel`.
    listener : JobListener
        Told of each step and, once, of the end.
    """
    runner = JobRunner(listener)
    runner.start(job)
    return runner


class Later(QObject):
    """Calls a function once things have been quiet for a while; the last call wins.

    Parameters
    ----------
    action : callable
        What to do; called on the main thread.
    milliseconds : int
        How long it must have been quiet.
    parent : QObject
        Dies with it.
    """

    def __init__(
        self, action: Callable[[], None], milliseconds: int, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(milliseconds)
        self._timer.timeout.connect(action)

    def call(self) -> None:
        """Ask for the action; an earlier, pending call is forgotten."""
        self._timer.start()

    def stop(self) -> None:
        """Forget a pending call."""
        self._timer.stop()

    @property
    def milliseconds(self) -> int:
        """How long it must have been quiet."""
        return int(self._timer.interval())

    @property
    def is_waiting(self) -> bool:
        """True between a call and the action; False once its parent is gone."""
        try:
            return bool(self._timer.isActive())
        except RuntimeError:
            return False
