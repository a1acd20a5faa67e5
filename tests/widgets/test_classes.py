"""Classes of cells with the real mouse and real keys: given, seen, kept."""

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QInputDialog
from tests.widgets.conftest import settle, squares, wait_idle
from tests.widgets.test_gestures import Mouse
from tests.widgets.test_tools import press

from napari_cellseg.project.store import open_project
from napari_cellseg.widgets.correcting.classes import MARKS_LAYER, SYMBOLS

SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def shown(make_dock, segment, qtbot, tmp_path):
    """Return a dock beside a shown image with three cells, 8 × 8, at y 10."""
    dock = make_dock(show=True)
    dock.viewer.window.resize(1200, 800)
    tifffile.imwrite(tmp_path / "a.tif", squares())
    dock.opener.open([str(tmp_path / "a.tif")])
    wait_idle(qtbot, dock)
    segment(dock)
    dock.viewer.reset_view()
    settle(qtbot, dock)
    return dock


def typed(monkeypatch, text):
    monkeypatch.setattr(QInputDialog, "getText", lambda *_a, **_k: (text, True))


def marks(dock, qtbot):
    """Return places (y, x) and symbols of the marks."""
    qtbot.waitUntil(lambda: not dock.by_class._later.is_waiting)
    layer = dock.viewer.layers[MARKS_LAYER]
    assert layer.visible
    return layer.data.tolist(), [str(symbol) for symbol in layer.symbol]


def test_a_click_and_a_box_give_classes_and_undo_takes_them_back(shown, qtbot):
    mouse, before = Mouse(shown, qtbot), shown.proofread.labels.copy()
    press(shown, "k", SHIFT)
    assert shown.tools.active.name == "set_class"
    mouse.click(14, 9)
    assert shown.proofread.classes == {1: "mitotic"}
    press(shown, "l", SHIFT)
    mouse.drag((8, 21), (14, 30), (20, 51))
    assert shown.proofread.classes == {1: "mitotic", 2: "dead", 3: "dead"}
    assert shown.footer.line.text().endswith("class dead · 2 cells</span>")
    np.testing.assert_array_equal(shown.proofread.labels, before)
    press(shown, "z", Qt.KeyboardModifier.ControlModifier)
    assert shown.proofread.classes == {1: "mitotic"}
    press(shown, "z", Qt.KeyboardModifier.ControlModifier | SHIFT)
    assert shown.proofread.classes == {1: "mitotic", 2: "dead", 3: "dead"}


def test_every_class_is_marked_by_colour_and_shape(shown, qtbot):
    shown.proofread.set_class([1], "mitotic")
    shown.proofread.set_class([3], "dead")
    places, symbols = marks(shown, qtbot)
    assert places == [[13.5, 8.5], [13.5, 44.5]]
    assert symbols == list(SYMBOLS[:2])
    colours = shown.viewer.layers[MARKS_LAYER].face_color
    assert not np.allclose(colours[0], colours[1])
    assert shown.viewer.layers.selection.active is shown.keeper.layer
    shown.proofread.delete_cells([1])
    assert marks(shown, qtbot)[0] == [[13.5, 44.5]]
    shown.proofread.set_class([3], "")
    qtbot.waitUntil(lambda: not shown.viewer.layers[MARKS_LAYER].visible)


def test_the_person_makes_the_list(shown, monkeypatch):
    picker, classes = shown.by_class.picker, shown.by_class.classes
    typed(monkeypatch, "  early anaphase ")
    picker.new.trigger()
    assert classes.names == ["mitotic", "dead", "early anaphase"]
    assert picker.names.currentText() == "early anaphase"
    classes.give(1)
    assert picker.names.currentText() == "1 early anaphase"
    picker.remove.trigger()
    assert "1 cell is" in shown.footer.line.text()
    typed(monkeypatch, "anaphase")
    picker.rename.trigger()
    assert shown.proofread.classes == {1: "anaphase"}
    assert classes.names == ["mitotic", "dead", "anaphase"]
    shown.proofread.undo()
    assert shown.proofread.classes == {1: "early anaphase"}
    assert "early anaphase" in classes.names
    classes.choose("dead")
    picker.remove.trigger()
    assert "dead" not in classes.names
    typed(monkeypatch, "")
    picker.new.trigger()
    assert "A class has a name" in shown.footer.line.text()


def test_classes_are_counted_and_stand_in_the_table_once_they_are_used(shown):
    assert "class" not in shown.measure.table.cells
    shown.proofread.set_class([1, 3], "dead")
    assert shown.measure.table.cells["class"].tolist() == ["dead", "", "dead"]
    assert shown.measure.table.summary["n_by_class"] == {"dead": 2, "": 1}
    assert "2 dead · 1 without a class" in shown.measure_tab.sources.text()
    shown.proofread.undo()
    assert "class" not in shown.measure.table.cells


def test_a_run_leaves_cells_with_a_class_and_none_is_learned_from(shown, segment):
    shown.proofread.set_class([2], "dead")
    assert shown.proofread.kept_ids == {2}
    assert shown.proofread.locked_ids == set()
    segment(shown)
    shown.question.answered.emit("keep")
    assert shown.proofread.classes == {2: "dead"}


def test_a_project_keeps_classes_and_their_list(shown, tmp_path):
    shown.link.create(str(tmp_path / "work"))
    shown.by_class.classes.add("anaphase")
    shown.by_class.classes.give(2)
    with open_project(tmp_path / "work.cellseg", read_only=True) as project:
        assert project.classes().names() == ["mitotic", "dead", "anaphase"]
        assert project.open_labels(1).classes == {2: "anaphase"}
