"""Long work as generators: they yield `Progress` and return their result.

The dock, the command line and the tests drive the same generator. To stop it is to close
it; what has to be cleaned up stands in its ``finally``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is.

    Attributes
    ----------
    done, total : int
        Steps done and steps in all; ``total == 0`` means that it is not known.
    message : str
        What is being done, in the user's words, such as ``"tile 3 of 20"``.
    """

    done: int
    total: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class Notice(Progress):
    """Progress whose message is to stay in sight, such as what failed of many."""


Job: TypeAlias = Generator[Progress, None, T]


def run(job: Job[T], on_progress: Callable[[Progress], None] | None = None) -> T:
    """Drive a job to its end and return its result.

    Parameters
    ----------
    job : Job[T]
        The generator; it is closed whatever happens.
    on_progress : callable, optional
        Called with each `Progress`. An exception in it stops the job and is raised.
    """
    try:
        while True:
            progress = next(job)
            if on_progress is not None:
                on_progress(progress)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        job.close()
