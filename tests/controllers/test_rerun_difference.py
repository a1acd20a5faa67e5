"""The changes of a run, decided on one by one; undo brings the choice back."""

import numpy as np
import pytest
from tests.fakes import NowStarter

from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.labels.run_step import MOVED
from napari_cellseg.controllers.segmenting.rerun_difference import RerunDifference
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.editing.numbering import renumber_cells
from napari_cellseg.core.editing.rerun import Merged
from napari_cellseg.core.errors import EditError


def squares(*places, shape=(40, 80)):
    labels = np.zeros(shape, np.int32)
    for cell, left in places:
        labels[10:20, left : left + 10] = cell
    return labels


BEFORE = squares((1, 0), (2, 20), (3, 40))
#: 1 stays, 2 is gone, 3 is narrower, 4 is new.
AFTER = squares((1, 0), (4, 60))
AFTER[10:20, 40:46] = 3


@pytest.fixture
def proofread():
    proofread = ProofreadController()
    proofread.open(BEFORE.copy(), None, {1: 0.5, 2: 0.6, 3: 0.7})
    return proofread


@pytest.fixture
def difference(proofread):
    difference = RerunDifference(proofread, TaskController(NowStarter()))
    proofread.take_run(
        Merged(AFTER.copy(), {1: 0.9, 3: 0.9, 4: 0.9}), "segment", keeps=True
    )
    return difference


def kinds(difference):
    return [change.kind for change in difference.changes]


def test_a_run_is_compared_with_what_was_there(difference):
    assert sorted(kinds(difference)) == ["changed", "gone", "new"]
    assert "1 new · 1 gone · 1 changed" in difference.words


def test_a_first_run_and_a_moved_threshold_are_not_compared(proofread):
    difference = RerunDifference(proofread, TaskController(NowStarter()))
    proofread.take_run(Merged(AFTER.copy(), {4: 0.9}), MOVED, keeps=True)
    assert difference.changes == []


def test_stepping_goes_round(difference):
    shown = []
    difference.shown.connect(shown.append)
    for _ in range(4):
        difference.step()
    difference.step(-1)
    assert shown[3] is shown[0]
    assert shown[4] is shown[2]


def test_keeping_a_cell_that_is_gone_is_one_edit_with_its_confidence(
    difference, proofread
):
    while difference.current is None or difference.current.kind != "gone":
        difference.step()
    difference.keep_old()
    assert np.array_equal(proofread.labels[10:20, 20:30], np.full((10, 10), 2))
    assert proofread.history.undo_name == "keep old cell"
    assert proofread.model_confidence[2] == 0.6
    assert 2 in proofread.locked_ids
    assert len(difference.changes) == 2
    proofread.undo()
    assert np.array_equal(proofread.labels, AFTER)
    assert len(difference.changes) == 3
    proofread.redo()
    assert len(difference.changes) == 2


def test_a_new_cell_that_is_refused_does_not_come_back(difference, proofread):
    while difference.current is None or difference.current.kind != "new":
        difference.step()
    difference.keep_old()
    assert 4 not in proofread.sources
    assert len(proofread.deleted) == 1


def test_taking_the_new_is_no_edit_and_goes_on(difference, proofread):
    difference.step()
    first = difference.current
    difference.take_new()
    assert first not in difference.changes
    assert difference.current in difference.changes
    assert proofread.history.undo_name == "segment"


def test_all_at_once(difference, proofread):
    difference.keep_all_old()
    assert np.array_equal(proofread.labels > 0, BEFORE > 0)
    assert difference.changes == []
    proofread.undo()
    assert np.array_equal(proofread.labels, AFTER)
    difference.take_all()
    assert difference.changes == []
    with pytest.raises(EditError, match="nothing left"):
        difference.keep_all_old()


def test_undoing_the_run_leaves_nothing_to_decide_and_redo_brings_it_back(
    difference, proofread
):
    proofread.undo()
    assert difference.changes == []
    proofread.redo()
    assert len(difference.changes) == 3
    difference.take_all()
    proofread.undo()
    assert difference.changes == []


def test_what_a_hand_has_changed_since_is_decided(difference, proofread):
    proofread.delete_cells([4])
    assert sorted(kinds(difference)) == ["changed", "gone"]


def test_cells_that_get_other_numbers_leave_nothing_to_decide(difference, proofread):
    from napari_cellseg.core.editing.edits import edit_on_labels

    moved = np.where(AFTER > 0, AFTER + 10, 0).astype(np.int32)
    proofread.apply(
        edit_on_labels(
            AFTER, moved, (0, 0), "number", proofread.sources, author="model"
        )
    )
    assert difference.changes == []


def test_nothing_is_looked_at_before_the_first_step(difference):
    with pytest.raises(EditError, match="go to the next one first"):
        difference.take_new()


def test_other_labels_forget_the_run(difference, proofread):
    proofread.open(BEFORE.copy())
    assert difference.changes == []
    with pytest.raises(EditError, match="changed nothing"):
        difference.step()


def test_changes_follow_their_cells_to_new_numbers_and_back(proofread, difference):
    proofread.make(renumber_cells)  # 4 becomes 3, and 3 becomes 2
    (new,) = [one for one in difference.changes if one.kind == "new"]
    assert new.new_ids == (3,)
    difference.step()
    while difference.current.kind != "new":
        difference.step()
    difference.keep_old()
    assert set(np.unique(proofread.labels)) == {0, 1, 2}
    proofread.undo()
    proofread.undo()
    (new,) = [one for one in difference.changes if one.kind == "new"]
    assert new.new_ids == (4,)
