"""*Project > Segment all images*: the dock's side of it."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject

from napari_cellseg.controllers.segmenting.project_run import ProjectRun
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.widgets.basics.cleanup import Cleanup
from napari_cellseg.widgets.basics.words import Tone
from napari_cellseg.widgets.images.many_images import ManyProgress


class ProjectRunLink(QObject):
    """Starts a run over the images of the project, and shows how far it is.

    Parameters
    ----------
    dock : CellSegmentationWidget
        Has `link`, `projects`, `segment`, `proofread` and `footer`.
    task : TaskController
        Segments them, and does nothing else.
    cleanup : Cleanup
        Told what to let go of.
    """

    def __init__(self, dock: Any, task: TaskController, cleanup: Cleanup) -> None:
        super().__init__(dock)
        self._dock = dock
        self.run = ProjectRun(dock.segment, task)
        self.progress = ManyProgress(
            task, self.run.stop, "Stop; cells that were found stay."
        )
        self._project: object = None
        dock.link.bar.segment_wanted.connect(self.start)
        dock.projects.changed.connect(self._on_project_changed)
        self.run.taken.connect(self._on_taken)
        self.run.finished.connect(self._on_finished)
        task.changed.connect(self._on_task_changed)
        cleanup.add(self.run.stop)
        cleanup.add(task.changed.disconnect)

    def start(self, is_all: bool) -> None:  # noqa: FBT001 - Qt's signal
        """Segment all images of the project, or those that have no cells yet."""
        self._project = self._dock.projects.project
        images = self._dock.projects.images
        wanted = [one.address for one in images if is_all or not one.has_labels]
        self._dock.footer.tell("")
        try:
            self.run.start(wanted)
        except CellsegError as error:
            self._dock.footer.tell(str(error), "error")

    def _on_taken(self) -> None:
        self._dock.link.kept.let_go(self._dock.proofread.cells)

    def _on_project_changed(self) -> None:
        """Stop where the project is another one: its cells would have no place."""
        if self._dock.projects.project is not self._project:
            self.run.stop()

    def _on_finished(self, words: str) -> None:
        problems = self.run.problems
        tone: Tone = "warning" if problems else "plain"
        self._dock.footer.tell(words, tone, "\n".join(problems))

    def _on_task_changed(self) -> None:
        task = self.run.task
        if task.state == "failed" and task.failure is not None:
            self._dock.footer.tell_failure(task.failure)
        elif task.state == "cancelled":
            self._dock.footer.tell("Stopped. Cells that were found stay.")
