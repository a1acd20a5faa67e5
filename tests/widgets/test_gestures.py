"""Every tool with the real mouse on a real canvas."""

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from tests.widgets.conftest import settle, squares, wait_idle

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.core.review.doubt_signs import Signs
from napari_cellseg.core.review.missing_cells import MissingPlace
from napari_cellseg.widgets.correcting.looked_at import FRAME_LAYER


@pytest.fixture
def shown(make_dock, segment, qtbot):
    """Return a dock beside a shown image with three cells, 8 × 8, at y 10."""
    dock = make_dock(show=True)
    dock.viewer.window.resize(1200, 800)
    dock.viewer.add_image(squares(), scale=(0.5, 0.5))
    segment(dock)
    dock.viewer.reset_view()
    settle(qtbot, dock)
    return dock


class Mouse:
    """Presses, moves and releases at pixels of the labels."""

    def __init__(self, dock, qtbot):
        self._dock = dock
        self._qtbot = qtbot
        self._canvas = dock.viewer.window._qt_viewer.canvas.native
        self.pause_ms = 5
        self.during = lambda: None

    def place(self, y, x):
        camera = self._dock.viewer.scene.camera
        world = self._dock.keeper.layer.data_to_world((y, x))
        dy, dx = np.subtract(world[-2:], camera.center[-2:]) * camera.zoom
        size = self._canvas.size()
        return QPoint(round(size.width() / 2 + dx), round(size.height() / 2 + dy))

    def drag(self, *points, button=Qt.MouseButton.LeftButton):
        none = Qt.KeyboardModifier.NoModifier
        places = [self.place(*point) for point in points]
        QTest.mouseMove(self._canvas, places[0])
        self._qtbot.wait(20)
        QTest.mousePress(self._canvas, button, none, places[0])
        for place in places[1:]:
            self._move(place, button)
        self.during()
        QTest.mouseRelease(self._canvas, button, none, places[-1])
        self._qtbot.wait(20)

    def _move(self, place, button):
        """Move with the button held; QTest forgets the button."""
        from qtpy.QtCore import QEvent, QPointF
        from qtpy.QtGui import QMouseEvent
        from qtpy.QtWidgets import QApplication

        at, none = QPointF(place), Qt.KeyboardModifier.NoModifier
        glob = QPointF(self._canvas.mapToGlobal(place))
        event = QMouseEvent(
            QEvent.Type.MouseMove, at, glob, Qt.MouseButton.NoButton, button, none
        )
        QApplication.sendEvent(self._canvas, event)
        if self.pause_ms:
            self._qtbot.wait(self.pause_ms)

    def click(self, *point):
        self.drag(point)


@pytest.fixture
def mouse(shown, qtbot):
    return Mouse(shown, qtbot)


def around(y0, x0, y1, x1):
    return [(y0, x0), (y0, x1), (y1, x1), (y1, x0), (y0, x0)]


def test_delete_with_a_click(shown, mouse):
    shown.tools.toggle("delete")
    mouse.click(14, 9)
    assert set(np.unique(shown.keeper.layer.data)) == {0, 2, 3}


def test_delete_a_region(shown, mouse):
    shown.tools.toggle("delete_region")
    mouse.drag(*around(5, 2, 25, 35))
    assert set(np.unique(shown.keeper.layer.data)) == {0, 3}


def test_split_with_a_line(shown, mouse):
    shown.tools.toggle("split")
    mouse.drag((6, 9), (14, 9), (22, 9))
    assert shown.proofread.n_cells == 4
    assert (shown.keeper.layer.data > 0).sum() == 3 * 64


def test_merge_what_is_split(shown, mouse):
    shown.tools.toggle("split")
    mouse.drag((6, 9), (14, 9), (22, 9))
    shown.tools.toggle("merge")
    mouse.click(14, 6)
    mouse.click(14, 11)
    assert shown.proofread.n_cells == 3
    mouse.click(14, 27)
    mouse.click(14, 45)
    assert "px away" in shown.footer.line.text()


def test_add_with_an_outline(shown, mouse):
    shown.tools.toggle("add")
    mouse.drag(*around(30, 30, 45, 45))
    assert shown.proofread.sources[4] == "hand"
    assert 180 <= (shown.keeper.layer.data == 4).sum() <= 280


def yellow_pixels(dock):
    """Return how many pixels of the canvas have the colour of a drawing."""
    shown = dock.viewer.window._qt_viewer.canvas.screenshot()
    image = np.asarray(shown if isinstance(shown, np.ndarray) else to_array(shown))
    red, green, blue = (image[..., band].astype(int) for band in range(3))
    return int(((red > 200) & (green > 200) & (blue < 90)).sum())


