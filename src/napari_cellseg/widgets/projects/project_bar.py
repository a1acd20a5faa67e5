"""The line of the dock that says which project is open, and goes through its images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_cellseg.batch.project_tables import TABLES, TABLES_TITLE
from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.core.counted import counted
from napari_cellseg.project.store import Project
from napari_cellseg.widgets.basics.options_form import may_be_narrow
from napari_cellseg.widgets.basics.words import Tone, line_label, say
from napari_cellseg.widgets.labels.exchange import FormatMenu

#: Names that a menu takes; a project of more images is gone through with the arrows.
MAX_LISTED = 2000


class ProjectBar(QWidget):
    """Shows the project and asks for what the person wants with it.

    Parameters
    ----------
    viewer : napari viewer
        For the theme.
    projects : ProjectController
        Whose state is shown.
    """

    new_wanted = Signal()
    open_wanted = Signal()
    recent_wanted = Signal(str)
    add_wanted = Signal()
    add_s3_wanted = Signal()
    relocate_wanted = Signal()
    relocate_s3_wanted = Signal()
    copy_wanted = Signal()
    close_wanted = Signal()
    image_wanted = Signal(int)
    import_wanted = Signal()
    watch_wanted = Signal()
    address_wanted = Signal()
    files_wanted = Signal()
    folder_wanted = Signal()
    segment_wanted = Signal(bool)

    def __init__(self, viewer: Any, projects: ProjectController) -> None:
        super().__init__()
        self._viewer = viewer
        self._projects = projects
        self._recent: list[Path] = []
        self.index = -1
        self._is_kept = True
        self._build()
        projects.problem_changed.connect(self._on_problem_changed)
        self.refresh()

    def _build(self) -> None:
        self.button = QPushButton("Project")
        self.button.setToolTip(
            "A project keeps every correction on disk as you make it, and finds it again."
        )
        self.menu = QMenu(self.button)
        self.button.setMenu(self.menu)
        self.menu.aboutToShow.connect(self._fill_menu)
        self.format_menu = FormatMenu(self.menu)
        self.every_menu = FormatMenu(self.menu, "Export all images as")
        self.every_menu.offer(TABLES, TABLES_TITLE)
        self.status = line_label()
        self._build_walk()
        self.problem = line_label()
        self.problem.hide()
        self._build_told()
        top = QHBoxLayout()
        top.addWidget(self.button)
        top.addWidget(self.status, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(top)
        layout.addWidget(self._walk)
        layout.addWidget(self.problem)
        layout.addWidget(self._told)

    def _build_walk(self) -> None:
        self.previous = self._arrow("◀", "The image before (in this project).")
        self.next = self._arrow("▶", "The next image (in this project).")
        self.previous.clicked.connect(self._on_previous_clicked)
        self.next.clicked.connect(self._on_next_clicked)
        self.images = QComboBox()
        self.images.setToolTip("The images of the project; ● has cells.")
        may_be_narrow(self.images)
        self.images.activated.connect(self.image_wanted)
        self._walk = QWidget()
        walk = QHBoxLayout(self._walk)
        walk.setContentsMargins(0, 0, 0, 0)
        walk.addWidget(self.previous)
        walk.addWidget(self.images, 1)
        walk.addWidget(self.next)

    def _build_told(self) -> None:
        self.recovered = line_label()
        self.seen = QPushButton("OK")
        self.seen.setToolTip("I have read it.")
        self.seen.clicked.connect(self._on_seen_clicked)
        self._told = QWidget()
        told = QHBoxLayout(self._told)
        told.setContentsMargins(0, 0, 0, 0)
        told.addWidget(self.recovered, 1)
        told.addWidget(self.seen)
        self._told.hide()

    def _arrow(self, text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.setMaximumWidth(3 * button.fontMetrics().height())
        return button

    def show_recovered(self, text: str) -> None:
        """Say what a crash had left, until the person has read it."""
        self._told.setVisible(bool(text))
        say(self.recovered, text, "warning", self._viewer.theme)

    def _on_seen_clicked(self) -> None:
        self._told.hide()

    def show_recent(self, folders: list[Path]) -> None:
        """Offer these projects under Recent."""
        self._recent = folders

    def _fill_menu(self) -> None:
        """Offer what can be done now."""
        self.menu.clear()
        is_open = self._projects.project is not None
        if not is_open:
            self._offer("Save as project…", self.new_wanted)
        self._offer("Open project…", self.open_wanted)
        recent = QMenu("Recent", self.menu)
        recent.setEnabled(bool(self._recent))
        for folder in self._recent:
            action = QAction(str(folder), recent)
            action.triggered.connect(self._on_recent_triggered)
            recent.addAction(action)
        self.menu.addMenu(recent)
        if is_open:
            self.menu.addSeparator()
            self._offer_runs()
            self._offer("Add images…", self.add_wanted)
            self._offer("Add images in S3…", self.add_s3_wanted)
            self._offer("Find moved images…", self.relocate_wanted)
            self._offer("Find moved images in S3…", self.relocate_s3_wanted)
            self._offer("Save a copy…", self.copy_wanted)
            self._offer("Close project", self.close_wanted)
        self.menu.addSeparator()
        # The buttons that open images are gone once there is one.
        self._offer("Open image…", self.files_wanted)
        self._offer("Open folder…", self.folder_wanted)
        self._offer("Open an address in S3…", self.address_wanted)
        self._offer("Watch a folder or bucket…", self.watch_wanted)
        self.menu.addSeparator()
        self._offer("Import cells…", self.import_wanted)
        self.menu.addMenu(self.format_menu)
        if is_open:
            self.menu.addMenu(self.every_menu)

    def _offer_runs(self) -> None:
        """Offer to segment all images, saying how many have cells, or only those without."""
        project, images = self._projects.project, self._projects.images
        if project is None or project.is_read_only or not images:
            return
        n_with = sum(one.has_labels for one in images)
        n_without = len(images) - n_with
        again = f", {n_with} of them" if n_without else ""
        title = f"Segment all images{f'{again} again' if n_with else ''}"
        self._offer(title, self._on_all_wanted)
        if n_with and n_without:
            title = f"Segment the {n_without} without cells"
            self._offer(title, self._on_rest_wanted)

    def _on_all_wanted(self) -> None:
        self.segment_wanted.emit(True)

    def _on_rest_wanted(self) -> None:
        self.segment_wanted.emit(False)

    def _offer(self, title: str, wanted: Any) -> None:
        action = QAction(title, self.menu)
        action.triggered.connect(wanted)
        self.menu.addAction(action)

    def _on_recent_triggered(self) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            self.recent_wanted.emit(action.text())

    # ------------------------------------------------------------------- the images
    def show_image(self, index: int) -> None:
        """Say which image of the project is worked on; -1 for none of it."""
        self.index = index
        self.refresh()

    def show_kept(self, is_kept: bool) -> None:  # noqa: FBT001 - a state to show
        """Say whether the cells that are corrected go into the project."""
        if is_kept != self._is_kept:
            self._is_kept = is_kept
            self.refresh()

    def _on_previous_clicked(self) -> None:
        self.image_wanted.emit(self.index - 1)

    def _on_next_clicked(self) -> None:
        self.image_wanted.emit(self.index + 1)

    def refresh(self) -> None:
        """Follow the controller."""
        project, images = self._projects.project, self._projects.images
        # The only image, when it is shown, stands in the menu below.
        self._walk.setVisible(len(images) > 1 or (bool(images) and self.index < 0))
        with signals_blocked(self.images):
            self.images.clear()
            for image in images[:MAX_LISTED]:
                mark = "● " if image.has_labels else "   "
                self.images.addItem(mark + image.name)
            self.images.setCurrentIndex(self.index if self.index < MAX_LISTED else -1)
        self.previous.setEnabled(self.index > 0)
        self.next.setEnabled(self.index < len(images) - 1)
        self._say_problem()
        if project is None:
            text = "none · corrections are in memory only"
            say(self.status, text, "dim", self._viewer.theme)
            return
        self._say_state(project, len(images))

    def _say_state(self, project: Project, n_images: int) -> None:
        """Say which project it is, and whether what is done goes to it."""
        state = "read only" if project.is_read_only else "every step is saved"
        tone: Tone = "plain"
        if self._projects.coming and not self._projects.problem:
            state = "taking these cells in…"
        elif not self._is_kept:
            tone = "warning"
            is_locked = project.is_read_only
            state += ": nothing is saved" if is_locked else ", but not these cells"
        elif self._projects.n_waiting:
            state, tone = "not every step is saved", "error"
        text = " · ".join((project.name, *self._place(n_images), state))
        say(self.status, text, tone, self._viewer.theme)
        self.status.setToolTip(str(project.folder))

    def _place(self, n_images: int) -> list[str]:
        """Return which image of how many is shown; nothing where it is the only one."""
        if self.index >= 0:
            return [f"{self.index + 1} of {n_images}"] if n_images > 1 else []
        return [counted(n_images, "image")]

    def _on_problem_changed(self, _problem: str) -> None:
        """Show a red line for as long as steps are not on the disk."""
        self._say_problem()
        if self._projects.project is not None:
            self._say_state(self._projects.project, len(self._projects.images))

    def _say_problem(self) -> None:
        """Say why steps are not on the disk; hide the line if they are."""
        problem, why = self._projects.problem, self._projects.why_read_only
        self.problem.setVisible(bool(problem or why))
        if why:
            say(self.problem, why, "error", self._viewer.theme)
        elif problem:
            n = self._projects.n_waiting
            held = f"Not saved, {counted(n, 'step')} kept in memory"
            start = held if n else "Every step is saved, but not the file of the cells"
            text = f"{start}: {problem} It is tried again by itself."
            say(self.problem, text, "error", self._viewer.theme)
