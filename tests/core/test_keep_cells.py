"""Cells that are kept when a model runs again; what must hold for any labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_cellseg.core.errors import LabelsError
from napari_cellseg.core.rerun import keep_cells

SHAPES = st.sampled_from([(12, 9), (2, 8, 7), (2, 2, 6, 5)])
MAX_ID = np.iinfo(np.int32).max


@st.composite
def two_labels(draw):
    """Labels of a model, labels before and ids to keep, all of one shape."""
    shape = draw(SHAPES)
    ids = st.sampled_from([0, 0, 1, 2, 3, 9, MAX_ID])
    model, old = (draw(hnp.arrays(np.int32, shape, elements=ids)) for _ in range(2))
    return model, old, draw(st.sets(st.sampled_from([1, 2, 3, 9, 77, MAX_ID])))


def is_kept(old, kept_ids):
    """Return where kept cells are."""
    return np.isin(old, list(kept_ids)) & (old != 0)


@settings(deadline=None)
@given(two_labels())
def test_kept_cells_are_bit_identical(case):
    model, old, kept_ids = case
    labels, _ = keep_cells(model, old, kept_ids)
    for cell in kept_ids & set(np.unique(old).tolist()):
        np.testing.assert_array_equal(labels == cell, old == cell)


@settings(deadline=None)
@given(two_labels())
def test_new_cells_are_the_model_s_outside_the_kept_ones(case):
    model, old, kept_ids = case
    labels, new_ids = keep_cells(model, old, kept_ids)
    kept = is_kept(old, kept_ids)
    for cell, new in new_ids.items():
        np.testing.assert_array_equal(labels == new, (model == cell) & ~kept)


@settings(deadline=None)
@given(two_labels())
def test_a_cell_is_left_out_exactly_if_more_than_half_is_kept_cells(case):
    model, old, kept_ids = case
    _, new_ids = keep_cells(model, old, kept_ids)
    kept = is_kept(old, kept_ids)
    stay = {
        int(cell)
        for cell in np.unique(model[model != 0])
        if 2 * kept[model == cell].sum() <= (model == cell).sum()
    }
    assert set(new_ids) == stay


@settings(deadline=None)
@given(two_labels())
def test_ids_are_unique_and_nothing_else_is_in_the_labels(case):
    model, old, kept_ids = case
    labels, new_ids = keep_cells(model, old, kept_ids)
    there = set(np.unique(old[is_kept(old, kept_ids)]).tolist())
    assert len(set(new_ids.values())) == len(new_ids)
    assert there.isdisjoint(new_ids.values())
    assert set(np.unique(labels[labels != 0]).tolist()) == there | set(new_ids.values())
    assert labels.dtype == np.int32


@settings(deadline=None)
@given(two_labels())
def test_the_inputs_are_not_changed_nor_shared(case):
    model, old, kept_ids = case
    model_before, old_before = model.copy(), old.copy()
    labels, _ = keep_cells(model, old, kept_ids)
    labels += 1
    np.testing.assert_array_equal(model, model_before)
    np.testing.assert_array_equal(old, old_before)


@settings(deadline=None)
@given(two_labels())
def test_with_nothing_kept_the_labels_are_the_model_s(case):
    model, old, _ = case
    labels, new_ids = keep_cells(model, old, [])
    np.testing.assert_array_equal(labels, model)
    assert all(cell == new for cell, new in new_ids.items())


def test_half_of_a_cell_may_lie_in_a_kept_one():
    old, model = np.zeros((4, 8), np.int32), np.zeros((4, 8), np.int32)
    old[:, :2] = 5
    model[:, :4] = 1  # 8 of 16 pixels are kept
    labels, new_ids = keep_cells(model, old, [5])
    assert new_ids == {1: 1}
    assert (labels == 1).sum() == 8
    old[0, 2] = 5  # 9 of 16
    labels, new_ids = keep_cells(model, old, [5])
    assert new_ids == {}
    np.testing.assert_array_equal(labels, old)


def test_labels_of_another_shape_are_refused():
    with pytest.raises(LabelsError, match=r"\(4, 4\).*\(4, 5\)"):
        keep_cells(np.zeros((4, 4), np.int32), np.zeros((4, 5), np.int32), [1])
