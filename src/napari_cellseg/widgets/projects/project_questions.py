"""What the person is asked of projects: where they are, what is added, what has moved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog, QInputDialog, QWidget

from napari_cellseg.core.counted import counted
from napari_cellseg.io.reading.paths import ImagePlace, image_place
from napari_cellseg.io.s3.address import SCHEME
from napari_cellseg.io.sniff import IMAGE_SUFFIXES
from napari_cellseg.project.images.identity import Identity, s3_additions
from napari_cellseg.widgets.images.opening import FileOpener

if TYPE_CHECKING:
    from napari_cellseg.widgets.projects.project_link import ProjectLink


class ProjectQuestions(QObject):
    """Asks, and lets the link do what is answered.

    Parameters
    ----------
    link : ProjectLink
        Its bar says what is wanted.
    opener : FileOpener
        Looks for images off the main thread.
    parent : QWidget
        Of the dialogs.
    """

    def __init__(self, link: ProjectLink, opener: FileOpener, parent: QWidget) -> None:
        super().__init__(link)
        self._link = link
        self._opener = opener
        self._dock = parent
        bar = link.bar
        bar.new_wanted.connect(self._on_new_wanted)
        bar.open_wanted.connect(self._on_open_wanted)
        bar.add_wanted.connect(self._on_add_wanted)
        bar.add_s3_wanted.connect(self._on_add_s3_wanted)
        bar.relocate_wanted.connect(self._on_relocate_wanted)
        bar.relocate_s3_wanted.connect(self._on_relocate_s3_wanted)
        bar.copy_wanted.connect(self.save_copy)

    def _on_new_wanted(self) -> None:
        folder, _ = QFileDialog.getSaveFileName(
            self._dock, "Save as project", "", "Projects (*.cellseg)"
        )
        if folder:
            self._link.create(folder)

    def _on_open_wanted(self) -> None:
        folder = QFileDialog.getExistingDirectory(
            self._dock, "Open a project (a folder NAME.cellseg)"
        )
        if folder:
            self._link.open(folder)

    def _on_add_wanted(self) -> None:
        kinds = " ".join(f"*{suffix}" for suffix in IMAGE_SUFFIXES)
        paths, _ = QFileDialog.getOpenFileNames(
            self._dock, "Add images", "", f"Images ({kinds});;All files (*)"
        )
        if paths:
            self._link.attempt(self._add, [Path(path) for path in paths])

    def _add(self, paths: list[Path]) -> None:
        self._tell_added(self._link.projects.add_images(paths))

    def _tell_added(self, n: int) -> None:
        self._link.tell(f"{counted(n, 'image')} added.")

    def _on_add_s3_wanted(self) -> None:
        text = self._asked_address(
            "Add images in S3", "s3://bucket/folder/, or s3://bucket/folder/*.tif"
        )
        if text:
            found = self._on_additions_found
            self._opener.work("Looking into S3", s3_additions(text), found)

    def _on_additions_found(self, known: dict[ImagePlace, Identity]) -> None:
        self._link.attempt(self._add_known, known)

    def _add_known(self, known: dict[ImagePlace, Identity]) -> None:
        self._tell_added(self._link.projects.add_known(known))

    def _asked_address(self, title: str, example: str) -> str:
        """Return an address that the person gives, "" for none."""
        text, is_given = QInputDialog.getText(
            self._dock, title, f"Address, such as {example}:", text=SCHEME
        )
        text = text.strip()
        return text if is_given and text != SCHEME else ""

    def _on_relocate_wanted(self) -> None:
        folder = QFileDialog.getExistingDirectory(
            self._dock, "Where are the images now?"
        )
        if folder:
            self._link.attempt(self._search, folder)

    def _on_relocate_s3_wanted(self) -> None:
        text = self._asked_address("Where are the images now?", "s3://bucket/folder/")
        if text:
            self._link.attempt(self._search, text)

    def _search(self, where: str) -> None:
        """Look for the missing images off the main thread."""
        job = self._link.projects.search(image_place(where))
        self._opener.work("Looking for images", job, self._on_images_found)

    def _on_images_found(self, found: dict[int, ImagePlace]) -> None:
        self._link.attempt(self._relocate, found)

    def _relocate(self, found: dict[int, ImagePlace]) -> None:
        n_found = self._link.projects.relocate(found)
        n_left = sum(image.is_missing for image in self._link.projects.images)
        left = f", {n_left} still missing" if n_left else ""
        self._link.tell(f"{counted(n_found, 'image')} found{left}.")

    def save_copy(self) -> bool:
        """Ask where a copy of the project goes; return whether it is there now."""
        folder, _ = QFileDialog.getSaveFileName(
            self._dock, "Save a copy", "", "Projects (*.cellseg)"
        )
        return bool(folder) and self._link.attempt(
            self._link.projects.save_as, Path(folder)
        )
