"""The hands of a bench: threads that read, segment and pack, one request each.

Several work at a time, so that one request is read, decoded or packed while the network
looks at another; the network itself takes one window at a time (`nn.inference.predict`).
"""

from __future__ import annotations

import errno
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from napari_cellseg.core.errors import (
    CellsegError,
    OutOfMemoryError,
    RemoteError,
    SegmentationError,
)
from napari_cellseg.core.jobs import Progress, run
from napari_cellseg.core.segmentation.part import PartSegmenter
from napari_cellseg.engines import n_devices, open_part_segmenter
from napari_cellseg.serving.bench.bench import (
    Answer,
    News,
    Problem,
    Ready,
    Setup,
    Step,
    Task,
    Tell,
    n_hands,
)
from napari_cellseg.serving.requests.answering import measure_once, reply_to
from napari_cellseg.serving.requests.asking import understood
from napari_cellseg.serving.requests.reply import (
    TOO_LARGE,
    BusyError,
    GoneError,
    LateError,
    Reply,
    no_room,
    refusal,
)

#: How libraries of C say that they got no memory.
#: oneDNN, which runs the network on the CPU, does so in words of its own.
NO_MEMORY = (
    *("allocate memory", "bad_alloc", "out of memory", "bad allocation"),
    "could not create a primitive",
)

#: Of an error that is in no list of ours.
UNFORESEEN = (
    "The request led to a fault of the server, which is in its log; it goes on. Send the "
    "image as a plain TIFF, or report the fault."
)


class _Turn:
    """A task on the bench."""

    def __init__(self, task: Task, tell: Tell) -> None:
        self.task = task
        self.is_unwanted = threading.Event()
        self._until = time.monotonic() + task.seconds
        self._tell = tell

    def go_on(self, progress: Progress) -> None:
        """Tell of a step; raises `GoneError` or `LateError` where it was the last."""
        if self.is_unwanted.is_set():
            raise GoneError("The client went away.")
        if time.monotonic() > self._until:
            raise LateError(
                f"The image takes longer than the {self.task.seconds:.0f} s that this "
                "server may work on one. Send a smaller region, or send it in tiles."
            )
        self._tell(Step(self.task.number, progress))


class Hands:
    """A bench in this process; see `Bench`.

    Parameters
    ----------
    setup : Setup
        What it works with.
    n : int or None
        Tasks that are worked on at a time; None means `n_hands`.
    """

    def __init__(self, setup: Setup, n: int | None = None) -> None:
        self._setup = setup
        self._n = n_hands() if n is None else n
        self._turns: queue.SimpleQueue[_Turn | None] = queue.SimpleQueue()
        self._known: dict[int, _Turn] = {}
        self._is_stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._at_work: list[int] = []
        self._tell: Tell = _silent

    def start(self, tell: Tell) -> None:
        """Begin to load the model."""
        self._tell = tell
        self._begin(self._open)

    def take(self, task: Task) -> None:
        """Take a task."""
        turn = _Turn(task, self._tell)
        self._known[task.number] = turn
        self._turns.put(turn)

    def drop(self, number: int) -> None:
        """Stop a task at its next step."""
        turn = self._known.get(number)
        if turn is not None:
            turn.is_unwanted.set()

    def stop(self, seconds: float) -> None:
        """Refuse what waits and end after what is in hand."""
        self._is_stopping.set()
        for _ in range(self._n):
            self._turns.put(None)
        until = time.monotonic() + seconds
        for thread in list(self._threads):
            thread.join(max(0.0, until - time.monotonic()))

    @property
    def is_busy(self) -> bool:
        """True while a task is worked on."""
        return bool(self._at_work)

    def _begin(self, work: Callable[..., None], *given: Any) -> None:
        thread = threading.Thread(target=work, args=given, daemon=True, name="hand")
        self._threads.append(thread)
        thread.start()

    def _open(self) -> None:
        """Load the model, then work as one of the hands."""
        try:
            segmenter = open_part_segmenter(self._setup.model, self._setup.device)
            measure_once()
        except CellsegError as error:
            self._tell(Problem(str(error)))
            return
        except (MemoryError, RuntimeError, OSError, ValueError) as error:
            self._tell(Problem(f"The model could not be loaded: {error!r}."))
            return
        n_alike = n_devices(self._setup.device)
        self._tell(Ready(segmenter.spec.to_json(), segmenter.device, n_alike))
        for _ in range(self._n - 1):
            self._begin(self._work, segmenter)
        self._work(segmenter)

    def _work(self, segmenter: PartSegmenter) -> None:
        while (turn := self._turns.get()) is not None:
            reply = refusal(SegmentationError(UNFORESEEN))
            is_well = False
            try:
                reply = self._answered(turn, segmenter)
                is_well = True
            finally:
                if not is_well:
                    # The error shows in the log and ends this hand; another one goes on.
                    self._begin(self._work, segmenter)
                self._known.pop(turn.task.number, None)
                self._tell(Answer(turn.task.number, reply))
            # What was answered is not kept until the next one comes.
            del turn, reply

    def _answered(self, turn: _Turn, segmenter: PartSegmenter) -> Reply:
        if self._is_stopping.is_set():
            return refusal(BusyError("The server is being stopped."))
        return self._replied(turn, segmenter)

    def _replied(self, turn: _Turn, segmenter: PartSegmenter) -> Reply:
        """Work on a task; where memory runs out, say whether to come again helps."""
        self._at_work.append(turn.task.number)
        try:
            return replied(turn.task, turn.go_on, self._setup, segmenter)
        except OutOfMemoryError:
            return no_room(is_busy=len(self._at_work) > 1)
        finally:
            self._at_work.remove(turn.task.number)


def replied(
    task: Task,
    go_on: Callable[[Progress], None],
    setup: Setup,
    segmenter: PartSegmenter,
) -> Reply:
    """Work on a task and return the answer; whatever else happens is one.

    Raises
    ------
    OutOfMemoryError
        If memory runs out.
    """
    try:
        go_on(Progress(0, 0, "reading the request"))
        asked = understood(task.message, setup.max_image_bytes, task.accept)
        if asked.work is None:
            raise RemoteError("The request asks for nothing to be worked on.")
        result = run(asked.work(segmenter), go_on)
        return reply_to(asked, result, task.accept, segmenter)
    except OutOfMemoryError:
        raise
    except CellsegError as error:
        return refusal(error)
    except MemoryError as error:
        raise OutOfMemoryError(TOO_LARGE) from error
    except (RuntimeError, ValueError, OSError, ArithmeticError) as error:
        if says_memory_is_out(error):
            raise OutOfMemoryError(TOO_LARGE) from error
        # One bad image must not end the server.
        return refusal(
            SegmentationError(f"The image could not be segmented: {error!r}.")
        )


def says_memory_is_out(error: Exception) -> bool:
    """Say whether an error of a library means that memory ran out."""
    no_room = isinstance(error, OSError) and error.errno == errno.ENOMEM
    return no_room or any(words in str(error).lower() for words in NO_MEMORY)


def _silent(news: News) -> None:
    """Tell nobody."""
