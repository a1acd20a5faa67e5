"""What must run once before the cells of a large image can be shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_cellseg.controllers.large_project import preparation_of
from napari_cellseg.controllers.project import ProjectController
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.widgets.footer import Footer


class Preparing:
    """Looks through large labels off the main thread, and says how far it is.

    Parameters
    ----------
    projects : ProjectController
        Has the labels.
    dock : QWidget
        Has `task`, whose way to start jobs is taken, and `footer`.
    """

    def __init__(self, projects: ProjectController, dock: Any) -> None:
        self._projects = projects
        self._footer: Footer = dock.footer
        self._task = TaskController(dock.task.starter)
        self._task.changed.connect(self._on_changed)
        self._source = ""
        self._then: Callable[[], object] | None = None

    def start(self, source: str, then: Callable[[], object]) -> bool:
        """Prepare the cells of an image; say False where nothing has to be done.

        Parameters
        ----------
        source : str
            Path or address of the image. One that is prepared already goes on.
        then : callable
            Called when it is done.

        Raises
        ------
        ProjectError
            If the project cannot be read.
        """
        job = preparation_of(self._projects, source)
        if job is None:
            return False
        if not (self._task.is_running and self._source == source):
            self._source, self._then = source, then
            self._task.start("Reading the cells once", job, self._on_prepared)
        return True

    def abandon(self) -> None:
        """Stop, as when the window closes; safe to call twice."""
        self._task.abandon()
        self._then = None

    def _on_prepared(self, _none: None) -> None:
        self._footer.tell("")
        if self._then is not None:
            self._then()

    def _on_changed(self) -> None:
        """Say how far it is."""
        task = self._task
        if task.is_running and task.progress.total:
            share = f"{task.progress.done} of {task.progress.total}"
            self._footer.tell(f"{task.name}: {task.progress.message}, {share}.")
        elif task.failure is not None:
            self._footer.tell(task.failure.message, "error")
