"""What a server has taken on: places for those that wait, orders, and how fast they go."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import Future
from types import TracebackType

from napari_cellseg.cloud.wire.envelope import Message
from napari_cellseg.core.errors import SegmentationError
from napari_cellseg.core.jobs import Progress
from napari_cellseg.serving.bench.bench import (
    Answer,
    Crew,
    DeviceState,
    News,
    Problem,
    Ready,
    Step,
    Task,
)
from napari_cellseg.serving.requests.pace import Pace
from napari_cellseg.serving.requests.reply import (
    RETRY_SECONDS,
    BusyError,
    NotReadyError,
    Reply,
    refusal,
)

#: Requests that wait; a client that comes later is told to come again.
QUEUE_LENGTH = 8


class Place:
    """One of the places for those that wait; held from a request's headers on.

    Leaving the `with` block gives it back, unless an order has taken it over.
    """

    def __init__(self, places: threading.Semaphore) -> None:
        self._places = places
        self._lock = threading.Lock()
        self._is_held = True
        self.is_ordered = False

    def give_back(self) -> None:
        """Let somebody else wait here; a second time changes nothing."""
        with self._lock:
            was_held, self._is_held = self._is_held, False
        if was_held:
            self._places.release()

    def __enter__(self) -> Place:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self.is_ordered:
            self.give_back()


class Order:
    """A request on its way through the worker.

    Parameters
    ----------
    task : Task
        What is to be done.
    place : Place
        Where it waits.
    worker : Worker
        Who has it done.

    Attributes
    ----------
    answer : Future of Reply
        The answer; errors are answers as well.
    progress : Progress
        The last one.
    is_begun : bool
        True once it is worked on.
    """

    def __init__(self, task: Task, place: Place, worker: Worker) -> None:
        self.number = task.number
        self.place = place
        self.answer: Future[Reply] = Future()
        self.progress = Progress(0, 0, "waiting")
        self.is_begun = False
        self._worker = worker

    def begin(self, progress: Progress) -> None:
        """Note a step; the first one leaves the place to others."""
        self.progress = progress
        self.is_begun = True
        self.place.give_back()

    def end(self, reply: Reply) -> None:
        """Note the answer."""
        self.place.give_back()
        if self.answer.set_running_or_notify_cancel():
            self.answer.set_result(reply)

    def drop(self) -> None:
        """Have it stopped, if it is not done; nobody waits for it any more."""
        if not self.answer.done():
            self.place.give_back()
            self._worker.drop(self)


class Worker:
    """Hands requests to a bench and their answers back.

    Parameters
    ----------
    bench : Crew
        Where they are worked off.
    queue_length : int
        Requests that may wait, those included whose body still arrives.
    """

    def __init__(self, bench: Crew, queue_length: int = QUEUE_LENGTH) -> None:
        self.queue_length = queue_length
        self._bench = bench
        self._places = threading.Semaphore(queue_length)
        self._numbers = itertools.count(1)
        self._orders: dict[int, Order] = {}
        self._lock = threading.Lock()
        self._pace = Pace()
        self._ready: Ready | None = None
        self._is_stopping = False
        self.problem = ""

    def start(self) -> None:
        """Begin to load the model."""
        self._bench.start(self._hear)

    @property
    def is_ready(self) -> bool:
        """True while the model is loaded."""
        return self._ready is not None

    @property
    def is_busy(self) -> bool:
        """True while there are orders."""
        return bool(self._orders)

    @property
    def n_waiting(self) -> int:
        """Orders that are not worked on yet."""
        with self._lock:
            return sum(not order.is_begun for order in self._orders.values())

    def n_before(self, order: Order) -> int:
        """Orders that were there before one; 0 once it is its turn."""
        if order.is_begun:
            return 0
        with self._lock:
            return sum(number < order.number for number in self._orders)

    def opened(self) -> Ready:
        """Return what is loaded.

        Raises
        ------
        NotReadyError
            While it is being loaded.
        SegmentationError
            If it cannot be; waiting does not help.
        """
        if self._ready is None and self.problem:
            raise SegmentationError(self.problem)
        if self._ready is None:
            raise NotReadyError(
                f"The model is being loaded; try again in {RETRY_SECONDS} s."
            )
        return self._ready

    def devices(self) -> list[DeviceState]:
        """Return how each device is."""
        return self._bench.devices()

    def place(self) -> Place:
        """Return a place to wait; raises `BusyError`, or as `opened` does.

        It is to be asked for before a request is read: who is refused costs nothing.
        """
        self.opened()
        if self._is_stopping:
            raise BusyError("The server is being stopped.")
        if not self._places.acquire(blocking=False):
            seconds = self._pace.retry_seconds(self.queue_length)
            raise BusyError(
                f"{self.queue_length} images wait already; try again in {seconds} s.",
                seconds,
            )
        return Place(self._places)

    def order(
        self, message: Message, accept: str, seconds: float, place: Place
    ) -> Order:
        """Have a request worked off.

        Parameters
        ----------
        message : Message
            As it arrived.
        accept : str
            The form of the answer.
        seconds : float
            The longest that it may take from now on, waiting included.
        place : Place
            Where it waits; given back by the order.
        """
        task = Task(next(self._numbers), message, accept, seconds)
        order = Order(task, place, self)
        place.is_ordered = True
        with self._lock:
            if not self._orders:
                self._pace.begin(time.monotonic())
            self._orders[order.number] = order
        self._bench.take(task)
        return order

    def drop(self, order: Order) -> None:
        """Have an order stopped at its next step."""
        self._bench.drop(order.number)

    def stop(self, seconds: float) -> None:
        """End after what is in hand; wait for it at most so long."""
        self._is_stopping = True
        self._bench.stop(seconds)
        reply = refusal(BusyError("The server is being stopped."))
        for order in self._left():
            order.end(reply)

    def _left(self) -> list[Order]:
        """Return the orders that are open, which are open no more."""
        with self._lock:
            orders, self._orders = list(self._orders.values()), {}
        return orders

    def _hear(self, news: News) -> None:
        """Take note of what the bench tells; called from its threads."""
        if isinstance(news, Step):
            with self._lock:
                order = self._orders.get(news.number)
            if order is not None:
                order.begin(news.progress)
        elif isinstance(news, Answer):
            with self._lock:
                order = self._orders.pop(news.number, None)
                self._pace.end(time.monotonic())
            if order is not None:
                order.end(news.reply)
        elif isinstance(news, Ready):
            self._ready = news
        elif isinstance(news, Problem):
            self.problem = news.text
        else:
            self._ready = None
