"""Labels of planes, one after another, in one array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.types import LABELS_DTYPE, Labels


class PlanesInOne:
    """Takes the labels of planes as they come, so that none is held twice.

    Parameters
    ----------
    shape : tuple of int
        Shape of the labels in all, such as (T, Z, Y, X).
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        # Of planes that have not come yet the system holds no memory.
        self._labels = np.zeros(shape, LABELS_DTYPE)
        self._planes = self._labels.reshape(-1, *shape[-2:])
        self._confidences: list[NDArray[np.float32]] = []
        self._n_cells = 0

    def add(self, labels: Labels, confidence: NDArray[np.float32]) -> None:
        """Take the (y, x) labels 1..n of the next plane, and the n confidences."""
        plane = self._planes[len(self._confidences)]
        np.add(labels, self._n_cells, out=plane, where=labels > 0)
        self._n_cells += len(confidence)
        self._confidences.append(confidence)

    @property
    def labels(self) -> Labels:
        """All planes; ids run on over them. Not a copy."""
        return self._labels

    @property
    def confidence(self) -> NDArray[np.float32]:
        """Of all cells, in the order of their ids."""
        return np.concatenate(self._confidences or [np.zeros(0, np.float32)])
