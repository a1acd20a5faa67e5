"""From corrections to a better model, or to the advice to keep the old one.

The loss is computed only where a person has checked; base images are replayed against
forgetting; a part of what is checked is held out; thresholds are tuned anew; and at the
end old and new are compared on what was held out and on a base set that never changes.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from napari_cellseg.core.jobs import Job
from napari_cellseg.core.training.curve import CurvePoint
from napari_cellseg.core.training.item import (
    TrainingItem,
    TrainingOutcome,
    TrainProgress,
)
from napari_cellseg.io.models.training_files import STOP_NAME, TrainingRequest
from napari_cellseg.nn.device import choose_device
from napari_cellseg.nn.fine_tuning.data import (
    REPLAY,
    YOURS,
    as_shared,
    replayed_images,
    training_images,
)
from napari_cellseg.nn.fine_tuning.judge import Judge
from napari_cellseg.nn.fine_tuning.pace import SETTLED_AT, Pace, affordable
from napari_cellseg.nn.fine_tuning.state import FineTuneRun, is_new
from napari_cellseg.nn.network import CellNet
from napari_cellseg.nn.training.augment import drawn_ahead
from napari_cellseg.nn.training.batches import CropSampler
from napari_cellseg.nn.training.curve import CURVE_NAME, STEP, append_row, forget_after
from napari_cellseg.nn.training.team import ALONE, Team

#: A training that is killed loses this much at most.
SAVE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Task:
    """What every process of a training has to know."""

    request: TrainingRequest
    learned: list[TrainingItem]
    start: CellNet
    best_px: float
    n_steps: int


def fine_tune(folder: Path, team: Team = ALONE) -> Job[TrainingOutcome]:
    """Train what `io.models.training_files.write_request` left in `folder`.

    A run that was cut goes on from its checkpoint. A file ``stop`` in the folder ends it
    early with the best model so far. The new model stands in ``model/``.

    Parameters
    ----------
    folder : Path
        Only the leader of the team reads and writes it.
    team : Team
        The processes that share each step.

    Raises
    ------
    TrainingError
        If there is too little to learn from, or the loss is no number.
    ModelError, SaveError
        If the old model cannot be read or the new one not be written.
    """
    began = time.perf_counter()
    yield TrainProgress(0, 0, "reading the corrections")
    judge = Judge.of(folder) if team.is_leader else None
    if judge is not None:
        yield TrainProgress(0, 0, "measuring the old model")
        judge.measure_old()
    task = team.from_leader(None if judge is None else _task_of(judge))
    options = task.request.options
    device = choose_device(task.request.device)
    run = FineTuneRun(task.start, options, device, team, task.n_steps)
    run.load(folder)
    if judge is not None:
        forget_after(folder / CURVE_NAME, run.step)
        run.old_score = judge.old_held.msa
        if run.step == 0 and not is_new(options):
            run.note_score(judge.bar)
    was_stopped = yield from _learn(run, task, folder, judge, began)
    outcome = None
    if judge is not None:
        yield TrainProgress(run.step, run.step, "comparing old and new")
        outcome = judge.outcome_of(run, was_stopped=was_stopped)
    return team.from_leader(outcome)


def _task_of(judge: Judge) -> _Task:
    """Return what is to be done; a network from scratch depends on the seed alone."""
    torch.manual_seed(judge.request.options.seed)
    start = copy.deepcopy(judge.old_network)
    if is_new(judge.request.options):
        start = CellNet(judge.old_spec.widths)
    return _Task(
        judge.request, judge.learned, start, judge.old_spec.diameter_px, judge.n_steps
    )


# ------------------------------------------------------------------------- learning
def _learn(
    run: FineTuneRun, task: _Task, folder: Path, judge: Judge | None, began: float
) -> Job[bool]:
    """Do the steps that are left; return True if the person ended it early."""
    options = task.request.options
    sampler = _sampler(task)
    own = run.team.share(options.plan[1])
    clock = time.perf_counter() - run.seconds
    pace = Pace()
    for crops in drawn_ahead(sampler, options.seed, range(run.step, run.n_steps), own):
        is_wanted = judge is not None and (folder / STOP_NAME).exists()
        if run.team.any_says(yes=is_wanted):
            if judge is not None:
                # Who stops a job may end it before the models are compared.
                run.save(folder)
            return True
        if run.team.any_says(yes=judge is not None and run.is_over):
            break
        loss = run.advance(crops)
        run.seconds = time.perf_counter() - clock
        pace.note()
        _settle(run, options.seconds_limit, pace, judge, began)
        score = None if judge is None else _noted(run, judge, folder, loss)
        point = CurvePoint(run.step, loss, score)
        yield TrainProgress(run.step, run.n_steps, _words(run, judge), (point,))
    return False


def _settle(
    run: FineTuneRun, limit: float | None, pace: Pace, judge: Judge | None, began: float
) -> None:
    """Settle the number of steps, once, as soon as it is known what a step takes."""
    step_seconds = pace.step_seconds
    if run.is_settled or limit is None or step_seconds is None:
        return
    length = None
    if judge is not None:
        spent = time.perf_counter() - began - SETTLED_AT * step_seconds
        length = affordable(run.n_steps, limit, judge.costs(spent), step_seconds)
    run.length = run.team.from_leader(length) or run.length
    run.is_settled = True


def _noted(run: FineTuneRun, judge: Judge, folder: Path, loss: float) -> float | None:
    """Examine held-out cells where it is time, and write the step down."""
    score = None
    if run.is_exam_due:
        score = judge.score_of(run)
    # The row first: one too many is forgotten, one that is missing stays so.
    values = {STEP: run.step, "loss": loss, "held_out_msa": score}
    append_row(folder / CURVE_NAME, values)
    if run.is_exam_due or run.seconds - run.saved_at >= SAVE_SECONDS:
        run.save(folder)
    return score


def _words(run: FineTuneRun, judge: Judge | None) -> str:
    """Return how far it is, and how long the rest takes, the comparing included."""
    left = run.seconds / run.step * (run.n_steps - run.step)
    left += 0.0 if judge is None else judge.costs(0.0).finish
    return f"step {run.step} of {run.n_steps} · {_time_text(left)} left"


def _sampler(task: _Task) -> CropSampler:
    """Return what draws crops of the corrections, and of base images against forgetting."""
    options = task.request.options
    share = options.replay_share
    images = training_images(task.learned, task.best_px)
    if share > 0:
        images = as_shared(images, replayed_images(), options.crop_px)
    return CropSampler(
        images, {YOURS: 1 - share, REPLAY: share}, options.crop_px, options.plan[1]
    )


def _time_text(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
