"""Large labels are read off the main thread before they are shown: progress and Cancel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import (
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.controllers.projects.large_project import preparation_of
from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.controllers.session import Session
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.widgets.basics.words import line_label
from napari_cellseg.widgets.labels.kept_cells import place_text


class PreparingBox(QWidget):
    """Says how far the cells of a large image are read, and lets a person stop it."""

    def __init__(self) -> None:
        super().__init__()
        self.line = line_label()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.button = QPushButton("Cancel")
        row = QHBoxLayout()
        row.addWidget(self.bar, 1)
        row.addWidget(self.button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.line)
        layout.addLayout(row)
        self.hide()

    def show_progress(self, name: str, task: TaskController) -> None:
        """Show how far it is."""
        progress = task.progress
        share = f", {progress.done} of {progress.total}" if progress.total else ""
        message = progress.message or "reading the cells"
        self.line.setText(f"Opening the cells of {name}: {message}{share}.")
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.done)
        self.bar.show()
        self.button.setText("Cancel")
        self.button.setToolTip("Open the cells later; the image stays.")
        self.show()

    def show_stopped(self, name: str, reason: str) -> None:
        """Offer to begin again; `reason` is "" where a person stopped it."""
        self.line.setText(reason or f"The cells of {name} were not opened.")
        self.bar.hide()
        self.button.setText("Open the cells")
        self.button.setToolTip("Read them now; it can be stopped at any time.")
        self.show()


class Preparing:
    """Reads the cells of large images, one image at a time.

    Parameters
    ----------
    projects : ProjectController
        Has the labels.
    dock : QWidget
        Has `session`, and `task`, whose way to start jobs is taken.

    Attributes
    ----------
    box : PreparingBox
        Says how far it is; hidden where there is nothing to say.
    """

    def __init__(self, projects: ProjectController, dock: Any) -> None:
        self._projects = projects
        self._project = projects.project
        self._session: Session = dock.session
        self._task = TaskController(dock.task.starter)
        self._task.changed.connect(self._on_changed)
        self._source = ""
        self._is_stopped = False
        self._then: Callable[[], object] | None = None
        self.box = PreparingBox()
        self.box.button.clicked.connect(self._on_button_clicked)
        projects.changed.connect(self._on_projects_changed)
        dock.session.image_changed.connect(self._on_image_changed)

    @property
    def is_running(self) -> bool:
        """True while cells are read."""
        return self._task.is_running

    def start(self, source: str, then: Callable[[], object]) -> bool:
        """Read the cells of an image; say False where nothing has to be done.

        Parameters
        ----------
        source : str
            Path or address of the image. One that is being read already goes on, one that
            a person stopped waits for the button.
        then : callable
            Called when it is done.

        Raises
        ------
        ProjectError
            If the project cannot be read.
        """
        is_known = source == self._source
        if is_known and (self._is_stopped or self._task.is_running):
            self._on_changed()
            return True
        job = preparation_of(self._projects, source)
        if job is None:
            return False
        self.abandon()
        self._source, self._then = source, then
        self._task.start("Reading the cells", job, self._on_prepared)
        return True

    def abandon(self) -> None:
        """Stop, as when the window closes; safe to call twice."""
        self._then = None
        self._task.abandon()
        self._source, self._is_stopped = "", False
        self.box.hide()

    def _on_button_clicked(self) -> None:
        if self._task.is_running:
            self._task.cancel()
            return
        source, then = self._source, self._then
        self._source, self._is_stopped = "", False
        if then is not None and not self.start(source, then):
            self.box.hide()
            then()

    def _on_image_changed(self) -> None:
        """Ask no more for cells of an image that is shown no more."""
        image = self._session.image
        source = "" if image is None else place_text(image.source)
        if source != self._source and not self._task.is_running:
            self._source, self._is_stopped = "", False
            self.box.hide()

    def _on_projects_changed(self) -> None:
        """Stop where the project was closed, or another one was opened."""
        if self._projects.project is not self._project:
            self._project = self._projects.project
            self.abandon()

    def _on_prepared(self, _none: None) -> None:
        self.box.hide()
        if self._then is not None:
            self._then()

    def _on_changed(self) -> None:
        """Follow the task."""
        task, name = self._task, Path(self._source).name
        if task.is_running:
            self.box.show_progress(name, task)
        elif task.state == "done":
            self.box.hide()
        elif self._then is not None:
            self._is_stopped = True
            failure = task.failure
            self.box.show_stopped(name, "" if failure is None else failure.message)