def to_array(image):
    from qtpy.QtGui import QImage

    rgba = image.convertToFormat(QImage.Format.Format_RGBA8888)
    bits = rgba.constBits()
    bits.setsize(rgba.sizeInBytes())
    # A copy: the picture is freed with this function.
    return np.frombuffer(bits, np.uint8).reshape(rgba.height(), -1, 4).copy()


def test_the_drawing_is_shown_without_a_layer_and_goes_by_itself(shown, mouse, qtbot):
    inserted = []
    shown.viewer.layers.events.inserted.connect(inserted.append)
    shown.tools.toggle("split")
    layer = shown.keeper.layer
    layer.visible = False
    mouse.during = lambda: qtbot.waitUntil(lambda: yellow_pixels(shown) > 100)
    mouse.drag((40, 9), (44, 20), (50, 40))
    qtbot.waitUntil(lambda: yellow_pixels(shown) == 0)
    assert not inserted
    assert shown.viewer.layers.selection.active is layer


def test_a_click_selects_the_cell_whose_number_the_layer_has_already(shown, mouse):
    assert shown.keeper.layer.selected_label == 1
    mouse.click(14, 9)
    assert shown.measure.selected_cell == 1


@pytest.mark.parametrize("keys", ["d", "ad", "r"])
def test_a_gesture_is_not_given_to_a_tool_that_was_taken_in_the_middle(
    shown, mouse, keys
):
    canvas = shown.viewer.window._qt_viewer.canvas.native
    canvas.setFocus()
    shown.tools.toggle("add")
    mouse.during = lambda: QTest.keyClicks(canvas, keys)
    mouse.drag((30, 3), (30, 18), (5, 18), (5, 3), (14, 9))
    assert set(np.unique(shown.keeper.layer.data)) == {0, 1, 2, 3}
    assert shown.tools.active.name == {"d": "delete", "r": "delete_region"}[keys[-1]]
    mouse.during = lambda: None
    mouse.drag((30, 3), (30, 18), (5, 18), (5, 3), (14, 9))
    assert set(np.unique(shown.keeper.layer.data)) == {0, 2, 3}


def test_the_end_of_a_quick_stroke_counts(shown, mouse):
    shown.tools.toggle("split")
    # napari tells of no second move within 5 ms.
    mouse.pause_ms = 0
    mouse.drag((6, 9), (7, 9), (22, 9))
    assert shown.proofread.n_cells == 4


def test_a_hint_says_that_nothing_was_hit(shown, mouse):
    shown.tools.toggle("delete")
    mouse.click(50, 50)
    assert "no cell there" in shown.footer.line.text()
    assert not shown.proofread.history.undo_name
    shown.tools.leave()
    assert not shown.footer.line.text()


def test_the_picture_does_not_move_while_a_tool_is_in_hand(shown, mouse):
    before = shown.viewer.scene.camera.center
    shown.tools.toggle("split")
    mouse.drag((40, 9), (45, 20), (50, 30))
    assert shown.viewer.scene.camera.center == before
    shown.tools.leave()
    mouse.drag((40, 9), (45, 20), (50, 30))
    assert shown.viewer.scene.camera.center != before


def test_a_brush_stroke_and_a_tool_are_undone_by_ctrl_z(shown, mouse, qtbot):
    layer = shown.keeper.layer
    before = layer.data.copy()
    layer.mode, layer.brush_size, layer.selected_label = "paint", 3, 8
    mouse.drag((40, 10), (42, 14), (44, 20))
    assert (layer.data == 8).any()
    assert shown.proofread.history.undo_name == "brush stroke"
    shown.tools.toggle("delete")
    mouse.click(14, 9)
    canvas = shown.viewer.window._qt_viewer.canvas.native
    control = Qt.KeyboardModifier.ControlModifier
    canvas.setFocus()
    for _ in range(2):
        QTest.keyClick(canvas, Qt.Key.Key_Z, control)
        qtbot.wait(20)
    np.testing.assert_array_equal(layer.data, before)
    for _ in range(2):
        QTest.keyClick(
            canvas, Qt.Key.Key_Z, control | Qt.KeyboardModifier.ShiftModifier
        )
        qtbot.wait(20)
    assert (layer.data == 8).any()
    assert not (layer.data == 1).any()


