"""The one worker of a server: a bounded queue, one image at a time."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from napari_cellseg.core.errors import CellsegError, SegmentationError
from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmenter import Segmenter
from napari_cellseg.core.types import CellImage, SegmentationResult
from napari_cellseg.engines import open_segmenter

#: Images that wait; a client that comes later is told to come again.
QUEUE_LENGTH = 8


class BusyError(CellsegError):
    """The queue is full."""


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    image: CellImage
    options: SegmentOptions
    answer: Future[SegmentationResult]


class Worker:
    """Loads the model and segments what is in the queue, on a thread of its own.

    Parameters
    ----------
    model : str, Path or None
        Name or folder; None means the default model.
    device : str
        See `engines.open_segmenter`.
    queue_length : int
        Images that may wait.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        device: str = "auto",
        queue_length: int = QUEUE_LENGTH,
    ) -> None:
        self._model, self._device = model, device
        self._orders: queue.Queue[_Order | None] = queue.Queue(queue_length)
        self.segmenter: Segmenter | None = None
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
        """Images in the queue."""
        return self._orders.qsize()

    def order(
        self, image: CellImage, options: SegmentOptions
    ) -> Future[SegmentationResult]:
        """Put an image into the queue; raises `BusyError` where it is full."""
        answer: Future[SegmentationResult] = Future()
        try:
            self._orders.put_nowait(_Order(image, options, answer))
        except queue.Full as error:
            raise BusyError(
                f"{self._orders.maxsize} images wait already; try again in a minute."
            ) from error
        return answer

    def stop(self, seconds: float) -> None:
        """End after the image in hand; wait for it at most so long."""
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
            self.segmenter = open_segmenter("local", self._model, device=self._device)
        except CellsegError as error:
            self.problem = str(error)
            return
        while (order := self._orders.get()) is not None:
            if not order.answer.set_running_or_notify_cancel():
                continue
            try:
                result = run(self.segmenter.segment(order.image, order.options))
            except CellsegError as error:
                order.answer.set_exception(error)
            except (MemoryError, RuntimeError, ValueError, OSError) as error:
                # One bad image must not end the server.
                told = SegmentationError(
                    f"The image could not be segmented: {error!r}."
                )
                order.answer.set_exception(told)
            else:
                order.answer.set_result(result)
