"""Cells as polygons and as runs, and back: the very same pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_cellseg.core.errors import LabelsError
from napari_cellseg.core.labels.placing import place_cells, places_of_cells
from napari_cellseg.core.labels.rings import pixels_in_polygon, polygons_of
from napari_cellseg.core.labels.rle import (
    coco_counts,
    packed_counts,
    places_of,
    places_of_coco,
    runs_of,
    transposed,
    unpacked_counts,
)

masks = arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def test_a_square_has_four_corners() -> None:
    mask = np.zeros((6, 6), bool)
    mask[1:4, 2:5] = True

    ((ring,),) = polygons_of(mask)

    assert sorted(map(tuple, ring.tolist())) == [(1, 2), (1, 5), (4, 2), (4, 5)]


def test_a_hole_is_the_second_ring_of_its_piece() -> None:
    mask = np.zeros((12, 20), bool)
    mask[1:6, 1:6] = True
    mask[1:10, 10:19] = True
    mask[4:6, 13:15] = False

    polygons = polygons_of(mask)

    assert sorted(len(rings) for rings in polygons) == [1, 2]
    (holed,) = [rings for rings in polygons if len(rings) == 2]
    assert holed[1][:, 1].min() == 13


def test_a_piece_inside_a_hole_keeps_the_hole_where_it_is() -> None:
    mask = np.zeros((11, 11), bool)
    mask[1:10, 1:10] = True
    mask[2:9, 2:9] = False
    mask[3:8, 3:8] = True
    mask[5, 5] = False

    polygons = polygons_of(mask)

    assert [len(rings) for rings in polygons] == [2, 2]
    for rings in polygons:
        assert rings[0][:, 0].min() < rings[1][:, 0].min()


def test_pixels_that_share_a_corner_are_two_pieces() -> None:
    assert len(polygons_of(np.eye(2, dtype=bool))) == 2


@given(masks)
@settings(max_examples=300, deadline=None)
def test_no_ring_comes_to_a_corner_twice(mask: np.ndarray) -> None:
    for rings in polygons_of(mask):
        corners = [list(map(tuple, ring.tolist())) for ring in rings]
        assert all(len(set(each)) == len(each) for each in corners)


def test_what_an_outline_closes_around_is_a_hole() -> None:
    mask = np.ones((3, 3), bool)
    # The middle is closed off but for a corner.
    mask[1, 1] = mask[0, 0] = False

    ((outer, hole),) = polygons_of(mask)

    assert len(outer) == 6
    assert sorted(map(tuple, hole.tolist())) == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_an_empty_mask_has_no_polygon() -> None:
    assert polygons_of(np.zeros((3, 3), bool)) == []


@settings(max_examples=200, deadline=None)
@given(masks)
def test_polygons_give_back_the_pixels(mask: np.ndarray) -> None:
    found = np.zeros(mask.size, int)
    for polygon in polygons_of(mask):
        found[pixels_in_polygon(polygon, mask.shape)] += 1

    np.testing.assert_array_equal(found.reshape(mask.shape), mask)


def test_a_polygon_outside_the_image_is_cut() -> None:
    ring = np.array([(-5, -5), (-5, 2), (2, 2), (2, -5)])

    assert pixels_in_polygon([ring], (4, 4)).tolist() == [0, 1, 4, 5]
    assert pixels_in_polygon([ring - 100], (4, 4)).size == 0


@pytest.mark.parametrize(
    "ring", [[(0, 0), (1, 1)], [(0, 0), (np.nan, 1), (2, 2)], [(0, np.inf)] * 3]
)
def test_what_is_no_polygon_is_refused(ring: list[tuple[float, float]]) -> None:
    with pytest.raises(LabelsError, match="polygon"):
        pixels_in_polygon([np.array(ring)], (4, 4))


@settings(max_examples=200, deadline=None)
@given(masks)
def test_runs_give_back_the_pixels(mask: np.ndarray) -> None:
    places = np.flatnonzero(mask)
    counts = coco_counts(places, mask.size)

    np.testing.assert_array_equal(places_of(*runs_of(places), mask.size), places)
    np.testing.assert_array_equal(places_of_coco(counts, mask.size), places)
    assert unpacked_counts(packed_counts(counts)) == counts


@given(st.lists(st.integers(0, 10**7), max_size=30))
def test_packed_counts_give_back_any_counts(counts: list[int]) -> None:
    assert unpacked_counts(packed_counts(counts)) == counts


def test_column_order_is_the_transposed_image() -> None:
    mask = np.zeros((3, 4), bool)
    mask[0, 1:3] = True

    places = transposed(np.flatnonzero(mask), 3, 4)

    np.testing.assert_array_equal(places, np.flatnonzero(mask.T))


def test_packed_counts_of_a_known_example() -> None:
    # 6 outside, 1 inside, 40 outside, 4 inside, 5 outside: 40 takes two letters, and from
    # the fourth on each is the difference to the one before the last.
    assert packed_counts([6, 1, 40, 4, 5]) == "61X13mN"
    assert unpacked_counts("61X13mN") == [6, 1, 40, 4, 5]


@pytest.mark.parametrize("text", ["\x7f\x7f", "X", "6" * 3 + "é"])
def test_what_is_no_packed_count_is_refused(text: str) -> None:
    with pytest.raises(LabelsError, match="Export"):
        unpacked_counts(text)


@pytest.mark.parametrize(
    ("starts", "lengths"), [([0], [0]), ([-1], [2]), ([8], [3]), ([0], [2**62])]
)
def test_runs_outside_the_image_are_refused(starts: list, lengths: list) -> None:
    with pytest.raises(LabelsError):
        places_of(np.array(starts), np.array(lengths), 10)


def test_counts_of_another_image_are_refused() -> None:
    with pytest.raises(LabelsError, match="12 pixels"):
        places_of_coco([5, 7], 10)


def test_the_smaller_of_two_overlapping_cells_lies_on_top() -> None:
    placed = place_cells([np.array([3]), np.arange(8)], (2, 4))

    assert placed.labels.ravel().tolist() == [2, 2, 2, 1, 2, 2, 2, 2]
    assert placed.notes == (
        "Cells overlap in 1 pixel, which went to the smaller cell.",
    )


def test_a_cell_that_cannot_be_kept_is_named() -> None:
    twice = [np.arange(4), np.arange(4), np.zeros(0, int)]

    placed = place_cells(twice, (2, 4), [5, 6, 9])

    assert set(np.unique(placed.labels)) == {0, 6}
    assert "1 cell (5) lay wholly under others" in placed.notes[1]
    assert "1 cell (9) had no pixel" in placed.notes[2]


@pytest.mark.parametrize("ids", [[1, 1], [0, 1], [1], [1, 2**31]])
def test_ids_must_be_different_and_from_1(ids: list[int]) -> None:
    with pytest.raises(LabelsError, match=r"numbered|different"):
        place_cells([np.array([0]), np.array([1])], (2, 2), ids)


@given(arrays(np.int32, (6, 7), elements=st.integers(0, 5)))
def test_cells_without_overlap_are_placed_as_they_were(labels: np.ndarray) -> None:
    cells = places_of_cells(labels)

    placed = place_cells(list(cells.values()), labels.shape, list(cells))

    np.testing.assert_array_equal(placed.labels, labels)
    assert placed.notes == ()
