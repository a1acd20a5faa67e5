"""The index of cells: after any edits it is what a fresh look at the labels gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.drawn_labels import LEADS, areas, drawn_labels, drawn_points, planes_of
from napari_cellseg.core.editing import cell_index, edits
from napari_cellseg.core.editing.auto_split import split_automatically
from napari_cellseg.core.editing.cell_index import CellIndex
from napari_cellseg.core.editing.corrections import (
    delete_cells,
    delete_in_region,
    merge_cells,
    remove_small,
)
from napari_cellseg.core.editing.edits import (
    Source,
    apply_edit,
    edit_on_labels,
)
from napari_cellseg.core.editing.grow import cut_hole, grow_cells, shrink_cells
from napari_cellseg.core.editing.history import History
from napari_cellseg.core.editing.numbering import give_new_id
from napari_cellseg.core.editing.planes import interpolate_cell
from napari_cellseg.core.editing.reshape import (
    fill_holes,
    smooth_cells,
)
from napari_cellseg.core.editing.split import (
    add_cell,
    split_cell,
)
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.labels.boxes import (
    box_of,
    cell_boxes,
    changed_box,
    changed_counts,
    emptied_counts,
    pixel_counts,
    without_cells,
)

leads = pytest.mark.parametrize("lead", LEADS, ids=["2-D", "3-D", "4-D"])
IDS = st.lists(st.sampled_from([1, 2, 3, 7, 1000, 1001]), min_size=1, max_size=4)


def assert_fresh(index):
    """Fail unless the index says what the labels hold."""
    labels = index.labels
    held = areas(labels)
    assert set(index.ids) == held.keys()
    assert len(index) == len(held)
    assert index.highest == max(held, default=0)
    ids, counts = index.counts()
    assert dict(zip(ids.tolist(), counts.tolist(), strict=True)) == held
    assert {cell: index.n_pixels(cell) for cell in held} == held
    assert index.boxes(held) == cell_boxes(labels, held)


def painted(data, labels):
    """Return the edit of any change of any box."""
    start = tuple(data.draw(st.integers(0, size - 1)) for size in labels.shape)
    shape = tuple(
        data.draw(st.integers(1, size - low))
        for low, size in zip(start, labels.shape, strict=True)
    )
    ids = st.sampled_from([0, 1, 2, 7, 50, 1001])
    after = data.draw(hnp.arrays(np.int32, shape, elements=ids))
    return lambda indexed: edit_on_labels(indexed, after, start, "paint", {})


def some_tool(data, labels):
    """Return a correction that takes labels or an index of them."""
    plane = data.draw(planes_of(labels))
    ids = data.draw(IDS)
    line, outline = (data.draw(drawn_points(labels.shape[-2:], n)) for n in (2, 3))
    anywhere = data.draw(st.sampled_from([None, plane]))
    return data.draw(
        st.sampled_from(
            [
                lambda one: delete_cells(one, ids, {}, plane=anywhere),
                lambda one: delete_in_region(one, outline, plane, {}),
                lambda one: merge_cells(one, ids, {}, plane=anywhere),
                lambda one: split_cell(one, line, plane, {}),
                lambda one: add_cell(one, outline, plane, {}),
                lambda one: fill_holes(one, ids, {}, plane=anywhere),
                lambda one: smooth_cells(one, ids, {}, plane=anywhere),
                lambda one: remove_small(one, 10, {}, plane=anywhere),
                lambda one: grow_cells(one, ids, {}, plane=anywhere),
                lambda one: shrink_cells(one, ids, {}, plane=anywhere),
                lambda one: cut_hole(one, outline, plane, {}),
                lambda one: split_automatically(one, ids[0], {}, plane=plane),
                lambda one: split_cell(one, line, plane, {}, through_planes=True),
                lambda one: interpolate_cell(one, ids[:2], {}, time=plane[:-1]),
                lambda one: give_new_id(one, ids[0], {}, plane=anywhere),
                painted(data, labels),
            ]
        )
    )


def tried(correction, indexed):
    try:
        return correction(indexed)
    except EditError as error:
        return str(error)


@leads
@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_the_index_follows_any_edits_and_their_undoing(lead, data):
    labels = data.draw(drawn_labels(lead))
    index, history = CellIndex(labels), History()
    assert_fresh(index)
    for _ in range(data.draw(st.integers(1, 6))):
        edit = tried(some_tool(data, labels), index)
        if isinstance(edit, str):
            continue
        apply_edit(labels, edit)
        index.follow(edit)
        history.push(edit)
        assert_fresh(index)
    for step in (history.undo, history.redo):
        while (edit := step()) is not None:
            apply_edit(labels, edit)
            index.follow(edit)
            assert_fresh(index)


@leads
@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_a_tool_does_the_same_with_an_index_as_without(lead, data):
    labels = data.draw(drawn_labels(lead))
    index = CellIndex(labels)
    first = tried(painted(data, labels), index)
    apply_edit(labels, first)
    index.follow(first)
    # An index never gives an id again; labels alone do not know which ones were there.
    assume(index.last_id == int(labels.max(initial=0)))
    correction = some_tool(data, labels)
    plain, indexed = tried(correction, labels), tried(correction, index)
    if isinstance(plain, str) or isinstance(indexed, str):
        assert plain == indexed
        return
    assert (plain.name, plain.start) == (indexed.name, indexed.start)
    assert plain.sources_before == indexed.sources_before
    assert plain.sources_after == indexed.sources_after
    np.testing.assert_array_equal(plain.before, indexed.before)
    np.testing.assert_array_equal(plain.after, indexed.after)


def test_an_edit_of_everything_is_looked_at_anew(monkeypatch):
    monkeypatch.setattr(cell_index, "MAX_FOLLOWED_PX", 10)
    labels = np.zeros((6, 6), np.int32)
    labels[1:3, 1:3] = 4
    index = CellIndex(labels)
    edit = edit_on_labels(labels, np.where(labels == 4, 0, 9), (0, 0), "run", {})
    apply_edit(labels, edit)
    index.follow(edit)
    assert_fresh(index)
    assert index.ids == [9]


def test_cells_that_reach_into_a_box_are_found():
    labels = np.zeros((20, 20), np.int32)
    labels[2:5, 2:5], labels[2:5, 10:15], labels[15:18, 2:5] = 1, 2, 3
    index = CellIndex(labels)
    assert index.touching((slice(0, 6), slice(4, 11))) == [1, 2]
    assert index.touching((slice(0, 2), slice(0, 20))) == []


def test_huge_and_foreign_numbers_are_no_trouble():
    labels = np.zeros((4, 4), np.int32)
    labels[0, 0], labels[1, 1], labels[2, 2] = 2**31 - 1, -5, 3
    index = CellIndex(labels)
    assert sorted(index.ids) == [3, 2**31 - 1]


@pytest.mark.parametrize(
    "values", [[], [0, 0], [5], [1, 1, 0, 2, 2, 2, 1], [[3, 3], [0, 3]]]
)
def test_pixels_are_counted(values):
    array = np.array(values, np.int32)
    assert pixel_counts(array) == areas(array)


@pytest.mark.parametrize("offset", [0, 2**21], ids=["small ids", "large ids"])
def test_changed_counts_say_what_each_cell_loses_and_gains(offset: int) -> None:
    before = np.array([[1, 1, 0], [2, 2, 2]], np.int32)
    after = np.array([[1, 3, 3], [2, 0, 1]], np.int32)
    before[before > 0] += offset
    after[after > 0] += offset

    lost, gained = changed_counts(before, after)

    assert lost == {1 + offset: 1, 2 + offset: 2}
    assert gained == {1 + offset: 1, 3 + offset: 2}


@leads
@settings(deadline=None)
@given(data=st.data())
def test_the_box_of_a_change_holds_all_that_differs_and_no_more(lead, data):
    before = data.draw(drawn_labels(lead))
    after = before.copy()
    places = st.integers(0, before.size - 1)
    after.flat[data.draw(st.lists(places, max_size=3))] += 1
    assert changed_box(before, after) == box_of(before != after)


@pytest.mark.parametrize("offset", [0, 2**21], ids=["small ids", "large ids"])
def test_cells_are_cleared_from_a_copy(offset: int) -> None:
    labels = np.array([[1, 2, 0], [4, 2, 4]], np.int32)
    labels[labels == 4] += offset

    cleared = without_cells(labels, [1, 4 + offset])

    assert cleared.tolist() == [[0, 2, 0], [0, 2, 0]]
    assert labels[0, 0] == 1


def test_an_edit_of_very_many_cells_is_not_followed_cell_by_cell(monkeypatch):
    labels = np.arange(1, 10_001, dtype=np.int32).reshape(100, 100)
    index = CellIndex(labels)
    edit = edit_on_labels(labels, labels + 10_000, (0, 0), "anew", {})
    apply_edit(labels, edit)
    monkeypatch.setattr(index, "_give", None)
    index.follow(edit)
    assert_fresh(index)


@pytest.mark.parametrize("offset", [0, 2**21], ids=["small ids", "large ids"])
def test_what_becomes_background_is_counted_and_what_another_cell_takes_is_not(
    offset: int,
) -> None:
    before = np.array([[1, 1, 2, 2, 0, 3]], np.int32)
    after = np.array([[0, 0, 0, 1, 0, 3]], np.int32)
    before[before > 0] += offset
    assert emptied_counts(before, after) == {1 + offset: 2, 2 + offset: 1}


def test_of_an_index_the_pixels_of_a_crop_are_not_counted_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels = np.array([[1, 1, 2, 2, 3, 3]], np.int32)
    index = CellIndex(labels)
    monkeypatch.setattr(edits, "pixel_counts", pytest.fail)
    after = np.array([[0, 0, 0, 3]], np.int32)  # of columns 0 to 3
    sources: dict[int, Source] = dict.fromkeys((1, 2, 3), "model")
    edit = edit_on_labels(index, after, (0, 0), "erase", sources)
    assert edit.sources_after == {3: "edited"}
    assert set(edit.sources_before) == {1, 2, 3}
