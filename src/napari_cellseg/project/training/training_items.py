"""What can be learned from a project: the checked parts of its images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from napari_cellseg.core.editing.checked import locked_ids
from napari_cellseg.core.training.item import TrainingItem, items_of
from napari_cellseg.io.reading.images import read_image
from napari_cellseg.project.images.images import ProjectImage
from napari_cellseg.project.store import Project


def project_items(
    project: Project, channel: int | None
) -> Iterator[tuple[ProjectImage, list[TrainingItem]]]:
    """Yield each image of which something is checked, and what that is.

    The items have the group that the project keeps of the image.

    Parameters
    ----------
    project : Project
        Open, to read only or to write.
    channel : int or None
        Which channel shows the cells, counted from 0; needed where there are several.

    Raises
    ------
    ImageReadError, TrainingError, ImageError, ProjectError
        If an image is gone, or does not fit its labels.
    """
    for image in project.images():
        if not image.has_labels:
            continue
        opened = project.open_labels(image.image_id)
        notes = project.review(image.image_id)
        areas, locked = notes.areas(), locked_ids(opened.sources, notes.states())
        if areas or locked:
            found = items_of(
                read_image(image.address), opened.labels, areas, locked, channel=channel
            )
            yield image, [replace(item, group=image.group) for item in found]
