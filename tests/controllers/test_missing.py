"""Places without a cell are gone through, filled or left."""

import numpy as np
import pytest

from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.reviewing.missing import MissingController
from napari_cellseg.core.editing.split import add_cell
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.review.doubt_signs import Signs
from napari_cellseg.core.review.missing_cells import MissingPlace


def place(y, x, score):
    return MissingPlace((), (y, x), np.ones((6, 6), bool), score)


@pytest.fixture
def bench():
    proofread = ProofreadController()
    labels = np.zeros((40, 60), np.int32)
    labels[2:8, 2:8] = 1
    proofread.open(labels)
    missing = MissingController(proofread)
    places = place(20, 10, 0.4), place(20, 30, 0.3), place(30, 50, 0.1)
    missing.take_signs(Signs(missing=places))
    return missing, proofread, places


def test_places_are_gone_through_in_their_order(bench):
    missing, _, places = bench
    shown = []
    missing.shown.connect(shown.append)
    for _ in range(4):
        missing.next()
    assert shown == [*places, places[0]]


def test_a_place_is_filled_and_undo_brings_it_back(bench):
    missing, proofread, places = bench
    missing.next()
    missing.add()
    assert missing.current is places[1]
    assert missing.places == list(places[1:])
    assert (proofread.labels[20:26, 10:16] == 2).all()
    assert proofread.sources[2] == "hand"
    proofread.undo()
    assert missing.places == list(places)
    proofread.redo()
    assert missing.places == list(places[1:])


def test_a_place_that_is_refused_is_not_offered_after_another_run(bench):
    missing, proofread, places = bench
    missing.next()
    missing.refuse()
    assert missing.current is places[1]
    assert proofread.n_cells == 1
    missing.take_signs(Signs(missing=(place(21, 11, 0.5), place(2, 40, 0.2))))
    (left,) = missing.places
    assert left.corner_yx == (2, 40)


def test_a_place_that_a_hand_fills_is_none(bench):
    missing, proofread, places = bench
    missing.next()
    outline = np.array([(19.0, 9), (19, 17), (27, 17), (27, 9)])
    proofread.make(add_cell, outline, ())
    assert missing.current is None
    assert missing.places == list(places[1:])


def test_the_last_place_ends_it(bench):
    missing, _, places = bench
    missing.next()
    for _ in places:
        missing.refuse()
    assert missing.current is None
    with pytest.raises(EditError, match="No place is left"):
        missing.next()
    with pytest.raises(EditError, match="No place is looked at"):
        missing.add()


def test_a_look_without_maps_leaves_the_places(bench):
    missing, _, places = bench
    missing.take_signs(Signs({1: 0.5}))
    assert missing.places == list(places)


def test_other_labels_have_none(bench):
    missing, proofread, _ = bench
    proofread.open(np.zeros((40, 60), np.int32))
    assert missing.places == []
