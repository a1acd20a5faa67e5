"""Reads a sample of a set: the plane that is learned from, and its labels."""

from __future__ import annotations

import cc3d
import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.segmentation.intensity import choose_channels
from napari_cellseg.io.datasets.dataset import Sample
from napari_cellseg.io.reading.images import read_image, read_labels


def read_sample(
    sample: Sample, channel: int | None = None
) -> tuple[NDArray[np.generic], NDArray[np.int32]]:
    """Return the (1 or 3, y, x) pixels and the (y, x) labels of a sample.

    Colour images whose channels are equal come back as one grey channel.

    Parameters
    ----------
    sample : Sample
        What to read.
    channel : int, optional
        Which one shows the cells; needed where there are several.

    Raises
    ------
    TrainingError
        If image and labels differ in size or are no single plane.
    ImageError
        If the channel has to be named, or is not there.
    """
    image = read_image(sample.image_path)
    labels, _ = read_labels(sample.labels_path)
    if image.n_planes != 1 or image.labels_shape[-2:] != labels.shape:
        raise TrainingError(
            f"'{sample.image_path.name}' has shape {image.shape} and its labels "
            f"{labels.shape}; one plane with labels of the same size is needed."
        )
    plane = image.plane((0,) * (image.data.ndim - 3))
    shown = plane[list(choose_channels(image, channel))]
    is_grey = len(shown) == 1 or bool((shown == shown[:1]).all())
    return (shown[:1] if is_grey else shown), labels


def split_pieces(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return labels in which every id is one connected piece, numbered from 1."""
    return np.asarray(cc3d.connected_components(labels, connectivity=8)).astype(
        np.int32
    )
