"""The table follows the labels."""

import math

import numpy as np
import pytest
from tests.fakes import NowStarter

from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.measuring.measure import MeasureController
from napari_cellseg.controllers.session import Session
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.core.types import CellImage, PixelSize


def bench(*, is_held=False):
    session, proofread, starter = (
        Session(),
        ProofreadController(),
        NowStarter(is_held=is_held),
    )
    measure = MeasureController(session, proofread, TaskController(starter))
    session.show_image(CellImage(np.ones((1, 30, 30), np.uint8)))
    labels = np.zeros((30, 30), np.int32)
    labels[2:5, 2:5] = 1
    labels[10:15, 10:15] = 2
    proofread.open(labels, None, {1: 0.5, 2: 0.75})
    return session, proofread, measure, starter


def areas(measure):
    cells = measure.table.cells
    return dict(zip(cells["label"], cells["area_px"], strict=True))


def test_the_table_follows_edit_undo_and_redo():
    _, proofread, measure, _ = bench()
    assert areas(measure) == {1: 9, 2: 25}
    proofread.delete_cells([2])
    assert areas(measure) == {1: 9}
    proofread.undo()
    assert areas(measure) == {1: 9, 2: 25}
    proofread.redo()
    assert areas(measure) == {1: 9}


def test_edits_made_while_it_measures_are_not_missed():
    _, proofread, measure, starter = bench(is_held=True)
    proofread.delete_cells([1])
    starter.release()
    assert areas(measure) == {2: 25}


def test_the_pixel_size_brings_micrometres():
    session, _, measure, _ = bench()
    assert "area_um2" not in measure.table.cells
    session.set_pixel_size(PixelSize(0.5, 0.5))
    assert measure.table.cells["area_um2"].tolist() == [2.25, 6.25]
    assert measure.table.summary["density_per_mm2"] == 2 / (900 * 0.25 / 1e6)


def test_a_cell_is_selected_once_and_found():
    _, _, measure, _ = bench()
    told = []
    measure.selected.connect(told.append)
    measure.select(2)
    measure.select(2)
    assert told == [2]
    assert measure.place_of(2) == (12.0, 12.0)
    assert measure.place_of(9) is None
    assert measure.cell_at((12.4, 11.6)) == 2
    assert measure.cell_at((-3, 100)) == 0


def test_the_numbers_of_many_cells_follow_when_things_are_quiet(monkeypatch):
    monkeypatch.setattr(
        "napari_cellseg.controllers.measuring.measure.MAX_LIVE_CELLS", 1
    )
    _, proofread, measure, _ = bench()
    behind, changed = [], []
    measure.behind.connect(lambda: behind.append(1))
    measure.changed.connect(lambda: changed.append(1))
    proofread.delete_cells([1])
    proofread.undo()
    assert (len(behind), len(changed)) == (2, 0)
    measure.catch_up()
    measure.catch_up()
    assert len(changed) == 1
    assert areas(measure) == {1: 9, 2: 25}
    proofread.delete_cells([2])
    assert areas(measure) == {1: 9}  # who asks gets every edit


class GoneShare:
    """Pixels on a share that goes away."""

    shape, dtype = (1, 30, 30), np.dtype(np.uint8)
    is_gone = False

    def __getitem__(self, key):
        if self.is_gone:
            raise ImageReadError("image.tif cannot be read any more.")
        return np.ones(self.shape, self.dtype)[key]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[...], dtype)


def test_an_image_that_is_gone_is_told_of_and_stops_no_other_listener():
    session, proofread, measure, _ = bench()
    share, heard = GoneShare(), []
    session.show_image(CellImage(share))
    proofread.edited.connect(heard.append)
    share.is_gone = True
    proofread.delete_cells([1])
    assert len(heard) == 1
    assert measure.table is None
    assert "cannot be read any more" in measure.task.failure.message
    share.is_gone = False
    proofread.delete_cells([2])
    assert areas(measure) == {}


def test_a_crumb_is_shown_among_its_neighbours():
    _, proofread, measure, _ = bench()
    labels = proofread.labels.copy()
    labels[20, 20], labels[22:27, 22:27] = 3, 4
    proofread.open(labels, None, {})
    assert measure.shown_diameter_of(2) == pytest.approx(2 * math.sqrt(25 / math.pi))
    # As the typical one: the median of 1, 9, 25 and 25 pixels is 17.
    assert measure.typical_diameter_px == pytest.approx(2 * math.sqrt(17 / math.pi))
    assert measure.shown_diameter_of(3) == measure.typical_diameter_px
    assert measure.shown_diameter_of(9) == 0


class Watched(np.ndarray):
    """Labels that count how often they are copied."""

    n_copies = 0

    def copy(self, order="C"):
        Watched.n_copies += 1
        return np.array(self, order=order, subok=False)


def test_labels_are_copied_by_the_job_and_not_before(monkeypatch):
    monkeypatch.setattr(Watched, "n_copies", 0)
    _, proofread, measure, starter = bench(is_held=True)
    starter.release()
    proofread.open(proofread.labels.view(Watched))
    assert Watched.n_copies == 0
    starter.release()
    assert Watched.n_copies == 1
    assert areas(measure) == {1: 9, 2: 25}
