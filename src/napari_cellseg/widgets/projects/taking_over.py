"""A project that another window writes to is taken over, once it is closed there."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, Qt
from qtpy.QtWidgets import QApplication

from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.controllers.projects.unsaved_steps import (
    cells_read,
    check_parted,
    opened_to_write,
)
from napari_cellseg.controllers.task import JobStarter, TaskController
from napari_cellseg.core.errors import ProjectError
from napari_cellseg.project.store import Project
from napari_cellseg.widgets.basics.jobs import Later

#: Whether the other window is closed is looked at again after so long.
RETRY_MILLISECONDS = 5000


class TakingOver(QObject):
    """Opens a project to write that could only be read so far, its cells off the thread.

    Parameters
    ----------
    projects : ProjectController
        Has the project.
    starter : JobStarter
        Starts the reading.
    use : callable
        Takes the project that can be written to.
    parent : QObject
        The dock.
    """

    def __init__(
        self,
        projects: ProjectController,
        starter: JobStarter,
        use: Callable[[Project], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._projects = projects
        self._use = use
        self._old: Project | None = None
        self._new: Project | None = None
        self._later = Later(self._on_due, RETRY_MILLISECONDS, self)
        self._task = TaskController(starter)
        self._task.changed.connect(self._on_task_changed)
        projects.changed.connect(self._on_projects_changed)

    def release(self) -> None:
        """Look no more, and let the project go."""
        self._later.stop()
        self._task.abandon()
        new, self._new = self._new, None
        if new is not None:
            new.close()

    def _on_projects_changed(self) -> None:
        """Begin where the project can only be read; end where it was closed."""
        if self._projects.project is not self._old:
            self.release()
        if self._projects.why_read_only:
            self._later.call()

    def _on_due(self) -> None:
        """Write to the project, once no other window has it and nobody draws."""
        self._old = self._projects.project
        if self._old is None or not self._old.is_read_only or self._task.is_running:
            return
        if QApplication.mouseButtons() != Qt.MouseButton.NoButton:
            self._later.call()
        elif (new := self._new) is not None:
            self._go_on_with(new)
        else:
            self._open(self._old)

    def _go_on_with(self, new: Project) -> None:
        """Use the project, unless its newer cells would displace what was just done."""
        try:
            check_parted(new, self._projects.read.values())
        except ProjectError as error:
            self.release()
            self._say(str(error))
            return
        self._new = None
        self._use(new)

    def _open(self, old: Project) -> None:
        read = self._projects.read
        try:
            self._new = opened_to_write(old, read)
        except ProjectError as error:
            self._say(str(error))
            return
        if self._new is None:
            self._later.call()
        else:
            job = cells_read(self._new, list(read))
            self._task.start("Reading the cells", job, self._on_read)

    def _on_read(self, _none: None) -> None:
        self._on_due()

    def _on_task_changed(self) -> None:
        if self._task.state == "failed" and self._task.failure is not None:
            self.release()
            self._say(self._task.failure.message)

    def _say(self, why: str) -> None:
        """Say why the project stays as it is; it is not tried again."""
        self._projects.why_read_only = why
        self._projects.problem_changed.emit(self._projects.problem)
