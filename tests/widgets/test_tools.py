"""The newer tools with the real mouse and real keys, the sheet of keys, and napari's keys."""

import napari
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from tests.fakes import FakeSegmenter
from tests.widgets.conftest import settle, squares, wait_idle
from tests.widgets.test_gestures import Mouse, around

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.core.editing.corrections import merge_cells
from napari_cellseg.core.editing.edits import edit_on_labels
from napari_cellseg.core.editing.split import add_cell
from napari_cellseg.core.types import PlaneMaps
from napari_cellseg.widgets.canvas.keys import (
    ACTIONS,
    HELP_KEY,
    NAPARI_KEYS,
    TOOLS,
    shown_key,
)


@pytest.fixture
def shown(make_dock, segment, qtbot):
    """Return a dock beside a shown image with three cells, 8 × 8, at y 10."""
    dock = make_dock(show=True)
    dock.viewer.window.resize(1200, 800)
    dock.viewer.add_image(squares())
    segment(dock)
    dock.viewer.reset_view()
    settle(qtbot, dock)
    return dock


@pytest.fixture
def stack(make_dock, qtbot):
    """Return a dock beside three planes with a cell each, 12 × 12, that are one cell."""
    dock = make_dock(show=True)
    dock.viewer.window.resize(1200, 800)
    labels = np.zeros((4, 60, 60), np.int32)
    labels[[0, 1, 3], 20:32, 20:32] = 1
    image = dock.viewer.add_image(labels.astype(np.uint8) * 200)
    dock.keeper.add_kept(CellLabels(labels), "cells", {}, image)
    dock.viewer.dims.set_point(0, 0)
    dock.viewer.reset_view()
    wait_idle(qtbot, dock)
    settle(qtbot, dock)
    return dock


def press(dock, key, modifier=Qt.KeyboardModifier.NoModifier):
    canvas = dock.viewer.window._qt_viewer.canvas.native
    canvas.setFocus()
    QTest.keyClick(canvas, key, modifier)


def areas(dock):
    ids, counts = np.unique(dock.keeper.layer.data, return_counts=True)
    return {int(i): int(n) for i, n in zip(ids, counts, strict=True) if i}


def test_grow_and_shrink_with_their_keys_and_clicks(shown, qtbot):
    mouse = Mouse(shown, qtbot)
    press(shown, Qt.Key.Key_Period)
    mouse.click(14, 9)
    assert areas(shown) == {1: 64 + 32, 2: 64, 3: 64}
    press(shown, Qt.Key.Key_Comma)
    mouse.click(14, 9)
    assert areas(shown)[1] < 96
    shown.keeper.undo()
    shown.keeper.undo()
    assert areas(shown) == {1: 64, 2: 64, 3: 64}


def test_a_hole_is_cut_with_an_outline(shown, qtbot):
    press(shown, "u")
    Mouse(shown, qtbot).drag(*around(12.2, 7.2, 15.8, 10.8))
    assert areas(shown)[1] == 64 - 9
    assert areas(shown)[2] == 64


def test_a_hole_is_filled_with_its_key_and_a_click(shown, qtbot):
    mouse = Mouse(shown, qtbot)
    press(shown, "u")
    mouse.drag(*around(12.2, 7.2, 15.8, 10.8))
    press(shown, "h")
    mouse.click(10, 9)
    assert areas(shown) == {1: 64, 2: 64, 3: 64}


def test_a_spur_is_smoothed_away_with_its_key_and_a_click(shown, qtbot):
    shown.proofread.make(add_cell, np.array([(14.0, 13), (14, 18), (14.4, 18)]), ())
    shown.proofread.make(merge_cells, [1, 4])
    assert areas(shown)[1] == 64 + 6
    press(shown, "o")
    Mouse(shown, qtbot).click(14, 9)
    assert (shown.keeper.layer.data[14, 15:19] == 0).all()
    assert (shown.keeper.layer.data[14, 5:13] == 1).all()
    shown.keeper.undo()
    assert areas(shown)[1] == 64 + 6


def test_small_cells_go_with_their_key(shown):
    shown.proofread.make(
        add_cell, np.array([(40.0, 40), (40, 44), (44, 44), (44, 40)]), ()
    )
    assert areas(shown)[4] == 25
    press(shown, "q")
    assert areas(shown) == {1: 64, 2: 64, 3: 64}
    shown.keeper.undo()
    assert areas(shown)[4] == 25


