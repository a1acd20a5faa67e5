"""The compiled loops of decoding against plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.labels.arrays import areas, renumbered
from napari_cellseg.core.segmentation.flooding import (
    flood,
    high_passes,
    hole_owners,
    peak_heights,
)


@pytest.fixture
def labels() -> NDArray[np.int32]:
    """Return blocks of 5 px, (40, 45), some of them background."""
    ids = np.random.default_rng(3).integers(0, 12, (8, 9))
    return np.kron(ids, np.ones((5, 5), int)).astype(np.int32)


@pytest.fixture
def height() -> NDArray[np.uint8]:
    """Return (40, 45) heights."""
    rng = np.random.default_rng(4)
    return rng.integers(0, 256, (40, 45)).astype(np.uint8)


def test_areas_and_new_ids_are_those_of_numpy(labels: NDArray[np.int32]) -> None:
    np.testing.assert_array_equal(
        areas(labels, 20), np.bincount(labels.ravel(), minlength=20)
    )
    ids = np.arange(30, 18, -1).astype(np.int32)
    np.testing.assert_array_equal(renumbered(labels, ids), ids[labels])


def test_high_passes_are_those_of_every_pair_of_neighbours(
    labels: NDArray[np.int32], height: NDArray[np.uint8]
) -> None:
    peaks = peak_heights(labels, height)
    expected = []
    for y, x in np.ndindex(labels.shape):
        for other_y, other_x in ((y + 1, x), (y, x + 1)):
            if other_y < labels.shape[0] and other_x < labels.shape[1]:
                one, two = labels[y, x], labels[other_y, other_x]
                height_of_pass = min(height[y, x], height[other_y, other_x])
                if (
                    one
                    and two
                    and one != two
                    and height_of_pass / min(peaks[one], peaks[two]) >= 0.7
                ):
                    expected.append((one, two))
    assert 10 < len(expected) < 400
    assert high_passes(labels, height, peaks, 0.7).tolist() == [
        [one, two] for one, two in expected
    ]


@pytest.mark.parametrize("first_id", [1, 2**23 - 2, 2**23, 2**31 - 3])
def test_a_flood_parts_two_hills_at_the_valley_whatever_the_ids(first_id: int) -> None:
    across = np.minimum(np.abs(np.arange(40) - 10), np.abs(np.arange(40) - 29))
    height = np.tile((200 - 10 * across).astype(np.uint8), (20, 1))
    mask = np.ones(height.shape, bool)
    mask[:2] = False
    seeds = np.zeros(height.shape, np.int32)
    seeds[10, 10], seeds[10, 29] = first_id, first_id + 1
    flooded = flood(seeds, height, mask)
    assert flooded.dtype == np.int32
    assert not flooded[:2].any()
    assert (flooded[2:, :20] == first_id).all()
    assert (flooded[2:, 20:] == first_id + 1).all()


def test_a_flood_reaches_hills_without_a_seed_and_nothing_beyond_the_mask() -> None:
    mask = ndimage.binary_dilation(np.eye(30, dtype=bool), iterations=2)
    height = np.random.default_rng(5).integers(0, 256, mask.shape).astype(np.uint8)
    seeds = np.zeros(mask.shape, np.int32)
    seeds[0, 0] = 7
    np.testing.assert_array_equal(flood(seeds, height, mask), np.where(mask, 7, 0))


def test_only_a_hole_in_one_cell_has_an_owner() -> None:
    labels = np.ones((9, 12), np.int32)
    labels[:, 8:] = 2
    labels[2:4, 2:4] = 0  # within one cell
    labels[5, 7:9] = 0  # between two
    labels[0, 5] = 0  # open to the edge
    gaps, n_gaps = ndimage.label(labels == 0)
    owners = hole_owners(gaps.astype(np.int32), labels)
    assert len(owners) == n_gaps + 1
    assert owners[gaps[2, 2]] == 1
    assert owners[gaps[5, 7]] == 0
    assert owners[gaps[0, 5]] == 0
