"""Outlines of labels as pixels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_cellseg.core.labels.contours import contours


def blobs(seed: int) -> np.ndarray:
    """Return labels of some size that touch each other, the edge and background."""
    random = np.random.default_rng(seed)
    return np.kron(random.integers(0, 5, (20, 9)), np.ones((9, 7), int)).astype("int32")


@pytest.mark.parametrize("thickness_px", [1, 2, 4])
@pytest.mark.parametrize("seed", [0, 1])
def test_outlines_are_those_that_napari_draws(seed: int, thickness_px: int) -> None:
    labels = blobs(seed)  # 180 rows: three bands
    cross = ndimage.generate_binary_structure(2, 1)
    diamond = ndimage.iterate_structure(cross, thickness_px)
    highest = ndimage.grey_dilation(labels, footprint=cross)
    lowest = ndimage.grey_erosion(labels, footprint=diamond)

    found = contours(labels, thickness_px)

    assert np.array_equal(found, np.where(highest == lowest, 0, labels))


def test_a_square_keeps_its_edge_only() -> None:
    labels = np.zeros((9, 9), np.int32)
    labels[2:7, 2:7] = 5

    found = contours(labels, 1)

    assert np.count_nonzero(found) == 16  # 25 pixels less the 9 inside
    assert not found[3:6, 3:6].any()


def test_labels_without_a_pixel_have_no_outline() -> None:
    assert contours(np.zeros((0, 4), np.int32), 1).shape == (0, 4)
