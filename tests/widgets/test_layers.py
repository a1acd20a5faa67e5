"""The labels layer and the one history: napari's traps."""

import numpy as np
import pytest
from napari.layers import Labels
from psygnal import EmitLoopError
from qtpy.QtCore import QObject

from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.core.editing.rerun import Merged
from napari_cellseg.core.editing.split import add_cell
from napari_cellseg.widgets.labels.label_look import can_correct, make_labels_layer
from napari_cellseg.widgets.labels.layers import LabelsBinding


def two_cells(shape=(30, 30)):
    labels = np.zeros(shape, np.int32)
    labels[..., 2:8, 2:8] = 1
    labels[..., 12:18, 12:18] = 2
    return labels


class Bound:
    """A layer bound to a controller."""

    def __init__(self, shape=(30, 30)):
        self.proofread = ProofreadController()
        self.proofread.open(two_cells(shape))
        self.layer = make_labels_layer(self.proofread.cells, "cells", {}, {})
        self.layer.visible = True
        self.owner = QObject()
        self.binding = LabelsBinding(self.layer, self.proofread, self.owner)
        self.problems = []
        self.binding.failed.connect(self.problems.append)

    @property
    def is_true(self):
        """True if the layer shows what the controller holds."""
        return np.array_equal(self.layer.data, self.proofread.labels)


@pytest.fixture
def bound(qapp):
    made = Bound()
    yield made
    made.binding.release()
    made.owner.deleteLater()


def test_the_layer_is_int32_and_not_the_array_of_the_controller(bound):
    assert bound.layer.data.dtype == np.int32
    assert not np.shares_memory(bound.layer.data, bound.proofread.labels)


@pytest.mark.parametrize("shape", [(30, 30), (3, 30, 30)])
def test_paint_fill_and_erase_go_into_the_one_history(qapp, shape):
    bound = Bound(shape)
    lead = (0,) * (len(shape) - 2)
    bound.layer.brush_size = 3
    bound.layer.paint((*lead, 25, 25), 9)
    bound.layer.fill((*lead, 5, 5), 7)
    bound.layer.paint((*lead, 14, 14), 0)
    assert bound.is_true
    assert bound.proofread.sources[9] == "hand"
    assert bound.proofread.sources[2] == "edited"
    assert bound.proofread.history.undo_name == "erase"
    for _ in range(3):
        bound.layer.undo()
    np.testing.assert_array_equal(bound.layer.data, two_cells(shape))
    assert bound.is_true
    for _ in range(3):
        bound.layer.redo()
    assert bound.layer.data[(*lead, 25, 25)] == 9
    assert bound.problems == []
    bound.binding.release()


def test_data_setitem_is_recorded(bound):
    bound.layer.data_setitem((np.array([0, 1]), np.array([0, 1])), 5)
    bound.layer.data_setitem((np.array([0, 1]), np.array([0, 1])), [6, 8])
    assert bound.is_true
    assert {6, 8} <= set(bound.proofread.sources)
    bound.layer.undo()
    bound.layer.undo()
    np.testing.assert_array_equal(bound.layer.data, two_cells())


def test_a_stroke_of_many_dabs_is_undone_whole(bound):
    with bound.layer.block_history():
        for x in range(20, 28):
            bound.layer.paint((25, x), 4)
    assert bound.is_true
    bound.layer.undo()
    np.testing.assert_array_equal(bound.layer.data, two_cells())


def test_tools_and_strokes_undo_in_their_order(bound):
    bound.layer.paint((25, 25), 9)
    bound.proofread.delete_cells([1])
    bound.layer.paint((5, 5), 3)
    bound.layer.undo()
    assert not (bound.layer.data == 3).any()
    bound.layer.undo()
    assert (bound.layer.data == 1).any()
    bound.layer.undo()
    np.testing.assert_array_equal(bound.layer.data, two_cells())


def test_an_array_written_by_another_tool_is_recorded(bound):
    bound.proofread.delete_cells([1])
    bound.layer.data[20:25, 20:25] = 6
    bound.layer.refresh()
    bound.binding.reconcile()
    assert bound.proofread.sources[6] == "hand"
    bound.layer.undo()
    bound.layer.undo()
    np.testing.assert_array_equal(bound.layer.data, two_cells())


def test_undo_after_a_foreign_write_corrupts_nothing(bound):
    bound.proofread.delete_cells([1])
    bound.layer.data[4, 4] = 50
    bound.layer.undo()
    assert bound.is_true
    assert not (bound.layer.data == 50).any()
    bound.layer.undo()
    np.testing.assert_array_equal(bound.layer.data, two_cells())


def test_replaced_data_is_recorded_and_napari_forgets_its_steps(bound):
    bound.layer.paint((25, 25), 9)
    bound.layer.data = np.full((30, 30), 3, np.uint8)
    assert bound.layer.data.dtype == np.int32
    assert bound.is_true
    bound.layer.undo()
    assert bound.is_true
    assert bound.layer.data[25, 25] == 9


def test_replaced_data_of_another_shape_ends_the_history(bound):
    bound.layer.paint((25, 25), 9)
    bound.layer.data = np.ones((10, 10), np.int32)
    assert bound.proofread.labels.shape == (10, 10)
    bound.layer.undo()
    assert bound.is_true


def test_negative_numbers_are_taken_back(bound):
    bound.layer.data[0, 0] = -4
    bound.binding.reconcile()
    assert bound.problems
    assert bound.is_true


