"""The queue goes through the doubtful cells; what a person says stays."""

import numpy as np
import pytest
from tests.fakes import NowStarter

from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.measuring.measure import MeasureController
from napari_cellseg.controllers.reviewing.review import ReviewController
from napari_cellseg.controllers.session import Session
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.editing.checked import checked_mask
from napari_cellseg.core.editing.edits import edit_on_labels
from napari_cellseg.core.editing.grow import grow_cells
from napari_cellseg.core.editing.rerun import Merged
from napari_cellseg.core.editing.split import split_cell
from napari_cellseg.core.errors import EditError


def reviewing(confidence):
    """Return controllers with one 6 × 6 cell for each confidence."""
    labels = np.zeros((10, 10 * len(confidence)), np.int32)
    for index in range(len(confidence)):
        labels[2:8, 10 * index + 2 : 10 * index + 8] = index + 1
    proofread = ProofreadController()
    measure = MeasureController(Session(), proofread, TaskController(NowStarter()))
    review = ReviewController(proofread, measure)
    proofread.open(labels, confidence=dict(enumerate(confidence, 1)))
    return proofread, review


def test_the_most_doubtful_cell_is_shown_first():
    _, review = reviewing([0.9, 0.3, 0.6])
    shown = []
    review.shown.connect(shown.append)
    review.next()
    review.next()
    assert shown == [2, 3]
    assert review.n_left == 3


def test_a_right_cell_is_locked_and_the_next_one_shown():
    proofread, review = reviewing([0.9, 0.3, 0.6])
    review.next()
    review.accept()
    assert review.current == 3
    assert review.n_left == 2
    assert proofread.locked_ids == {2}


def test_an_accepted_cell_is_shown_again_when_that_is_taken_back():
    proofread, review = reviewing([0.9, 0.3, 0.6])
    review.next()
    review.accept()
    assert proofread.history.undo_name == "accept"
    proofread.undo()
    assert proofread.locked_ids == set()
    assert review.queue == [2, 3, 1]
    assert review.current == 2
    proofread.redo()
    assert proofread.locked_ids == {2}
    assert review.queue == [3, 1]


def test_a_wrong_cell_is_deleted_and_can_be_undone():
    proofread, review = reviewing([0.9, 0.3, 0.6])
    review.next()
    review.reject()
    assert 2 not in proofread.sources
    assert review.current == 3
    proofread.undo()
    assert 2 in proofread.sources


def test_a_number_that_is_typed_again_has_nothing_of_the_deleted_cell():
    proofread, _ = reviewing([0.9, 0.3, 0.6])
    proofread.set_state([2], "accepted")
    proofread.delete_cells([2])
    after = proofread.labels[0:4, 0:4].copy()
    after[...] = 2
    edit = edit_on_labels(
        proofread.cells.index, after, (0, 0), "brush stroke", proofread.sources
    )
    proofread.apply(edit)
    assert proofread.sources[2] == "hand"
    assert 2 not in proofread.cells.states
    assert 2 not in proofread.cells.confidence
    proofread.undo()
    proofread.undo()
    assert proofread.sources[2] == "model"
    assert proofread.cells.states == {2: "accepted"}
    assert proofread.cells.confidence[2] == 0.3


def test_a_cell_that_is_changed_while_looked_at_was_wrong():
    proofread, review = reviewing([0.9, 0.3, 0.6])
    review.next()
    proofread.make(split_cell, np.array([[0.0, 15.0], [9.0, 15.0]]), ())
    assert proofread.cells.states[2] == "fixed"
    assert 2 not in review.queue


def test_the_hint_counts_what_was_deleted_and_what_was_changed():
    proofread, review = reviewing([0.9] * 3 + [0.3] * 12)
    review.next()
    changed = np.argwhere(proofread.labels == review.current)[:, 1]
    middle = float(changed.mean())
    proofread.make(split_cell, np.array([[0.0, middle], [9.0, middle]]), ())
    review.next()
    review.reject()
    assert review.hint is None
    for _ in range(8):
        review.accept()
    assert (review.hint.n_wrong, review.hint.n_looked_at) == (2, 10)


