"""From corrections to a better model, without leaving the window."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from psygnal import Signal

from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.controllers.segmenting.segment import SegmentController
from napari_cellseg.controllers.session import Session
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.controllers.training.training_source import (
    SourceKind,
    TrainingSource,
    no_items,
)
from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.jobs import Job, run
from napari_cellseg.core.train_options import FineTuneOptions
from napari_cellseg.core.training.curve import CurvePoint, add_point
from napari_cellseg.core.training.item import (
    Trainer,
    TrainingItem,
    TrainingOutcome,
    TrainingSupply,
    TrainProgress,
)
from napari_cellseg.io.models import store as model_store
from napari_cellseg.io.models.left_trainings import (
    LeftTraining,
    last_crop_seconds,
    left_trainings,
    settle,
    trainings_folder,
)
from napari_cellseg.io.models.training_files import pictures_in, read_outcome
from napari_cellseg.nn.training.curve import CURVE_NAME, columns_of

TrainerOpener = Callable[[str | None, str, str], Trainer]
#: Until a training was done here: seconds for one crop of 256 x 256 pixels, forth and
#: back, the measuring on held-out cells included; on 2 CPU cores that had other work too.
SECONDS_A_CROP = 0.15
#: Letters of the name of what is learned from that go into the name of a model.
LONGEST_NAME = 40
#: Reading, and comparing old and new, seen on the same.
SECONDS_AROUND = 30.0


class TrainController:
    """Collects what is checked, trains, and puts the new model to use.

    Parameters
    ----------
    session, segment, projects : controllers
        What is open, what is checked, which model is in use.
    task : TaskController
        Runs the training.
    open_trainer : callable
        Gets the model to start from, and name and title of the new one.

    Attributes
    ----------
    curve : list of CurvePoint
        Of the training that runs, or ran last.
    is_stopping : bool
        Whether the training that runs was told to end.
    outcome : TrainingOutcome or None
        Of the training that ran last.
    supply : TrainingSupply or None
        What there is to learn from; None until it is counted.
    problem : str
        Why it cannot be counted, or "".
    left : LeftTraining or None
        What an earlier window left behind, until the person decides about it.
    """

    changed = Signal()
    cells_opened = Signal()
    promoted = Signal(str)

    def __init__(
        self,
        session: Session,
        segment: SegmentController,
        projects: ProjectController,
        task: TaskController,
        open_trainer: TrainerOpener,
    ) -> None:
        self._segment = segment
        self.source = TrainingSource(session, segment, projects)
        self.task = task
        self.counting = TaskController(task.starter)
        self._open_trainer = open_trainer
        self._trainer: Trainer | None = None
        self.options = FineTuneOptions()
        self.is_stopping = False
        self.curve: list[CurvePoint] = []
        self.outcome: TrainingOutcome | None = None
        self.supply: TrainingSupply | None = None
        self.left: LeftTraining | None = None
        self._crop_seconds = last_crop_seconds()
        self._out: Path | None = None
        self.problem = ""
        task.changed.connect(self._on_task_changed)
        segment.proofread.opened.connect(self._on_cells_opened)
        self.counting.changed.connect(self._on_counting_changed)

    # ------------------------------------------------------------- what there is
    def choose_source(self, kind: SourceKind, folder: Path | None = None) -> None:
        """Learn from another source from now on, and count what it has."""
        self.source.choose(kind, folder)
        self.count()

    def count(self) -> None:
        """Count what is checked, off the main thread where that takes long."""
        self.source.settle()
        self.supply, self.problem = None, ""
        if self.source.is_quick:
            self.counting.abandon()
            self._count_here()
        elif not self.source.why_not(None):
            self.counting.start("Counting", self.source.counted(), self._take_supply)
        self.changed.emit()

    def _on_cells_opened(self) -> None:
        """Tell that there is another image, or that its cells have come."""
        self.cells_opened.emit()

    def _count_here(self) -> None:
        try:
            self.supply = run(self.source.counted())
        except TrainingError as error:
            self.problem = str(error)

    def _take_supply(self, supply: TrainingSupply) -> None:
        self.supply = supply
        self.changed.emit()

    def _on_counting_changed(self) -> None:
        if self.counting.state == "failed" and self.counting.failure is not None:
            self.problem = self.counting.failure.message
            self.changed.emit()

    @property
    def words(self) -> str:
        """What there is to learn from, or why it cannot be, in a line."""
        return self.problem or self.source.words(self.supply)

    @property
    def warning(self) -> str:
        """Why little will come of it, or ""."""
        return self.source.warning(self.supply)

    def why_not(self) -> str:
        """Return why nothing can be trained now, or ""."""
        if self.task.is_running:
            return "A training is running."
        if self.outcome is not None:
            return "Decide first: use the new model, or keep the old."
        if self._segment.model is None:
            return "No model is installed."
        return self.problem or self.source.why_not(self.supply)

    @property
    def start_words(self) -> str:
        """The model that the training starts from, or what comes of starting from none."""
        if self.options.preset == "from_scratch":
            return "nothing: what the old model knows is forgotten"
        model = self._segment.model
        return "" if model is None else model.title

    @property
    def minutes(self) -> float:
        """About how long it takes at the pace of the last training here, or on two cores."""
        _, batch_size, _ = self.options.plan
        steps = self.options.steps_for(self.supply.n_cells if self.supply else 0)
        share = (self.options.crop_px / 256) ** 2
        pace = self._crop_seconds or SECONDS_A_CROP
        seconds = steps * batch_size * share * pace + SECONDS_AROUND
        return min(seconds, self.options.seconds_limit or seconds) / 60

    @property
    def time_words(self) -> str:
        """About how long it takes, in words, and what that is known from."""
        words = f"about {max(1, round(self.minutes))} min"
        if self._crop_seconds is None:
            return f"{words} on two CPU cores"
        return f"{words}, at the pace of your last training"

    def set_option(self, name: str, value: Any) -> None:
        """Set one option; `OptionsError` says when it is out of range."""
        self.options = replace(self.options, **{name: value})
        self.changed.emit()

    # ---------------------------------------------------------------- training
    def start(self) -> None:
        """Train on all that is checked; raises `TrainingError` where nothing is."""
        if self.source.kind == "image":
            self._count_here()
        if reason := self.why_not():
            raise TrainingError(reason)
        model = self._segment.model
        title = f"{self.source.name[:LONGEST_NAME] or 'My'} model"
        name = model_store.free_name(title)
        self._trainer = self._open_trainer(model.name if model else None, name, title)
        self.curve, self.left = [], None
        self._out = trainings_folder() / _stamped(name)
        job = self._job(self._trainer, self.source.collected(), self._out)
        self.task.start("Training", job, self._take)

    def _job(
        self, trainer: Trainer, collected: Job[list[TrainingItem]], out: Path
    ) -> Job[TrainingOutcome]:
        """Collect the items, and train."""
        items = yield from collected
        if not items:
            raise no_items(self.source.kind)
        return (yield from trainer.train(items, self.options, out))

    def stop(self) -> None:
        """End early with the best model so far; cancel where nothing was learned yet."""
        if self._trainer is not None and self.task.is_running:
            if self.curve:
                self._trainer.stop()
            else:
                self.task.cancel()
            self.is_stopping = True
            self.changed.emit()

    def leave_alone(self, *, stopping: bool = False) -> bool:
        """Let a training go on when the window closes; its outcome is offered next time.

        Parameters
        ----------
        stopping : bool
            It ends now with the best model so far, and only compares old and new.

        Returns
        -------
        bool
            False if nothing runs yet that could go on.
        """
        if self._trainer is None or not self.task.is_running:
            return False
        is_left = self._trainer.leave_alone()
        if is_left and stopping:
            self._trainer.stop()
        return is_left

    def close(self) -> None:
        """Hear of nothing any more; a training that was not let alone ends."""
        self.task.abandon()
        self.counting.abandon()

    # ------------------------------------------------------ from an earlier window
    def look_for_left(self) -> None:
        """Look for a training that an earlier window left behind."""
        found = [] if self.task.is_running else left_trainings()
        self.left = found[0] if found else None
        self.changed.emit()

    def take_left(self) -> None:
        """Show the outcome of a training that was left behind, or go on with it.

        Raises
        ------
        TrainingError, ModelError
            If that is not possible.
        """
        left, self.left = self.left, None
        if left is None:
            return
        self._out, self.curve, self.outcome = left.folder, curve_in(left.folder), None
        outcome = read_outcome(left.folder)
        if outcome is not None:
            self._take(outcome)
            return
        self._trainer = self._open_trainer(None, "", left.title)
        self.task.start("Training", self._trainer.go_on(left.folder), self._take)

    def drop_left(self) -> None:
        """Forget a training that was left behind; its folder stays."""
        left, self.left = self.left, None
        if left is not None and left.state != "running":
            settle(left.folder)
        self.changed.emit()

    def _on_task_changed(self) -> None:
        step = self.task.progress
        for point in step.points if isinstance(step, TrainProgress) else ():
            add_point(self.curve, point)
        is_cancelled = self.is_stopping and self.task.state == "cancelled"
        if is_cancelled and self._out is not None and not self.curve:
            settle(self._out)  # there is nothing to go on with
        self.is_stopping = self.is_stopping and self.task.is_running
        if self.task.state == "failed" and self.left is None:
            self.curve = []
            self.look_for_left()  # a process that was killed can go on
        self.changed.emit()

    def _take(self, outcome: TrainingOutcome) -> None:
        self.outcome = outcome
        self._crop_seconds = last_crop_seconds()
        self.changed.emit()

    # -------------------------------------------------------------- the new model
    @property
    def pictures(self) -> list[Path]:
        """Pictures of old and new cells side by side: held out, and of the base set."""
        return [] if self._out is None else pictures_in(self._out)

    def use_new(self) -> None:
        """Take the new model in, and begin with it from now on.

        Raises
        ------
        ModelError, SaveError
            If it cannot be taken in.
        """
        if self.outcome is None:
            raise TrainingError("There is no new model; train one first.")
        # Another training, begun before this one was taken in, may have its name.
        name = model_store.take_in(self.outcome.folder, is_renamed=True)
        model_store.promote(name)
        self._settle()
        self._choose(name)

    def keep_old(self) -> None:
        """Go on with the old model; the new one stays in the folder of its training."""
        self._settle()
        self.changed.emit()

    def _settle(self) -> None:
        self.outcome = None
        self.curve = []
        if self._out is not None:
            settle(self._out)

    @property
    def can_roll_back(self) -> bool:
        """True if another model was promoted over the one that ships."""
        return model_store.has_promotion()

    def roll_back(self) -> None:
        """Begin with the model from before the last promotion; raises `SaveError`."""
        self._choose(model_store.roll_back())

    def _choose(self, name: str) -> None:
        self._segment.load_models()
        self._segment.choose_model(name)
        self.promoted.emit(name)
        self.changed.emit()


def curve_in(folder: Path) -> list[CurvePoint]:
    """Return the curve that a training has left in its folder."""
    columns = columns_of(folder / CURVE_NAME)
    scores = dict(columns.get("held_out_msa", []))
    return [
        CurvePoint(int(step), loss, scores.get(step))
        for step, loss in columns.get("loss", [])
    ]


def _stamped(name: str) -> str:
    """Return the name of a new folder."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
