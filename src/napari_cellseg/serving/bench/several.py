"""Several benches behind one queue: a process for each device, and the free one is next.

What waits, waits here. A bench that goes takes with it only what it was working on; that
is answered with an error, and never worked on twice. The bench is begun anew.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from napari_cellseg.core.errors import SegmentationError
from napari_cellseg.serving.bench.apart import PROGRAM, BenchApart
from napari_cellseg.serving.bench.bench import (
    Answer,
    Bench,
    DeviceState,
    Ended,
    News,
    Problem,
    Ready,
    Setup,
    Step,
    Task,
    Tell,
    n_hands,
)
from napari_cellseg.serving.bench.devices import (
    ALL_OF_THEM,
    devices_of,
    threads_environment,
)
from napari_cellseg.serving.requests.reply import GoneError, LateError, refusal

logger = logging.getLogger(__name__)

#: A bench that worked before is tried so often, after a pause that doubles.
TRIES = 5
PAUSE_SECONDS = 2.0

#: A request is handed to so many processes that end, at most.
MAX_GIVEN = 3
#: A bench stops by itself what takes too long; one that has not by then hangs.
HANGING_SECONDS = 60.0
LOOK_SECONDS = 10.0

HANGS = (
    "The device has not answered in time; its process is started anew. Send the image "
    "again, or a region of it if it is large."
)

MakeBench = Callable[[str], Bench]


def open_benches(setup: Setup, program: Sequence[str] = PROGRAM) -> Benches:
    """Return a process for each of the devices that a setup names.

    Raises
    ------
    OptionsError
        If they cannot be read.
    """
    devices = devices_of(setup.device)
    environment = threads_environment(devices)

    def make(device: str) -> BenchApart:
        return BenchApart(replace(setup, device=device), program, environment)

    return Benches(make, devices)


@dataclass(slots=True, eq=False)
class _Waiting:
    """A task, and since when it is here."""

    task: Task
    since: float
    is_begun: bool = False
    n_given: int = 0

    def left(self) -> float:
        """Return the seconds that are left; less than 0 where it is late."""
        return self.task.seconds - (time.monotonic() - self.since)

    def due(self) -> Task:
        """Return it with the seconds that are left."""
        return replace(self.task, seconds=self.left())


@dataclass(slots=True, eq=False)
class _Seat:
    """A bench and what is on it."""

    device: str
    bench: Bench
    state: str = "loading"
    ready: Ready | None = None
    problem: str = ""
    in_hand: dict[int, _Waiting] = field(default_factory=dict)
    n_tries: int = 0
    n_done: int = 0
    was_ready: bool = False

    def told(self) -> DeviceState:
        """Return how it is."""
        title = self.ready.device if self.ready else ""
        n = len(self.in_hand)
        return DeviceState(self.device, title, self.state, self.problem, n, self.n_done)


class Benches:
    """Benches on several devices; see `Crew`.

    Parameters
    ----------
    make : callable
        Makes a bench for a device.
    devices : sequence of str
        One bench each; one of `ALL_OF_THEM` alone means as many as it says there are.
    n_at_once : int or None
        Tasks that a bench gets at a time; None means `n_hands`.
    """

    def __init__(
        self, make: MakeBench, devices: Sequence[str], n_at_once: int | None = None
    ) -> None:
        self._make = make
        self._n_at_once = n_hands() if n_at_once is None else n_at_once
        self._seats = [_Seat(device, make(device)) for device in devices]
        self._grows = len(devices) == 1 and devices[0] in ALL_OF_THEM
        self._waiting: deque[_Waiting] = deque()
        self._lock = threading.RLock()
        self._is_stopping = False
        self._is_over = threading.Event()
        self._tell: Tell | None = None

    def start(self, tell: Tell) -> None:
        """Begin to load the model everywhere."""
        self._tell = tell
        for seat in list(self._seats):
            self._begin(seat)
        threading.Thread(target=self._watch, daemon=True, name="cellseg-watch").start()

    def take(self, task: Task) -> None:
        """Take a task, for the next device that is free."""
        with self._lock:
            self._waiting.append(_Waiting(task, time.monotonic()))
            self._hand_out()

    def drop(self, number: int) -> None:
        """Stop a task; one that waits is forgotten at once."""
        with self._lock:
            for seat in self._seats:
                if number in seat.in_hand:
                    seat.bench.drop(number)
            left = deque(each for each in self._waiting if each.task.number != number)
            was_waiting = len(left) < len(self._waiting)
            self._waiting = left
            if was_waiting:
                reply = refusal(GoneError("The client went away."))
                self._say(Answer(number, reply))

    def stop(self, seconds: float) -> None:
        """End every bench after what it has in hand; wait at most so long for all."""
        with self._lock:
            self._is_stopping = True
            self._waiting.clear()
        self._is_over.set()
        threads = [
            threading.Thread(target=seat.bench.stop, args=(seconds,))
            for seat in self._seats
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def devices(self) -> list[DeviceState]:
        """Return how each device is."""
        with self._lock:
            return [seat.told() for seat in self._seats]

    def _watch(self) -> None:
        """Look now and then whether a bench hangs, until the server is stopped."""
        while not self._is_over.wait(LOOK_SECONDS):
            self.end_what_hangs()

    def end_what_hangs(self) -> None:
        """End each bench that has not said in time that its image takes too long."""
        with self._lock:
            for seat in self._seats:
                late = [
                    number
                    for number, each in seat.in_hand.items()
                    if each.is_begun and each.left() < -HANGING_SECONDS
                ]
                for number in late:
                    del seat.in_hand[number]
                    self._say(Answer(number, refusal(LateError(HANGS))))
                if late:
                    _end_apart(seat.bench)

    def _say(self, news: News) -> None:
        if self._tell is not None:
            self._tell(news)

    def _begin(self, seat: _Seat) -> None:
        """Start a bench, unless the server was stopped meanwhile."""
        with self._lock:
            if self._is_stopping:
                return
            seat.state = "loading"
            seat.bench.start(partial(self._hear, seat))

    def _hear(self, seat: _Seat, news: News) -> None:
        """Take note of what a bench tells; called from its threads."""
        with self._lock:
            if isinstance(news, Step):
                if news.number in seat.in_hand:
                    seat.in_hand[news.number].is_begun = True
                self._say(news)
            elif isinstance(news, Answer):
                seat.in_hand.pop(news.number, None)
                seat.n_done += 1
                self._say(news)
                self._hand_out()
            elif isinstance(news, Ready):
                self._note_ready(seat, news)
            elif isinstance(news, Problem):
                self._note_problem(seat, news)
            else:
                self._note_end(seat, news)

    def _hand_out(self) -> None:
        """Give what waits to the benches that have the least in hand."""
        while self._waiting and not self._is_stopping:
            ready = [each for each in self._seats if each.state == "ready"]
            free = [each for each in ready if len(each.in_hand) < self._n_at_once]
            if not free:
                return
            seat = min(free, key=lambda each: len(each.in_hand))
            waiting = self._waiting.popleft()
            seat.in_hand[waiting.task.number] = waiting
            waiting.n_given += 1
            seat.bench.take(waiting.due())

    def _note_ready(self, seat: _Seat, news: Ready) -> None:
        seat.state, seat.ready, seat.problem = "ready", news, ""
        seat.n_tries, seat.was_ready = 0, True
        self._say(news)
        if self._grows and news.n_alike > 1:
            self._grows = False
            seat.device = "cuda:0"
            for place in range(1, news.n_alike):
                other = _Seat(f"cuda:{place}", self._make(f"cuda:{place}"))
                self._seats.append(other)
                self._begin(other)
        self._hand_out()

    def _note_problem(self, seat: _Seat, news: Problem) -> None:
        """Give a device up; or, where it worked before, let its bench end, for a new one."""
        seat.problem = news.text
        if seat.was_ready:
            _end_apart(seat.bench)
        else:
            self._give_up(seat)

    def _note_end(self, seat: _Seat, news: Ended) -> None:
        """Fail what was in hand when a bench went, and begin it anew."""
        ended_at_work, seat.state = seat.state == "ready", "starting again"
        lost, seat.in_hand = seat.in_hand, {}
        seat.problem = seat.problem or news.text
        if not self._is_stopping:
            if ended_at_work and not self._any_ready():
                self._say(news)
            self._begin_again(seat, ended_at_work=ended_at_work)
        for each in lost.values():
            # A request that ends processes before they say a word is not passed around.
            each.is_begun = each.is_begun or each.n_given >= MAX_GIVEN
        waiting = [each for each in lost.values() if not each.is_begun]
        self._waiting.extendleft(reversed(waiting))
        for number, each in lost.items():
            if each.is_begun:
                self._say(Answer(number, refusal(SegmentationError(news.text))))
        self._hand_out()

    def _begin_again(self, seat: _Seat, *, ended_at_work: bool) -> None:
        """Start a bench that ended: at once if it was at work, later if it was loading."""
        seat.n_tries += 1
        if ended_at_work:
            self._begin(seat)
        elif seat.was_ready and seat.n_tries <= TRIES:
            pause = PAUSE_SECONDS * 2 ** (seat.n_tries - 1)
            timer = threading.Timer(pause, self._begin, (seat,))
            timer.daemon = True
            timer.start()
        else:
            self._give_up(seat)

    def _give_up(self, seat: _Seat) -> None:
        """Note a device that cannot be used; the last one ends all that waits."""
        seat.state = "failed"
        logger.error("The device %s cannot be used: %s", seat.device, seat.problem)
        if any(each.state != "failed" for each in self._seats):
            return
        self._say(Problem(seat.problem))
        reply = refusal(SegmentationError(seat.problem))
        while self._waiting:
            self._say(Answer(self._waiting.popleft().task.number, reply))

    def _any_ready(self) -> bool:
        return any(each.state == "ready" for each in self._seats)


def _end_apart(bench: Bench) -> None:
    """End a bench on a thread of its own: it waits for the process."""
    threading.Thread(target=bench.stop, args=(0.0,), daemon=True).start()
