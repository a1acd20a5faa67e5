"""What must hold for every correction, whatever the labels are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from core.drawn_labels import LEADS, areas, drawn_labels, drawn_points, planes_of
from napari_cellseg.core.editing.auto_split import split_automatically
from napari_cellseg.core.editing.classes import updated_classes, with_classes
from napari_cellseg.core.editing.corrections import (
    delete_cells,
    delete_in_region,
    merge_cells,
    remove_small,
)
from napari_cellseg.core.editing.edits import (
    Edit,
    apply_edit,
    edit_on_labels,
    is_empty,
    known_sources,
    updated_sources,
)
from napari_cellseg.core.editing.find_cell import add_found
from napari_cellseg.core.editing.grow import cut_hole, grow_cells, shrink_cells
from napari_cellseg.core.editing.history import History
from napari_cellseg.core.editing.numbering import (
    give_new_id,
    moved_keys,
    moved_numbers,
    next_id,
    renumber_cells,
)
from napari_cellseg.core.editing.planes import copy_to_plane, interpolate_cell
from napari_cellseg.core.editing.reshape import (
    fill_holes,
    smooth_cells,
)
from napari_cellseg.core.editing.split import (
    add_cell,
    split_cell,
)
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.labels.arrays import (
    relabel_sequential,
)
from napari_cellseg.core.tracking.track_edits import (
    continue_track,
    cut_track,
    make_daughter,
)

leads = pytest.mark.parametrize("lead", LEADS, ids=["2-D", "3-D", "4-D"])
drawn = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
IDS = st.lists(st.sampled_from([1, 2, 3, 7, 1000, 5]), min_size=1, max_size=4)


def tried(correct, *args, **options) -> Edit:
    """Return the edit; labels for which there is none are not counted."""
    try:
        return correct(*args, **options)
    except EditError:
        reject()


def corrected(data, lead, correct, *args):
    """Return drawn labels, and what a correction that knows no sources makes of them."""
    labels = data.draw(drawn_labels(lead))
    return labels, applied(labels, tried(correct, labels, *args, {}))


def applied(labels, edit):
    """Return new labels with the edit."""
    after = labels.copy()
    apply_edit(after, edit)
    return after


def on_any_labels(**more):
    """Run a test on drawn labels of 2, 3 and 4 axes; `more` is drawn beside the data."""

    def decorated(test):
        return leads(drawn(given(data=st.data(), **more)(test)))

    return decorated


def some_edit(data, labels, sources):
    """Return any correction of the labels."""
    plane = data.draw(planes_of(labels))
    shape_yx = labels.shape[-2:]
    ids = data.draw(IDS)
    line, outline = (data.draw(drawn_points(shape_yx, n)) for n in (2, 3))
    anywhere = data.draw(st.sampled_from([None, plane]))
    time = plane[: max(len(plane) - 1, 0)]
    following = (*time, plane[-1] + 1) if plane else ()
    body = np.ones((min(2, shape_yx[0]), min(3, shape_yx[1])), bool)
    after = labels[plane][: len(body), : body.shape[1]].copy()
    after[:, :2] = ids[0]
    stroke = after.reshape((1,) * len(plane) + after.shape)
    corner = (*plane, 0, 0)
    tools = [
        lambda: delete_cells(labels, ids, sources, plane=anywhere),
        lambda: delete_in_region(labels, outline, plane, sources),
        lambda: merge_cells(labels, ids, sources, plane=anywhere),
        lambda: split_cell(labels, line, plane, sources),
        lambda: add_cell(labels, outline, plane, sources),
        lambda: fill_holes(labels, ids, sources, plane=anywhere),
        lambda: smooth_cells(labels, ids, sources, plane=anywhere),
        lambda: remove_small(labels, 10, sources, plane=anywhere),
        lambda: grow_cells(labels, ids, sources, plane=anywhere),
        lambda: shrink_cells(labels, ids, sources, plane=anywhere),
        lambda: cut_hole(labels, outline, plane, sources),
        lambda: split_automatically(labels, ids[0], sources, plane=anywhere),
        lambda: split_cell(labels, line, plane, sources, through_planes=True),
        lambda: copy_to_plane(labels, ids[0], plane, following, sources),
        lambda: interpolate_cell(labels, ids[:2], sources, time=time),
        lambda: renumber_cells(labels, sources),
        lambda: give_new_id(labels, ids[0], sources, plane=anywhere),
        lambda: add_found(labels, body, (0, 0), plane, sources),
        lambda: stroke_of(labels, stroke, corner, sources),
    ]
    if plane:
        frame, pair = plane[0], (ids[0], ids[-1])
        tools += [
            lambda: cut_track(labels, frame, ids[0], sources, {}).edit,
            lambda: continue_track(labels, frame, pair, sources, {}).edit,
            lambda: make_daughter(labels, frame, pair, sources, {}).edit,
        ]
    return data.draw(st.sampled_from(tools))


def stroke_of(labels, after, corner, sources):
    """Return the edit of a stroke; one that changes nothing is none."""
    edit = edit_on_labels(labels, after, corner, "brush stroke", sources)
    if is_empty(edit):
        raise EditError("Nothing changes.")
    return edit


@leads
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_chain_of_corrections_is_undone_and_redone_exactly(lead, data):
    labels = data.draw(drawn_labels(lead))
    sources = known_sources(labels, {1: "hand"})
    classes = {cell: "ab"[cell % 2] for cell in sources}
    history, states = History(), [(labels.copy(), sources, classes)]
    for _ in range(data.draw(st.integers(1, 6))):
        try:
            edit = some_edit(data, labels, sources)()
        except EditError:
            continue
        edit = with_classes(edit, labels, classes)
        apply_edit(labels, edit)
        sources = updated_sources(sources, edit)
        classes = updated_classes(classes, edit)
        history.push(edit)
        states.append((labels.copy(), sources, classes))
        assert sources.keys() == areas(labels).keys() >= classes.keys()
    for step in (History.undo, History.redo):
        for state in states[-2::-1] if step is History.undo else states[1:]:
            edit = step(history)
            apply_edit(labels, edit)
            sources = updated_sources(sources, edit)
            classes = updated_classes(classes, edit)
            np.testing.assert_array_equal(labels, state[0])
            assert (sources, classes) == state[1:]
    assert not history.redo_name


@on_any_labels()
def test_a_correction_does_not_change_its_input(lead, data):
    labels = data.draw(drawn_labels(lead))
    before = labels.copy()
    labels.flags.writeable = False
    edit = tried(some_edit(data, labels, known_sources(labels)))
    np.testing.assert_array_equal(labels, before)
    np.testing.assert_array_equal(edit.before, before[edit.box])
    assert edit.changed_ids


@on_any_labels(ids=IDS)
def test_delete_takes_these_cells_and_leaves_the_others(lead, data, ids):
    labels, after = corrected(data, lead, delete_cells, ids)
    gone = np.isin(labels, ids)
    assert not after[gone].any()
    np.testing.assert_array_equal(after[~gone], labels[~gone])


@on_any_labels()
def test_delete_in_a_region_takes_cells_that_lie_half_in_it(lead, data):
    labels = data.draw(drawn_labels(lead))
    plane = data.draw(planes_of(labels))
    view = labels[plane]
    region = np.zeros(view.shape, bool)
    region[: data.draw(st.integers(0, len(view)))] = True
    after = applied(labels, tried(delete_in_region, labels, region, plane, {}))
    chosen = [
        cell
        for cell, area in areas(view).items()
        if 2 * (view[region] == cell).sum() >= area
    ]
    expected = labels.copy()
    expected[plane][np.isin(view, chosen)] = 0
    np.testing.assert_array_equal(after, expected)


@on_any_labels(ids=IDS)
def test_merge_conserves_pixels_and_keeps_the_first_id(lead, data, ids):
    labels = data.draw(drawn_labels(lead))
    edit = tried(merge_cells, labels, ids, {})
    after = applied(labels, edit)
    merged = np.isin(labels, ids)
    (survivor,) = np.unique(after[merged])
    assert survivor == next(cell for cell in ids if cell in areas(labels))
    np.testing.assert_array_equal(after[~merged], labels[~merged])


@on_any_labels()
def test_split_conserves_every_cell_and_makes_unique_ids(lead, data):
    labels = data.draw(drawn_labels(lead))
    plane = data.draw(planes_of(labels))
    line = data.draw(drawn_points(labels.shape[-2:], 2))
    after = applied(labels, tried(split_cell, labels, line, plane, {}))
    np.testing.assert_array_equal(after > 0, labels > 0)
    owners = set()
    for new in areas(after).keys() - areas(labels).keys():
        (owner,) = np.unique(labels[after == new])  # pixels of one cell only
        assert new > labels.max()
        owners.add(int(owner))
    for cell, before in areas(labels[plane]).items():
        of_cell = areas(np.where(labels[plane] == cell, after[plane], 0))
        assert sum(of_cell.values()) == before
        assert of_cell.keys() == {cell} or cell in owners
        assert of_cell[cell] == max(of_cell.values())
    elsewhere = np.ones(labels.shape, bool)
    elsewhere[plane] = False
    np.testing.assert_array_equal(after[elsewhere], labels[elsewhere])


@on_any_labels()
def test_add_never_takes_a_pixel_of_a_cell(lead, data):
    labels = data.draw(drawn_labels(lead))
    plane = data.draw(planes_of(labels))
    outline = data.draw(drawn_points(labels.shape[-2:], 3))
    after = applied(labels, tried(add_cell, labels, outline, plane, {}))
    new = after != labels
    assert not labels[new].any()
    assert set(after[new]) == {labels.max() + 1}
    new[plane] = False
    assert not new.any()


@on_any_labels(ids=IDS)
def test_fill_gives_background_to_these_cells_only(lead, data, ids):
    labels, after = corrected(data, lead, fill_holes, ids)
    new = after != labels
    assert not labels[new].any()
    assert set(after[new]) <= set(ids)


@on_any_labels(ids=IDS)
def test_smooth_keeps_areas_and_leaves_other_cells(lead, data, ids):
    labels, after = corrected(data, lead, smooth_cells, ids)
    others = ~np.isin(labels, [0, *ids])
    np.testing.assert_array_equal(after[others], labels[others])
    np.testing.assert_array_equal(np.isin(after, [0, *ids]), ~others)
    assert areas(after) == areas(labels)


@on_any_labels(least=st.integers(1, 40))
def test_remove_small_takes_exactly_the_small_cells(lead, data, least):
    labels, after = corrected(data, lead, remove_small, least)
    assert areas(after) == {
        cell: area for cell, area in areas(labels).items() if area >= least
    }


@on_any_labels()
def test_a_correction_of_one_plane_leaves_the_others(lead, data):
    labels = data.draw(drawn_labels(lead))
    plane = data.draw(planes_of(labels))
    ids = data.draw(IDS)
    correct = data.draw(
        st.sampled_from([delete_cells, merge_cells, fill_holes, smooth_cells])
    )
    after = applied(labels, tried(correct, labels, ids, {}, plane=plane))
    changed = after != labels
    changed[plane] = False
    assert not changed.any()


@on_any_labels()
def test_relabelling_keeps_the_cells_and_their_order(lead, data):
    labels = data.draw(drawn_labels(lead))
    after, new_ids = relabel_sequential(labels)
    assert sorted(new_ids.values()) == list(range(1, len(new_ids) + 1))
    assert list(new_ids) == sorted(new_ids) == list(areas(labels))
    for old, new in new_ids.items():
        np.testing.assert_array_equal(after == new, labels == old)
    assert after.dtype == np.int32
    assert next_id(after) == len(new_ids) + 1


@on_any_labels(ids=IDS)
def test_growing_never_takes_a_pixel_of_a_cell(lead, data, ids):
    labels, after = corrected(data, lead, grow_cells, ids)
    new = after != labels
    assert not labels[new].any()
    assert set(after[new]) <= set(ids)


@on_any_labels(ids=IDS)
def test_shrinking_loses_no_cell_and_leaves_the_others(lead, data, ids):
    labels, after = corrected(data, lead, shrink_cells, ids)
    changed = after != labels
    assert not after[changed].any()
    assert set(labels[changed]) <= set(ids)
    assert areas(after).keys() == areas(labels).keys()


@on_any_labels(ids=IDS)
def test_splitting_automatically_conserves_the_cell(lead, data, ids):
    labels = data.draw(drawn_labels(lead))
    plane = data.draw(planes_of(labels))
    after = applied(labels, tried(split_automatically, labels, ids[0], {}, plane=plane))
    np.testing.assert_array_equal(after > 0, labels > 0)
    changed = after != labels
    assert set(labels[changed]) == {ids[0]}
    assert min(after[changed]) > labels.max()
    changed[plane] = False
    assert not changed.any()


@on_any_labels()
def test_renumbering_keeps_every_cell_and_who_made_it(lead, data):
    labels = data.draw(drawn_labels(lead))
    sources = {cell: "hand" if cell % 2 else "model" for cell in areas(labels)}
    edit = tried(renumber_cells, labels, sources)
    after, moved = applied(labels, edit), moved_numbers(edit)
    assert sorted(areas(after)) == list(range(1, len(sources) + 1))
    for old in sources:
        np.testing.assert_array_equal(after == moved.get(old, old), labels == old)
    assert updated_sources(sources, edit) == moved_keys(sources, moved)
