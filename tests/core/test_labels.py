"""Corrections of labels: what is asked for is what happens, and refusals say why."""

from __future__ import annotations

import numpy as np
import pytest

from core.drawn_labels import areas
from napari_cellseg.core.editing.corrections import (
    delete_cells,
    delete_in_region,
    merge_cells,
    remove_small,
)
from napari_cellseg.core.editing.edits import (
    apply_edit,
    known_sources,
    updated_sources,
)
from napari_cellseg.core.editing.numbering import (
    next_id,
)
from napari_cellseg.core.editing.reshape import (
    fill_holes,
    smooth_cells,
)
from napari_cellseg.core.editing.split import (
    add_cell,
    split_cell,
)
from napari_cellseg.core.errors import EditError, LabelsError
from napari_cellseg.core.labels.arrays import (
    MAX_ID,
    check_labels,
    relabel_sequential,
)
from napari_cellseg.core.labels.boxes import pixel_counts


def plane_with(**parts):
    """Return (20, 30) labels; each cell is given as its id and its rows and columns."""
    labels = np.zeros((20, 30), np.int32)
    for name, part in parts.items():
        labels[part] = int(name[1:])
    return labels


@pytest.fixture
def labels():
    """Return two cells that touch (8 × 8 each) and one far away (4 × 4)."""
    return plane_with(
        c1=np.s_[2:10, 2:10], c2=np.s_[2:10, 10:18], c7=np.s_[14:18, 24:28]
    )


def done(labels, edit):
    """Return new labels with the edit."""
    after = labels.copy()
    apply_edit(after, edit)
    return after


# ----------------------------------------------------------------------- delete, region


def test_delete_touches_only_the_box_of_the_cell(labels):
    edit = delete_cells(labels, [7], {})
    assert edit.box == (slice(14, 18), slice(24, 28))
    assert areas(done(labels, edit)) == {1: 64, 2: 64}


@pytest.mark.parametrize(
    ("ids", "name"), [([7], "delete cell"), ([1, 7], "delete 2 cells")]
)
def test_delete_says_how_many(labels, ids, name):
    assert delete_cells(labels, ids, {}).name == name


@pytest.mark.parametrize("ids", [[], [0], [3], [-1], [MAX_ID]])
def test_delete_of_what_is_not_there_is_refused(labels, ids):
    with pytest.raises(EditError, match="not here"):
        delete_cells(labels, ids, {})


def test_delete_on_one_plane_leaves_the_cell_on_the_others():
    stack = np.zeros((3, 5, 5), np.int32)
    stack[:, 1:3, 1:3] = 4
    edit = delete_cells(stack, [4], {4: "model"}, plane=(1,))
    assert areas(done(stack, edit)) == {4: 8}
    assert updated_sources({4: "model"}, edit) == {4: "edited"}


@pytest.mark.parametrize("plane", [(), (3,), (-1,), (0, 0)])
def test_a_plane_that_is_not_there_is_refused(plane):
    stack = np.ones((3, 5, 5), np.int32)
    with pytest.raises(EditError, match=r"\(3, 5, 5\)"):
        delete_cells(stack, [1], {}, plane=plane)


def test_region_as_mask_and_as_polygon_agree(labels):
    mask = np.zeros(labels.shape, bool)
    mask[:12, :14] = True
    polygon = np.array([[-0.5, -0.5], [-0.5, 13.5], [11.5, 13.5], [11.5, -0.5]])
    for region in (mask, polygon):  # cell 2 lies in it by exactly a half
        edit = delete_in_region(labels, region, (), {})
        assert areas(done(labels, edit)) == {7: 16}


def test_a_region_far_larger_than_the_image_is_not_bent(labels):
    # All right of x = y + 8.5: most of cell 7, but 28 of the 64 pixels of cell 2.
    triangle = np.array([[-1e4, -1e4 + 8.5], [1e4, 1e4 + 8.5], [-1e4, 1e4]])
    after = done(labels, delete_in_region(labels, triangle, (), {}))
    assert areas(after) == {1: 64, 2: 64}


def test_a_region_without_a_cell_or_of_another_shape_is_refused(labels):
    with pytest.raises(EditError, match="No cell lies in the region"):
        delete_in_region(labels, np.zeros(labels.shape, bool), (), {})
    with pytest.raises(EditError, match=r"\(3, 3\)"):
        delete_in_region(labels, np.ones((3, 3), bool), (), {})


# -------------------------------------------------------------------------------- merge