def test_two_in_one_are_split_with_a_click(shown, qtbot):
    mouse = Mouse(shown, qtbot)
    shown.proofread.make(
        add_cell, np.array([(13.0, 12.6), (13, 23), (14, 23), (14, 12.6)]), ()
    )
    shown.proofread.make(merge_cells, [1, 4, 2])
    assert set(areas(shown)) == {1, 3}
    press(shown, "t")
    mouse.click(14, 9)
    assert set(areas(shown)) == {1, 3, 5}  # 4 was another cell once
    assert len({int(shown.keeper.layer.data[14, x]) for x in (9, 27)}) == 2


def test_numbers_are_given_anew_with_keys(shown, qtbot):
    shift = Qt.KeyboardModifier.ShiftModifier
    press(shown, "n", shift)
    assert shown.tools.active.name == "new_number"
    Mouse(shown, qtbot).click(14, 9)
    assert set(areas(shown)) == {2, 3, 4}
    press(shown, "r", shift)
    assert set(areas(shown)) == {1, 2, 3}
    shown.keeper.undo()
    assert set(areas(shown)) == {2, 3, 4}


class Seeing(FakeSegmenter):
    """Sees what is bright."""

    def segment(self, image, options):
        made = yield from super().segment(image, options)
        object.__setattr__(
            made,
            "maps",
            tuple(
                PlaneMaps(np.repeat(image.plane(i)[:1], 5, 0), image.labels_shape[-2:])
                for i in image.plane_indices()
            ),
        )
        return made


@pytest.mark.parametrize("drawn", [[(14, 9)], [(8, 3), (14, 9), (20, 15)]])
def test_a_missed_cell_is_found_with_a_click_or_a_box(shown, qtbot, drawn, engine):
    engine.segmenter = Seeing()
    shown.segment._segmenters._segmenter = None
    shown.segment.run = None
    shown.proofread.delete_cells([1])
    press(shown, "g")
    Mouse(shown, qtbot).drag(*drawn)
    qtbot.waitUntil(lambda: shown.proofread.n_cells == 3, timeout=5000)
    np.testing.assert_array_equal(shown.keeper.layer.data[10:18, 5:13] > 0, True)
    assert areas(shown)[4] == 64
    wait_idle(qtbot, shown)


def test_a_cell_is_copied_plane_by_plane_and_the_plane_is_shown(stack, qtbot):
    mouse = Mouse(stack, qtbot)
    stack.viewer.dims.set_point(0, 1)
    press(stack, "i", Qt.KeyboardModifier.ShiftModifier)
    mouse.click(25, 25)
    assert stack.viewer.dims.current_step[0] == 2
    assert (stack.keeper.layer.data[2] == 1).sum() == 144


def test_a_missing_plane_is_filled_with_a_click(stack, qtbot):
    press(stack, "i")
    Mouse(stack, qtbot).click(25, 25)
    assert (stack.keeper.layer.data[2] == 1).sum() > 120


def test_two_cells_on_two_planes_are_joined_by_two_clicks(stack, qtbot):
    mouse = Mouse(stack, qtbot)
    stack.proofread.delete_cells([1])
    square = np.array([(20, 20), (20, 31), (31, 31), (31, 20)], float)
    stack.proofread.make(add_cell, square, (0,))
    stack.proofread.make(add_cell, square, (2,))
    press(stack, "i")
    mouse.click(25, 25)
    assert "go to another plane" in stack.correct_tab.hint.text()
    stack.viewer.dims.set_point(0, 2)
    mouse.click(25, 25)
    assert areas(stack) == {2: 3 * 144}  # 1 was the one that was deleted


@pytest.mark.parametrize("is_all", [True, False])
def test_one_switch_says_whether_all_planes_change(stack, qtbot, is_all):
    palette = stack.correct_tab.palette_box
    assert palette.all_planes.isVisibleTo(palette)
    if not is_all:
        palette.all_planes.click()
    press(stack, "k")
    Mouse(stack, qtbot).drag((15, 25), (25, 25), (37, 25))
    data = stack.keeper.layer.data
    found = {z for z in (0, 1, 3) if len(np.unique(data[z][data[z] > 0])) == 2}
    assert found == ({0, 1, 3} if is_all else {0})


def test_what_works_on_planes_is_offered_on_stacks_only(shown):
    palette = shown.correct_tab.palette_box
    assert not palette.all_planes.isVisibleTo(palette)
    assert not palette.folds["planes"].isVisibleTo(palette)
    assert not palette.buttons["grow"].isVisibleTo(palette)
    palette.folds["shape"].heading.click()
    assert palette.buttons["grow"].isVisibleTo(palette)


