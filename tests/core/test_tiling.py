"""Tiles cover a plane once, and their windows lie on the network's grid."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cellseg.core.segmentation.tiling import plan_tiles
from napari_cellseg.core.segmentation.zoom import (
    Look,
    is_too_near,
    look_at,
    may_be_too_near,
    zoom_for,
)

SIZES = [(1, 1), (1, 5000), (1280, 1280), (1281, 7), (3000, 2000)]


@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_cores_cover_each_pixel_once(shape: tuple[int, int]) -> None:
    covered = np.zeros(shape, np.uint8)
    for tile in plan_tiles(shape):
        covered[tile.core] += 1
    assert (covered == 1).all()


@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_core_in_window_is_the_core(shape: tuple[int, int]) -> None:
    pixels = np.arange(shape[0] * shape[1]).reshape(shape)
    for tile in plan_tiles(shape):
        np.testing.assert_array_equal(
            pixels[tile.window][tile.core_in_window], pixels[tile.core]
        )


def test_windows_start_on_the_network_grid() -> None:
    starts = {
        start % 32
        for t in plan_tiles((4000, 4000))
        for start in (t.window_y[0], t.window_x[0])
    }
    assert starts == {0}


@pytest.mark.parametrize("diameter", [12, 28, 50])
def test_comfortable_cells_are_shown_as_they_are(diameter: float) -> None:
    assert zoom_for(diameter, 28) == 1.0


def test_large_cells_are_shown_smaller_and_small_ones_larger() -> None:
    assert zoom_for(100, 28) == pytest.approx(0.504)
    assert zoom_for(5.6, 28) == pytest.approx(2.0)


def test_unknown_diameter_changes_nothing() -> None:
    assert zoom_for(0, 28) == 1.0


def test_look_measures_the_diameter_in_plane_pixels() -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[:20, :20] = 1
    look = look_at(labels, np.ones(1, np.float32), 0.5)
    assert look.diameter_px == pytest.approx(2 * np.sqrt(1600 / np.pi))


def test_blobs_that_grow_with_distance_are_not_large_cells() -> None:
    near, farther, farthest = (
        Look(1, 20, 100, 9),
        Look(0.5, 60, 200, 5),
        Look(0.25, 110, 220, 2),
    )
    assert not is_too_near(near, farther, farthest)


def test_cells_that_look_the_same_from_both_distances_are_large() -> None:
    near, farther, farthest = (
        Look(1, 20, 100, 9),
        Look(0.5, 120, 200, 5),
        Look(0.25, 125, 220, 5),
    )
    assert is_too_near(near, farther, farthest)


@pytest.mark.parametrize(
    ("near", "farthest", "expected"),
    [
        # Crowded small cells: blobs from afar explain the gaps between cells too.
        (Look(1, 20, 100, 60), Look(0.25, 110, 170, 4), False),
        # Cells of 130 pixels: pieces from near, the whole from afar.
        (Look(1, 115, 100, 9), Look(0.25, 160, 167, 5), True),
        # Nearly nothing seen from near.
        (Look(1, 20, 10, 2), Look(0.25, 125, 220, 5), True),
        # Small from everywhere.
        (Look(1, 20, 100, 60), Look(0.25, 30, 400, 60), False),
    ],
)
def test_a_farther_look_is_taken_only_where_cells_may_be_large(
    near: Look, farthest: Look, expected: bool
) -> None:
    assert may_be_too_near(near, farthest, 28.0) is expected
