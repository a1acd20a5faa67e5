"""Outlines follow the zoom."""

import numpy as np
import pytest
from tests.widgets.conftest import squares


@pytest.fixture
def large(make_dock, segment):
    """Return a dock with cells on an image whose outlines are three pixels wide."""
    dock = make_dock()
    data = np.zeros((60, 1500), np.uint8)
    data[:, :60] = squares()
    dock.viewer.add_image(data)
    segment(dock)
    return dock


@pytest.mark.parametrize(
    ("zoom", "width"), [(0.1, 3), (0.8, 2), (1.5, 1), (20.0, 1)], ids=str
)
def test_outlines_are_no_wider_than_the_zoom_needs(large, qtbot, zoom, width):
    large.viewer.scene.camera.zoom = zoom * 1.01
    large.viewer.scene.camera.zoom = zoom
    qtbot.waitUntil(lambda: large.keeper.layer.contour == width, timeout=20_000)


def test_a_width_that_was_set_by_hand_stays(large):
    large.keeper.layer.contour = 7
    large.viewer.scene.camera.zoom = 9.0
    large.correcting.outlines.fit()
    assert large.keeper.layer.contour == 7


def test_cells_that_are_filled_stay_filled(large):
    large.keeper.show_outlines(False)
    large.viewer.scene.camera.zoom = 9.0
    large.correcting.outlines.fit()
    assert large.keeper.layer.contour == 0
