"""Many images at once: a project shows them one at a time, napari all on top of each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.io.paths import ImagePlace
from napari_cellseg.project.identity import Identity, identities
from napari_cellseg.widgets.cleanup import Cleanup


class ManyQuestion(QWidget):
    """Asks what is to become of many images that were dropped or chosen."""

    project_wanted = Signal()
    all_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.project_button = QPushButton()
        self.project_button.clicked.connect(self.project_wanted)
        self.all_button = QPushButton("Open all here")
        self.all_button.setToolTip("A layer each; that takes a while.")
        self.all_button.clicked.connect(self.all_wanted)
        self.leave_button = QPushButton("Don't open")
        self.leave_button.clicked.connect(self.hide)
        row = QHBoxLayout()
        for button in (self.project_button, self.all_button, self.leave_button):
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.text)
        layout.addLayout(row)
        self.hide()

    def ask(self, n_images: int, project: str) -> None:
        """Show the question; `project` is the name of the one that is open, or ""."""
        self.text.setText(
            f"{n_images} images. A project shows them one at a time and saves every step; "
            "the arrows go through them."
        )
        self.project_button.setText("Add to project" if project else "Make project…")
        self.project_button.setToolTip(
            f"Add them to {project}." if project else "Choose where it is kept."
        )
        self.show()


class ManyImages(QObject):
    """Opens many images as the person answers.

    Parameters
    ----------
    dock : CellSegmentationWidget
        Has `opener`, `projects` and `link`.
    cleanup : Cleanup
        Told what to let go of.
    """

    def __init__(self, dock: Any, cleanup: Cleanup) -> None:
        super().__init__(dock)
        self._dock = dock
        self._paths: list[str] = []
        self._folder: Path | None = None
        self.question = ManyQuestion()
        self.question.project_wanted.connect(self._on_project_wanted)
        self.question.all_wanted.connect(self._on_all_wanted)
        dock.opener.many_found.connect(self._on_many_found)
        dock.opener.project_found.connect(dock.link.open)
        cleanup.add(self.question.hide)

    def _on_many_found(self, paths: list[str]) -> None:
        project = self._dock.projects.project
        is_open = project is not None and not project.is_read_only
        self._paths = paths
        self.question.ask(len(paths), project.name if is_open else "")

    def _on_all_wanted(self) -> None:
        self.question.hide()
        self._dock.opener.open_all(self._paths)

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
        link.tell(f"{n_new} image{'' if n_new == 1 else 's'} added.")
        if n_new:
            link.show_image(n_before)
