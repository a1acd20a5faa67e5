"""Labels of a project that are too large to be read when their image is shown."""

from __future__ import annotations

import math
from pathlib import Path

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.core.errors import ProjectError
from napari_cellseg.core.jobs import Job, run
from napari_cellseg.core.labels.on_disk import is_large
from napari_cellseg.core.types import CellImage
from napari_cellseg.io.exchange.formats import ImageFrame
from napari_cellseg.io.reading.paths import image_place
from napari_cellseg.project.images.images import ProjectImage
from napari_cellseg.project.labels.new_labels import LargeLabels
from napari_cellseg.project.large_import import import_large, refuse_over_cells
from napari_cellseg.project.store import Project

#: Labels of more pixels, 1 GB, are not made in memory: they need a project.
MAX_IN_MEMORY_PX = 2**28


def preparation_of(projects: ProjectController, source: str) -> Job[None] | None:
    """Return what is to run before the cells of an image are shown, or None.

    It runs off the main thread: the cells of labels too large for memory are read.

    Raises
    ------
    ProjectError
        If the project cannot be read.
    """
    image = projects.image_at(source)
    if projects.project is None or image is None or not image.has_labels:
        return None
    return projects.project.preparation(image.image_id)


def start_large(projects: ProjectController, image: CellImage) -> bool:
    """Give an image without cells labels on disk, still empty; return whether it has some.

    Where no project can keep them, labels of up to `MAX_IN_MEMORY_PX` may be made in
    memory: False.

    Raises
    ------
    ProjectError
        If there is no project for labels that are larger, it cannot be written, or has
        cells of the image that are not open.
    """
    project = projects.project
    if project is None or project.is_read_only or not image.source:
        if math.prod(image.labels_shape) > MAX_IN_MEMORY_PX:
            raise ProjectError(
                f"The cells of {_sizes(image)} pixels do not fit into memory; a project "
                "keeps them on disk. Choose 'Save as project…' first."
            )
        return False
    known = _in_project(projects, project, image)
    if not known.has_labels:
        new = LargeLabels(image.labels_shape, image.labels_axes, image.pixel_size)
        run(project.start_by_blocks(known.image_id, new))
        projects.refresh()
    elif project.has_cells(known.image_id):
        raise ProjectError(
            f"The cells of '{known.name}' are not open yet, and what a run finds goes to "
            "them. Open them first, then segment again."
        )
    # Without a cell there is nothing to read: they must be here before the run ends.
    preparation = project.preparation(known.image_id)
    if preparation is not None:
        run(preparation)
    return True


def import_into_large(
    projects: ProjectController, image: CellImage, path: Path
) -> Job[str]:
    """Return the job that takes cells of a file for a large image; it returns what it did.

    Call `ProjectController.refresh` when it is done.

    Raises
    ------
    ProjectError
        If no project can take them, or the image has cells in it.
    """
    project = projects.project
    if project is None or project.is_read_only or not image.source:
        raise ProjectError(
            f"Cells of {_sizes(image)} pixels are imported into a project. Choose 'Save as "
            "project…' first."
        )
    projects.settle()  # what is said of the cells that are here waits with them
    known = _in_project(projects, project, image)
    frame = ImageFrame(image.labels_shape, image.labels_axes, known.name)
    if project.has_cells(known.image_id):
        raise refuse_over_cells(frame)
    return import_large(project, known.image_id, path, frame)


def needs_disk(image: CellImage | None) -> bool:
    """Say whether the labels of an image are left on disk."""
    return image is not None and is_large(image.labels_shape)


def goes_to_disk(
    projects: ProjectController, cells: CellLabels | None, image: CellImage
) -> bool:
    """Say whether cells of a file go into the project without being read as a whole.

    Parameters
    ----------
    projects : ProjectController
        With or without a project.
    cells : CellLabels or None
        Those under correction; in memory they take others in.
    image : CellImage
        What the cells of the file are of.
    """
    if not needs_disk(image):
        return False
    if cells is not None and cells.labels.shape == image.labels_shape:
        return cells.is_large
    is_huge = math.prod(image.labels_shape) > MAX_IN_MEMORY_PX
    return projects.project is not None or is_huge


def _in_project(
    projects: ProjectController, project: Project, image: CellImage
) -> ProjectImage:
    """Return an image of the project; it is added where it is not in it."""
    if projects.image_at(image.source) is None:
        projects.add_images([image_place(image.source)])
    found = projects.image_at(image.source)
    if found is None:
        raise ProjectError(
            f"'{image.name}' comes from no file, so {project.name} cannot keep its cells. "
            "Save the image to a file and open that."
        )
    return found


def _sizes(image: CellImage) -> str:
    return " × ".join(f"{n:,}" for n in image.labels_shape)
