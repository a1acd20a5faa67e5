"""Holds cells out, compares old and new model on them, and says what came of a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.holdout import hold_out
from napari_cellseg.core.model_spec import settled_options
from napari_cellseg.core.options import FineTuneOptions, SegmentOptions
from napari_cellseg.core.training_item import (
    Comparison,
    TrainingItem,
    TrainingOutcome,
    supply_of,
)
from napari_cellseg.io.training_files import (
    MODEL_FOLDER,
    TrainingRequest,
    read_request,
    write_outcome,
)
from napari_cellseg.nn.device import choose_device
from napari_cellseg.nn.examiner import Examination, Examiner, compare
from napari_cellseg.nn.fine_tune_data import base_items
from napari_cellseg.nn.fine_tune_picture import PICTURE_NAME, write_picture
from napari_cellseg.nn.fine_tune_report import new_spec, verdict
from napari_cellseg.nn.fine_tune_run import FineTuneRun
from napari_cellseg.nn.network import CellNet
from napari_cellseg.nn.weights import load_model, save_model

FOREGROUND_GRID = (0.4, 0.5, 0.6)
SEED_GRID = (0.5, 0.6, 0.7, 0.8)
CONFIDENCE_GRID = (0.0, 0.3, 0.5, 0.6)
MIN_CELLS = 3


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
    ModelError
        If the old model cannot be read.
    """

    def __init__(
        self, folder: Path, request: TrainingRequest, items: Sequence[TrainingItem]
    ) -> None:
        self.folder = folder
        self.request = request
        self._items = items
        self.learned, held = split_items(items, request.options)
        self.old_network, self.old_spec = load_model(Path(request.model))
        self._device = choose_device(request.device)
        self._old_options = settled_options(SegmentOptions(), self.old_spec)
        self._held_out = Examiner(held, self.old_spec)
        self._learned = Examiner(self.learned, self.old_spec)
        self._base = Examiner(base_items(), self.old_spec)

    @classmethod
    def of(cls, folder: Path) -> Judge:
        """Return the one of a folder; raises `TrainingError`, `ModelError`."""
        return cls(folder, *read_request(folder))

    def measure_old(self) -> None:
        """Examine the old model on what is held out and on the base set."""
        network, options = self.old_network, self._old_options
        self._old_maps = self._held_out.maps(network, self._device)
        self.old_held = self._held_out.examine(self._old_maps, options)
        self._old_base = self._exam(self._base, network, options)

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
        network = run.best_network()
        options = self._tuned(network)
        new_maps = self._held_out.maps(network, self._device)
        held_out = compare(self.old_held, self._held_out.examine(new_maps, options))
        if self._held_out.n_cells:
            pixels, truth = self._held_out.window(0)
            old = self._held_out.labels_of(0, self._old_maps, self._old_options)
            new = self._held_out.labels_of(0, new_maps, options)
            write_picture(
                self.folder / PICTURE_NAME, pixels, (truth, old), (truth, new)
            )
        base = compare(self._old_base, self._exam(self._base, network, options))
        outcome = self._settled(run, held_out, base, was_stopped=was_stopped)
        spec = new_spec(self.old_spec, self.request, self._items, outcome, options)
        save_model(outcome.folder, network, spec)
        write_outcome(self.folder, outcome)
        return outcome

    def _settled(
        self,
        run: FineTuneRun,
        held_out: Comparison,
        base: Comparison,
        *,
        was_stopped: bool,
    ) -> TrainingOutcome:
        """Return the outcome with its advice."""
        is_better, reason = verdict(held_out, base)
        return TrainingOutcome(
            self.folder / MODEL_FOLDER,
            held_out,
            base,
            is_better,
            reason,
            run.step,
            run.seconds,
            was_stopped,
        )

    def _exam(
        self, examiner: Examiner, network: CellNet, options: SegmentOptions
    ) -> Examination:
        return examiner.examine(examiner.maps(network, self._device), options)

    def _tuned(self, network: CellNet) -> SegmentOptions:
        """Return the options with the thresholds that suit the cells learned from best.

        The old ones stay unless others are better: a tie is no reason to change.
        """
        examiner, best = self._learned, self._old_options
        maps = examiner.maps(network, self._device)
        best_msa = examiner.examine(maps, best).msa
        for foreground in FOREGROUND_GRID:
            for seed in SEED_GRID:
                tried = replace(
                    best, foreground_threshold=foreground, seed_threshold=seed
                )
                if (msa := examiner.examine(maps, tried).msa) > best_msa:
                    best, best_msa = tried, msa
        for confidence in CONFIDENCE_GRID:
            tried = replace(best, min_confidence=confidence)
            if (msa := examiner.examine(maps, tried).msa) > best_msa:
                best, best_msa = tried, msa
        return best


def split_items(
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
