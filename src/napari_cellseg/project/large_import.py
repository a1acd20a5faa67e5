"""Labels of a file into a project, block by block: they may be larger than memory."""

from __future__ import annotations

from pathlib import Path

from napari_cellseg.core.errors import ProjectError
from napari_cellseg.core.jobs import Job
from napari_cellseg.io.exchange.formats import ImageFrame, format_of
from napari_cellseg.io.reading.boxed_labels import open_boxed
from napari_cellseg.project.labels.new_labels import LargeLabels
from napari_cellseg.project.store import Project

#: Formats that are read by boxes.
BY_BOXES = ("tiff", "zarr")


def import_large(
    project: Project, image_id: int, path: Path, frame: ImageFrame
) -> Job[str]:
    """Return the job that takes the cells of a file for an image that has none.

    They count as a model's. The job may run off the main thread, and returns what it did.

    Parameters
    ----------
    project : Project
        Open to write.
    image_id : int
        Of the image, which has no cells.
    path : Path
        Labels as TIFF or OME-Zarr.
    frame : ImageFrame
        What they have to fit.

    Raises
    ------
    ProjectError
        If the file is of another format, or the labels cannot be written.
    ImageReadError, LimitError, LabelsError
        If it cannot be read, does not fit, or holds no labels.
    """
    check_format(path, frame)
    labels = open_boxed(path, frame.shape, frame.image_name)
    name = f"import {path.name}"
    new = LargeLabels(frame.shape, frame.axes, labels.pixel_size, labels, name)
    # The project is asked here, on its own thread; the job has a connection of its own.
    return _saying(project.start_by_blocks(image_id, new), frame.image_name, path.name)


def _saying(job: Job[None], image_name: str, file_name: str) -> Job[str]:
    """Run a job, and return what it did."""
    yield from job
    return f"{image_name}: the cells of {file_name}; undo takes them back"


def check_format(path: Path, frame: ImageFrame) -> None:
    """Raise `ProjectError` if a file cannot be read by boxes."""
    found = format_of(path)
    if found.name not in BY_BOXES:
        sizes = " × ".join(f"{n:,}" for n in frame.shape)
        raise ProjectError(
            f"{path.name} is a file of the kind {found.title}; for an image of {sizes} "
            "pixels cells are read from labels as TIFF or OME-Zarr only. Convert it."
        )


def refuse_over_cells(frame: ImageFrame) -> ProjectError:
    """Return why cells cannot be taken in over others on an image of this size."""
    sizes = " × ".join(f"{n:,}" for n in frame.shape)
    return ProjectError(
        f"'{frame.image_name}' ({sizes} pixels) has cells in the project, and on an image "
        "of this size others cannot be laid over them. Make a new project of the image "
        "and import them there."
    )
