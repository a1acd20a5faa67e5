"""Links put right: ids, parents, and that undo takes everything back."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cellseg.core.editing.edits import apply_edit, known_sources, updated_sources
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.tracking.track_edits import (
    continue_track,
    cut_track,
    joined_confidence,
    link_all,
    make_daughter,
)
from napari_cellseg.core.tracking.tracks import find_detections, lineage_of

LEFT, RIGHT = (slice(2, 6), slice(2, 6)), (slice(2, 6), slice(10, 14))
DEPTHS = [None, 3]


def series(left, right, depth=None):
    """Return labels in which two places hold the given ids, one a frame."""
    labels = np.zeros((len(left), 8, 16), np.int32)
    for frame, (a, b) in enumerate(zip(left, right, strict=True)):
        labels[(frame, *LEFT)], labels[(frame, *RIGHT)] = a, b
    if depth is None:
        return labels
    return np.repeat(labels[:, None], depth, axis=1)


def ids_at(labels, place):
    flat = labels if labels.ndim == 3 else labels[:, 0]
    return [int(frame[place][0, 0]) for frame in flat]


def made(labels, found):
    """Return the labels with an edit made; fails unless it can be taken back."""
    after = labels.copy()
    apply_edit(after, found.edit)
    back = after.copy()
    apply_edit(back, found.edit.inverted())
    assert np.array_equal(back, labels)
    sources = updated_sources(known_sources(labels), found.edit)
    assert sources.keys() == known_sources(after).keys()
    return after


@pytest.mark.parametrize("depth", DEPTHS, ids=["planes", "stacks"])
def test_a_broken_track_goes_on_with_the_earlier_id(depth):
    labels = series([1, 1, 5, 5], [2, 2, 2, 2], depth)

    found = continue_track(labels, 2, (1, 5), known_sources(labels), {})

    after = made(labels, found)
    assert ids_at(after, LEFT) == [1, 1, 1, 1]
    assert ids_at(after, RIGHT) == [2, 2, 2, 2]


def test_two_cells_that_were_swapped_are_parted_and_mended():
    labels = series([1, 1, 2, 2], [2, 2, 1, 1])

    first = made(labels, continue_track(labels, 2, (1, 2), known_sources(labels), {}))
    assert ids_at(first, LEFT) == [1, 1, 1, 1]
    fresh = ids_at(first, RIGHT)[2]
    second = made(first, continue_track(first, 2, (2, fresh), known_sources(first), {}))

    assert ids_at(second, RIGHT) == [2, 2, 2, 2]


def test_daughters_follow_the_id_of_the_part_that_they_came_of():
    labels = series([1, 5, 5, 7], [0, 0, 0, 8])

    found = continue_track(labels, 1, (1, 5), known_sources(labels), {7: 5, 8: 5, 5: 9})

    assert found.parents == {7: 1, 8: 1}


def test_a_cut_makes_two_cells_and_the_later_one_keeps_the_daughters():
    labels = series([1, 1, 1, 4], [2, 2, 2, 5])

    found = cut_track(labels, 1, 1, known_sources(labels), {4: 1, 5: 1})

    after = made(labels, found)
    assert ids_at(after, LEFT) == [1, 6, 6, 4]
    assert found.parents == {4: 6, 5: 6}


def test_a_cut_where_a_daughter_begins_takes_its_mother_away():
    labels = series([1, 3, 3], [0, 4, 4])

    found = cut_track(labels, 1, 3, known_sources(labels), {3: 1, 4: 1})

    assert ids_at(made(labels, found), LEFT) == [1, 5, 5]
    assert found.parents == {4: 1}


def test_a_cell_that_begins_without_a_mother_has_no_link_to_cut():
    labels = series([1, 3], [2, 2])

    with pytest.raises(EditError, match="nothing is linked"):
        cut_track(labels, 1, 3, known_sources(labels), {})


def test_a_mother_that_goes_on_becomes_the_other_daughter():
    labels = series([1, 1, 1], [0, 4, 4])

    found = make_daughter(labels, 1, (1, 4), known_sources(labels), {})

    after = made(labels, found)
    assert ids_at(after, LEFT) == [1, 6, 6]
    assert ids_at(after, RIGHT) == [0, 5, 5]
    assert found.parents == {5: 1, 6: 1}


@pytest.mark.parametrize("change", [continue_track, make_daughter])
@pytest.mark.parametrize(
    ("frame", "cells", "words"),
    [
        (1, (9, 2), "Cell 9 is on no frame before 2"),
        (1, (1, 9), "Cell 9 is not on frame 2"),
        (0, (1, 2), "is on no frame before 1"),
    ],
)
def test_cells_that_are_not_there_are_said(change, frame, cells, words):
    labels = series([1, 1], [2, 2])

    with pytest.raises(EditError, match=words):
        change(labels, frame, cells, known_sources(labels), {})


def test_a_cell_is_not_linked_with_itself():
    labels = series([1, 1], [2, 2])

    with pytest.raises(EditError, match="already"):
        continue_track(labels, 1, (1, 1), known_sources(labels), {})


def test_a_renamed_cell_of_the_model_is_edited_and_one_by_hand_stays_so():
    labels = series([1, 1, 1], [2, 2, 2])
    sources = {1: "model", 2: "hand"}

    cut = cut_track(labels, 1, 1, sources, {})
    other = cut_track(labels, 1, 2, sources, {})

    assert updated_sources(sources, cut.edit)[3] == "edited"
    assert updated_sources(sources, other.edit)[3] == "hand"


def test_linking_all_is_one_edit_that_knows_who_made_each_track():
    labels = series([1, 3], [2, 4])
    sources = {1: "model", 2: "model", 3: "model", 4: "hand"}
    detections = find_detections(labels)
    lineage = lineage_of(detections, np.array([[0, 2], [1, 3]]))

    found = link_all(labels, detections, lineage, sources)

    after = made(labels, found)
    assert (ids_at(after, LEFT), ids_at(after, RIGHT)) == ([1, 1], [2, 2])
    assert updated_sources(sources, found.edit) == {1: "model", 2: "edited"}
    assert found.edit.author == "model"


def test_the_confidence_of_a_track_is_the_mean_of_its_cells():
    labels = series([1, 3], [2, 4])
    detections = find_detections(labels)

    joined = joined_confidence(detections, [1, 2, 1, 2], {1: 0.5, 3: 0.7})

    assert joined == {1: pytest.approx(0.6)}
