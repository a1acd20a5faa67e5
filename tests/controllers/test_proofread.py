"""Corrections, brush strokes and runs on one history."""

from types import SimpleNamespace

import numpy as np
import pytest

from napari_cellseg.controllers.labels import seen_edits
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.labels.run_step import MOVED
from napari_cellseg.core.editing.corrections import (
    delete_in_region,
    merge_cells,
    remove_small,
)
from napari_cellseg.core.editing.rerun import Merged
from napari_cellseg.core.editing.reshape import smooth_cells
from napari_cellseg.core.editing.split import add_cell, split_cell
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.labels.boxes import pixel_counts


def two_cells(shape=(20, 20)):
    """Return two touching 6 × 6 cells, the first with a tail of 3 pixels."""
    labels = np.zeros(shape, np.int32)
    plane = labels[(0,) * (len(shape) - 2)]
    plane[2:8, 2:8] = 1
    plane[8:11, 4] = 1
    plane[2:8, 8:14] = 2
    return labels


def opened(shape=(20, 20)):
    proofread = ProofreadController()
    proofread.open(two_cells(shape), confidence={1: 0.9, 2: 0.8})
    return proofread


LINE = np.array([[0.0, 5.0], [10.0, 5.0]])
BOX = np.array([[1.0, 1.0], [1.0, 8.0], [9.0, 8.0], [9.0, 1.0]])
FREE = np.array([[12.0, 12.0], [12.0, 17.0], [17.0, 17.0], [17.0, 12.0]])

TOOLS = {
    "delete": lambda p, plane: p.delete_cells([1]),
    "delete region": lambda p, plane: p.make(delete_in_region, BOX, plane),
    "merge": lambda p, plane: p.make(merge_cells, [1, 2]),
    "split": lambda p, plane: p.make(split_cell, LINE, plane),
    "add": lambda p, plane: p.make(add_cell, FREE, plane),
    "smooth": lambda p, plane: p.make(smooth_cells, [1]),
    "remove small": lambda p, plane: p.make(remove_small, 37),
}


@pytest.mark.parametrize("shape", [(20, 20), (3, 20, 20), (2, 3, 20, 20)])
@pytest.mark.parametrize("tool", TOOLS)
def test_undo_restores_the_pixels_and_sources(tool, shape):
    proofread = opened(shape)
    before, sources = proofread.labels.copy(), dict(proofread.sources)
    TOOLS[tool](proofread, (0,) * (len(shape) - 2))
    after = proofread.labels.copy()
    assert (after != before).any()
    proofread.undo()
    np.testing.assert_array_equal(proofread.labels, before)
    assert proofread.sources == sources
    proofread.redo()
    np.testing.assert_array_equal(proofread.labels, after)


def test_a_touched_cell_is_edited_and_a_new_one_is_by_hand():
    proofread = opened()
    proofread.make(smooth_cells, [1])
    proofread.make(add_cell, FREE, ())
    assert proofread.sources == {1: "edited", 2: "model", 3: "hand"}
    assert proofread.n_by_source("hand") == 1
    assert proofread.locked_ids == {1, 3}


def test_every_edit_is_told():
    proofread = opened()
    told = []
    proofread.edited.connect(told.append)
    proofread.delete_cells([2])
    proofread.undo()
    assert [edit.name for edit in told] == ["delete cell", "delete cell"]
    assert proofread.history.redo_name == "delete cell"


def test_tools_without_labels_say_so():
    with pytest.raises(EditError, match="Segment the image first"):
        ProofreadController().delete_cells([1])


def atom(box, mask, old, new):
    return SimpleNamespace(slice_key=box, mask=mask, old_values=old, new_value=new)


def test_a_stroke_of_masks_is_one_edit():
    proofread = opened()
    box = (slice(0, 3), slice(0, 3))
    mask = np.zeros((3, 3), bool)
    mask[0, 0] = True
    far = (slice(18, 20), slice(18, 20))
    atoms = [atom(box, mask, np.array([0]), 7), atom(far, None, np.zeros((2, 2)), 7)]
    proofread.take_stroke(atoms)
    assert proofread.labels[0, 0] == 7
    assert np.sum(proofread.labels == 7) == 5
    assert proofread.sources[7] == "hand"
    assert proofread.history.undo_name == "brush stroke"
    proofread.undo()
    np.testing.assert_array_equal(proofread.labels, two_cells())


def test_a_stroke_of_indices_is_one_edit():
    proofread = opened()
    indices = (np.array([2, 2]), np.array([2, 3]))
    proofread.take_stroke([(indices, np.array([1, 1]), np.int32(0))])
    assert np.sum(proofread.labels == 1) == 37
    assert proofread.sources[1] == "edited"
    assert proofread.history.undo_name == "erase"


