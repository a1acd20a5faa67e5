"""Many images at once: a project shows them one at a time, napari all on top of each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_cellseg.controllers.files.many import pixel_edge_um, report_words
from napari_cellseg.controllers.session import describe_pixel_size
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.counted import counted
from napari_cellseg.io.reading.paths import ImagePlace
from napari_cellseg.project.images.identity import Identity, identities
from napari_cellseg.widgets.basics.cleanup import Cleanup

if TYPE_CHECKING:
    from napari_cellseg.batch.segmenting import BatchReport


class ManyQuestion(QWidget):
    """Asks what is to become of many images that were dropped or chosen."""

    project_wanted = Signal()
    segment_wanted = Signal()
    all_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.project_button = QPushButton()
        self.project_button.clicked.connect(self.project_wanted)
        self.segment_button = QPushButton("Segment all…")
        self.segment_button.setToolTip(
            "With what the tab Segment says. Labels and a table of each image, and a "
            "summary of all, go into a folder; finished images are not done again.\n"
            "Images of several channels: open one first and choose its channel."
        )
        self.segment_button.clicked.connect(self.segment_wanted)
        self.all_button = QPushButton("Open all here")
        self.all_button.setToolTip("A layer each; that takes a while.")
        self.all_button.clicked.connect(self.all_wanted)
        self.leave_button = QPushButton("Don't open")
        self.leave_button.clicked.connect(self.hide)
        buttons = (self.project_button, self.segment_button, self.all_button,
                   self.leave_button)  # fmt: skip
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.text, 0, 0, 1, 2)
        for index, button in enumerate(buttons):
            layout.addWidget(button, 1 + index // 2, index % 2)
        self.hide()

    def ask(self, n_images: int, project: str, pixel_size: str) -> None:
        """Show the question.

        Parameters
        ----------
        n_images : int
            How many there are.
        project : str
            Name of the project that is open, or "".
        pixel_size : str
            Used where a file does not say its own, or "".
        """
        size = f" Where a file says no pixel size, {pixel_size} counts."
        self.text.setText(
            f"{n_images} images. To look at and correct them, a project shows one at a "
            "time; for the numbers alone, segment them all into a folder."
            f"{size if pixel_size else ''}"
        )
        self.project_button.setText("Add to project" if project else "Make project…")
        self.project_button.setToolTip(
            f"Add them to {project}." if project else "Choose where it is kept."
        )
        self.show()


class ManyProgress(QWidget):
    """Says how far a run over many images is, and stops it."""

    def __init__(
        self, task: TaskController, stop: Callable[[], None], tip: str
    ) -> None:
        super().__init__()
        self._task = task
        self.text = QLabel()
        # A long name is no reason to widen the dock, nor may its end be cut off.
        self.file = QElidingLabel()
        self.file.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.file.setTextFormat(Qt.TextFormat.PlainText)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.button = QPushButton("Cancel")
        self.button.setToolTip(tip)
        self.button.clicked.connect(stop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.text, self.file, self.bar, self.button):
            layout.addWidget(widget)
        task.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Follow the task."""
        self.setVisible(self._task.is_running)
        progress = self._task.progress
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.done)
        done = f"{progress.done} of {progress.total} images" if progress.total else ""
        self.text.setText(done)
        self.file.setText(progress.message)
        self.file.setToolTip(progress.message)


