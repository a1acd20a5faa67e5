"""What the network sees becomes layers by a click, and is no image to work on."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from tests.widgets.conftest import squares, wait_idle

from napari_cellseg.controllers.segmenting.run_taking import Run
from napari_cellseg.core.editing.rerun import Region
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import CellImage, PlaneMaps, SegmentationResult
from napari_cellseg.widgets.segmenting.seen import in_image


def with_maps(dock):
    """Give the last run the maps that a network would have given."""
    seen = np.where(squares() > 0, 240, 10).astype(np.uint8)
    maps = PlaneMaps(np.stack([seen] * 5), seen.shape)
    run = dock.segment.run
    result = run.result
    object.__setattr__(result, "maps", (maps,))
    dock.segment.changed.emit()


@pytest.fixture
def worked_on(make_dock, segment, qtbot):
    dock = make_dock(show=True)
    dock.viewer.add_image(squares(), name="A01")
    segment(dock)
    with_maps(dock)
    return dock


def test_a_click_shows_probability_and_mask(worked_on, qtbot):
    dock = worked_on
    left = Qt.MouseButton.LeftButton
    qtbot.mouseClick(dock.segment_tab.fine_button, left)
    qtbot.mouseClick(dock.segment_tab.seen_button, left)
    qtbot.mouseClick(dock.segment_tab.seen_button, left)  # replaces, does not pile up

    shown = {layer.name: layer for layer in dock.viewer.layers}
    seen = shown["A01 probability"].data
    assert set(np.unique(seen)) == {10, 240}
    np.testing.assert_array_equal(shown["A01 mask"].data > 0, squares() > 0)
    assert not shown["A01 mask"].visible
    assert len(dock.viewer.layers) == 4
    assert dock.header.menu.count() == 1
    assert dock.session.image.name == "A01"
    wait_idle(qtbot, dock)


def test_what_was_seen_of_a_region_lies_where_the_region_is():
    image = CellImage(np.zeros((1, 20, 30), np.uint8))
    result = SegmentationResult(
        np.zeros((4, 5), np.int32), np.zeros(0, np.float32), "m", "d", SegmentOptions()
    )
    run = Run(image, result, Region((3, 7, 7, 12)))
    whole = in_image(run, np.full((4, 5), 9, np.uint8))
    assert whole.shape == (20, 30)
    assert (whole[3:7, 7:12] == 9).all()
    assert whole.sum() == 9 * 20