def test_what_another_tool_wrote_is_recorded():
    proofread = opened()
    shown = proofread.labels.copy()
    shown[15:17, 15:17] = 40
    notices = []
    proofread.noticed.connect(notices.append)
    proofread.reconcile(shown)
    assert proofread.sources[40] == "hand"
    assert len(notices) == 1
    proofread.undo()
    np.testing.assert_array_equal(proofread.labels, two_cells())


def test_labels_of_another_shape_end_the_history():
    proofread = opened()
    proofread.delete_cells([1])
    proofread.reconcile(np.ones((5, 5), np.uint8))
    assert proofread.labels.shape == (5, 5)
    assert not proofread.history.undo_name


def test_a_deleted_cell_counts_as_hand_work_until_it_is_back():
    proofread = opened()
    proofread.delete_cells([1])
    assert [one.mask.sum() for one in proofread.deleted] == [39]
    assert proofread.has_hand_work
    proofread.undo()
    assert proofread.deleted == []
    assert not proofread.has_hand_work


def test_a_cell_that_is_deleted_again_after_undo_counts_once():
    proofread = opened()
    for _ in range(3):
        proofread.delete_cells([1])
        assert len(proofread.deleted) == 1
        proofread.undo()
    proofread.delete_cells([1])
    assert len(proofread.deleted) == len(proofread.cells.deleted) == 1


def test_a_run_is_one_edit_with_its_confidences():
    proofread = opened()
    proofread.make(smooth_cells, [1])
    before, kept = proofread.labels.copy(), dict(proofread.model_confidence)
    labels = np.where(proofread.labels == 1, 1, 0).astype(np.int32)
    labels[15:18, 15:18] = 2
    proofread.take_run(Merged(labels, {2: 0.5}, 1), "segment", keeps=True)
    assert proofread.sources == {1: "edited", 2: "model"}
    assert proofread.model_confidence == {1: 0.9, 2: 0.5}
    proofread.undo()
    np.testing.assert_array_equal(proofread.labels, before)
    assert proofread.model_confidence == kept
    proofread.redo()
    assert proofread.model_confidence[2] == 0.5


def test_a_run_that_keeps_nothing_makes_every_cell_the_models():
    proofread = opened()
    proofread.make(smooth_cells, [1])
    labels = np.zeros((20, 20), np.int32)
    labels[3:5, 3:5] = 1
    proofread.take_run(Merged(labels, {1: 0.5}), "segment", keeps=False)
    assert proofread.sources == {1: "model"}


def test_the_index_of_cells_follows_tools_runs_foreign_changes_and_undo():
    proofread = opened()

    def check():
        ids, counts = proofread.cells.index.counts()
        found = dict(zip(ids.tolist(), counts.tolist(), strict=True))
        assert found == pixel_counts(proofread.labels)
        assert set(found) == set(proofread.sources)

    proofread.make(split_cell, LINE, ())
    check()
    shown = proofread.labels.copy()
    shown[15:18, 2:5] = 40
    proofread.reconcile(shown)
    check()
    run = np.zeros_like(shown)
    run[1:4, 1:4] = 1
    proofread.take_run(Merged(run, {1: 0.5}), "segment", keeps=False)
    check()
    for step in (proofread.undo, proofread.redo):
        for _ in range(3):
            step()
            check()
    proofread.reconcile(np.pad(run, 2))
    check()


@pytest.mark.parametrize("name", ["segment", MOVED])
def test_a_run_that_replaces_cells_gives_their_class_to_those_in_their_place(name):
    proofread = opened()
    proofread.set_class([1], "dead")
    proofread.set_class([2], "mitotic")
    before = proofread.labels.copy()
    for n_px in (1, 2):  # a slider that moves twice counts as one run
        run = np.where(before == 1, 7, 0).astype(np.int32)
        run[:, : 2 + n_px] = 0
        proofread.take_run(Merged(run, {7: 0.5}), name, keeps=False)
        assert proofread.classes == {7: "dead"}
    for _ in range(1 if name == MOVED else 2):
        proofread.undo()
    np.testing.assert_array_equal(proofread.labels, before)
    assert proofread.classes == {1: "dead", 2: "mitotic"}
    proofread.redo()
    assert proofread.classes == {7: "dead"}


def test_what_another_tool_wrote_into_the_last_rows_is_noticed(monkeypatch):
    monkeypatch.setattr(seen_edits, "PIXELS_AT_ONCE", 64)
    labels = np.zeros((30, 30), np.int32)
    labels[2:5, 2:5] = 1
    proofread = ProofreadController()
    proofread.open(labels)
    shown = labels.copy()
    proofread.reconcile(shown)
    assert not proofread.history.undo_name
    shown[29, 29] = 2
    proofread.reconcile(shown)
    assert proofread.labels[29, 29] == 2
