"""The project's cells of images that are here, or were here a moment ago."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.layers import Image

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.core.errors import CellsegError, ImageReadError, ProjectError
from napari_cellseg.core.types import CellImage
from napari_cellseg.io.reading.paths import full_address, image_place
from napari_cellseg.project.images.image_places import is_same_place
from napari_cellseg.project.images.images import ProjectImage
from napari_cellseg.project.store import Project
from napari_cellseg.widgets.canvas.layer_images import ImageChoice, image_choices, noted
from napari_cellseg.widgets.canvas.stand_in import StandIn
from napari_cellseg.widgets.labels.labels_keeper import LabelsKeeper


def source_of(layer: Image) -> str:
    """Return the path or address that a layer came from, "" if from none."""
    return place_text(str(noted(layer).get("source", layer.source.path or "")))


def place_text(source: str) -> str:
    """Return a path or address in full, "" for none."""
    try:
        return full_address(image_place(source)) if source else ""
    except ImageReadError:  # an address that another plugin understands
        return ""


def choice_of(viewer: Any, source: str) -> ImageChoice | None:
    """Return the layers of a viewer that came from a file, or None."""
    for choice in image_choices(viewer.layers) if source else ():
        found = source_of(choice.layers[0])
        if found and is_same_place(Path(found), Path(source)):
            return choice
    return None


def stand_in_for(project: Project | None, image: ProjectImage) -> StandIn | None:
    """Return what is shown if the image cannot be had; None if it has no cells."""
    if project is None or not image.has_labels:
        return None
    try:
        shape, size = project.labels_frame(image.image_id)
    except CellsegError:  # told of when the labels are opened
        return None
    return StandIn(image.name, image.address, image.labels_axes, shape, size)


class KeptCells:
    """Finds and keeps cells by the file of their image.

    Parameters
    ----------
    projects : ProjectController
        Has them.
    keeper : LabelsKeeper
        Shows them.
    """

    def __init__(self, projects: ProjectController, keeper: LabelsKeeper) -> None:
        self._projects = projects
        self._keeper = keeper

    def find(self, image: CellImage) -> CellLabels | None:
        """Return the project's cells of an image, None where there are none that fit.

        Raises
        ------
        ProjectError
            If they cannot be read.
        """
        cells = self._projects.cells_of(place_text(image.source))
        fits = cells is not None and cells.labels.shape == image.labels_shape
        return cells if fits else None

    def cells_for(self, source: str, image: CellImage | None) -> CellLabels | None:
        """Return the project's cells of the image that is shown, or None.

        Raises
        ------
        ProjectError
            If they cannot be read, or do not fit.
        """
        cells = self._projects.cells_of(source)
        if cells is None or image is None or cells.labels.shape == image.labels_shape:
            return cells
        raise ProjectError(
            f"The project has cells of shape {cells.labels.shape} for this image of "
            f"shape {image.labels_shape}; is it another file of the same name?"
        )

    def keep(self, cells: CellLabels, image: CellImage) -> bool:
        """Take cells of an image that no layer shows into the project; say if it did.

        Raises
        ------
        ProjectError
            If they cannot be written.
        """
        source, axes = place_text(image.source), image.labels_axes
        if self._projects.image_at(source) is None:
            return False
        return self._projects.adopt(cells, source, axes, image.pixel_size)

    def go_on_with(self, layer: Image) -> str:
        """Let cells that are here go on in a project that was opened.

        Where the project has others, those that are here are put aside, and a sentence
        says so; "" otherwise.

        Raises
        ------
        ProjectError
            If they cannot be read or written.
        """
        cells, source = self._keeper.cells_of_image(layer), source_of(layer)
        image = self._projects.image_at(source)
        if cells is None or image is None or not image.has_labels:
            return ""
        if self._projects.rejoin(cells, source):
            return ""
        self._keeper.part(layer)
        return (
            f"The project has its own cells of '{layer.name}'; those that were here are "
            "on a hidden layer."
        )

    def let_go(self, in_hand: CellLabels | None) -> None:
        """Hold no more than needed of the cells that no layer shows."""
        in_hand_too = [] if in_hand is None else [in_hand]
        self._projects.let_go([*self._keeper.shown_cells, *in_hand_too])
