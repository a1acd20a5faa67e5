"""From corrections to a better model, or to the advice to keep the old one.

The loss is computed only where a person has checked; base images are replayed against
forgetting; a part of what is checked is held out; thresholds are tuned anew; and at the
end old and new are compared on what was held out and on a base set that never changes.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.holdout import hold_out
from napari_cellseg.core.jobs import Job
from napari_cellseg.core.model_spec import settled_options
from napari_cellseg.core.options import FineTuneOptions, SegmentOptions
from napari_cellseg.core.training_item import (
    TrainingItem,
    TrainingOutcome,
    TrainProgress,
    supply_of,
)
from napari_cellseg.io.training_files import (
    MODEL_FOLDER,
    STOP_NAME,
    TrainingRequest,
    read_request,
    write_outcome,
)
from napari_cellseg.nn.batches import CropSampler
from napari_cellseg.nn.device import choose_device
from napari_cellseg.nn.examiner import Examination, Examiner, compare
from napari_cellseg.nn.fine_tune_data import (
    REPLAY,
    YOURS,
    base_items,
    draw_crops,
    replayed_images,
    training_images,
)
from napari_cellseg.nn.fine_tune_picture import write_picture
from napari_cellseg.nn.fine_tune_report import new_spec, verdict
from napari_cellseg.nn.fine_tune_run import FROM_SCRATCH, FineTuneRun
from napari_cellseg.nn.network import CellNet
from napari_cellseg.nn.training_data import PERCENTILES
from napari_cellseg.nn.weights import load_model, save_model

N_EXAMS = 8
FOREGROUND_GRID = (0.4, 0.5, 0.6)
SEED_GRID = (0.5, 0.6, 0.7, 0.8)
CONFIDENCE_GRID = (0.0, 0.3, 0.5, 0.6)
MIN_CELLS = 3
CURVE_NAME = "curve.csv"


@dataclass(slots=True)
class _Exams:
    """What networks are examined on."""

    held_out: Examiner
    learned: Examiner
    base: Examiner


def fine_tune(folder: Path) -> Job[TrainingOutcome]:
    """Train what `io.training_files.write_request` left in `folder`.

    A run that was cut goes on from its checkpoint. A file ``stop`` in the folder ends it
    early with the best model so far. The new model stands in ``model/``.

    Raises
    ------
    TrainingError
        If there is too little to learn from, or the loss is no number.
    ModelError, SaveError
        If the old model cannot be read or the new one not be written.
    """
    started = time.perf_counter()
    request, items = read_request(folder)
    learned, held = _split(items, request.options)
    yield TrainProgress(0, 0, "reading the corrections")
    old_network, old_spec = load_model(Path(request.model))
    device = choose_device(request.device)
    exams = _Exams(
        Examiner(held, old_spec),
        Examiner(learned, old_spec),
        Examiner(base_items(), old_spec),
    )
    old_options = settled_options(SegmentOptions(), old_spec)
    yield TrainProgress(0, 0, "measuring the old model")
    old_maps = exams.held_out.maps(old_network, device)
    old_held = exams.held_out.examine(old_maps, old_options)
    old_base = exams.base.examine(exams.base.maps(old_network, device), old_options)
    start = CellNet(old_spec.widths) if _is_new(request) else old_network
    torch.manual_seed(request.options.seed)
    run = FineTuneRun(start, request.options, device)
    run.load(folder)
    if run.step == 0 and not _is_new(request):
        run.note_score(old_held.msa)
    was_stopped = yield from _learn(run, learned, request, folder, exams, old_options)
    yield TrainProgress(run.n_steps, run.n_steps, "comparing old and new")
    network = run.best_network()
    options = _tuned(exams.learned, network, device, old_options)
    new_maps = exams.held_out.maps(network, device)
    held_out = compare(old_held, exams.held_out.examine(new_maps, options))
    if held:
        write_picture(
            folder,
            *exams.held_out.window(0),
            exams.held_out.labels_of(0, old_maps, old_options),
            exams.held_out.labels_of(0, new_maps, options),
        )
    base = compare(old_base, _exam(exams.base, network, device, options))
    is_better, reason = verdict(held_out, base)
    outcome = TrainingOutcome(
        folder / MODEL_FOLDER,
        held_out,
        base,
        is_better,
        reason,
        run.step,
        time.perf_counter() - started,
        was_stopped,
    )
    spec = new_spec(old_spec, request, items, outcome, options)
    save_model(folder / MODEL_FOLDER, network, spec)
    write_outcome(folder, outcome)
    return outcome


def _is_new(request: TrainingRequest) -> bool:
    return request.options.preset == FROM_SCRATCH


def _split(
    items: Sequence[TrainingItem], options: FineTuneOptions
) -> tuple[list[TrainingItem], list[TrainingItem]]:
    """Return what to learn from and what to hold out; refuse too little."""
    supply = supply_of(items)
    if supply.n_cells < MIN_CELLS:
        raise TrainingError(
            f"There are {supply.n_cells} checked cells; at least {MIN_CELLS} are needed, "
            "and 100 to 200 make a difference. Check an area, or accept cells, first."
        )
    learned, held = hold_out(items, options.held_out_share)
    if not learned:
        raise TrainingError(
            "Nothing is left to learn from once a part is held out. Check more areas."
        )
    return learned, held


# ------------------------------------------------------------------------- learning
def _learn(
    run: FineTuneRun,
    learned: Sequence[TrainingItem],
    request: TrainingRequest,
    folder: Path,
    exams: _Exams,
    options: SegmentOptions,
) -> Job[bool]:
    """Do the steps that are left; return True if the person ended it early."""
    images = training_images(learned, PERCENTILES)
    share = request.options.replay_share
    if share > 0:
        images += replayed_images(PERCENTILES)
    weights = {YOURS: 1 - share, REPLAY: share}
    n_steps, batch_size, _ = request.options.plan
    sampler = CropSampler(images, weights, request.options.crop_px, batch_size)
    every = max(1, n_steps // N_EXAMS)
    clock = time.perf_counter()
    first = run.step
    with ThreadPoolExecutor(1) as executor:
        waiting = executor.submit(draw_crops, sampler, request.options.seed, run.step)
        while run.step < n_steps:
            if (folder / STOP_NAME).exists():
                return True
            pixels, targets = waiting.result()
            waiting = executor.submit(
                draw_crops, sampler, request.options.seed, run.step + 1
            )
            loss = run.advance(pixels, targets)
            score = None
            if run.step % every == 0 or run.step == n_steps:
                score = _judged(run, exams.held_out, options)
                run.save(folder)
            _append_curve(folder, run.step, loss, score)
            left = (time.perf_counter() - clock) / (run.step - first)
            left *= n_steps - run.step
            text = f"step {run.step} of {n_steps} · {_time_text(left)} left"
            yield TrainProgress(run.step, n_steps, text, loss, score)
    return False


def _judged(
    run: FineTuneRun, held_out: Examiner, options: SegmentOptions
) -> float | None:
    """Measure the running mean on what is held out, and keep it if it is the best."""
    if held_out.n_cells == 0:
        run.note_latest()
        return None
    score = _exam(held_out, run.mean, run.device, options).msa
    run.note_score(score)
    return score


def _append_curve(folder: Path, step: int, loss: float, score: float | None) -> None:
    path = folder / CURVE_NAME
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(["step", "loss", "held_out_msa"])
        writer.writerow([step, f"{loss:.5f}", "" if score is None else f"{score:.5f}"])


def _time_text(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


# ------------------------------------------------------------------------ comparing
def _exam(
    examiner: Examiner, network: CellNet, device: torch.device, options: SegmentOptions
) -> Examination:
    return examiner.examine(examiner.maps(network, device), options)


def _tuned(
    examiner: Examiner, network: CellNet, device: torch.device, options: SegmentOptions
) -> SegmentOptions:
    """Return the options with the thresholds that suit the cells learned from best.

    The old ones stay unless others are better: a tie is no reason to change.
    """
    maps = examiner.maps(network, device)
    best, best_msa = options, examiner.examine(maps, options).msa
    for foreground in FOREGROUND_GRID:
        for seed in SEED_GRID:
            tried = replace(
                options, foreground_threshold=foreground, seed_threshold=seed
            )
            if (msa := examiner.examine(maps, tried).msa) > best_msa:
                best, best_msa = tried, msa
    for confidence in CONFIDENCE_GRID:
        tried = replace(best, min_confidence=confidence)
        if (msa := examiner.examine(maps, tried).msa) > best_msa:
            best, best_msa = tried, msa
    return best
