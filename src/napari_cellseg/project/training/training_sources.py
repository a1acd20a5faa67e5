"""What a command trains on: a folder of pairs, or the checked parts of a project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.training.item import TrainingItem
from napari_cellseg.io.datasets.dataset import (
    Sample,
    labels_without_image,
    pairs_in_folder,
)
from napari_cellseg.io.datasets.samples import read_sample
from napari_cellseg.io.reading.images import read_labels
from napari_cellseg.io.s3.address import is_s3_address
from napari_cellseg.project.store import SUFFIX, open_project
from napari_cellseg.project.training.training_items import project_items


def training_items(data: str | Path, channel: int | None) -> list[TrainingItem]:
    """Return what can be learned from a folder.

    Parameters
    ----------
    data : str or Path
        A project ``NAME.cellseg``: its checked areas and locked cells count. Or a folder
        with ``images/`` and ``masks/``, here or at ``s3://…``, or a manifest of one
        there: everything in it counts. Or a data set: what is checked of it counts, and
        its test side never.
    channel : int or None
        Which channel shows the cells, counted from 0; needed where there are several.

    Raises
    ------
    TrainingError, ImageReadError, ProjectError
        If there is nothing, or it cannot be read.
    """
    if Path(data).suffix == SUFFIX:
        return _project_items(Path(data), channel)
    items = [item for _, item in folder_items(data, channel)]
    if not items:
        raise TrainingError(
            f"All images of '{data}' are for the test. Split the data set again."
        )
    return items


def folder_items(
    data: str | Path, channel: int | None
) -> Iterator[tuple[str, TrainingItem]]:
    """Yield name and content of each pair of a folder that is not for the test.

    Raises
    ------
    TrainingError, ImageReadError
        If there is none, or one cannot be read.
    """
    for sample in _samples(data):
        if sample.split == "test":
            continue
        plane, labels = read_sample(sample, channel)
        valid = _checked_part(sample, labels.shape)
        yield (
            sample.name,
            TrainingItem(plane, labels, valid, sample.name, sample.group),
        )


def _checked_part(sample: Sample, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return where a sample is labelled."""
    if sample.checked_path is None:
        return np.ones(shape, dtype=bool)
    mask, _ = read_labels(sample.checked_path)
    return mask > 0


def _samples(data: str | Path) -> Iterable[Sample]:
    """Return the pairs of a folder; those in S3 are fetched one by one."""
    if is_s3_address(data):
        from napari_cellseg.io.datasets.on_s3 import s3_samples

        return s3_samples(str(data))
    _refuse_lonely_labels(Path(data))
    return pairs_in_folder(Path(data))


def _refuse_lonely_labels(folder: Path) -> None:
    """Say so where labels have no image: their cells would silently be left out."""
    lonely = labels_without_image(folder)
    if lonely and (folder / "images").is_dir():
        more = f" and {len(lonely) - 1} more" if len(lonely) > 1 else ""
        raise TrainingError(
            f"'masks/{lonely[0]}'{more} in '{folder}' has no image of that name in "
            "'images/'. Add the image, or take the labels away."
        )


def _project_items(folder: Path, channel: int | None) -> list[TrainingItem]:
    """Return the checked parts of every image of a project."""
    with open_project(folder, read_only=True) as project:
        items = [item for _, found in project_items(project, channel) for item in found]
    if not items:
        raise TrainingError(
            f"Nothing is checked in {folder.name}. Correct cells or mark checked areas "
            "first."
        )
    return items
