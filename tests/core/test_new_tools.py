"""Grow, shrink, cut, split by itself, planes and numbers: what is asked for happens."""

from __future__ import annotations

import numpy as np
import pytest

from core.drawn_labels import areas
from napari_cellseg.core.editing.auto_split import split_automatically
from napari_cellseg.core.editing.cell_index import CellIndex
from napari_cellseg.core.editing.edits import apply_edit, updated_sources
from napari_cellseg.core.editing.grow import cut_hole, grow_cells, shrink_cells
from napari_cellseg.core.editing.numbering import (
    give_new_id,
    moved_keys,
    moved_numbers,
    renumber_cells,
)
from napari_cellseg.core.editing.planes import copy_to_plane, interpolate_cell
from napari_cellseg.core.editing.rerun import deleted_footprints
from napari_cellseg.core.editing.reshape import cell_around
from napari_cellseg.core.editing.split import split_cell
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.tracking.tracks import parents_after


def done(labels, edit):
    after = labels.copy()
    apply_edit(after, edit)
    return after


def square(top, left, side):
    low, high = -0.4, side - 0.6
    corners = [(low, low), (low, high), (high, high), (high, low)]
    return np.array([(top, left)]) + np.array(corners)


def ball(shape, centre, radius):
    places = np.indices(shape) - np.reshape(centre, (-1,) + (1,) * len(shape))
    return (places**2).sum(axis=0) <= radius**2


@pytest.fixture
def labels():
    """Return two cells that touch (6 × 6 each) and one far away (4 × 4)."""
    labels = np.zeros((20, 30), np.int32)
    labels[4:10, 4:10], labels[4:10, 10:16], labels[14:18, 20:24] = 1, 2, 7
    return labels


# ------------------------------------------------------------------------ grow, shrink


def test_a_cell_grows_by_a_pixel_where_it_is_free(labels):
    after = done(labels, grow_cells(labels, [7], {}))
    assert areas(after) == {1: 36, 2: 36, 7: 16 + 4 * 4}
    after = done(labels, grow_cells(labels, [1], {}))
    assert areas(after) == {1: 36 + 3 * 6, 2: 36, 7: 16}
    np.testing.assert_array_equal(after == 2, labels == 2)


def test_growing_goes_on_only_in_planes():
    stack = np.zeros((3, 9, 9), np.int32)
    stack[1, 3:5, 3:5] = 4
    assert areas(done(stack, grow_cells(stack, [4], {}))) == {4: 4 + 8}


def test_a_cell_without_room_does_not_grow():
    with pytest.raises(EditError, match="free"):
        grow_cells(np.ones((4, 4), np.int32), [1], {})


def test_a_cell_shrinks_by_a_pixel_but_not_at_the_edge_of_the_image(labels):
    after = done(labels, shrink_cells(labels, [1], {}))
    assert areas(after) == {1: 16, 2: 36, 7: 16}
    corner = np.zeros((8, 8), np.int32)
    corner[:4, :4] = 3
    assert areas(done(corner, shrink_cells(corner, [3], {}))) == {3: 9}


def test_a_thin_cell_does_not_vanish(labels):
    labels[0, 5:9] = 9
    with pytest.raises(EditError, match="thin"):
        shrink_cells(labels, [9], {})


@pytest.mark.parametrize("plane", [None, (1,)])
def test_shrinking_takes_the_planes_that_are_asked_for(plane):
    stack = np.zeros((3, 9, 9), np.int32)
    stack[:, 2:6, 2:6] = 4
    after = done(stack, shrink_cells(stack, [4], {4: "model"}, plane=plane))
    changed = [bool((after[z] != stack[z]).any()) for z in range(3)]
    assert changed == [plane is None, True, plane is None]


# -------------------------------------------------------------------------------- hole


def test_a_hole_is_cut_into_the_cell_under_it_only(labels):
    edit = cut_hole(labels, square(5, 6, 5), (), {1: "model"})
    after = done(labels, edit)
    assert areas(after) == {1: 36 - 4 * 5, 2: 36, 7: 16}
    assert updated_sources({1: "model"}, edit) == {1: "edited"}


@pytest.mark.parametrize(
    ("outline", "why"), [(square(0, 0, 3), "No cell"), (square(3, 3, 8), "delete it")]
)
def test_a_hole_beside_or_around_a_cell_is_refused(labels, outline, why):
    labels[labels == 2] = 0
    with pytest.raises(EditError, match=why):
        cut_hole(labels, outline, (), {})


