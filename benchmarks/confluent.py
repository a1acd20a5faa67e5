"""A field full of cells with known truth: what decoding is hardest on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

#: Share of the distance between two middles that a middle strays from its place.
STRAY = 0.3


@dataclass(frozen=True, eq=False)
class Field:
    """An image, (y, x) uint16, and its cells, (y, x) int32 with ids 1..n."""

    pixels: NDArray[np.uint16]
    labels: NDArray[np.int32]

    @property
    def n_cells(self) -> int:
        """How many cells there are."""
        return int(self.labels.max())


def confluent_field(edge_px: int, cell_px: float = 36.0, seed: int = 1) -> Field:
    """Return a square field of cells that touch all around.

    Parameters
    ----------
    edge_px : int
        Edge of the field.
    cell_px : float
        Distance between the middles of neighbours.
    seed : int
        Of places, brightness and noise.
    """
    random = np.random.default_rng(seed)
    places = np.arange(cell_px / 2, edge_px, cell_px)
    middles = np.stack(np.meshgrid(places, places, indexing="ij"), -1).reshape(-1, 2)
    middles = middles + random.uniform(-STRAY, STRAY, middles.shape) * cell_px
    rows, columns = np.indices((edge_px, edge_px))
    points = np.column_stack([rows.ravel(), columns.ravel()])
    _, nearest = cKDTree(middles).query(points)
    labels = np.asarray(nearest.reshape(edge_px, edge_px) + 1, dtype=np.int32)
    # A line of one or two pixels parts the cells, as membranes do.
    is_edge = ndimage.grey_erosion(labels, 3) != ndimage.grey_dilation(labels, 3)
    labels = np.where(
        is_edge & ~ndimage.binary_erosion(is_edge, iterations=2), 0, labels
    )
    return Field(_pixels(labels, len(middles), random), labels.astype(np.int32))


def _pixels(
    labels: NDArray[np.int32], n_cells: int, random: np.random.Generator
) -> NDArray[np.uint16]:
    """Return how a microscope sees the cells: domes of light, blurred, with noise."""
    depth = np.minimum(ndimage.distance_transform_edt(labels > 0), 8) / 8
    brightness = random.uniform(0.5, 1.0, n_cells + 1)
    brightness[0] = 0.0
    light = ndimage.gaussian_filter(brightness[labels] * (0.4 + 0.6 * depth), 0.8)
    light = light + random.normal(0, 0.02, light.shape)
    return np.asarray(np.clip(light, 0, 1) * 40_000 + 2_000, dtype=np.uint16)
