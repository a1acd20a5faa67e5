"""Thin cells that lie side by side are shown larger; nothing else is."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.zoom import (
    NEARER_PX,
    Look,
    finest_window,
    is_too_far,
    look_at,
    zoom_for_width,
)
from napari_cellseg.core.synthetic import CellOptions, SceneOptions, make_scene


def pixels_of(kind: str, diameter_px: float, elongation: float) -> np.ndarray:
    """Return a scene as the network gets it, (3, y, x)."""
    cells = CellOptions(
        kind=kind, n_cells=400, diameter_px=diameter_px, elongation=elongation
    )
    plane = make_scene(SceneOptions((400, 500), cells), 3).image.plane()[0]
    grey = (plane / plane.max()).astype(np.float32)
    return np.broadcast_to(grey, (3, *grey.shape))


def test_thin_cells_are_found_where_they_lie() -> None:
    pixels = np.zeros((1, 600, 700), np.float32)
    pixels[0, 300:, 400:] = pixels_of("rods", 10.0, 4.0)[0, :300, :300]
    window = finest_window(pixels)

    assert window is not None
    rows, columns = window
    assert rows.stop - rows.start == columns.stop - columns.start == NEARER_PX
    assert rows.stop > 500
    assert columns.stop > 600


@pytest.mark.parametrize("edge", [16, 255, 256, 300])
def test_a_window_lies_inside_however_small_the_plane(edge: int) -> None:
    pixels = np.random.default_rng(0).random((1, edge, 2 * edge)).astype(np.float32)
    window = finest_window(pixels)

    assert window is not None
    for part, size in zip(window, pixels.shape[1:], strict=True):
        assert 0 <= part.start < part.stop <= size


@pytest.mark.parametrize(
    "pixels",
    [pixels_of("nuclei", 40.0, 1.3), np.zeros((3, 64, 64), np.float32)],
    ids=["large nuclei", "nothing"],
)
def test_nothing_fine_needs_no_nearer_look(pixels: np.ndarray) -> None:
    assert finest_window(pixels) is None


def test_width_is_that_of_the_plane_whatever_the_zoom() -> None:
    labels = np.zeros((40, 60), np.int32)
    labels[10:20, 5:55] = 1
    confidence = np.ones(1, np.float32)

    assert look_at(labels, confidence, 1.0, with_width=True).width_px == pytest.approx(
        10, abs=1
    )
    assert look_at(labels, confidence, 2.0, with_width=True).width_px == pytest.approx(
        5, abs=0.5
    )


def test_specks_between_the_cells_are_no_thin_cells() -> None:
    labels = np.zeros((100, 100), np.int32)
    labels[10:30, 10:30], labels[60:80, 60:80] = 1, 2
    for place in range(3, 9):
        labels[10 * place : 10 * place + 3, 3:6] = place
    look = look_at(labels, np.ones(8, np.float32), 1.0, with_width=True)
    assert look.width_px == pytest.approx(20, abs=1)


def test_a_nearer_look_wins_with_more_thin_cells_on_the_same_ground() -> None:
    near = Look(1.0, 20.0, 1000.0, 10, 12.0)

    assert is_too_far(near, Look(2.0, 10.0, 900.0, 20, 5.0), 9000)
    assert not is_too_far(near, Look(2.0, 10.0, 900.0, 11, 5.0), 9000)  # hardly more
    assert not is_too_far(near, Look(2.0, 30.0, 900.0, 20, 15.0), 9000)  # not thin
    assert not is_too_far(near, Look(2.0, 10.0, 100.0, 20, 5.0), 9000)  # specks
    assert not is_too_far(
        near, Look(2.0, 4.0, 900.0, 20, 3.5), 9000
    )  # pieces of large cells
    assert not is_too_far(near, Look(2.0, 0.0, 0.0, 0, 0.0), 9000)
    assert not is_too_far(near, Look(2.0, 10.0, 900.0, 20, 5.0), 90_000)  # noise


def test_thinner_cells_are_shown_larger_and_none_smaller() -> None:
    assert zoom_for_width(5.5) == pytest.approx(2.0)
    assert zoom_for_width(30.0) == 1.0


def test_specks_of_noise_give_a_size_that_can_be_asked_for() -> None:
    labels = np.zeros((20, 20), np.int32)
    labels[::4, ::4] = np.arange(1, 26).reshape(5, 5)
    look = look_at(labels, np.full(25, 0.9, np.float32), 1.0)
    assert SegmentOptions(diameter_px=look.diameter_px).diameter_px == 2
