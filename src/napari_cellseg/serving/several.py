"""Several benches behind one queue: a process for each device, and the free one is next.

What waits, waits here. A bench that goes takes with it only what it was working on; that
is answered with an error, and never worked on twice. The bench is begun anew.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from napari_cellseg.core.errors import OptionsError, SegmentationError
from napari_cellseg.serving.apart import PROGRAM, BenchApart
from napari_cellseg.serving.bench import (
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
from napari_cellseg.serving.reply import GoneError, refusal

#: Devices that stand for all of their kind.
ALL_OF_THEM = ("auto", "cuda")
#: A bench that worked before is tried so often, after a pause that doubles.
TRIES = 5
PAUSE_SECONDS = 2.0

#: A request is handed to so many processes that end, at most.
MAX_GIVEN = 3

MakeBench = Callable[[str], Bench]


def devices_of(text: str) -> tuple[str, ...]:
    """Return the devices of ``"auto"``, ``"cuda:1"``, ``"0,1"`` or ``"cpu,cpu"``.

    Raises
    ------
    OptionsError
        If one is empty, or one of several means all.
    """
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or (len(names) > 1 and set(names) & set(ALL_OF_THEM)):
        raise OptionsError(
            f"--device is '{text}'; give auto, cpu, cuda or mps, or several such as 0,1 "
            "(graphics cards by number) or cpu,cpu."
        )
    return tuple(f"cuda:{name}" if name.isdecimal() else name for name in names)


def threads_environment(devices: Sequence[str]) -> dict[str, str]:
    """Return the variables with which processes share the processors of a computer."""
    n_on_cpu = sum(device == "cpu" for device in devices)
    if n_on_cpu < 2 or "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // n_on_cpu))}


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

    def due(self) -> Task:
        """Return it with the seconds that are left."""
        left = self.task.seconds - (time.monotonic() - self.since)
        return replace(self.task, seconds=left)


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
        self._tell: Tell | None = None

    def start(self, tell: Tell) -> None:
        """Begin to load the model everywhere."""
        self._tell = tell
        for seat in list(self._seats):
            self._begin(seat)

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
            # It may wait for the process, whose end is heard by another thread.
            threading.Thread(target=seat.bench.stop, args=(0.0,), daemon=True).start()
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
        if any(each.state != "failed" for each in self._seats):
            return
        self._say(Problem(seat.problem))
        reply = refusal(SegmentationError(seat.problem))
        while self._waiting:
            self._say(Answer(self._waiting.popleft().task.number, reply))

    def _any_ready(self) -> bool:
        return any(each.state == "ready" for each in self._seats)


def titles(states: Sequence[DeviceState]) -> str:
    """Return the devices that are ready in words, such as ``"2 × NVIDIA A10G"``."""
    names = Counter(each.title for each in states if each.state == "ready")
    return ", ".join(
        name if count == 1 else f"{count} × {name}" for name, count in names.items()
    )