class ManyImages(QObject):
    """Opens or segments many images as the person answers.

    Parameters
    ----------
    dock : CellSegmentationWidget
        Has `opener`, `projects`, `segment`, `footer` and `link`.
    task : TaskController
        Segments them, and does nothing else.
    cleanup : Cleanup
        Told what to let go of.
    """

    def __init__(self, dock: Any, task: TaskController, cleanup: Cleanup) -> None:
        super().__init__(dock)
        self._dock = dock
        self._paths: list[str] = []
        self._folder: Path | None = None
        self._out = Path()
        self.task = task
        self.question = ManyQuestion()
        self.progress = ManyProgress(
            task, task.cancel, "Stop; what is finished stays in the folder."
        )
        self.question.project_wanted.connect(self._on_project_wanted)
        self.question.segment_wanted.connect(self._on_segment_wanted)
        self.question.all_wanted.connect(self._on_all_wanted)
        dock.opener.many_found.connect(self._on_many_found)
        dock.opener.project_found.connect(dock.link.open)
        dock.opener.opening.connect(self._on_opening)
        dock.session.image_changed.connect(self._ask_again)
        dock.session.pixel_size_changed.connect(self._ask_again)
        task.changed.connect(self._on_task_changed)
        cleanup.add(task.abandon)
        cleanup.add(task.changed.disconnect)

    def _on_many_found(self, paths: list[str]) -> None:
        self._paths = paths
        self._ask()

    def _ask(self) -> None:
        """Ask, with what holds now."""
        project = self._dock.projects.project
        is_open = project is not None and not project.is_read_only
        size = self._dock.session.pixel_size
        is_used = pixel_edge_um(size) is not None
        self.question.segment_button.setEnabled(not self.task.is_running)
        self.question.ask(
            len(self._paths),
            project.name if is_open else "",
            describe_pixel_size(size) if is_used else "",
        )

    def _ask_again(self) -> None:
        if not self.question.isHidden():
            self._ask()

    def _on_opening(self, paths: list[str]) -> None:
        """Ask no more once something else is opened; one of them may be looked at."""
        if not set(paths) <= set(self._paths):
            self.question.hide()

    def _on_all_wanted(self) -> None:
        self.question.hide()
        self._dock.opener.open_all(self._paths)

    # ------------------------------------------------------------------- a project
    def _on_project_wanted(self) -> None:
        project = self._dock.projects.project
        self._folder = None
        if project is None or project.is_read_only:
            start = str(Path(self._paths[0]).parent.with_suffix(".cellseg"))
            folder, _ = QFileDialog.getSaveFileName(
                self._dock, "Make a project of these images", start,
                "Projects (*.cellseg)",
            )  # fmt: skip
            if not folder:
                return
            self._folder = Path(folder)
        self.question.hide()
        places: list[ImagePlace] = [Path(path) for path in self._paths]
        self._dock.opener.work("Looking at images", identities(places), self._on_known)

    def _on_known(self, known: dict[ImagePlace, Identity]) -> None:
        link = self._dock.link
        if self._folder is None or link.attempt(link.begin, self._folder):
            link.attempt(self._add, known)

    def _add(self, known: dict[ImagePlace, Identity]) -> None:
        """Add them to the project that is open, and show the first."""
        projects, link = self._dock.projects, self._dock.link
        n_before = len(projects.images)
        n_new = projects.add_known(known)
        link.tell(f"{counted(n_new, 'image')} added.")
        if n_new:
            link.show_image(n_before)

    # ---------------------------------------------------------------- all in one go
    def _on_segment_wanted(self) -> None:
        """Ask for a folder and segment them all into it."""
        start = str(Path(self._paths[0]).parent)
        folder = QFileDialog.getExistingDirectory(
            self._dock, "A folder for labels, tables and the summary", start
        )
        if not folder:
            return
        self.question.hide()
        self._dock.footer.tell("")
        self._out = Path(folder)
        paths = [Path(path) for path in self._paths]
        job = self._dock.segment.segment_many(paths, self._out)
        self.task.start("Segmenting all", job, self._on_segmented)

    def _on_segmented(self, report: BatchReport) -> None:
        tone = "warning" if report.n_failed else "plain"
        self._dock.footer.tell(report_words(report), tone)

    def _on_task_changed(self) -> None:
        task = self.task
        if task.state == "failed" and task.failure is not None:
            self._dock.footer.tell_failure(task.failure)
        elif task.state == "cancelled":
            self._dock.footer.tell(
                f"Stopped. What is finished is in {self._out}; Segment all into the same "
                "folder goes on from there."
            )
