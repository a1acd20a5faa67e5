"""What a new run changed, and that taking it back restores what was there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.core.editing.difference import (
    Former,
    counts_of,
    find_changes,
    keep_old,
    view_of,
)
from napari_cellseg.core.editing.edits import apply_edit, known_sources, updated_sources
from napari_cellseg.core.errors import EditError, LabelsError


def plane(*boxes, shape=(40, 60)):
    """Return labels with rectangles (id, top, left, bottom, right)."""
    labels = np.zeros(shape, np.int32)
    for cell, top, left, bottom, right in boxes:
        labels[top:bottom, left:right] = cell
    return labels


STAYS = (1, 2, 2, 12, 12)
BEFORE = plane(STAYS, (2, 20, 2, 30, 12), (3, 2, 30, 12, 50), (4, 20, 30, 30, 40))
# 1 has another number, 2 is gone, 3 became two, 4 has grown, 9 is new.
AFTER = plane(
    (7, *STAYS[1:]), (1, 2, 30, 12, 40), (2, 2, 40, 12, 50), (3, 20, 30, 30, 46),
    (9, 32, 2, 38, 8),
)  # fmt: skip


def by_old(changes):
    return {change.old_ids: change for change in changes}


def test_new_gone_and_changed_cells_are_found():
    changes = find_changes(BEFORE, AFTER)

    assert counts_of(changes) == {"new": 1, "gone": 1, "changed": 2}
    found = {(c.old_ids, c.new_ids) for c in changes}
    assert found == {((2,), ()), ((), (9,)), ((3,), (1, 2)), ((4,), (3,))}


def test_a_cell_with_another_number_only_has_not_changed():
    assert (
        find_changes(BEFORE, np.where(BEFORE > 0, BEFORE + 5, 0).astype(np.int32)) == []
    )


def test_an_edge_that_moves_a_little_is_no_change():
    before = plane((1, 5, 5, 25, 25))
    after = plane((1, 5, 5, 25, 26))

    assert find_changes(before, after) == []


@pytest.mark.parametrize("is_flat", [True, False], ids=["2-D", "3-D"])
def test_keeping_everything_old_restores_every_cell(is_flat):
    before, after = (BEFORE, AFTER) if is_flat else (
        np.stack([BEFORE, np.zeros_like(BEFORE)]),
        np.stack([AFTER, BEFORE]),
    )  # fmt: skip
    changes = find_changes(before, after)

    kept = keep_old(
        after, Former(before), changes, known_sources(after), known_sources(before)
    )

    labels = after.copy()
    apply_edit(labels, kept.edit)
    assert np.array_equal(labels > 0, before > 0)
    assert find_changes(before, labels) == []
    sources = updated_sources(known_sources(after), kept.edit)
    assert sources.keys() == known_sources(labels).keys()


def test_one_change_is_taken_back_and_the_others_stay():
    change = by_old(find_changes(BEFORE, AFTER))[(3,)]

    kept = keep_old(
        AFTER, Former(BEFORE), [change], known_sources(AFTER), {3: "edited"}
    )

    labels = AFTER.copy()
    apply_edit(labels, kept.edit)
    number = kept.ids[3]
    assert np.array_equal(labels == number, BEFORE == 3)
    assert np.array_equal(labels[15:], AFTER[15:])
    assert kept.edit.sources_after[number] == "edited"
    apply_edit(labels, kept.edit.inverted())
    assert np.array_equal(labels, AFTER)


def test_an_old_number_that_is_free_comes_back():
    before, after = plane((5, 5, 5, 15, 15)), plane((1, 20, 20, 30, 30))
    changes = find_changes(before, after)

    kept = keep_old(after, Former(before), changes, known_sources(after), {5: "model"})

    assert kept.ids == {5: 5}


def test_an_old_cell_takes_only_what_is_free():
    change = by_old(find_changes(BEFORE, AFTER))[(2,)]
    now = AFTER.copy()
    now[20:25, 2:12] = 30

    kept = keep_old(now, Former(BEFORE), [change], known_sources(now), {2: "model"})

    labels = now.copy()
    apply_edit(labels, kept.edit)
    assert (labels == 30).sum() == 50
    assert (labels == kept.ids[2]).sum() == 50


def test_a_place_that_is_taken_is_said():
    change = by_old(find_changes(BEFORE, AFTER))[(2,)]
    now = AFTER.copy()
    now[20:30, 2:12] = 30

    with pytest.raises(EditError, match="Other cells lie where cell 2 was"):
        keep_old(now, Former(BEFORE), [change], known_sources(now), {2: "model"})


def test_nothing_to_take_back_is_said():
    with pytest.raises(EditError, match="nothing left"):
        keep_old(AFTER, Former(BEFORE), [], {}, {})


def test_other_shapes_are_refused():
    with pytest.raises(LabelsError):
        find_changes(BEFORE, BEFORE[:-1])


@pytest.mark.parametrize("empty", ["before", "after", "both"])
def test_empty_labels_on_a_side(empty):
    none = np.zeros_like(BEFORE)
    before = none if empty in ("before", "both") else BEFORE
    after = none if empty in ("after", "both") else BEFORE

    counts = counts_of(find_changes(before, after))

    wanted = {"before": "new", "after": "gone"}.get(empty)
    assert counts == {kind: 4 * (kind == wanted) for kind in counts}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_undoing_a_run_in_parts_gives_back_the_old_outlines(seed):
    rng = np.random.default_rng(seed)

    def scene():
        boxes = []
        for cell in range(1, int(rng.integers(1, 8))):
            top, left = rng.integers(0, 30), rng.integers(0, 50)
            boxes.append(
                (cell, top, left, top + rng.integers(3, 9), left + rng.integers(3, 9))
            )
        return plane(*boxes)

    before, after = scene(), scene()
    labels, sources = after.copy(), known_sources(after)
    for change in find_changes(before, after):
        try:
            kept = keep_old(
                labels, Former(before), [change], sources, known_sources(before)
            )
        except EditError:
            continue
        apply_edit(labels, kept.edit)
        sources = updated_sources(sources, kept.edit)
        assert sources.keys() == known_sources(labels).keys()
        for old, number in kept.ids.items():
            assert ((labels == number) <= (before == old)).all()


def test_a_change_is_looked_at_on_its_largest_plane_with_the_old_outline():
    before = np.zeros((3, 40, 60), np.int32)
    before[0, 10:14, 10:14] = before[2, 10:20, 10:30] = 5
    (change,) = find_changes(before, np.zeros_like(before))

    view = view_of(change, Former(before), np.zeros_like(before))

    assert view.centre == (2, 14.5, 19.5)
    assert view.size_px == 20
    (outline,) = view.outlines
    assert set(outline[:, 0]) == {2}
    assert outline[:, 1:].min(0).tolist() == [9.5, 9.5]
    assert outline[:, 1:].max(0).tolist() == [19.5, 29.5]