def test_merged_cells_have_the_first_id_and_all_pixels(labels):
    sources = {1: "model", 2: "model", 7: "model"}
    edit = merge_cells(labels, [2, 1], sources)
    assert areas(done(labels, edit)) == {2: 128, 7: 16}
    assert updated_sources(sources, edit) == {2: "edited", 7: "model"}


def test_a_cell_by_hand_stays_by_hand_when_merged(labels):
    edit = merge_cells(labels, [1, 2], {1: "hand", 2: "model"})
    assert updated_sources({1: "hand", 2: "model"}, edit) == {1: "hand"}


@pytest.mark.parametrize("gap_px", [1, 4])
def test_a_narrow_gap_is_bridged_and_stays_background(gap_px):
    labels = plane_with(c1=np.s_[2:8, 2:8], c2=np.s_[2:8, 8 + gap_px : 18])
    before = areas(labels)
    assert areas(done(labels, merge_cells(labels, [1, 2], {}))) == {
        1: before[1] + before[2]
    }


def test_cells_far_apart_are_not_merged(labels):
    with pytest.raises(EditError, match=r"Cell 7 is more than 4 px away from cell 1"):
        merge_cells(labels, [1, 7], {})


def test_a_chain_of_neighbours_is_merged():
    labels = plane_with(c1=np.s_[2:5, 0:8], c2=np.s_[2:5, 16:24], c3=np.s_[2:5, 8:16])
    assert areas(done(labels, merge_cells(labels, [1, 2, 3], {}))) == {1: 72}


@pytest.mark.parametrize("ids", [[1], [1, 1], [1, 99]])
def test_merge_needs_two_cells(labels, ids):
    with pytest.raises(EditError, match="two cells or more; 1 was given"):
        merge_cells(labels, ids, {})


def test_cells_are_merged_across_planes():
    stack = np.zeros((2, 8, 8), np.int32)
    stack[0, 2:6, 2:6], stack[1, 2:6, 2:6] = 1, 2
    assert areas(done(stack, merge_cells(stack, [1, 2], {}))) == {1: 32}


# -------------------------------------------------------------------------------- split


def test_a_line_splits_a_cell_and_its_pixels_go_to_the_pieces(labels):
    edit = split_cell(labels, np.array([[0.0, 4.0], [12.0, 4.0]]), (), {})
    after = done(labels, edit)
    # Columns 2-9 without 4: two to the left, five to the right; column 4 goes left.
    assert areas(after)[1] >= areas(after)[8]
    assert areas(after)[1] + areas(after)[8] == 64
    assert areas(after)[2] == 64
    assert set(np.unique(after[2:10, 2:4])) == {8}
    assert set(np.unique(after[2:10, 5:10])) == {1}


def test_the_new_piece_is_by_hand_and_the_old_one_edited(labels):
    sources = known_sources(labels)
    edit = split_cell(labels, np.array([[0.0, 4.0], [12.0, 4.0]]), (), sources)
    now = updated_sources(sources, edit)
    assert now == {1: "edited", 2: "model", 7: "model", 8: "hand"}


def test_one_line_splits_all_cells_that_it_crosses(labels):
    edit = split_cell(labels, np.array([[5.0, 0.0], [5.0, 20.0]]), (), {})
    assert areas(done(labels, edit)).keys() == {1, 2, 7, 8, 9}


def test_a_line_with_ends_far_outside_cuts_where_it_was_drawn(labels):
    near = np.array([[0.0, 0.0], [12.0, 12.0]])
    far = np.array([[-5000.0, -5000.0], [20000.0, 20000.0]])
    cut = done(labels, split_cell(labels, near, (), {}))
    np.testing.assert_array_equal(done(labels, split_cell(labels, far, (), {})), cut)


def test_a_curve_that_crosses_twice_makes_three_pieces():
    labels = plane_with(c1=np.s_[2:18, 2:28])
    curve = np.array([[0.0, 8.0], [19.0, 8.0], [19.0, 20.0], [0.0, 20.0]])
    assert len(areas(done(labels, split_cell(labels, curve, (), {})))) == 3


def test_a_diagonal_line_leaves_no_leak():
    labels = plane_with(c1=np.s_[2:18, 2:18])
    edit = split_cell(labels, np.array([[0.0, 0.0], [19.0, 19.0]]), (), {})
    assert sum(areas(done(labels, edit)).values()) == 256
    assert len(areas(done(labels, edit))) == 2


def test_a_line_that_stops_just_short_of_the_edge_still_cuts(labels):
    edit = split_cell(labels, np.array([[3.5, 5.0], [8.4, 5.0]]), (), {})
    assert len(areas(done(labels, edit))) == 4


