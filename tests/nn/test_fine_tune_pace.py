"""A quick training ends in the time that was promised, whatever the images and computer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from napari_cellseg.core.train_options import QUICK_SECONDS, FineTuneOptions
from napari_cellseg.nn.fine_tuning import pace as fine_tune_pace
from napari_cellseg.nn.fine_tuning.pace import (
    FEWEST_STEPS,
    SETTLED_AT,
    Costs,
    Length,
    Pace,
    affordable,
    is_settled_late,
)
from napari_cellseg.nn.fine_tuning.state import FineTuneRun
from napari_cellseg.nn.network import CellNet


@pytest.mark.parametrize(
    ("step", "costs"),
    [
        (0.4, Costs(10, 1.0, 15)),
        (0.9, Costs(10, 1.0, 15)),
        (0.4, Costs(10, 12.0, 30)),
        (0.7, Costs(20, 8.0, 40)),
    ],
    ids=["idle", "busy", "large images", "busy and large images"],
)
def test_all_of_it_ends_within_the_limit(step: float, costs: Costs) -> None:
    length = affordable(240, QUICK_SECONDS, costs, step)
    n_exams = -(-length.n_steps // length.every)
    total = costs.spent + costs.finish + length.n_steps * step + n_exams * costs.exam
    assert FEWEST_STEPS < length.n_steps <= 240
    assert total <= QUICK_SECONDS
    assert n_exams >= 2


def test_a_fast_computer_does_all_steps_and_all_examinations() -> None:
    assert affordable(240, QUICK_SECONDS, Costs(2, 0.1, 3), 0.03) == Length(240, 30)


def test_a_slow_computer_does_the_fewest_steps_that_teach() -> None:
    assert (
        affordable(240, QUICK_SECONDS, Costs(60, 20, 200), 5.0).n_steps == FEWEST_STEPS
    )


def test_nothing_held_out_costs_nothing() -> None:
    assert affordable(240, 150.0, Costs(5, 0.0, 5), 1.0).n_steps == 140


@pytest.mark.parametrize(
    ("step", "best_step", "expected"),
    [(180, 90, True), (150, 90, False), (100, 10, False), (200, 0, False)],
    ids=["long since", "not long", "not half done", "not better than the old yet"],
)
def test_it_ends_early_only_where_it_was_better_long_ago(
    step: int, best_step: int, expected: bool
) -> None:
    assert is_settled_late(step, best_step, Length(240, 30)) is expected


def test_the_pace_leaves_the_first_steps_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two steps of 9 s, then steps of 0.5 s.
    ends = [9.0, 18.0] + [18.0 + 0.5 * n for n in range(1, SETTLED_AT)]
    times = iter(ends)
    monkeypatch.setattr(fine_tune_pace.time, "perf_counter", lambda: next(times))
    pace = Pace()
    for _ in range(SETTLED_AT - 1):
        pace.note()
    assert pace.step_seconds is None
    pace.note()
    assert pace.step_seconds == pytest.approx(0.5)


def test_only_a_quick_training_without_a_number_of_steps_is_limited() -> None:
    assert FineTuneOptions("quick").seconds_limit == QUICK_SECONDS
    assert FineTuneOptions("quick", steps=240).seconds_limit is None
    assert FineTuneOptions("thorough").seconds_limit is None


@pytest.mark.parametrize(
    ("preset", "is_over"), [("thorough", True), ("from_scratch", False)]
)
def test_a_network_from_nothing_is_given_all_its_steps(
    preset: str, is_over: bool
) -> None:
    learner = FineTuneRun(CellNet((4, 8)), FineTuneOptions(preset), torch.device("cpu"))
    learner.best_score, learner.best_step = 0.1, learner.length.every
    learner.step = 5 * learner.length.every
    assert learner.is_over is is_over


def test_a_settled_length_stands_in_the_checkpoint(tmp_path: Path) -> None:
    first = FineTuneRun(CellNet((4, 8)), FineTuneOptions(), torch.device("cpu"))
    assert not first.is_settled
    first.length, first.is_settled = Length(97, 13), True
    first.save(tmp_path)
    again = FineTuneRun(CellNet((4, 8)), FineTuneOptions(), torch.device("cpu"))
    again.load(tmp_path)
    assert (again.length, again.is_settled) == (Length(97, 13), True)
    # The rate falls to nothing at the end of what is left, not of what was planned.
    again.step = 96
    assert again.rate() < 0.001 * FineTuneOptions().plan[2] * 10