def test_an_answer_that_is_taken_back_does_not_count():
    proofread, review = reviewing([0.9] * 3 + [0.3] * 12)
    review.next()
    for _ in range(9):
        review.accept()
    review.reject()
    assert (review.hint.n_wrong, review.hint.n_looked_at) == (1, 10)
    proofread.undo()
    assert review.hint is None
    proofread.redo()
    assert (review.hint.n_wrong, review.hint.n_looked_at) == (1, 10)


def test_a_cell_whose_change_is_undone_waits_to_be_looked_at_again():
    proofread, review = reviewing([0.9, 0.3, 0.6])
    review.next()
    proofread.make(grow_cells, [2])
    assert proofread.cells.states == {2: "fixed"}
    proofread.undo()
    assert proofread.cells.states == {}
    assert review.queue == [2, 3, 1]
    assert review.current == 2
    proofread.redo()
    assert proofread.cells.states == {2: "fixed"}
    assert 2 not in review.queue


def test_the_last_cell_ends_the_queue():
    _, review = reviewing([0.9])
    review.next()
    review.accept()
    assert review.current == 0
    with pytest.raises(EditError, match="Every cell has been looked at"):
        review.next()


def test_without_cells_there_is_nothing_to_review():
    proofread = ProofreadController()
    measure = MeasureController(Session(), proofread, TaskController(NowStarter()))
    review = ReviewController(proofread, measure)
    with pytest.raises(EditError, match="Segment the image first"):
        review.next()
    with pytest.raises(EditError, match="No cell is being looked at"):
        review.accept()


def test_cells_in_a_checked_area_are_accepted_and_its_background_stays_empty():
    proofread, review = reviewing([0.9, 0.3, 0.6])
    left = np.array([[0.0, 0.0], [0.0, 20.0], [10.0, 20.0], [10.0, 0.0]])
    proofread.check_area(left, ())
    assert proofread.locked_ids == {1, 2}
    assert review.queue == [3]
    (empty,) = proofread.kept_empty
    covered = np.zeros_like(proofread.labels, bool)
    covered[empty.box] = empty.mask
    assert covered[0, 0]
    assert not covered[proofread.labels > 0].any()
    assert not covered[:, 22:].any()


def test_a_checked_area_ends_where_the_image_ends():
    proofread, _ = reviewing([0.9, 0.3, 0.6])
    far = np.array([[-9e3, -9e3], [-9e3, 9e3], [9e3, 9e3], [9e3, -9e3]])
    proofread.check_area(far, ())
    assert proofread.cells.areas[0].area_px == proofread.labels.size


def test_a_cell_that_a_new_run_puts_under_an_old_number_is_unseen():
    proofread, review = reviewing([0.9, 0.3])
    review.next()
    review.accept()
    assert proofread.locked_ids == {2}
    labels = np.zeros_like(proofread.labels)
    labels[2:8, 2:18] = 2
    proofread.take_run(Merged(labels, {2: 0.8}), "segment", keeps=False)
    assert proofread.locked_ids == set()
    assert review.queue == [2]


def test_all_of_an_image_is_marked_at_once_and_undo_takes_it_back():
    proofread, _ = reviewing([0.9, 0.3, 0.6])
    proofread.set_state([2], "fixed")
    proofread.check_plane(())
    (area,) = proofread.cells.areas
    assert area.area_px == proofread.labels.size
    assert checked_mask([area], proofread.labels.shape).all()
    assert proofread.locked_ids == {1, 2, 3}
    with pytest.raises(EditError, match="All is marked already"):
        proofread.check_plane(())
    proofread.undo()
    assert proofread.cells.areas == []
    assert proofread.cells.states == {2: "fixed"}
    proofread.redo()
    assert proofread.cells.areas == [area]
    assert set(proofread.cells.states.values()) == {"accepted"}


def test_nothing_is_in_question_once_all_of_the_image_is_marked():
    proofread, review = reviewing([0.9, 0.3, 0.6])
    review.next()
    proofread.check_plane(())
    assert review.current == 0
    assert review.is_over


def test_forgetting_areas_can_be_undone():
    proofread, _ = reviewing([0.9, 0.3, 0.6])
    proofread.check_plane(())
    proofread.forget_areas()
    assert proofread.cells.areas == []
    assert proofread.locked_ids == {1, 2, 3}
    proofread.undo()
    assert len(proofread.cells.areas) == 1