@pytest.mark.parametrize(
    "line",
    [
        pytest.param([[0, 0], [0, 29]], id="beside all cells"),
        pytest.param([[5, 0], [5, 5]], id="into a cell and no further"),
        pytest.param([[2, 0], [2, 12]], id="along the edge"),
        pytest.param([[-50, -50], [-50, 90]], id="outside the image"),
        pytest.param([[5, 5], [5, 5]], id="a point"),
    ],
)
def test_a_line_that_cuts_nothing_is_refused(labels, line):
    with pytest.raises(EditError, match="cuts no cell in two"):
        split_cell(labels, np.array(line, float), (), {})


@pytest.mark.parametrize(
    "line", [np.zeros((1, 2)), np.zeros((2, 3)), np.zeros(4), np.full((2, 2), np.nan)]
)
def test_what_is_no_line_is_refused(labels, line):
    with pytest.raises(EditError, match=r"draw|Draw|\(y, x\)"):
        split_cell(labels, line, (), {})


def test_a_cell_in_two_bodies_can_be_split_in_one():
    labels = plane_with(c1=np.s_[2:10, 2:10])
    labels[12:14, 2:4] = 1
    edit = split_cell(labels, np.array([[0.0, 6.0], [11.0, 6.0]]), (), {})
    after = done(labels, edit)
    assert sum(areas(after).values()) == 68
    assert len(np.unique(after[12:14, 2:4])) == 1


def test_a_split_without_ids_left_is_refused():
    labels = plane_with(c1=np.s_[2:18, 2:28])
    labels[0, 0] = MAX_ID - 1
    curve = np.array([[0.0, 8.0], [19.0, 8.0], [19.0, 20.0], [0.0, 20.0]])
    with pytest.raises(EditError, match="Number the cells anew"):
        split_cell(labels, curve, (), {})


# ---------------------------------------------------------------------------------- add


def test_an_outline_becomes_a_cell_with_the_next_id(labels):
    outline = np.array([[12, 4], [12, 8], [16, 8], [16, 4]]) - 0.5
    edit = add_cell(labels, outline, (), {})
    assert areas(done(labels, edit)) == {**areas(labels), 8: 16}
    assert dict(edit.sources_after) == {8: "hand"}


def test_a_new_cell_is_one_piece_beside_its_neighbours(labels):
    outline = np.array([[1, 0], [1, 19], [11, 19], [11, 0]]) - 0.5
    after = done(labels, add_cell(labels, outline, (), {}))
    # 10 × 19 pixels less the two cells: a frame of one piece.
    assert areas(after)[8] == 190 - 128


def test_of_free_parts_the_largest_becomes_the_cell():
    labels = plane_with(c1=np.s_[:, 5:7])
    outline = np.array([[2, 2], [2, 20], [6, 20], [6, 2]]) - 0.5
    after = done(labels, add_cell(labels, outline, (), {}))
    assert areas(after)[2] == 4 * 13
    assert not after[:, :5].any()


def test_an_outline_over_cells_only_is_refused(labels):
    outline = np.array([[4, 4], [4, 8], [8, 8], [8, 4]], float)
    with pytest.raises(EditError, match="Other cells fill the whole outline"):
        add_cell(labels, outline, (), {})


@pytest.mark.parametrize(
    "outline",
    [
        np.zeros((2, 2)),
        np.full((4, 2), np.inf),
        np.array([[90, 90], [90, 95], [95, 90]]),
    ],
)
def test_what_is_no_outline_is_refused(labels, outline):
    with pytest.raises(EditError, match="raw"):
        add_cell(labels, outline, (), {})


def test_an_outline_that_hangs_over_the_edge_is_cut_there(labels):
    outline = np.array([[17, -50], [17, 3], [90, 3], [90, -50]]) - 0.5
    assert areas(done(labels, add_cell(labels, outline, (), {})))[8] == 9


# ----------------------------------------------------------------------- holes and edges


def test_holes_are_filled_and_a_cell_in_a_hole_stays():
    labels = plane_with(c1=np.s_[2:12, 2:12])
    labels[4:8, 4:8] = 0
    labels[5, 5] = 9
    after = done(labels, fill_holes(labels, [1], {}))
    assert areas(after) == {1: 99, 9: 1}


def test_a_bay_is_no_hole(labels):
    labels[4:6, 2:5] = 0
    with pytest.raises(EditError, match="no holes"):
        fill_holes(labels, [1], {})


