"""Data sets from projects: what a person has checked, and nothing else."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from napari_cellseg.core.errors import ProjectError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.training.item import TrainingItem
from napari_cellseg.core.types import LABELS_DTYPE, CellImage
from napari_cellseg.io.datasets.importing import (
    IMAGES,
    Imported,
    described,
    new_folder,
    provenance_of,
    save_checked,
    save_labels,
    write_pixels,
)
from napari_cellseg.io.datasets.manifest import DatasetImage, Manifest, write_manifest
from napari_cellseg.io.datasets.source import safe_name
from napari_cellseg.project.store import open_project
from napari_cellseg.project.training.training_items import project_items


def import_project(folder: Path, out: Path, channel: int | None) -> Job[Imported]:
    """Write the checked planes of a project as a data set.

    A mask ``checked/NAME.tif`` says what was looked at; outside of it nothing counts.

    Parameters
    ----------
    folder : Path
        ``NAME.cellseg``.
    out : Path
        New or empty.
    channel : int or None
        Which channel shows the cells, counted from 0; needed where there are several.

    Raises
    ------
    ProjectError
        If nothing is checked.
    ImageReadError, TrainingError, SaveError
        If an image cannot be read or written.
    """
    images: list[DatasetImage] = []
    with ExitStack() as opened:
        project = opened.enter_context(open_project(folder, read_only=True))
        n_images = len(project.images())
        for place, (image, items) in enumerate(project_items(project, channel)):
            yield Progress(place, n_images, image.name)
            if items and not images:
                opened.enter_context(new_folder(out))
            for item in items:
                number = len(images) + 1
                images.append(_write(item, f"{number:04d}_{safe_name(item.name)}", out))
        if not images:
            raise ProjectError(
                f"Nothing is checked in {folder.name}. Correct cells or mark checked "
                "areas first."
            )
        manifest = Manifest(out.name, tuple(images), provenance_of(folder, "project"))
        write_manifest(out, manifest)
    return Imported(manifest, (), ())


def _write(item: TrainingItem, name: str, out: Path) -> DatasetImage:
    """Write one plane with its labels and what is checked of it."""
    image = CellImage(np.asarray(item.plane))
    # A cell of which no pixel counts is none of the data set.
    counted = np.unique(item.labels[item.valid])
    labels = np.where(np.isin(item.labels, counted), item.labels, 0)
    labels = labels.astype(LABELS_DTYPE)
    write_pixels(out / IMAGES / f"{name}.tif", image.data, image.axes)
    entry = DatasetImage(
        name,
        f"{IMAGES}/{name}.tif",
        save_labels(out, name, labels, image),
        save_checked(out, name, item.valid, image),
        group=item.group,
        kind="project",
        source={"image": item.name},
    )
    return described(entry, out, image, labels)