def test_encircling_with_the_right_button_is_one_step(shown, mouse, qtbot):
    layer = shown.keeper.layer
    before = layer.data.copy()
    layer.mode, layer.brush_size, layer.selected_label = "paint", 2, 9
    ring = [
        (40 + 8 * np.sin(a), 40 + 8 * np.cos(a)) for a in np.linspace(0, 2 * np.pi, 40)
    ]
    mouse.drag(ring[0], button=Qt.MouseButton.RightButton)
    for point in ring:
        mouse._move(mouse.place(*point), Qt.MouseButton.NoButton)
    assert shown.proofread.n_by_source("hand") == 1
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)


@pytest.mark.parametrize("key", ["D", "R", "J", "K", "A", "H", "O"])
def test_a_key_takes_a_tool_and_escape_puts_it_back(shown, qtbot, key):
    canvas = shown.viewer.window._qt_viewer.canvas.native
    canvas.setFocus()
    QTest.keyClick(canvas, key.lower())
    assert shown.tools.active.key == key
    assert shown.correct_tab.buttons[shown.tools.active.name].isChecked()
    QTest.keyClick(canvas, Qt.Key.Key_Escape)
    assert shown.tools.active is None


def test_no_key_of_napari_is_taken(shown):
    from napari.layers import Labels

    taken = {str(key) for key in Labels.class_keymap}
    ours = {str(key) for key in shown.keeper.layer.keymap}
    # M picks a new number as in napari, but none that a deleted cell has had.
    assert ours & taken == {"M"}


def test_a_tool_of_napari_puts_ours_back(shown):
    shown.tools.toggle("delete")
    shown.keeper.layer.mode = "paint"
    assert shown.tools.active is None
    assert not shown.gestures.is_active


def test_a_click_without_a_tool_selects_the_cell(shown, mouse):
    mouse.click(14, 27)
    assert shown.measure.selected_cell == 2


def test_the_diameter_is_taken_from_a_circle(shown, mouse):
    shown.segment_tab.diameter_draw.click()
    mouse.drag((14, 5), (14, 9), (14, 13))
    assert shown.segment.options.diameter_px == pytest.approx(8, abs=0.5)
    assert not shown.gestures.is_active


def test_s_segments(shown, qtbot, engine):
    from tests.widgets.conftest import wait_idle

    canvas = shown.viewer.window._qt_viewer.canvas.native
    canvas.setFocus()
    QTest.keyClick(canvas, "s")
    wait_idle(qtbot, shown)
    assert engine.segmenter.n_runs == 2


def test_an_area_is_marked_as_checked_with_the_mouse(shown, mouse):
    shown.tools.toggle("check")
    mouse.drag((5, 2), (5, 20), (22, 20), (22, 2), (5, 2))
    assert len(shown.proofread.cells.areas) == 1
    assert shown.proofread.locked_ids == {1}
    (layer,) = [one for one in shown.viewer.layers if one.name == "checked areas"]
    assert len(layer.data) == 1
    np.testing.assert_array_equal(layer.scale, shown.keeper.layer.scale)
    assert shown.viewer.layers.selection.active is shown.keeper.layer
    shown.correct_tab.review.forget.click()
    assert not shown.proofread.cells.areas
    assert len(layer.data) == 0
    assert shown.proofread.locked_ids == {1}


def test_the_whole_image_is_marked_with_a_key_and_undo_takes_it_back(shown):
    canvas = shown.viewer.window._qt_viewer.canvas.native
    shift, control = (
        Qt.KeyboardModifier.ShiftModifier,
        Qt.KeyboardModifier.ControlModifier,
    )
    QTest.keyClick(canvas, Qt.Key.Key_A, shift)
    (layer,) = [one for one in shown.viewer.layers if one.name == "checked areas"]
    assert len(layer.data) == 1
    assert shown.proofread.locked_ids == set(shown.proofread.sources)
    assert "marked as right" in shown.footer.line.text()
    shown.tools.toggle("check_all")
    assert "marked already" in shown.footer.line.text()
    QTest.keyClick(canvas, Qt.Key.Key_Z, control)
    assert len(layer.data) == 0
    assert not shown.proofread.locked_ids


