"""Tracks from links: ids, divisions, the table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.moving_cells import frame_by_frame, moving_cells, same_cells

from napari_cellseg.core.measuring.measure import measure_cells
from napari_cellseg.core.tracking.tracks import (
    find_detections,
    known_links,
    lineage_of,
    relabelled,
    sound_parents,
    spans,
    usual_step_px,
    with_lineage,
)
from napari_cellseg.core.types import CellImage


def true_links(truth, detections, parents):
    """Return the links that the truth makes, as places in the detections."""
    places = {}
    for place, (frame, centre) in enumerate(
        zip(detections.frames, detections.places, strict=True)
    ):
        places[int(truth[(frame, *np.round(centre).astype(int))]), int(frame)] = place
    links = []
    for (cell, frame), place in places.items():
        if (cell, frame - 1) in places:
            links.append((places[cell, frame - 1], place))
        elif cell in parents:
            links.append((places[parents[cell], frame - 1], place))
    return np.array(sorted(links), np.int64)


def test_detections_have_centre_and_size():
    labels = np.zeros((2, 3, 10, 10), np.int32)
    labels[1, 0:3, 2:5, 4:7] = 9

    found = find_detections(labels)

    assert (found.frames.tolist(), found.cells.tolist()) == ([1], [9])
    assert found.places.tolist() == [[1, 3, 5]]
    assert found.sizes.tolist() == [27]


def test_true_links_give_the_true_tracks_and_parents():
    truth, parents = moving_cells()
    labels = frame_by_frame(truth)
    detections = find_detections(labels)

    lineage = lineage_of(detections, true_links(truth, detections, parents))

    ids = same_cells(relabelled(labels, detections, lineage), truth)
    assert lineage.parents == {
        ids[child]: ids[mother] for child, mother in parents.items()
    }


def test_a_track_keeps_the_id_of_its_first_cell():
    truth, _ = moving_cells()
    detections = find_detections(truth)

    lineage = lineage_of(detections, known_links(detections, np.unique(truth), {}))

    assert np.array_equal(relabelled(truth, detections, lineage), truth)
    assert lineage.parents == {}


def test_an_id_that_two_tracks_begin_with_goes_to_the_first():
    labels = np.zeros((3, 10, 10), np.int32)
    labels[:, 2:5, 2:5] = 4
    detections = find_detections(labels)

    lineage = lineage_of(detections, np.array([[1, 2]]))

    assert lineage.tracks.tolist() == [4, 5, 5]


def test_a_neighbour_that_appears_is_no_daughter():
    labels = np.zeros((2, 20, 40), np.int32)
    labels[0, 5:15, 5:15] = 1
    labels[1, 5:15, 6:16] = 2
    labels[1, 5:15, 18:28] = 3
    detections = find_detections(labels)

    lineage = lineage_of(detections, np.array([[0, 1], [0, 2]]))

    assert lineage.tracks.tolist() == [1, 1, 3]
    assert lineage.parents == {}


def test_links_of_one_id_bridge_frames_without_the_cell():
    labels = np.zeros((3, 10, 10), np.int32)
    labels[0, 2:5, 2:5] = labels[2, 2:5, 2:5] = 4
    labels[1, 7:9, 7:9] = 5

    assert known_links(find_detections(labels), [4, 5], {}).tolist() == [[0, 2]]


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 4, 8, 8)], ids=["planes", "stacks"])
def test_series_without_cells_have_no_tracks(shape):
    labels = np.zeros(shape, np.int32)
    detections = find_detections(labels)

    lineage = lineage_of(detections, np.zeros((0, 2), np.int64))

    assert not relabelled(labels, detections, lineage).any()
    assert usual_step_px(detections) == 1.0


def test_a_mother_that_lives_on_or_is_gone_is_no_mother():
    life = {1: (0, 3), 2: (4, 6), 3: (3, 5)}

    assert sound_parents({2: 1, 3: 1, 9: 1, 1: 8}, life) == {2: 1}


def test_the_table_names_track_and_parent():
    truth, parents = moving_cells()
    image = CellImage(np.zeros((len(truth), 1, *truth.shape[1:])), "TCYX")
    cells = measure_cells(image, truth).cells

    rows = with_lineage(cells, parents)

    assert list(rows.columns[:4]) == ["label", "track_id", "parent_id", "frame"]
    assert (rows["track_id"] == rows["label"]).all()
    assert set(rows.loc[rows["label"] == 10, "parent_id"]) == {1}
    assert rows.loc[rows["label"] == 2, "parent_id"].isna().all()
    assert spans(cells)[10] == (4, 7)


def test_a_table_without_time_stays_as_it_is():
    cells = pd.DataFrame({"label": [1], "area_px": [4]})

    assert list(with_lineage(cells, {1: 2})) == list(cells)


def test_links_to_daughters_are_known_and_a_division_of_any_size():
    truth, parents = moving_cells()
    truth[4:][truth[4:] == 10] = 0
    truth[4, :30, :30] = 10
    detections = find_detections(truth)

    known = known_links(detections, np.unique(truth), parents)
    lineage = lineage_of(detections, known, known)

    assert lineage.parents == parents
