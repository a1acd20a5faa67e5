"""Edits can be applied, taken back and made again, exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.drawn_labels import LEADS, drawn_labels
from napari_cellseg.core.editing.edits import (
    Edit,
    apply_edit,
    edit_on_labels,
    is_empty,
    known_sources,
    updated_sources,
)
from napari_cellseg.core.editing.history import History
from napari_cellseg.core.editing.replay import steps_since
from napari_cellseg.core.errors import EditError, LabelsError

leads = pytest.mark.parametrize("lead", LEADS, ids=["2-D", "3-D", "4-D"])


def labels_with(**cells):
    """Return (6, 8) labels; each cell is given by its rows and columns."""
    labels = np.zeros((6, 8), np.int32)
    for name, part in cells.items():
        labels[part] = int(name[1:])
    return labels


@pytest.fixture
def labels():
    """Return labels of cell 1 (2 × 2) and cell 4 (3 × 2)."""
    return labels_with(c1=np.s_[0:2, 0:2], c4=np.s_[2:5, 4:6])


def change_of(labels, *, to, where, sources=None):
    """Return the edit that writes an id into a part of labels."""
    after = labels.copy()
    after[where] = to
    start = (0,) * labels.ndim
    return edit_on_labels(labels, after, start, "change", sources or {1: "model"})


# ---------------------------------------------------------------- applied and taken back


@leads
@settings(deadline=None)
@given(data=st.data())
def test_undo_restores_labels_and_sources_exactly(lead, data):
    before = data.draw(drawn_labels(lead))
    after = np.where(data.draw(st.booleans()), np.roll(before, 1, -1), before // 2)
    after = after.astype(np.int32)
    sources = known_sources(before, {1: "hand", 2: "edited"})
    edit = edit_on_labels(before, after, (0,) * before.ndim, "any", sources)
    labels = before.copy()
    apply_edit(labels, edit)
    np.testing.assert_array_equal(labels, after)
    now = updated_sources(sources, edit)
    assert now.keys() == known_sources(after).keys()
    apply_edit(labels, edit.inverted())
    np.testing.assert_array_equal(labels, before)
    assert updated_sources(now, edit.inverted()) == sources


@leads
@settings(deadline=None)
@given(data=st.data())
def test_an_edit_of_a_crop_knows_which_cells_go_on_outside_it(lead, data):
    labels = data.draw(drawn_labels(lead))
    cut = [sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2))) for n in labels.shape]
    crop = labels[tuple(slice(*ends) for ends in cut)]
    after = np.full_like(crop, data.draw(st.sampled_from([0, 1, 2, 99])))
    sources = known_sources(labels, {1: "hand"})
    edit = edit_on_labels(labels, after, tuple(low for low, _ in cut), "x", sources)
    apply_edit(labels, edit)
    np.testing.assert_array_equal(crop, after)
    assert updated_sources(sources, edit).keys() == known_sources(labels).keys()


def test_the_box_is_the_smallest_that_holds_the_change(labels):
    edit = change_of(labels, to=0, where=np.s_[2:5, 4:6])
    assert edit.start == (2, 4)
    assert edit.box == (slice(2, 5), slice(4, 6))
    assert edit.before.shape == (3, 2)
    assert edit.n_bytes == 2 * 6 * 4


def test_changed_ids_are_those_that_win_or_lose_pixels(labels):
    assert change_of(labels, to=9, where=np.s_[1:3, 1:5]).changed_ids == (1, 4, 9)


def test_cells_in_the_box_that_do_not_change_are_not_named(labels):
    after = labels.copy()
    after[0, 7], after[5, 0] = 8, 8  # the box is everything
    edit = edit_on_labels(labels, after, (0, 0), "far apart", {})
    assert edit.changed_ids == (8,)


def test_only_changed_pixels_are_written(labels):
    after = labels.copy()
    after[0, 7], after[5, 0] = 8, 8
    edit = edit_on_labels(labels, after, (0, 0), "far apart", {})
    labels[3, 3] = 77  # made since, by another
    apply_edit(labels, edit.inverted())
    assert labels[3, 3] == 77


def test_no_change_is_an_empty_edit(labels):
    edit = change_of(labels, to=0, where=np.s_[5:, :])
    assert is_empty(edit)
    assert edit.changed_ids == ()
    apply_edit(labels, edit)


def test_an_edit_does_not_share_memory_with_the_labels(labels):
    after = np.zeros_like(labels)
    edit = edit_on_labels(labels, after, (0, 0), "delete all", {})
    labels[:], after[:] = 5, 6
    assert set(np.unique(edit.before)) == {0, 1, 4}
    assert not edit.after.any()


def test_read_only_and_wide_arrays_are_taken(labels):
    labels.flags.writeable = False
    edit = edit_on_labels(labels, labels.astype(np.int64) * 0, (0, 0), "x", {})
    assert edit.after.dtype == np.int32


def test_a_box_outside_the_labels_is_refused(labels):
    edit = change_of(labels, to=0, where=np.s_[2:5, 4:6])
    with pytest.raises(EditError, match=r"\(2, 4\) to \(5, 6\).*\(4, 4\)"):
        apply_edit(np.zeros((4, 4), np.int32), edit)
    with pytest.raises(EditError, match="other labels"):
        apply_edit(np.zeros((1, 6, 8), np.int32), edit)


@pytest.mark.parametrize("start", [(0,), (0, 0, 0)])
def test_a_corner_with_other_axes_is_refused(labels, start):
    with pytest.raises(LabelsError, match="as many axes"):
        edit_on_labels(labels, labels, start, "x", {})


def test_boxes_of_two_shapes_or_types_are_refused(labels):
    with pytest.raises(LabelsError, match="one shape"):
        Edit("x", (0, 0), labels, labels[1:])
    with pytest.raises(LabelsError, match="int32"):
        Edit("x", (0, 0), labels, labels.astype(np.int64))


# ------------------------------------------------------------------------------ sources


def sources_after(labels, *, to, where, sources):
    """Return the sources after an id is written into a part of labels."""
    edit = change_of(labels, to=to, where=where, sources=sources)
    return updated_sources(sources, edit)


@pytest.mark.parametrize(
    ("was", "becomes"), [("model", "edited"), ("edited", "edited"), ("hand", "hand")]
)
def test_a_cell_that_is_touched_is_marked(labels, was, becomes):
    sources = {1: was, 4: "model"}
    now = sources_after(labels, to=1, where=np.s_[0, 2], sources=sources)
    assert now == {1: becomes, 4: "model"}


def test_a_neighbour_that_loses_pixels_is_touched(labels):
    sources = {1: "hand", 4: "model"}
    now = sources_after(labels, to=1, where=np.s_[2, 4], sources=sources)
    assert now == {1: "hand", 4: "edited"}


def test_a_new_id_is_work_by_hand(labels):
    sources = {1: "model", 4: "model"}
    now = sources_after(labels, to=9, where=np.s_[5, 0], sources=sources)
    assert now == {**sources, 9: "hand"}


def test_a_cell_that_is_gone_has_no_source(labels):
    sources = {1: "model", 4: "hand"}
    now = sources_after(labels, to=0, where=np.s_[2:5, 4:6], sources=sources)
    assert now == {1: "model"}


def test_a_cell_that_goes_on_outside_the_crop_is_not_gone(labels):
    sources = {1: "model", 4: "model"}
    edit = edit_on_labels(labels, labels[:3, :] * 0, (0, 0), "erase", sources)
    assert updated_sources(sources, edit) == {4: "edited"}


def test_a_change_by_the_model_makes_model_cells(labels):
    edit = edit_on_labels(
        labels, labels * 2, (0, 0), "segment", {1: "hand", 4: "edited"}, author="model"
    )
    assert dict(edit.sources_after) == {2: "model", 8: "model"}
    assert edit.author == "model"


# ------------------------------------------------------------------------------ history


def numbered(number, n_pixels=1):
    """Return an edit with a name of its own."""
    before = np.zeros((1, n_pixels), np.int32)
    return Edit(f"edit {number}", (0, 0), before, before + number)


def test_undo_and_redo_go_through_the_edits_in_order():
    history = History()
    for number in (1, 2, 3):
        history.push(numbered(number))
    assert [history.undo().name for _ in range(3)] == ["edit 3", "edit 2", "edit 1"]
    assert history.undo() is None
    assert [history.redo().name for _ in range(3)] == ["edit 1", "edit 2", "edit 3"]
    assert history.redo() is None


def test_undo_gives_the_inverse_and_redo_the_edit():
    history = History()
    history.push(numbered(5))
    undone = history.undo()
    assert (undone.before[0, 0], undone.after[0, 0]) == (5, 0)
    redone = history.redo()
    assert (redone.before[0, 0], redone.after[0, 0]) == (0, 5)


def test_names_say_what_comes_next():
    history = History()
    assert (history.undo_name, history.redo_name) == ("", "")
    history.push(numbered(1))
    history.push(numbered(2))
    history.undo()
    assert (history.undo_name, history.redo_name) == ("edit 1", "edit 2")


def test_a_new_edit_forgets_what_was_undone():
    history = History()
    history.push(numbered(1))
    history.undo()
    history.push(numbered(2))
    assert not history.redo_name
    assert history.undo_name == "edit 2"


def test_the_oldest_edits_are_dropped_beyond_the_bytes():
    history = History(max_bytes=3 * 8)  # one pixel: four bytes before, four after
    for number in range(1, 6):
        history.push(numbered(number))
    assert [history.undo().name for _ in range(3)] == ["edit 5", "edit 4", "edit 3"]
    assert not history.undo_name


def test_the_last_edit_is_kept_however_large_it_is():
    history = History(max_bytes=8)
    history.push(numbered(1))
    history.push(numbered(2, n_pixels=1000))
    assert history.undo_name == "edit 2"
    history.undo()
    assert not history.undo_name


# ---------------------------------------------------------------- steps since labels were kept


def test_steps_since_leaves_alone_what_another_tool_wrote(labels):
    kept, history = labels.copy(), History()
    edit = change_of(labels, to=0, where=np.s_[0:2, 0:2])
    apply_edit(labels, edit)
    history.push(edit)
    assert steps_since(kept, labels, history) == [edit]
    labels[0, 0] = 9  # no step: a brush that was not noticed yet
    seen = labels.copy()
    steps_since(kept, labels, history)
    np.testing.assert_array_equal(labels, seen)
