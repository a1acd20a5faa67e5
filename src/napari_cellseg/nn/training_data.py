"""From samples on disk and the synthetic generator to images ready for cropping."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import cc3d
import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.synthetic import random_rods, random_scene
from napari_cellseg.io.dataset import Sample
from napari_cellseg.io.images import read_image, read_labels
from napari_cellseg.nn.batches import TrainingImage, training_image

logger = logging.getLogger(__name__)

PERCENTILES = (1.0, 99.8)
SYNTHETIC_SHAPE_YX = (320, 320)
#: Scenes of bacteria for each other synthetic scene.
RODS_SHARE = 0.75


def read_sample(sample: Sample) -> tuple[NDArray[np.generic], NDArray[np.int32]]:
    """Return the (1 or 3, y, x) pixels and the (y, x) labels of a sample.

    Colour images whose channels are equal come back as one grey channel.

    Raises
    ------
    TrainingError
        If image and labels differ in size or are no single plane.
    """
    image = read_image(sample.image_path)
    labels, _ = read_labels(sample.labels_path)
    if image.n_planes != 1 or image.labels_shape[-2:] != labels.shape:
        raise TrainingError(
            f"'{sample.image_path.name}' has shape {image.shape} and its labels "
            f"{labels.shape}; one plane with labels of the same size is needed."
        )
    plane = image.plane((0,) * (image.data.ndim - 3))
    is_grey = not image.is_rgb or bool(
        (plane[0] == plane[1]).all() and (plane[0] == plane[2]).all()
    )
    return (plane[:1] if is_grey else plane), labels


def split_pieces(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return labels in which every id is one connected piece, numbered from 1."""
    return np.asarray(cc3d.connected_components(labels, connectivity=8)).astype(
        np.int32
    )


def load_training_images(samples: Sequence[Sample]) -> Iterator[TrainingImage]:
    """Yield each sample ready for cropping, in order."""
    for sample in samples:
        plane, labels = read_sample(sample)
        yield training_image(
            plane, split_pieces(labels), sample.kind, PERCENTILES, sample.name
        )


def synthetic_training_images(count: int, seed: int) -> Iterator[TrainingImage]:
    """Yield `count` synthetic scenes of kind ``"synthetic"``, then those of ``"rods"``."""
    n_rods = round(RODS_SHARE * count)
    for kind, draw, n_scenes in (
        ("synthetic", random_scene, count),
        ("rods", random_rods, n_rods),
    ):
        for index in range(n_scenes):
            scene = draw(seed * 1_000_003 + index, SYNTHETIC_SHAPE_YX)
            yield training_image(
                scene.image.plane(),
                scene.labels,
                kind,
                PERCENTILES,
                f"{kind} scene {index}",
            )


def kinds_of(samples: Sequence[Sample]) -> dict[str, int]:
    """Return how many samples there are of each kind."""
    counts: dict[str, int] = {}
    for sample in samples:
        counts[sample.kind] = counts.get(sample.kind, 0) + 1
    return counts


def require_folder(folder: Path) -> Path:
    """Return `folder`; raises `TrainingError` where it does not exist."""
    if not folder.is_dir():
        raise TrainingError(
            f"There is no folder '{folder}'; name the folder with the training sets."
        )
    return folder
