"""How many steps fit into the time that a person was promised, and when no more are needed.

A step shows crops of a settled size, whatever the size of the images; what grows with the
images is the examination of held-out cells, and the comparing at the end. All are measured
on this computer, as busy as it is, before the number of steps is settled.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

#: Examinations of held-out cells in a training, at most and at least.
N_EXAMS = (8, 2)
#: The pace is measured over the steps between these; the first ones are slower.
WARM_STEPS = 2
SETTLED_AT = 10
#: Examinations may take so much of the time that is left for learning.
EXAM_SHARE = 0.25
#: Fewer steps teach next to nothing; a slow computer takes longer than was promised.
FEWEST_STEPS = 60
#: A training that is half done ends when so many examinations after the best one none was
#: better. Held-out cells of electron microscopy, examined every 30 steps: best after 90 of
#: 240 steps with 105 and 197 checked cells, after 180 with 422; none of the bests is missed.
PATIENCE = 3


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured before the first step.

    Attributes
    ----------
    spent, exam, finish : float
        Seconds: before the first step; of one examination; of the comparing at the end,
        about.
    """

    spent: float
    exam: float
    finish: float


@dataclass(frozen=True, slots=True)
class Length:
    """How long a training is.

    Attributes
    ----------
    n_steps : int
        Steps in all.
    every : int
        Steps between examinations.
    """

    n_steps: int
    every: int


def planned(n_steps: int) -> Length:
    """Return a training of so many steps, before anything is measured."""
    return Length(n_steps, max(1, n_steps // N_EXAMS[0]))


def affordable(n_steps: int, limit: float, costs: Costs, step_seconds: float) -> Length:
    """Return a training of at most `n_steps` that ends within a limit where it can.

    Parameters
    ----------
    n_steps : int
        As the preset says.
    limit : float
        Seconds for all of it, reading and comparing too.
    costs : Costs
        What else takes time.
    step_seconds : float
        Of one step.
    """
    left = max(limit - costs.spent - costs.finish, 0.0)
    most, least = N_EXAMS
    n_exams = most
    if costs.exam > 0:
        n_exams = min(most, max(least, int(EXAM_SHARE * left / costs.exam)))
    fitting = int((left - n_exams * costs.exam) / max(step_seconds, 1e-6))
    steps = min(n_steps, max(fitting, FEWEST_STEPS))
    return Length(steps, max(1, -(-steps // n_exams)))


def is_settled_late(step: int, better_step: int, length: Length) -> bool:
    """Say whether a training may end: half is done, and it has not become better for long.

    One that has not become better than the old model yet (`better_step` 0) goes on.
    """
    is_half_done = better_step > 0 and 2 * step >= length.n_steps
    return is_half_done and step - better_step >= PATIENCE * length.every


class Pace:
    """Measures the time of a step over the first ones."""

    def __init__(self) -> None:
        self._ends: list[float] = []

    def note(self) -> None:
        """Note that a step has ended."""
        if len(self._ends) < SETTLED_AT:
            self._ends.append(time.perf_counter())

    @property
    def step_seconds(self) -> float | None:
        """Seconds a step, None before it is known."""
        if len(self._ends) < SETTLED_AT:
            return None
        return (self._ends[-1] - self._ends[WARM_STEPS - 1]) / (SETTLED_AT - WARM_STEPS)