def test_a_failing_record_does_not_stop_the_paint(bound, monkeypatch):
    def fail(*_, **__):
        raise ValueError("broken")

    monkeypatch.setattr(bound.proofread, "take_stroke", fail)
    bound.layer.paint((25, 25), 9)
    assert bound.layer.data[25, 25] == 9
    assert "broken" in bound.problems[0]
    monkeypatch.undo()
    bound.binding.reconcile()
    assert bound.is_true


def test_a_layer_that_is_left_has_its_own_undo_with_nothing_in_it(bound):
    bound.layer.paint((25, 25), 9)
    layer, before = bound.layer, bound.layer.data.copy()
    binding = LabelsBinding(Labels(two_cells()), bound.proofread, bound.owner)
    binding.release()
    bound.binding.release()
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)
    assert "undo" not in vars(layer)
    bound.binding = LabelsBinding(layer, bound.proofread, bound.owner)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.zeros((9, 9), np.uint8), "uint8"),
        (np.zeros((9, 9), np.int64), "int64"),
        ([np.zeros((8, 8), np.int32), np.zeros((4, 4), np.int32)], "pyramid"),
        (np.zeros((2, 2, 2, 2, 2), np.int32), "5 axes"),
    ],
    ids=["uint8", "int64", "pyramid", "five axes"],
)
def test_layers_that_cannot_be_corrected_say_why(data, words):
    multiscale = isinstance(data, list)
    assert words in can_correct(Labels(data, multiscale=multiscale))


def test_features_tell_source_and_confidence(bound):
    bound.proofread.cells.confidence = {1: 0.5}
    bound.proofread.delete_cells([2])
    bound.binding.show_features()
    assert bound.layer.features["index"].tolist() == [1]
    assert bound.layer.features["source"].tolist() == ["model"]
    assert bound.layer.features["confidence"].tolist() == [0.5]


@pytest.mark.parametrize("contour", [0, 1, 3])
@pytest.mark.parametrize("shape", [(30, 30), (3, 30, 30)])
def test_a_part_is_shown_as_a_refresh_would_show_it(qapp, shape, contour):
    bound = Bound(shape)
    layer = bound.layer
    layer.contour = contour
    lead = (0,) * (len(shape) - 2)
    outline = np.array([(20, 3), (20, 9), (26, 9), (26, 3)], float)
    bound.proofread.make(add_cell, outline, lead)
    bound.proofread.delete_cells([2])
    bound.proofread.undo()
    shown = layer._slice.image.view.copy()
    layer.refresh()
    np.testing.assert_array_equal(shown, layer._slice.image.view)
    assert shown[20 if contour else 23, 6]


def test_what_another_tool_wrote_into_large_labels_is_noticed_in_parts(
    monkeypatch, bound
):
    for name in ("MAX_WATCHED_PIXELS", "PART_PIXELS"):
        monkeypatch.setattr(f"napari_cellseg.widgets.labels.layers.{name}", 90)
    bound.layer.data[25, 25] = 8
    bound.binding.notice()
    assert 8 not in bound.proofread.sources
    for _ in range(10):
        bound.binding._look()
    assert bound.proofread.sources[8] == "hand"
    assert bound.is_true
    bound.binding._watch.stop()


def test_a_stroke_that_is_under_way_when_a_run_arrives_is_kept(bound):
    bound.layer.mode = "paint"
    bound.layer.brush_size = 3
    drag = bound.binding._on_layer_dragged(bound.layer, Drag("mouse_press"))
    next(drag)
    with bound.layer.block_history():
        bound.layer.paint((4, 4), 9)
        run = two_cells()
        run[3:9, 3:9] = 5
        bound.proofread.take_run(Merged(run, {2: 0.9, 5: 0.9}), "segment", keeps=True)
        bound.layer.paint((4, 6), 9)
    bound.binding.reconcile()
    assert bound.layer.data[4, 4] == bound.layer.data[4, 6] == 9
    assert bound.layer.data[8, 8] == 5
    assert bound.is_true
    assert bound.proofread.history.undo_name == "brush stroke"
    bound.layer.undo()
    bound.layer.undo()
    np.testing.assert_array_equal(bound.layer.data, two_cells())


def test_a_listener_that_fails_does_not_leave_the_layer_behind(qapp):
    def fail(_edit):
        raise OSError("the share is gone")

    proofread = ProofreadController()
    proofread.edited.connect(fail)
    proofread.open(two_cells())
    layer = make_labels_layer(proofread.cells, "cells", {}, {})
    layer.visible = True
    owner = QObject()
    binding = LabelsBinding(layer, proofread, owner)
    with pytest.raises(EmitLoopError):
        proofread.delete_cells([1])
    binding.reconcile()
    np.testing.assert_array_equal(layer.data, proofread.labels)
    assert proofread.n_cells == 1
    binding.release()
    owner.deleteLater()


def test_the_key_for_a_new_number_never_chooses_that_of_a_deleted_cell(bound):
    bound.proofread.delete_cells([2])
    bound.binding._on_new_label(bound.layer)
    assert bound.layer.selected_label == 3


def test_what_another_tool_wrote_just_before_the_layer_is_left_is_recorded(bound):
    bound.layer.data[20:25, 20:25] = 6
    bound.binding.take_rest()
    assert bound.proofread.sources[6] == "hand"


class Drag:
    """A mouse event."""

    def __init__(self, type_, button=1):
        self.type, self.button = type_, button