def test_holes_are_those_of_a_plane():
    stack = np.zeros((3, 5, 5), np.int32)
    stack[1, 1:4, 1:4] = 1
    stack[1, 2, 2] = 0  # open to the planes above and below
    assert areas(done(stack, fill_holes(stack, [1], {}))) == {1: 9}


def test_a_spike_is_smoothed_away():
    labels = plane_with(c1=np.s_[4:16, 4:16])
    labels[10, 16:22] = 1
    after = done(labels, smooth_cells(labels, [1], {}))
    assert not after[:, 19:].any()
    assert areas(after) == areas(labels)


def test_smooth_never_eats_a_neighbour(labels):
    labels[10:14, 5] = 1  # a spike, so that there is something to smooth
    after = done(labels, smooth_cells(labels, [1], {}))
    np.testing.assert_array_equal(after == 2, labels == 2)
    np.testing.assert_array_equal(after == 7, labels == 7)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_smallest_cells_survive_smoothing(size):
    labels = plane_with(c1=np.s_[4 : 4 + size, 4 : 4 + size])
    try:
        after = done(labels, smooth_cells(labels, [1], {}, width_px=5.0))
    except EditError:
        after = labels
    assert areas(after) == {1: size * size}


# -------------------------------------------------------------------------- remove small


def test_remove_small_counts_in_its_name(labels):
    assert remove_small(labels, 17, {}).name == "remove 1 small cell"
    assert remove_small(labels, 65, {}).name == "remove 3 small cells"


def test_the_least_area_itself_is_large_enough(labels):
    with pytest.raises(EditError, match="smaller than 16 px"):
        remove_small(labels, 16, {})


# ------------------------------------------------------------------------ labels as such


@pytest.mark.parametrize(
    "dtype",
    ["bool", "uint8", "int16", "uint16", "uint32", "int64", "uint64", "f2", "f4"],
)
def test_whole_numbers_of_any_type_become_int32(dtype):
    given = np.array([[0, 1], [1, 1]]).astype(dtype)
    labels = check_labels(given)
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, [[0, 1], [1, 1]])
    assert not np.shares_memory(labels, given)


def test_a_copy_is_made_that_can_be_written_to():
    given = np.ones((2, 3), np.int32)
    given.flags.writeable = False
    labels = check_labels(given)
    labels[0, 0] = 300
    assert given[0, 0] == 1


def test_the_largest_id_is_taken():
    assert check_labels(np.full((1, 1), MAX_ID, np.uint32))[0, 0] == 2**31 - 1


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.array([[np.nan, 1.0]]), "1 values are NaN or infinite"),
        (np.array([[np.inf, 1.0]]), "NaN or infinite"),
        (np.array([[0.5, 1.0]]), "0.5 was found"),
        (np.array([[-1, 1]]), "from -1 to 1"),
        (np.array([[2**31]]), "2147483648"),
        (np.array([[2.0**31]], np.float32), "2147483648"),
        (np.array([[2.0**40]]), "from"),
        (np.array([[1 + 2j]]), "complex128"),
        (np.array([["a"]]), "<U1"),
        (np.array([[None]]), "object"),
        (np.zeros(5, int), r"shape \(5,\)"),
        (np.zeros((1,) * 5, int), r"shape \(1, 1, 1, 1, 1\)"),
        (np.zeros((0, 5), int), r"shape \(0, 5\)"),
        (3, r"shape \(\)"),
    ],
)
def test_what_are_no_labels_is_refused(array, said):
    with pytest.raises(LabelsError, match=said):
        check_labels(array)


def test_the_next_id_is_one_more_than_the_highest(labels):
    assert next_id(labels) == 8
    assert next_id(np.zeros((3, 3), np.int32)) == 1


def test_no_id_is_left_after_the_last():
    with pytest.raises(EditError, match="Number the cells anew"):
        next_id(np.full((2, 2), MAX_ID, np.int32))


@pytest.mark.parametrize("largest", [9, MAX_ID], ids=["by a table", "by sorting"])
def test_pixels_are_counted(largest):
    labels = np.array([[0, 3, 3], [largest, 3, 0]], np.int32)
    assert pixel_counts(labels) == {3: 3, largest: 1}


def test_relabelling_closes_gaps(labels):
    after, new_ids = relabel_sequential(labels)
    assert new_ids == {1: 1, 2: 2, 7: 3}
    assert areas(after) == {1: 64, 2: 64, 3: 16}


def test_unknown_cells_are_the_model_s(labels):
    assert known_sources(labels, {2: "hand", 99: "hand"}) == {
        1: "model",
        2: "hand",
        7: "model",
    }