def test_the_brush_keeps_other_cells_and_the_eraser_works_on_all(shown, qtbot):
    mouse, layer = Mouse(shown, qtbot), shown.keeper.layer
    layer.mode, layer.selected_label, layer.brush_size = "paint", 9, 4
    mouse.drag((14, 2), (14, 9), (14, 18))
    assert areas(shown)[1] == 64
    assert areas(shown)[9] > 0
    layer.mode = "erase"
    mouse.drag((14, 2), (14, 9), (14, 18))
    assert areas(shown)[1] < 64
    shown.correct_tab.brush_keeps.click()
    layer.mode, layer.selected_label = "paint", 9
    mouse.drag((14, 22), (14, 27))
    assert areas(shown)[2] < 64


def test_the_question_mark_shows_every_key(shown, qtbot):
    sheet = shown.correcting.sheet
    shown.correct_tab.keys_button.click()
    assert sheet.isVisible()
    for tool in TOOLS:
        assert tool.title in sheet.text
        assert f"<b>{shown_key(tool.key)}</b>" in sheet.text
    for _, key, what in ACTIONS:
        assert f"<b>{shown_key(key)}</b>" in sheet.text
        assert what in sheet.text
    for key, _ in NAPARI_KEYS:
        assert f"<b>{key}</b>" in sheet.text
    assert sheet.width() <= 1280
    assert sheet.height() <= 700
    shown.correct_tab.keys_button.click()
    assert not sheet.isVisible()
    assert sheet.shortcut.key().toString() == HELP_KEY
    sheet.shortcut.activated.emit()
    assert sheet.isVisible()
    sheet.close()


def test_every_key_is_bound_once_and_none_is_napari_s(shown):
    from napari.layers import Labels
    from napari.utils.action_manager import action_manager
    from napari.utils.key_bindings import coerce_keybinding

    viewer = napari.components.ViewerModel
    taken = {str(key) for key in (*Labels.class_keymap, *viewer.class_keymap)}
    for name, action in action_manager._actions.items():
        owner = getattr(action, "keymapprovider", None)
        on_labels = owner is not None and (issubclass(Labels, owner) or owner is viewer)
        if on_labels or owner is None:
            taken |= {str(key) for key in action_manager._shortcuts.get(name, ())}
    assert {"1", "M", "B", "E", "F", "V"} <= taken  # the comparison sees napari's keys
    ours = [tool.key for tool in TOOLS] + [
        key for _, key, _ in ACTIONS if not key.startswith("Ctrl") and key != "Escape"
    ]
    assert len(ours) == len(set(ours))
    assert not {str(coerce_keybinding(key)) for key in ours if key != HELP_KEY} & taken
    bound = {str(key) for key in shown.keeper.layer.keymap}
    assert {str(coerce_keybinding(tool.key)) for tool in TOOLS} <= bound


def in_two(stack):
    """Lay a second cell, a pixel away, beside the one of the stack on its planes."""
    labels = stack.proofread.labels
    after = labels.copy()
    after[[0, 1, 3], 20:32, 33:45] = 2
    edit = edit_on_labels(labels, after, (0, 0, 0), "second", stack.proofread.sources)
    stack.proofread.apply(edit)
    return {z: {1, 2} for z in (0, 1, 3)}


def ids_on_planes(stack):
    data = stack.keeper.layer.data
    return {z: set(np.unique(data[z])) - {0} for z in (0, 1, 3)}


@pytest.mark.parametrize("is_all", [True, False], ids=["all planes", "one plane"])
@pytest.mark.parametrize("tool", ["delete", "merge"])
def test_a_cell_goes_or_is_joined_on_all_planes_or_on_the_one_shown(
    stack, qtbot, tool, is_all
):
    mouse, before = Mouse(stack, qtbot), in_two(stack)
    if not is_all:
        stack.correct_tab.palette_box.all_planes.click()
    if tool == "delete":
        press(stack, "d")
        mouse.click(25, 39)
    else:
        press(stack, "j")
        mouse.drag((25, 25), (25, 32), (25, 39))
    changed = (0, 1, 3) if is_all else (0,)
    assert ids_on_planes(stack) == {z: {1} if z in changed else {1, 2} for z in before}
    if tool == "merge":
        assert areas(stack)[1] == 144 * (6 if is_all else 4)
    stack.keeper.undo()
    assert ids_on_planes(stack) == before
