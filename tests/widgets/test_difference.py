"""What a new run changed, gone through with keys and the mouse."""

import numpy as np
import pytest
from napari.layers import Shapes
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from tests.widgets.conftest import settle, squares, wait_idle


def two_runs(dock, segment):
    """Run twice: the dim square is gone afterwards, another has lost its halo."""
    image = squares(shape=(60, 60))
    image[40:48, 10:18] = 80
    image[6:22, 37:53] = np.maximum(image[6:22, 37:53], 80)
    dock.viewer.add_image(image, name="two runs")
    dock.segment.set_option("foreground_threshold", 0.3)
    segment(dock)
    assert dock.proofread.n_cells == 4
    assert dock.rerun.box.isHidden()
    dock.segment.set_option("foreground_threshold", 0.6)
    segment(dock)
    assert dock.proofread.n_cells == 3


def outlines(dock):
    return [x for x in dock.viewer.layers if isinstance(x, Shapes) and len(x.data)]


@pytest.fixture
def shown(make_dock, segment, qtbot):
    dock = make_dock(show=True)
    dock.viewer.window.resize(1200, 800)
    two_runs(dock, segment)
    settle(qtbot, dock)
    return dock


def click(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def press(dock, key):
    canvas = dock.viewer.window._qt_viewer.canvas.native
    canvas.setFocus()
    QTest.keyClick(canvas, key, Qt.KeyboardModifier.ShiftModifier)


def test_counts_stand_in_the_box_after_a_second_run(shown):
    box = shown.rerun.box
    assert box.isVisible()
    assert "1 gone · 1 changed" in box.line.text()
    assert not box.keep.isEnabled()


def test_keys_step_keep_and_take_and_the_view_follows(shown, qtbot):
    before = shown.proofread.labels.copy()
    press(shown, Qt.Key.Key_E)
    assert len(outlines(shown)) == 1
    camera = np.array(shown.viewer.scene.camera.center[-2:])
    np.testing.assert_allclose(camera, (13.5, 44.5), atol=1)
    assert "another outline" in shown.rerun.box.line.text()
    press(shown, Qt.Key.Key_Y)
    assert np.array_equal(shown.proofread.labels, before)
    assert "a cell is gone" in shown.rerun.box.line.text()
    press(shown, Qt.Key.Key_W)
    assert shown.proofread.n_cells == 4
    assert (shown.keeper.layer.data[40:48, 10:18] > 0).all()
    assert shown.rerun.box.isHidden()
    assert outlines(shown) == []
    shown.correct_tab.undo.click()
    assert np.array_equal(shown.keeper.layer.data, before)
    assert shown.rerun.box.isVisible()


def test_all_old_cells_are_kept_with_one_click(shown, qtbot):
    click(shown.rerun.box.keep_all)
    wait_idle(qtbot, shown)
    assert shown.proofread.n_cells == 4
    assert (shown.keeper.layer.data[6:22, 37:53] > 0).all()
    assert shown.proofread.history.undo_name == "keep old cells (2)"
    assert shown.rerun.box.isHidden()


def test_what_was_kept_outlives_the_next_run(shown, segment, qtbot):
    click(shown.rerun.box.keep_all)
    wait_idle(qtbot, shown)
    shown.segment.start(keeps=True)
    wait_idle(qtbot, shown)
    assert shown.proofread.n_cells == 4
    assert shown.rerun.difference.changes == []


def test_all_new_is_taken_with_one_click(shown):
    click(shown.rerun.box.take_all)
    assert shown.proofread.n_cells == 3
    assert shown.rerun.box.isHidden()


def test_another_image_has_no_changes(shown, qtbot):
    shown.viewer.add_image(squares(), name="other")
    qtbot.wait(50)
    assert shown.rerun.box.isHidden()
