"""Holds cells out, compares old and new model on them, and says what came of a training."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from napari_cellseg.core.model_spec import settled_options
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.training.holdout import sides_to_json
from napari_cellseg.core.training.item import (
    Comparison,
    TrainingItem,
    TrainingOutcome,
    supply_of,
)
from napari_cellseg.core.types import PlaneMaps
from napari_cellseg.io.models.training_files import (
    BASE_PICTURE_NAME,
    MODEL_FOLDER,
    PICTURE_NAME,
    TrainingRequest,
    read_request,
    write_outcome,
)
from napari_cellseg.nn.device import choose_device
from napari_cellseg.nn.fine_tuning.chance import sureness
from napari_cellseg.nn.fine_tuning.data import base_items, parts_to_tune
from napari_cellseg.nn.fine_tuning.examiner import Examination, Examiner, compare
from napari_cellseg.nn.fine_tuning.pace import Costs
from napari_cellseg.nn.fine_tuning.part_way import SHARES, part_way
from napari_cellseg.nn.fine_tuning.report import (
    advice,
    forgets,
    luck_of,
    new_spec,
    nothing_kept,
    verdict,
)
from napari_cellseg.nn.fine_tuning.split import Splitter
from napari_cellseg.nn.fine_tuning.state import FineTuneRun, is_new
from napari_cellseg.nn.network import CellNet
from napari_cellseg.nn.side_by_side import write_picture
from napari_cellseg.nn.weights import load_model, save_model

FOREGROUND_GRID = (0.4, 0.5, 0.6)
SEED_GRID = (0.5, 0.6, 0.7, 0.8)
#: Pairs of thresholds that are tried.
N_TRIED = len(FOREGROUND_GRID) * len(SEED_GRID)


class Judge:
    """What the leader of a training knows, and the others do not need.

    Parameters
    ----------
    folder : Path
        Of the training.
    request : TrainingRequest
        What is to be trained.
    items : sequence of TrainingItem
        Everything that is checked.

    Raises
    ------
    TrainingError
        If there is too little to learn from.
    ModelError, SaveError
        If the old model cannot be read, or what is held out not be noted.
    """

    def __init__(
        self, folder: Path, request: TrainingRequest, items: Sequence[TrainingItem]
    ) -> None:
        self.folder = folder
        self.request = request
        self._items = items
        self.old_network, self.old_spec = load_model(Path(request.model))
        self._device = choose_device(request.device)
        splitter = Splitter(self.old_network, self.old_spec, self._device)
        self._split = splitter.split(folder, items, request.options)
        self.learned = self._split.learned
        self._old_options = settled_options(SegmentOptions(), self.old_spec)
        self._held_out = Examiner(self._split.held, self.old_spec)
        self._learned = Examiner(parts_to_tune(self.learned), self.old_spec)
        self._base = Examiner(base_items(), self.old_spec)

    @classmethod
    def of(cls, folder: Path) -> Judge:
        """Return the one of a folder; raises `TrainingError`, `ModelError`."""
        return cls(folder, *read_request(folder))

    def measure_old(self) -> None:
        """Examine the old model on what is held out and on the base set."""
        options = self._old_options
        clock = [time.perf_counter()]
        for examiner in (self._held_out, self._base):
            maps = examiner.maps(self.old_network, self._device)
            clock.append(time.perf_counter())
            found = examiner.examine(maps, options)
            clock.append(time.perf_counter())
            if examiner is self._held_out:
                self.old_held = found
            else:
                self._old_base = found
        self._seconds = np.diff(clock)  # (4,) held out: maps, cells; base: maps, cells

    @property
    def n_steps(self) -> int:
        """Steps that what is checked is worth."""
        return self.request.options.steps_for(supply_of(self._items).n_cells)

    @property
    def bar(self) -> float:
        """The mSA on held-out cells that a new model needs to be compared with the old one.

        It may be worse by what luck takes: else a few held-out cells that the old model
        happens to be right on would throw away what was learned from all the others.
        """
        return self.old_held.msa - luck_of(self._held_out.n_cells)

    def costs(self, spent: float) -> Costs:
        """Return what an examination and the comparing take, from those of the old model.

        Parameters
        ----------
        spent : float
            Seconds since the training began.
        """
        held_maps, held_cells, base_maps, base_cells = (float(s) for s in self._seconds)
        both_px = max(self._held_out.n_px + self._base.n_px, 1)
        share = self._learned.n_px / both_px
        cells = held_cells + base_cells
        # The base set is decoded once more for the figures, others as thresholds are tried.
        finish = (held_maps + base_maps) * (2 + share) + cells * (2 + N_TRIED * share)
        return Costs(spent, held_maps + held_cells, finish)

    def score_of(self, run: FineTuneRun) -> float | None:
        """Measure the running mean on what is held out, and keep it if it is the best.

        None means that nothing is held out; the latest is kept then.
        """
        if self._held_out.n_cells == 0:
            run.note_latest()
            return None
        score = self._exam(self._held_out, run.mean, self._old_options).msa
        run.note_score(score)
        return score

    def outcome_of(self, run: FineTuneRun, *, was_stopped: bool) -> TrainingOutcome:
        """Compare old and new, write the new model and the outcome; raises `SaveError`."""
        trained = run.best_network()
        options = self._tuned(trained)
        new = self._best_of_the_way(trained, options)
        for name, shown in (
            (PICTURE_NAME, _Shown(self._held_out, self.old_held, new.seen_held)),
            (BASE_PICTURE_NAME, _Shown(self._base, self._old_base, new.seen_base)),
        ):
            shown.write(self.folder / name)
        outcome = self._settled(run, new, was_stopped=was_stopped)
        spec = new_spec(self.old_spec, self.request, self._items, outcome, options)
        spec = replace(spec, sides=sides_to_json(self._split.sides))
        save_model(outcome.folder, new.network, spec)
        write_outcome(self.folder, outcome)
        return outcome

    def _best_of_the_way(self, trained: CellNet, options: SegmentOptions) -> _New:
        """Return the new model; if it forgets, one part of the way that is recommended.

        Where there is none it stays the new model: it is better on the person's images.
        """
        new = self._compared(trained, options, 1.0)
        if is_new(self.request.options) or not forgets(new.base):
            return new
        held_out_share = self.request.options.held_out_share
        for share in SHARES:
            network = part_way(self.old_network, trained, share)
            part = self._compared(network, options, share)
            if verdict(part.held_out, part.base, held_out_share)[0]:
                return part
        return new

    def _compared(
        self, network: CellNet, options: SegmentOptions, share: float
    ) -> _New:
        """Compare a network with the old one."""
        held = self._exam(self._held_out, network, options)
        base = self._exam(self._base, network, options)
        by_cell = self._held_out.by_cell
        held_out = replace(
            compare(self.old_held, held),
            sureness=sureness(by_cell(self.old_held), by_cell(held)),
        )
        return _New(network, share, held, base, held_out, compare(self._old_base, base))

    def _settled(
        self, run: FineTuneRun, new: _New, *, was_stopped: bool
    ) -> TrainingOutcome:
        """Return the outcome with its advice."""
        options = self.request.options
        held_out = new.held_out
        is_better, reason = verdict(held_out, new.base, options.held_out_share)
        if held_out.n_cells and run.is_unchanged and not is_better:
            reason = nothing_kept(run.step, run.length.every)
        if new.share < 1:
            reason += (
                f" It goes {SHARES[new.share]} of the way from the old model to what was "
                "learned: all the way, it forgot other images."
            )
        reason += advice(held_out, self._split, options, is_better=is_better)
        return TrainingOutcome(
            self.folder / MODEL_FOLDER,
            held_out,
            new.base,
            is_better,
            reason,
            run.step,
            run.seconds,
            was_stopped,
            new.share,
        )

    def _exam(
        self, examiner: Examiner, network: CellNet, options: SegmentOptions
    ) -> Examination:
        return examiner.examine(examiner.maps(network, self._device), options)

    def _tuned(self, network: CellNet) -> SegmentOptions:
        """Return the options with the thresholds that suit the cells learned from best.

        A network is surer of cells it has learned than of others, so what suits those
        alone is too high: thresholds have to do no harm to cells that are held out, nor
        to the base set. The old ones stay where nothing is held out, and on a tie.
        """
        old = self._old_options
        if self._held_out.n_cells == 0:
            return old
        learned = _Tuning(self._learned, self._learned.maps(network, self._device))
        others = [
            _Tuning(each, each.maps(network, self._device))
            for each in (self._held_out, self._base)
        ]
        least = [each.msa(old) for each in others]
        scores = {tried: learned.msa(tried) for tried in _thresholds(old)}
        better = [tried for tried in scores if scores[tried] > scores[old]]
        for tried in sorted(better, key=scores.__getitem__, reverse=True):
            if all(
                each.msa(tried) >= floor
                for each, floor in zip(others, least, strict=True)
            ):
                return tried
        return old


@dataclass(frozen=True, slots=True, eq=False)
class _New:
    """A network beside the old one.

    Attributes
    ----------
    share : float
        How much of the way from the old weights to the new ones it goes.
    seen_held, seen_base : Examination
        What it found on what is held out, and on the base set.
    held_out, base : Comparison
        Of these with what the old one found.
    """

    network: CellNet
    share: float
    seen_held: Examination
    seen_base: Examination
    held_out: Comparison
    base: Comparison


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is drawn of a comparison: the window whose figures changed the most."""

    examiner: Examiner
    old: Examination
    new: Examination

    def write(self, path: Path) -> None:
        """Draw it; nothing where there are no windows. Raises `SaveError`."""
        if not len(self.new.labels):
            return
        changed = np.abs(self.new.aps.mean(1) - self.old.aps.mean(1))
        place = self.examiner.owners.index(int(np.argmax(changed)))
        pixels, truth = self.examiner.window(place)
        old, new = self.old.labels[place], self.new.labels[place]
        write_picture(path, pixels, (truth, old), (truth, new))


@dataclass(frozen=True, slots=True)
class _Tuning:
    """Maps of a network that are decoded with many thresholds."""

    examiner: Examiner
    maps: list[PlaneMaps]

    def msa(self, options: SegmentOptions) -> float:
        """Return the mSA with some options, every image of the same weight."""
        return self.examiner.examine(self.maps, options).msa


def _thresholds(old: SegmentOptions) -> list[SegmentOptions]:
    """Return the old options, and those with every other pair of thresholds, near ones first."""
    tried = [
        replace(old, foreground_threshold=foreground, seed_threshold=seed)
        for foreground in FOREGROUND_GRID
        for seed in SEED_GRID
    ]
    others = [options for options in tried if options != old]
    return [old, *sorted(others, key=partial(_distance, old))]


def _distance(old: SegmentOptions, new: SegmentOptions) -> float:
    """Return how far thresholds moved."""
    names = ("foreground_threshold", "seed_threshold")
    moved = 0.0
    for name in names:
        moved += abs(float(getattr(old, name) or 0.0) - float(getattr(new, name)))
    return moved
