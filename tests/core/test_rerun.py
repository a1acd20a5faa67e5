"""Running again over work by hand."""

import numpy as np
import pytest

from napari_cellseg.core.editing import rerun
from napari_cellseg.core.editing.edits import Edit
from napari_cellseg.core.editing.rerun import (
    Footprint,
    Region,
    deleted_footprints,
    merge_run,
)
from napari_cellseg.core.errors import EditError, LabelsError
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import SegmentationResult


def labels_with(shape, *squares):
    """Return labels with squares (id, top, left, size) on the first plane."""
    labels = np.zeros(shape, np.int32)
    plane = labels[(0,) * (len(shape) - 2)]
    for cell, top, left, size in squares:
        plane[top : top + size, left : left + size] = cell
    return labels


def result_of(labels):
    n = int(labels.max())
    return SegmentationResult(
        labels, np.linspace(0.5, 1, n, dtype=np.float32), "m", "d", SegmentOptions()
    )


def test_a_run_over_nothing_keeps_the_ids_of_the_run():
    fresh = labels_with((20, 20), (1, 0, 0, 4), (2, 10, 10, 4))
    merged = merge_run(np.zeros((20, 20), np.int32), result_of(fresh))
    np.testing.assert_array_equal(merged.labels, fresh)
    assert merged.confidence == {1: 0.5, 2: 1.0}
    assert merged.n_kept == 0


def test_cells_that_are_not_kept_give_way():
    current = labels_with((20, 20), (7, 0, 0, 4))
    fresh = labels_with((20, 20), (1, 10, 10, 4))
    merged = merge_run(current, result_of(fresh))
    np.testing.assert_array_equal(merged.labels > 0, fresh > 0)


def test_a_new_cell_never_gets_the_id_of_a_cell_that_is_gone():
    current = labels_with((20, 20), (1, 0, 0, 4))
    fresh = labels_with((20, 20), (1, 10, 10, 4), (2, 4, 14, 3))
    merged = merge_run(current, result_of(fresh), last_id=7)
    assert set(np.unique(merged.labels)) == {0, 8, 9}
    assert merged.confidence == {8: 0.5, 9: 1.0}


def test_a_new_cell_gets_an_id_above_those_that_give_way():
    current = labels_with((20, 20), (7, 0, 0, 4))
    fresh = labels_with((20, 20), (1, 10, 10, 4))
    merged = merge_run(current, result_of(fresh))
    assert set(np.unique(merged.labels)) == {0, 8}


def test_all_cells_gone_their_ids_stay_theirs():
    empty = np.zeros((20, 20), np.int32)
    fresh = labels_with((20, 20), (1, 10, 10, 4))
    merged = merge_run(empty, result_of(fresh), last_id=3)
    assert set(np.unique(merged.labels)) == {0, 4}


@pytest.mark.parametrize("shape", [(20, 20), (1, 20, 20), (2, 1, 20, 20)])
@pytest.mark.parametrize("cell", [5, 2**31 - 9], ids=["small id", "huge id"])
def test_a_cell_that_is_found_again_keeps_its_id(shape, cell):
    current = labels_with(shape, (cell, 2, 2, 10), (3, 14, 14, 4))
    # 9 of 10 rows and columns: 81 of 100 pixels, so it is the same; 9 of 16 is another.
    fresh = labels_with(shape, (1, 2, 2, 9), (2, 14, 14, 3))
    merged = merge_run(current, result_of(fresh))
    np.testing.assert_array_equal(merged.labels == cell, fresh == 1)
    assert merged.confidence == {cell: 0.5, cell + 1: 1.0}


def test_the_rest_of_a_cell_on_other_planes_keeps_the_id_to_itself():
    current = labels_with((2, 20, 20), (4, 2, 2, 10))
    current[1] = current[0]
    fresh = labels_with((20, 20), (1, 2, 2, 10))
    region = Region((0, 0, 20, 20), plane=(0,))
    merged = merge_run(current, result_of(fresh), region=region)
    assert set(np.unique(merged.labels[0])) == {0, 5}
    assert set(np.unique(merged.labels[1])) == {0, 4}


def test_ids_that_run_out_are_told_of():
    current = labels_with((20, 20), (2**31 - 1, 0, 0, 4))
    fresh = labels_with((20, 20), (1, 10, 10, 4))
    with pytest.raises(EditError, match="Number the cells anew"):
        merge_run(current, result_of(fresh))


@pytest.mark.parametrize("shape", [(20, 20), (1, 20, 20), (2, 1, 20, 20)])
def test_kept_cells_are_bit_identical_and_ids_stay_unique(shape):
    current = labels_with(shape, (2, 0, 0, 4), (9, 10, 10, 3))
    fresh = labels_with(shape, (1, 2, 2, 9), (2, 15, 15, 4))
    merged = merge_run(current, result_of(fresh), keep=[2])
    np.testing.assert_array_equal(merged.labels == 2, current == 2)
    assert set(np.unique(merged.labels)) == {0, 2, 10, 11}
    assert np.sum(merged.labels == 10) == 81 - 4  # what the kept cell leaves free
    assert merged.n_kept == 1