# ------------------------------------------------------------------ split automatically


@pytest.mark.parametrize("radius", [4, 8, 20])
def test_two_discs_that_touch_become_two_cells_at_the_waist(radius):
    shape = (2 * radius + 7, 4 * radius + 9)
    left = ball(shape, (radius + 3, radius + 3), radius)
    right = ball(shape, (radius + 3, 3 * radius + 3), radius)
    labels = np.where(left | right, 5, 0).astype(np.int32)
    after = done(labels, split_automatically(labels, 5, {}))
    assert areas(after).keys() == {5, 6}
    np.testing.assert_array_equal(after > 0, labels > 0)
    for mask in (left, right):
        assert max(areas(after[mask][None]).values()) > 0.95 * mask.sum()


@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 16), (10, 30)])
def test_one_ellipse_stays_one_cell(height, width):
    y, x = np.indices((2 * height + 5, 2 * width + 5))
    inside = ((y - height - 2) / height) ** 2 + ((x - width - 2) / width) ** 2 <= 1
    with pytest.raises(EditError, match="no waist"):
        split_automatically(np.where(inside, 3, 0).astype(np.int32), 3, {})


def test_two_balls_in_a_stack_become_two_cells():
    shape = (22, 15, 15)
    labels = np.zeros(shape, np.int32)
    labels[ball(shape, (6, 7, 7), 5) | ball(shape, (15, 7, 7), 5)] = 2
    after = done(labels, split_automatically(labels, 2, {}))
    assert areas(after).keys() == {2, 3}
    assert len({int(after[6, 7, 7]), int(after[15, 7, 7])}) == 2
    with pytest.raises(EditError, match="no waist"):
        split_automatically(labels, 2, {}, plane=(6,))


def test_parts_that_are_apart_become_cells_and_crumbs_do_not(labels):
    labels[14:18, 2:6], labels[19, 29] = 7, 7
    after = done(labels, split_automatically(labels, 7, {}))
    assert areas(after) == {1: 36, 2: 36, 7: 17, 8: 16}


# ------------------------------------------------------------------------ through planes


@pytest.mark.parametrize("through", [True, False])
def test_a_line_splits_through_the_planes_or_on_one(through):
    stack = np.zeros((3, 12, 12), np.int32)
    stack[:, 2:10, 2:10] = 1
    line = np.array([(0.0, 5.0), (11.0, 5.0)])
    after = done(stack, split_cell(stack, line, (1,), {}, through_planes=through))
    changed = [bool((after[z] != stack[z]).any()) for z in range(3)]
    assert changed == [through, True, through]
    assert areas(after).keys() == {1, 2}
    np.testing.assert_array_equal(after > 0, stack > 0)


def test_a_split_through_planes_stays_at_its_time():
    series = np.zeros((2, 3, 12, 12), np.int32)
    series[:, :, 2:10, 2:10] = 1
    line = np.array([(0.0, 5.0), (11.0, 5.0)])
    after = done(series, split_cell(series, line, (1, 0), {}, through_planes=True))
    assert (after[0] == series[0]).all()
    assert all((after[1, z] == 2).any() for z in range(3))


# ------------------------------------------------------------------------------- planes


def test_a_cell_is_copied_to_the_next_plane_where_it_is_free():
    stack = np.zeros((3, 9, 9), np.int32)
    stack[0, 2:6, 2:6], stack[1, 2:4, 2:4] = 4, 9
    after = done(stack, copy_to_plane(stack, 4, (0,), (1,), {}))
    assert areas(after) == {4: 16 + 12, 9: 4}
    with pytest.raises(EditError, match="last plane"):
        copy_to_plane(stack, 4, (0,), (3,), {})
    with pytest.raises(EditError, match="only one plane"):
        copy_to_plane(stack[0], 4, (), (), {})


