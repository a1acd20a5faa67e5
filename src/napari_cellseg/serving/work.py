"""The one worker of a server: a bounded queue, one piece of work at a time."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from napari_cellseg.core.errors import CellsegError, SegmentationError
from napari_cellseg.core.jobs import Job, Progress, run
from napari_cellseg.core.part import PartSegmenter
from napari_cellseg.engines import open_part_segmenter

#: Images that wait; a client that comes later is told to come again.
QUEUE_LENGTH = 8

Work = Callable[[PartSegmenter], Job[Any]]


class BusyError(CellsegError):
    """The queue is full."""


class NotReadyError(CellsegError):
    """The model is not loaded, or cannot be."""


class LateError(CellsegError):
    """The answer would come too late for who asked."""


class GoneError(CellsegError):
    """Whoever asked went away."""


class Order:
    """A piece of work on its way through the worker.

    Parameters
    ----------
    work : callable
        Gets the segmenter and returns the job.
    number : int
        Counts up; the worker takes the lowest first.
    seconds : float
        The longest that it may take from now on, waiting included.

    Attributes
    ----------
    answer : Future
        Its result, or a `CellsegError`.
    progress : Progress
        The last one.
    """

    def __init__(self, work: Work, number: int, seconds: float) -> None:
        self.work = work
        self.number = number
        self.answer: Future[Any] = Future()
        self.progress = Progress(0, 0, "waiting")
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._is_unwanted = threading.Event()

    def drop(self) -> None:
        """Stop the work at its next step; nobody waits for it any more."""
        self._is_unwanted.set()

    def go_on(self, progress: Progress) -> None:
        """Note a step; raises `GoneError` or `LateError` where it was the last."""
        self.progress = progress
        if self._is_unwanted.is_set():
            raise GoneError("The client went away.")
        if time.monotonic() > self._until:
            raise LateError(
                f"The image takes longer than the {self._seconds:.0f} s that this server "
                "may work on one. Send a smaller region, or send it in tiles."
            )


class Worker:
    """Loads the model and works off what is in the queue, on a thread of its own.

    Parameters
    ----------
    model : str, Path or None
        Name or folder; None means the default model.
    device : str
        See `engines.open_segmenter`.
    queue_length : int
        Orders that may wait.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        device: str = "auto",
        queue_length: int = QUEUE_LENGTH,
    ) -> None:
        self._model, self._device = model, device
        self._orders: queue.Queue[Order | None] = queue.Queue(queue_length)
        self._numbers = itertools.count(1)
        self._current = 0
        self._is_stopping = threading.Event()
        self.segmenter: PartSegmenter | None = None
        self.problem = ""
        self._thread = threading.Thread(target=self._work, daemon=True, name="cellseg")

    def start(self) -> None:
        """Begin to load the model."""
        self._thread.start()

    @property
    def is_ready(self) -> bool:
        """True once the model is loaded and its thread is alive."""
        return self.segmenter is not None and self._thread.is_alive()

    @property
    def n_waiting(self) -> int:
        """Orders in the queue."""
        return self._orders.qsize()

    def n_before(self, order: Order) -> int:
        """Orders that are worked on before one; 0 once it is its turn."""
        return max(0, order.number - self._current)

    def opened(self) -> PartSegmenter:
        """Return the segmenter; raises `NotReadyError` while there is none."""
        if self.segmenter is None or not self.is_ready:
            raise NotReadyError(self.problem or "The model is being loaded.")
        return self.segmenter

    def order(self, work: Work, seconds: float) -> Order:
        """Put work into the queue; raises `BusyError` or `NotReadyError`."""
        self.opened()
        if self._is_stopping.is_set():
            raise BusyError("The server is being stopped.")
        order = Order(work, next(self._numbers), seconds)
        try:
            self._orders.put_nowait(order)
        except queue.Full as error:
            raise BusyError(
                f"{self._orders.maxsize} images wait already; try again in a minute."
            ) from error
        return order

    def stop(self, seconds: float) -> None:
        """End after the image in hand; wait for it at most so long."""
        self._is_stopping.set()
        while not self._orders.empty():
            try:
                order = self._orders.get_nowait()
            except queue.Empty:
                break
            if order is not None:
                order.answer.set_exception(BusyError("The server is being stopped."))
        self._orders.put(None)
        self._thread.join(seconds)

    def _work(self) -> None:
        try:
            segmenter = open_part_segmenter(self._model, self._device)
        except CellsegError as error:
            self.problem = str(error)
            return
        self.segmenter = segmenter
        while (order := self._orders.get()) is not None:
            self._current = order.number
            if order.answer.set_running_or_notify_cancel():
                _fulfil(order, segmenter)


def _fulfil(order: Order, segmenter: PartSegmenter) -> None:
    """Work on an order; whatever happens is its answer."""
    try:
        order.go_on(order.progress)
        result = run(order.work(segmenter), order.go_on)
    except CellsegError as error:
        order.answer.set_exception(error)
    except (MemoryError, RuntimeError, ValueError, OSError, ArithmeticError) as error:
        # One bad image must not end the server.
        told = SegmentationError(f"The image could not be segmented: {error!r}.")
        order.answer.set_exception(told)
    else:
        order.answer.set_result(result)
