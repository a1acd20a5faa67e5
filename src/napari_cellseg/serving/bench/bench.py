"""Where requests are worked off, and what is said to it and by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from napari_cellseg.cloud.wire.envelope import Message
from napari_cellseg.core.jobs import Progress
from napari_cellseg.core.processors import n_processors
from napari_cellseg.serving.requests.reply import Reply


@dataclass(frozen=True, slots=True)
class Setup:
    """What a bench works with.

    Attributes
    ----------
    model : str or None
        Name or folder; None means the default model.
    device : str
        See `engines.open_segmenter`.
    max_image_bytes : int
        Largest image, expanded.
    """

    model: str | None = None
    device: str = "auto"
    max_image_bytes: int = 2**31


@dataclass(frozen=True, slots=True)
class Task:
    """A request to be worked off.

    Attributes
    ----------
    number : int
        Names it.
    message : Message
        As it arrived.
    accept : str
        The form of the answer.
    seconds : float
        The longest that it may take from now on, waiting included.
    """

    number: int
    message: Message
    accept: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded: its spec as JSON, and the device in words.

    `n_alike` says how many devices of the kind that was asked for there are.
    """

    spec: str
    device: str
    n_alike: int = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """There will be no model, and why."""

    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """A task is being worked on, and how far it is."""

    number: int
    progress: Progress


@dataclass(frozen=True, slots=True)
class Answer:
    """A task is done."""

    number: int
    reply: Reply


@dataclass(frozen=True, slots=True)
class Ended:
    """The bench is gone, with all that was on it; why, in words.

    Of a `Crew`: none of its benches is there now, and they are being begun anew.
    """

    text: str


@dataclass(frozen=True, slots=True)
class DeviceState:
    """How a device is.

    Attributes
    ----------
    device : str
        As it was asked for, such as ``"cuda:1"``.
    title : str
        In words; "" before its bench is ready.
    state : str
        ``"loading"``, ``"ready"``, ``"starting again"`` or ``"failed"``.
    problem : str
        Why it is not ready; "" if nothing is wrong.
    n_at_work, n_done : int
        Requests that it has, and that it has answered.
    """

    device: str
    title: str
    state: str
    problem: str
    n_at_work: int
    n_done: int


News = Ready | Problem | Step | Answer | Ended
Tell = Callable[[News], None]


#: More would only wait for each other: Python runs one of them at a time.
MAX_HANDS = 4


def n_hands() -> int:
    """Return how many tasks a bench works on at a time on this computer."""
    return min(MAX_HANDS, max(2, n_processors()))


class Bench(Protocol):
    """Works tasks off in the order in which they come, and tells of it."""

    def start(self, tell: Tell) -> None:
        """Begin to load the model; `tell` is called from other threads."""
        ...

    def take(self, task: Task) -> None:
        """Take a task; never waits."""
        ...

    def drop(self, number: int) -> None:
        """Stop a task at its next step; nobody waits for it any more."""
        ...

    def stop(self, seconds: float) -> None:
        """Refuse what waits and end after what is in hand; wait at most so long."""
        ...


class Crew(Bench, Protocol):
    """Benches that begin anew by themselves, and that say how they are."""

    def devices(self) -> list[DeviceState]:
        """Return how each device is."""
        ...
