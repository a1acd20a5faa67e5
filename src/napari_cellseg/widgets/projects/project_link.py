"""Ties the project to the dock: its images open here, and cells made here go into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari.layers import Image
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.controllers.session import Session
from napari_cellseg.core.errors import CellsegError, ProjectError
from napari_cellseg.io.reading.paths import image_place
from napari_cellseg.io.s3.address import S3Address
from napari_cellseg.project.database.recent import (
    recent_file,
    recent_projects,
    remember_project,
)
from napari_cellseg.project.facts import replaced_text
from napari_cellseg.project.images.images import ProjectImage
from napari_cellseg.project.labels.new_labels import labels_axes_of
from napari_cellseg.project.store import Project
from napari_cellseg.widgets.basics.footer import Footer
from napari_cellseg.widgets.basics.jobs import Later
from napari_cellseg.widgets.canvas.layer_images import (
    MISSING,
    axes_of,
    image_choices,
    labels_placement,
    noted,
)
from napari_cellseg.widgets.closing.unsaved_steps import UnsavedSteps
from napari_cellseg.widgets.images.image_header import ImageHeader
from napari_cellseg.widgets.images.opening import FileOpener
from napari_cellseg.widgets.labels.kept_cells import (
    KeptCells,
    choice_of,
    source_of,
    stand_in_for,
)
from napari_cellseg.widgets.labels.labels_keeper import LabelsKeeper
from napari_cellseg.widgets.labels.preparing import Preparing
from napari_cellseg.widgets.projects.project_bar import ProjectBar
from napari_cellseg.widgets.projects.project_questions import ProjectQuestions
from napari_cellseg.widgets.projects.taking_over import TakingOver
from napari_cellseg.widgets.projects.writer import Writer

CHANGED_OUTSIDE = (
    "Another program changed the cells of this image on the disk. That is a step now: undo "
    "takes it back."
)
#: Labels on disk follow the journal after so long without a step.
WRITE_MILLISECONDS = 2000
#: What could not be written is tried again after so long.
RETRY_MILLISECONDS = 5000


class ProjectLink(QObject):
    """Opens projects and their images, and hands cells over.

    Parameters
    ----------
    dock : CellSegmentationWidget
        Parent of the dialogs; its parts are used.
    """

    def __init__(self, dock: Any, parent: QWidget) -> None:
        super().__init__(parent)
        self._viewer = dock.viewer
        self._session: Session = dock.session
        self._proofread: ProofreadController = dock.proofread
        self._keeper: LabelsKeeper = dock.keeper
        self._header: ImageHeader = dock.header
        self._opener: FileOpener = dock.opener
        self._footer: Footer = dock.footer
        self.projects: ProjectController = dock.projects
        self.preparing = Preparing(self.projects, dock)
        self.bar = ProjectBar(self._viewer, self.projects)
        self.asking = ProjectQuestions(self, self._opener, parent)
        self.unsaved = UnsavedSteps(self.projects, self.asking.save_copy)
        self.kept = KeptCells(self.projects, self._keeper)
        self._wanted = -1
        self._bring_later = Later(self._on_bring_due, 0, self)
        self._writer = Writer(self.projects, self)
        self._write_later = Later(self._writer.start, WRITE_MILLISECONDS, self)
        self._retry_later = Later(self._writer.start, RETRY_MILLISECONDS, self)
        self.taking_over = TakingOver(
            self.projects, dock.task.starter, self._go_on_with, self
        )
        self._connect()
        self.bar.show_recent(recent_projects(recent_file()))

    def _connect(self) -> None:
        bar = self.bar
        bar.recent_wanted.connect(self.open)
        bar.close_wanted.connect(self.close)
        bar.image_wanted.connect(self.show_image)
        self._proofread.edited.connect(self._on_edited)
        self._proofread.reviewed.connect(self._on_reviewed)
        self.projects.changed.connect(self._show_place)
        self.projects.problem_changed.connect(self._on_problem_changed)
        self.projects.outside.in_hand = self._proofread
        self._opener.task.changed.connect(self._on_opening_changed)
        self.projects.outside.taken.connect(self._on_changed_outside)

    def release(self) -> None:
        """Write everything and close the project; safe to call twice."""
        self._keeper.reconcile()
        self._bring_later.stop()
        self._write_later.stop()
        self._retry_later.stop()
        self._writer.stop()
        self.taking_over.release()
        self.preparing.abandon()
        self._proofread.edited.disconnect(self._on_edited, missing_ok=True)
        self._proofread.reviewed.disconnect(self._on_reviewed, missing_ok=True)
        try:
            self.projects.close()
        except ProjectError as error:
            self._footer.tell(str(error), "error")

    # ------------------------------------------------------------------- projects
    def create(self, folder: str) -> None:
        """Make a project of the images and cells that are here."""
        self.attempt(self._create, Path(folder))

    def _create(self, folder: Path) -> None:
        choices = image_choices(self._viewer.layers)
        sources = [source_of(choice.layers[0]) for choice in choices]
        places = [image_place(source) for source in sources if source]
        kept = [one for one in places if isinstance(one, S3Address) or one.exists()]
        if not kept:
            raise ProjectError(
                "A project keeps images by their files, and no image here comes from one. "
                "Save the image to a file and open that."
            )
        self._keeper.reconcile()
        self.projects.create(folder, kept)
        for choice in choices:
            self._adopt(choice.layers[0])
        self._remember()
        self.on_image_chosen()

    def begin(self, folder: Path) -> None:
        """Make a project without images; raises `ProjectError`."""
        self._keeper.reconcile()
        self.projects.create(folder, [])
        self._remember()

    def open(self, folder: str) -> None:
        """Open a project and show its first image, or the one that is here."""
        self.attempt(self._open, Path(folder))

    def _open(self, folder: Path) -> None:
        if self.projects.has_open(folder):
            self._footer.tell(f"{folder.name} is open already.")
            return
        self._keeper.reconcile()
        self.projects.open(folder)
        self._remember()
        # To read only, it may be what another window has in hand.
        is_ours = not self.projects.why_read_only
        self.bar.show_recovered(self.projects.recovered_text if is_ours else "")
        self._take_up()
        if self.on_image_chosen() < 0 and self.projects.images:
            self.show_image(0)
        self._on_bring_due()

    def _go_on_with(self, project: Project) -> None:
        """Write to a project that could only be read so far."""
        self._keeper.reconcile()
        self.projects.use(project)
        self._footer.tell(f"{project.name} is written to again: every step is saved.")
        self.attempt(self._take_up)
        self.on_image_chosen()

    def _take_up(self) -> None:
        """Let cells that are here go on in the project, or make room for those it has."""
        for choice in image_choices(self._viewer.layers):
            layer = choice.layers[0]
            image = self.projects.image_at(source_of(layer))
            if image is not None and not image.has_labels:
                self._adopt(layer)
            elif text := self.kept.go_on_with(layer):
                self._footer.tell(text, "warning")

    def close(self) -> None:
        """Close the project; what is shown stays."""
        self._keeper.reconcile()
        self.attempt(self.projects.close)
        self.bar.show_image(-1)

    def _remember(self) -> None:
        if self.projects.project is not None:
            remember_project(recent_file(), self.projects.project.folder)
        self.bar.show_recent(recent_projects(recent_file()))

    # --------------------------------------------------------------------- images
    def show_image(self, index: int) -> None:
        """Show an image of the project in the place of the one that is shown."""
        images = self.projects.images
        if not 0 <= index < len(images):
            return
        image = images[index]
        stand_in = stand_in_for(self.projects.project, image)
        if image.is_missing and stand_in is None:
            self._footer.tell(
                f"{image.address} is gone. If it has moved, choose Project › Find moved "
                "images… and the folder it is in now.",
                "error",
            )
            return
        self._keeper.reconcile()
        self.projects.write()
        here = choice_of(self._viewer, image.address)
        if here is not None and MISSING not in noted(here.layers[0]):
            self._opener.task.abandon()
            self._wanted = -1
            self._header.show_choice(here)
            self._on_bring_due()
            return
        # The arrows go on from here while it is read.
        self._wanted = index
        self.bar.show_image(index)
        self._opener.open_kept(image.address, stand_in, self._put_away)

    def _put_away(self) -> None:
        """Take the image that is shown, and its saved cells, out of the viewer.

        What is not in the project stays: it would be lost.
        """
        choice, layer = self._header.choice, self._keeper.layer
        if (
            choice is None
            or self.projects.image_at(source_of(choice.layers[0])) is None
        ):
            return
        if layer is not None and not self.projects.keeps(self._proofread.cells):
            return
        # Nothing is bound any more when the viewer tells of each layer that goes.
        self._keeper.follow_image(None)
        # napari looks through all memory after each removal, or once after several.
        with self._viewer.layers.batched_update():
            for one in [layer, *choice.layers]:
                if one is not None and one in self._viewer.layers:
                    self._viewer.layers.remove(one)

    def _on_opening_changed(self) -> None:
        """Show nothing in the place of an image of the project that cannot be opened."""
        if self._opener.task.state == "failed" and self._wanted >= 0:
            self._put_away()

    def on_image_chosen(self) -> int:
        """Show the project's cells of the chosen image; return its place, -1 for none."""
        if self._header.choice is not None:
            self._wanted = -1
        image = self._shown_image()
        index = self._show_place()
        self._show_kept()
        project = self.projects.project
        if image and project and (text := replaced_text(project, image)):
            self._footer.tell(text, "warning")
        # The viewer tells of its layers right now: none may be added in between.
        self._bring_later.call()
        return index

    def _shown_image(self) -> ProjectImage | None:
        """Return the project's note of the chosen image."""
        layer = self._chosen_layer()
        return self.projects.image_at("" if layer is None else source_of(layer))

    def _show_place(self) -> int:
        """Say which image of the project is shown; return its place, -1 for none."""
        self._show_kept()
        image = self._shown_image()
        index = -1 if image is None else self.projects.images.index(image)
        self.bar.show_image(index if index >= 0 else self._wanted)
        return index

    def _on_bring_due(self) -> None:
        if self._keeper.layer is None:
            self.bring_kept()
        self.kept.let_go(self._proofread.cells)

    def bring_kept(self) -> None:
        """Show the project's cells of the chosen image, unless cells of it are shown."""
        self._bring_later.stop()
        layer, image = self._chosen_layer(), self._session.image
        axes = self._header.axes
        labels = None if self._keeper.layer is None else self._proofread.labels
        if labels is not None and (image is None or labels.shape == image.labels_shape):
            return
        if layer is not None and axes is not None:
            self.attempt(self._bring, source_of(layer), layer, axes)

    def _bring(self, source: str, layer: Image, axes: str) -> None:
        """Show the cells that the project has of an image."""
        if self.preparing.start(source, self.on_image_chosen):
            return
        cells = self.kept.cells_for(source, self._session.image)
        if cells is not None:
            name = f"{layer.name} cells"
            self._keeper.add_kept(cells, name, labels_placement(layer, axes), layer)
            self._show_kept()

    # ----------------------------------------------------------------------- cells
    def on_result(self, layer: Image) -> None:
        """Take the cells of a first run on an image into the project."""
        self.attempt(self._adopt, layer)
        self.write_soon()

    def write_soon(self) -> None:
        """Tell of steps that are not on the disk; bring the labels there up to them."""
        self.projects.check()
        self._write_later.call()

    def _adopt(self, layer: Image) -> None:
        """Keep the cells of an image in the project from now on."""
        cells, axes = self._keeper.cells_of_image(layer), axes_of(layer)
        if cells is not None and axes is not None:
            size = self._session.pixel_size if layer is self._chosen_layer() else None
            # Labels have the order of images, whatever that of the layer.
            self.projects.adopt(cells, source_of(layer), labels_axes_of(axes), size)
            self._show_kept()
            # What is not in it yet is taken in now, a few chunks at a time.
            if self.projects.coming:
                self.bar.refresh()
                self._writer.start()

    def has_others(self, cells: CellLabels | None, layer: Image) -> bool:
        """Say whether the project has cells of an image, and not these."""
        image = self.projects.image_at(source_of(layer))
        is_kept = cells is None or self.projects.keeps(cells)
        return image is not None and image.has_labels and not is_kept

    def _chosen_layer(self) -> Image | None:
        choice = self._header.choice
        return None if choice is None else choice.layers[0]

    def _show_kept(self) -> None:
        cells = self._proofread.cells
        self.bar.show_kept(cells is None or self.projects.keeps(cells))

    def _on_edited(self) -> None:
        self._show_kept()
        self.write_soon()

    def _on_reviewed(self, ids: list[int]) -> None:
        self.projects.save_review(self._proofread.cells, ids)

    def tell(self, text: str) -> None:
        """Say something in the dock."""
        self._footer.tell(text)

    def _on_changed_outside(self, cells: CellLabels) -> None:
        self._keeper.show_anew(cells)
        self._footer.tell(CHANGED_OUTSIDE, "warning")

    def _on_problem_changed(self, problem: str) -> None:
        if problem:
            self._retry_later.call()

    # -------------------------------------------------------- what the person is told
    def attempt(self, action: Callable[..., None], *arguments: Any) -> bool:
        """Do something that may fail; tell why, and return whether it was done."""
        try:
            action(*arguments)
        except CellsegError as error:
            self._footer.tell(str(error), "error")
            return False
        return True
