"""Labels of a project that are too large to be read when their image is shown."""

from __future__ import annotations

from napari_cellseg.controllers.project import ProjectController
from napari_cellseg.core.jobs import Job


def preparation_of(projects: ProjectController, source: str) -> Job[None] | None:
    """Return what must run once before the cells of an image can be shown, or None.

    It runs off the main thread: the cells of labels too large for memory are found.

    Raises
    ------
    ProjectError
        If the project cannot be read.
    """
    image = projects.image_at(source)
    if projects.project is None or image is None or not image.has_labels:
        return None
    return projects.project.preparation(image.image_id)