def test_doubtful_cells_are_gone_through_with_keys(shown, qtbot):
    canvas = shown.viewer.window._qt_viewer.canvas.native
    zoom = shown.viewer.scene.camera.zoom
    QTest.keyClick(canvas, Qt.Key.Key_N)
    first = shown.review.current
    assert first
    frame = shown.viewer.layers[FRAME_LAYER]
    (corners,) = frame.data
    top, left = corners.min(axis=0)
    bottom, right = corners.max(axis=0)
    inside = shown.proofread.labels[
        round(top) : round(bottom), round(left) : round(right)
    ]
    assert set(np.unique(inside)) == {0, first}
    assert shown.viewer.layers.selection.active is shown.keeper.layer
    assert shown.keeper.layer.selected_label == first
    assert shown.viewer.scene.camera.zoom > zoom
    QTest.keyClick(canvas, Qt.Key.Key_Y)
    assert shown.proofread.cells.states[first] == "accepted"
    second = shown.review.current
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not shown.proofread.locked_ids
    assert shown.review.current == first
    assert "3</b> left to look at" in shown.correct_tab.review.line.text()
    QTest.keyClick(canvas, Qt.Key.Key_Y)
    assert shown.review.current == second
    QTest.keyClick(canvas, Qt.Key.Key_W)
    assert second not in shown.proofread.sources
    assert "1</b> left to look at" in shown.correct_tab.review.line.text()
    QTest.keyClick(canvas, Qt.Key.Key_Y)
    assert "Every cell is looked at" in shown.correct_tab.review.line.text()
    assert FRAME_LAYER not in shown.viewer.layers


def test_the_line_says_why_a_cell_is_doubtful(shown, qtbot):
    """Cells that touch come first, and the line says that they do."""
    canvas = shown.viewer.window._qt_viewer.canvas.native
    labels = np.zeros((60, 60), np.int32)
    labels[10:20, 5:15], labels[10:20, 15:25], labels[40:50, 40:50] = 1, 2, 3
    image = shown.viewer.layers[0]
    cells = CellLabels(labels, None, dict.fromkeys((1, 2, 3), 0.9))
    shown.keeper.add_kept(cells, "pair", {"scale": (0.5, 0.5)}, image)
    wait_idle(qtbot, shown)
    assert shown.review.queue[-1] == 3
    QTest.keyClick(canvas, Qt.Key.Key_N)
    why = shown.correct_tab.review.why
    assert why.text() == "Why this one: touches 1 other"
    shown.tabs.setCurrentIndex(1)
    assert why.isVisible()
    QTest.keyClick(canvas, Qt.Key.Key_W)
    assert shown.review.current == 2
    assert not why.isVisible()


def test_a_missed_cell_is_added_with_a_key_or_left(shown, qtbot):
    canvas = shown.viewer.window._qt_viewer.canvas.native
    shown.tabs.setCurrentIndex(1)
    box = shown.correct_tab.review
    assert not box.missed.isVisible()
    masks = np.ones((8, 8), bool)
    places = [MissingPlace((), (40, left), masks, 0.3) for left in (10, 40)]
    shown.missing.take_signs(Signs(missing=tuple(places)))
    assert "2</b> places may lack a cell" in box.n_missed.text()
    QTest.keyClick(canvas, Qt.Key.Key_N)
    assert box.right.text().startswith("Right")
    QTest.keyClick(canvas, Qt.Key.Key_G, Qt.KeyboardModifier.ShiftModifier)
    assert box.right.text().startswith("Add")
    assert shown.review.current == 0
    camera = np.array(shown.viewer.scene.camera.center[-2:])
    np.testing.assert_allclose(camera, (43.5 / 2, 13.5 / 2), atol=0.6)
    _, outline = shown.viewer.layers[FRAME_LAYER].data
    assert outline.min(0).tolist() == [39.5, 9.5]
    assert shown.viewer.layers.selection.active is shown.keeper.layer
    QTest.keyClick(canvas, Qt.Key.Key_Y)
    assert (shown.keeper.layer.data[40:48, 10:18] == 4).all()
    QTest.keyClick(canvas, Qt.Key.Key_W)
    assert shown.proofread.n_cells == 4
    assert not box.missed.isVisible()
    assert FRAME_LAYER not in shown.viewer.layers
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert shown.proofread.n_cells == 3
    assert "1</b> place may lack a cell" in box.n_missed.text()


def test_a_click_into_a_hole_fills_it(shown, mouse):
    labels = shown.proofread.labels
    y, x = (int(at) for at in np.argwhere(labels == 1).mean(axis=0))
    shown.tools.toggle("cut_hole")
    mouse.drag(*around(y - 2, x - 2, y + 1, x + 1))
    assert labels[y, x] == 0
    shown.tools.toggle("fill_holes")
    mouse.click(y, x)
    assert labels[y, x] == 1
    assert shown.proofread.history.undo_name == "fill holes"


def test_tools_of_planes_say_that_there_is_only_one(shown):
    shown.tools.toggle("interpolate")
    assert shown.tools.active is None
    assert "only one plane" in shown.footer.line.text()
