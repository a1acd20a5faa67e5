"""What goes well or wrong is told in the dock, on one line."""

from __future__ import annotations

from typing import Any

from napari.utils.notifications import notification_manager, show_warning
from qtpy.QtCore import QObject

from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.measuring.measure import MeasureController
from napari_cellseg.controllers.segmenting.segment import SegmentController
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.controllers.training.train import TrainController
from napari_cellseg.core.counted import counted
from napari_cellseg.core.editing.edits import Edit
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.widgets.basics.footer import Footer
from napari_cellseg.widgets.basics.words import result_line

TRAINED = "The training has ended; its result is on the tab Train."


class Teller(QObject):
    """Hears of every task, edit and notification, and tells of it in the foot.

    Parameters
    ----------
    footer : Footer
        Shows the line.
    segment, measure, train : controllers
        Whose tasks are heard.
    files : (TaskController, TaskController)
        Read and write files; open images.
    parent : QObject
        The dock.
    """

    def __init__(
        self,
        footer: Footer,
        segment: SegmentController,
        measure: MeasureController,
        train: TrainController,
        files: tuple[TaskController, TaskController],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._footer = footer
        self._segment = segment
        self._measure = measure
        self._train = train
        self._files, self._opening = files
        self._proofread: ProofreadController = segment.proofread
        self._n_accepted = 0
        self._train_state = train.task.state
        segment.task.changed.connect(self._on_task_changed)
        segment.live_task.changed.connect(self._on_live_task_changed)
        segment.redecoded.connect(self.show_result)
        segment.place_task.changed.connect(self._on_place_task_changed)
        measure.task.changed.connect(self._on_measure_task_changed)
        train.task.changed.connect(self._on_train_task_changed)
        train.changed.connect(self._on_train_changed)
        train.promoted.connect(self._on_model_promoted)
        self._files.changed.connect(self._on_files_changed)
        self._opening.changed.connect(self._on_opening_changed)
        self._proofread.noticed.connect(self._on_noticed)
        self._proofread.edited.connect(self._on_edited)
        self._proofread.opened.connect(self._on_opened)
        self._proofread.reviewed.connect(self._on_reviewed)
        notification_manager.notification_ready.connect(self._on_notification)

    def release(self) -> None:
        """Hear of napari and of corrections no more."""
        for signal, slot in (
            (self._proofread.opened, self._on_opened),
            (self._proofread.reviewed, self._on_reviewed),
        ):
            signal.disconnect(slot, missing_ok=True)
        notification_manager.notification_ready.disconnect(self._on_notification)

    def show_error(self, text: str) -> None:
        """Show why something could not be done."""
        self._footer.tell(text, "error")

    def show_note(self, text: str) -> None:
        """Show what was done besides what was asked for."""
        self._footer.tell(text)

    def show_result(self) -> None:
        """Show the one line of result."""
        result = self._segment.session.result
        if result is not None:
            n_cells, n_kept = self._proofread.n_cells, self._segment.n_kept
            is_blank = not n_cells and self._segment.is_blank
            self._footer.tell(
                *result_line(n_cells, n_kept, result.seconds, is_blank=is_blank)
            )

    def _on_task_changed(self) -> None:
        task = self._segment.task
        if task.state == "failed" and task.failure is not None:
            self._footer.tell_failure(task.failure)
            show_warning(task.failure.message)
        elif task.state == "cancelled":
            self._footer.tell("Cancelled; nothing was changed.")

    def _on_live_task_changed(self) -> None:
        self._tell_failure_of(self._segment.live_task)

    def _on_measure_task_changed(self) -> None:
        self._tell_failure_of(self._measure.task)

    def _on_train_task_changed(self) -> None:
        """Tell of beginning and end: the person may look at another tab meanwhile."""
        state = self._train.task.state
        if state == self._train_state:
            return
        self._train_state = state
        if state == "running":
            self._footer.tell("The training has begun; you can go on correcting.")
        elif state == "done":
            self._footer.tell(TRAINED)
        elif state == "cancelled":
            self._footer.tell("Stopped.")
        self._tell_failure_of(self._train.task)

    def _on_train_changed(self) -> None:
        """Tell of the end no longer once the person has decided."""
        if self._train.outcome is None:
            self._footer.take_back(TRAINED)

    def _on_model_promoted(self, _name: str) -> None:
        if (model := self._segment.model) is not None:
            self._footer.tell(
                f"'{model.title}' is the model in use now; segment again to see its cells."
            )

    def _on_place_task_changed(self) -> None:
        task = self._segment.place_task
        if task.is_running:
            self._footer.tell(task.progress.message)
        elif task.state == "done":
            is_new = task.name == "Connecting"
            title = self._segment.place.current.title
            self._footer.tell(f"Segmenting runs on {title}." if is_new else "")
        elif task.state == "cancelled":
            self._footer.tell("Stopped.")
        self._tell_failure_of(task)

    def _on_files_changed(self) -> None:
        self._tell_of(self._files)

    def _on_opening_changed(self) -> None:
        self._tell_of(self._opening)

    def _tell_of(self, task: TaskController) -> None:
        if task.is_running:
            self._footer.tell(task.progress.message)
        else:
            self._footer.take_back(task.progress.message)
            self._tell_failure_of(task)

    def _tell_failure_of(self, task: TaskController) -> None:
        if task.state == "failed" and task.failure is not None:
            self._footer.tell_failure(task.failure)

    def _on_noticed(self, text: str) -> None:
        self._footer.tell(text, "warning")

    def _on_edited(self, edit: Edit) -> None:
        done = f"undone: {edit.name}" if self._proofread.is_undo else edit.name
        classed = edit.classes_before.keys() | edit.classes_after.keys()
        # Where a cell is gone its class is as well.
        is_of_class = classed and not edit.sources_before
        n_cells = len(classed) if is_of_class else self._proofread.n_cells
        self._footer.tell(f"{done} · {counted(n_cells, 'cell')}")

    def _count_accepted(self) -> int:
        """Return how many cells a person said are right."""
        cells = self._proofread.cells
        return 0 if cells is None else list(cells.states.values()).count("accepted")

    def _on_opened(self) -> None:
        self._n_accepted = self._count_accepted()

    def _on_reviewed(self, _ids: object) -> None:
        """Say how many cells are locked now that were not before."""
        before, self._n_accepted = self._n_accepted, self._count_accepted()
        new = self._n_accepted - before
        if new > 0:
            cells = "cell" if new == 1 else "cells"
            self._footer.tell(f"{new:,} {cells} marked as right")

    def _on_notification(self, notification: Any) -> None:
        """Repeat in the dock what a reader or writer of ours says to napari."""
        error = getattr(notification, "exception", None)
        while error is not None and not isinstance(error, CellsegError):
            error = error.__cause__
        if error is not None:
            self.show_error(str(error))