def test_a_cell_is_interpolated_between_two_discs():
    stack = np.zeros((5, 40, 40), np.int32)
    stack[0][ball((40, 40), (12, 12), 4)] = 3
    stack[4][ball((40, 40), (24, 20), 8)] = 3
    after = done(stack, interpolate_cell(stack, [3], {}))
    for z, (centre, radius) in {
        1: ((15, 14), 5),
        2: ((18, 16), 6),
        3: ((21, 18), 7),
    }.items():
        expected = ball((40, 40), centre, radius)
        assert (after[z] == 3)[expected].mean() > 0.85
        assert (after[z] == 3).sum() < 1.3 * expected.sum()
    np.testing.assert_array_equal(after[[0, 4]], stack[[0, 4]])


def test_two_cells_on_two_planes_become_one_and_leave_others_alone():
    stack = np.zeros((3, 9, 9), np.int32)
    stack[0, 2:6, 2:6], stack[2, 2:6, 2:6], stack[1, 2:4, 2:6] = 3, 5, 8
    edit = interpolate_cell(stack, [3, 5], {3: "hand", 5: "hand", 8: "model"})
    after = done(stack, edit)
    assert areas(after) == {3: 16 + 16 + 8, 8: 8}
    assert updated_sources({3: "hand", 5: "hand", 8: "model"}, edit) == {
        3: "hand",
        8: "model",
    }


def test_a_cell_without_a_gap_is_not_interpolated(labels):
    stack = np.stack([labels, labels])
    with pytest.raises(EditError, match="lacks no plane"):
        interpolate_cell(stack, [1], {})
    with pytest.raises(EditError, match="only one plane"):
        interpolate_cell(labels, [1], {})


# ------------------------------------------------------------------------------ numbers


def test_all_cells_are_numbered_from_1_and_keep_who_made_them(labels):
    sources = {1: "model", 2: "edited", 7: "hand"}
    edit = renumber_cells(labels, sources)
    assert moved_numbers(edit) == {7: 3}
    assert moved_numbers(edit.inverted()) == {3: 7}
    assert moved_keys({2: "a", 7: "b"}, moved_numbers(edit)) == {2: "a", 3: "b"}
    # Cell 3 was deleted: what was said of it is not said of the cell that has its number.
    assert moved_keys({3: "gone", 7: "b"}, moved_numbers(edit)) == {3: "b"}
    assert moved_keys({3: "gone"}, moved_numbers(edit)) == {}
    assert parents_after(edit, {3: 1, 2: 7, 1: 3}) == {2: 3}
    assert deleted_footprints(edit) == []
    after = done(labels, edit)
    assert areas(after) == {1: 36, 2: 36, 3: 16}
    assert updated_sources(sources, edit) == {1: "model", 2: "edited", 3: "hand"}
    with pytest.raises(EditError, match="already"):
        renumber_cells(after, sources)


def test_numbers_that_are_given_on_take_the_source_along():
    labels = np.zeros((9, 9), np.int32)
    labels[1, 1], labels[3, 3], labels[5, 5] = 2, 3, 4
    sources = {2: "model", 3: "hand", 4: "edited"}
    edit = renumber_cells(labels, sources)
    assert updated_sources(sources, edit) == {1: "model", 2: "hand", 3: "edited"}
    assert updated_sources(updated_sources(sources, edit), edit.inverted()) == sources


def test_a_cell_gets_a_number_of_its_own(labels):
    edit = give_new_id(labels, 2, {2: "model"})
    assert areas(done(labels, edit)) == {1: 36, 7: 16, 8: 36}
    assert updated_sources({2: "model"}, edit) == {8: "edited"}
    stack = np.stack([labels, labels])
    after = done(stack, give_new_id(stack, 2, {}, plane=(1,)))
    assert areas(after) == {1: 72, 2: 36, 7: 32, 8: 36}


@pytest.mark.parametrize("lead", [(), (3,)], ids=["2-D", "3-D"])
def test_a_hole_belongs_to_the_cell_around_it(lead):
    labels = np.zeros((*lead, 20, 20), np.int32)
    plane = (1,) * len(lead)
    labels[(*plane, slice(2, 9), slice(2, 9))] = 4
    labels[(*plane, slice(4, 6), slice(4, 6))] = 0  # a hole
    labels[(*plane, slice(12, 18), slice(12, 18))] = 7
    labels[(*plane, slice(12, 18), slice(14, 16))] = 0  # a gap, open at the edge
    index = CellIndex(labels)
    assert cell_around(index, (*plane, 5, 5)) == 4
    assert cell_around(index, (*plane, 14, 15)) == 0
    assert cell_around(index, (*plane, 0, 0)) == 0
