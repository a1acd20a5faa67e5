"""A cell by a click or a box on the network's maps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.drawn_labels import areas
from napari_cellseg.core.editing.edits import apply_edit
from napari_cellseg.core.editing.find_cell import (
    add_found,
    cell_at_point,
    cell_in_box,
    maps_on,
)
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.types import PlaneMaps

SHAPE = (60, 90)
CENTRES = [(30, 25), (30, 47), (30, 75)]
RADIUS = 11


def disc(centre, radius=RADIUS):
    y, x = np.indices(SHAPE)
    return np.hypot(y - centre[0], x - centre[1]) <= radius


def seen(strength=1.0):
    """Return maps of three discs, the first two touching; (3, y, x), 0 to 1."""
    y, x = np.indices(SHAPE)
    away = np.min([np.hypot(y - cy, x - cx) for cy, cx in CENTRES], axis=0)
    distance = np.clip(1 - away / RADIUS, 0, 1)
    foreground = (away <= RADIUS) * 1.0
    return np.stack([foreground, distance, 0 * distance]).astype(np.float32) * strength


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


@pytest.mark.parametrize("strength", [1.0, 0.3])
@pytest.mark.parametrize("centre", CENTRES)
def test_a_click_finds_the_cell_under_it_however_faint(centre, strength):
    cell = cell_at_point(
        seen(strength), np.ones(SHAPE, bool), (centre[0] + 4, centre[1])
    )
    assert iou(cell, disc(centre)) > 0.9


def test_other_cells_keep_their_pixels():
    is_free = ~disc(CENTRES[1])
    cell = cell_at_point(seen(), is_free, CENTRES[0])
    assert not (cell & ~is_free).any()
    assert iou(cell, disc(CENTRES[0]) & is_free) > 0.95


@pytest.mark.parametrize(
    ("point", "is_free", "why"),
    [((3, 3), True, "sees no cell"), ((30, 75), False, "already")],
)
def test_a_click_where_nothing_is_or_a_cell_is_says_so(point, is_free, why):
    with pytest.raises(EditError, match=why):
        cell_at_point(seen(), np.full(SHAPE, is_free), point)


def test_a_box_finds_the_one_cell_in_it():
    box = np.s_[17:44, 62:89]
    cell = cell_in_box(seen()[(slice(3), *box)], np.ones((27, 27), bool))
    assert iou(cell, disc(CENTRES[2])[box]) > 0.95


@pytest.mark.parametrize(("is_free", "why"), [(True, "sees no cell"), (False, "fill")])
def test_an_empty_or_a_full_box_says_so(is_free, why):
    with pytest.raises(EditError, match=why):
        cell_in_box(np.zeros((3, 9, 9), np.float32), np.full((9, 9), is_free))


@pytest.mark.parametrize("zoom", [0.5, 1, 2])
def test_maps_at_any_zoom_lie_on_the_plane(zoom):
    y, x = np.indices((int(60 * zoom), int(90 * zoom)))
    ramp = np.stack([(y + 0.5) / zoom, (x + 0.5) / zoom, 0 * x, 0 * x, 0 * x])
    maps = maps_on(
        PlaneMaps(ramp.round().astype(np.uint8), (60, 90)), np.s_[10:40, 20:80]
    )
    rows, columns = np.indices((30, 60)) + np.array([10, 20])[:, None, None] + 0.5
    assert np.abs(255 * maps[0] - rows).max() <= 1
    assert np.abs(255 * maps[1] - columns).max() <= 1


@pytest.mark.parametrize("plane", [(), (1,)])
def test_what_is_found_becomes_a_new_cell_on_free_pixels(plane):
    labels = np.zeros((*(2 for _ in plane), 20, 20), np.int32)
    labels[..., 5:8, 5:8] = 4
    edit = add_found(labels, np.ones((6, 6), bool), (4, 6), plane, {4: "model"})
    after = labels.copy()
    apply_edit(after, edit)
    assert areas(after[plane]) == {4: 9, 5: 36 - 6}
    assert edit.sources_after == {5: "hand"}
    apply_edit(after, edit.inverted())
    np.testing.assert_array_equal(after, labels)
    with pytest.raises(EditError, match="already"):
        add_found(labels, np.ones((3, 3), bool), (5, 5), plane, {})


@settings(deadline=None, max_examples=30)
@given(y=st.integers(0, 59), x=st.integers(0, 89), seed=st.integers(0, 99))
def test_what_a_click_finds_is_free_connected_and_near(y, x, seed):
    is_free = np.random.default_rng(seed).random(SHAPE) < 0.8
    try:
        cell = cell_at_point(seen(), is_free, (y, x))
    except EditError:
        return
    assert not (cell & ~is_free).any()
    assert cell[max(y - 5, 0) : y + 6, max(x - 5, 0) : x + 6].any()
    assert cell.sum() <= 1.1 * disc(CENTRES[0]).sum()