def test_a_new_cell_that_is_mostly_a_kept_cell_is_left_out():
    current = labels_with((20, 20), (5, 0, 0, 6))
    fresh = labels_with((20, 20), (1, 1, 1, 6))
    merged = merge_run(current, result_of(fresh), keep=[5])
    assert set(np.unique(merged.labels)) == {0, 5}
    assert merged.confidence == {}


def test_a_deleted_cell_stays_away():
    fresh = labels_with((20, 20), (1, 0, 0, 6), (2, 10, 10, 6))
    footprint = Footprint((1, 1), np.ones((5, 5), bool))
    merged = merge_run(
        np.zeros((20, 20), np.int32), result_of(fresh), deleted=[footprint]
    )
    assert set(np.unique(merged.labels)) == {0, 2}


def test_a_region_leaves_the_rest_untouched():
    current = labels_with((20, 20), (1, 0, 0, 4), (2, 12, 12, 4), (3, 8, 9, 3))
    fresh = labels_with((10, 10), (1, 4, 4, 5))
    region = Region((10, 10, 20, 20))
    merged = merge_run(current, result_of(fresh), region=region)
    np.testing.assert_array_equal(merged.labels == 1, current == 1)
    np.testing.assert_array_equal(merged.labels == 3, current == 3)
    assert np.sum(merged.labels == 4) == 25
    assert merged.labels[14, 14] == 4


def test_a_polygon_keeps_cells_that_are_mostly_inside():
    fresh = labels_with((10, 10), (1, 1, 1, 3), (2, 6, 6, 3))
    outline = np.array([[0, 0], [0, 9.9], [9.9, 0]])
    region = Region((0, 0, 10, 10), plane=(1,), outline_yx=outline)
    merged = merge_run(np.zeros((3, 10, 10), np.int32), result_of(fresh), region=region)
    assert set(np.unique(merged.labels)) == {0, 1}
    assert merged.labels[1, 1, 1] == 1
    assert not merged.labels[0].any()


def test_labels_of_another_shape_are_refused():
    with pytest.raises(LabelsError, match=r"\(20, 20\)"):
        merge_run(np.zeros((20, 20), np.int32), result_of(np.zeros((9, 9), np.int32)))


def test_a_deletion_has_a_footprint_and_a_merge_has_none():
    before = labels_with((6, 6), (1, 0, 0, 3), (2, 3, 3, 3))
    deleted = np.where(before == 1, 0, before)
    merged = np.where(before == 1, 2, before)
    sources = {1: "model"}
    found = deleted_footprints(Edit("delete", (4, 4), before, deleted, sources, {}))
    assert [f.start for f in found] == [(4, 4)]
    assert found[0].mask.sum() == 9
    assert deleted_footprints(Edit("merge", (4, 4), before, merged, sources, {})) == []


@pytest.mark.parametrize("highest", [9, 3_000_000], ids=["few", "beyond a table"])
def test_no_pixels_are_sorted(monkeypatch, highest):
    current = labels_with((64, 64), (3, 0, 0, 8), (highest, 20, 20, 8))
    fresh = labels_with((64, 64), (1, 0, 2, 8), (2, 20, 20, 8), (3, 40, 40, 8))
    whole = np.unique

    def of_few(values, **options):
        is_small = np.size(values) < current.size or highest > 9
        assert is_small, "all pixels are sorted, which takes seconds on a large image"
        return whole(values, **options)

    monkeypatch.setattr(np, "unique", of_few)
    merged = merge_run(current, result_of(fresh), keep=[3])
    expected = np.where(
        current == highest, highest, labels_with((64, 64), (3, 0, 0, 8))
    )
    expected[40:48, 40:48] = highest + 1
    np.testing.assert_array_equal(merged.labels, expected)
    assert merged.confidence == {highest: 0.75, highest + 1: 1.0}


def test_where_no_cell_ever_was_nothing_is_looked_for_that_stays(monkeypatch):
    monkeypatch.setattr(rerun, "_staying", None)
    fresh = labels_with((20, 20), (1, 0, 0, 4), (2, 10, 10, 4))
    merged = merge_run(np.zeros((20, 20), np.int32), result_of(fresh))
    np.testing.assert_array_equal(merged.labels, fresh)
    assert not np.shares_memory(merged.labels, fresh)


def test_what_a_person_found_empty_stays_so_where_no_cell_ever_was():
    fresh = labels_with((20, 20), (1, 0, 0, 4), (2, 10, 10, 4))
    empty = Footprint((0, 0), np.ones((6, 6), bool))
    merged = merge_run(np.zeros((20, 20), np.int32), result_of(fresh), deleted=[empty])
    np.testing.assert_array_equal(merged.labels == 2, fresh == 2)
    assert merged.confidence == {2: 1.0}
