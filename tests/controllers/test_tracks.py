"""Linking and mending tracks: one history, undo takes the lineage back too."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.fakes import NowStarter
from tests.moving_cells import frame_by_frame, moving_cells, same_cells

from napari_cellseg.controllers.files.exchange import Arrival, take_arrival
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.measuring.measure import MeasureController
from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.controllers.session import Session
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.controllers.tracks import TracksController
from napari_cellseg.core.editing.numbering import renumber_cells
from napari_cellseg.core.editing.rerun import Merged
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.jobs import Progress
from napari_cellseg.core.types import CellImage
from napari_cellseg.io.exchange.cells import FoundLabels
from napari_cellseg.tracking import link_cells

pytest.importorskip("laptrack", reason="the extra 'tracks' is not installed")


def link_here(detections, options, known, z_to_y):
    """Link in this process."""
    yield Progress(0, 0, "linking")
    return link_cells(detections, options, known=known, z_to_y=z_to_y)


class Window:
    """Controllers of one window with a time series in it."""

    def __init__(self, labels, axes="TCYX"):
        self.session = Session()
        self.proofread = ProofreadController()
        self.starter = NowStarter()
        self.measure = MeasureController(
            self.session, self.proofread, TaskController(NowStarter())
        )
        self.tracks = TracksController(
            self.proofread, self.measure, TaskController(self.starter), link_here
        )
        shape = (labels.shape[0], 1, *labels.shape[1:])
        self.session.show_image(CellImage(np.zeros(shape, np.uint8), axes))
        confidence = dict.fromkeys(np.unique(labels)[1:].tolist(), 0.8)
        self.proofread.open(labels, None, confidence)

    @property
    def labels(self):
        return self.proofread.labels


@pytest.fixture
def truth():
    return moving_cells()


@pytest.fixture
def window(truth):
    return Window(frame_by_frame(truth[0]))


def test_linking_gives_the_true_tracks_and_divisions(window, truth):
    window.tracks.link()

    ids = same_cells(window.labels, truth[0])
    assert window.tracks.parents == {ids[c]: ids[m] for c, m in truth[1].items()}
    assert "13 cells over 8 frames · 2 divide · 0 begin later" in window.tracks.words


def test_one_undo_takes_ids_lineage_and_confidence_back(window):
    before = window.labels.copy()
    confidence = dict(window.proofread.model_confidence)
    window.tracks.link()
    parents = dict(window.tracks.parents)

    window.proofread.undo()
    assert np.array_equal(window.labels, before)
    assert window.tracks.parents == {}
    assert window.proofread.model_confidence == confidence

    window.proofread.redo()
    assert window.tracks.parents == parents
    assert set(window.proofread.model_confidence) == set(np.unique(window.labels)[1:])


def test_undo_in_a_later_session_takes_back_all_that_linking_changed(window, tmp_path):
    image = tmp_path / "series.tif"
    n_frames, height, width = window.labels.shape
    tifffile.imwrite(image, np.zeros((n_frames, height, width), np.uint8))
    projects = ProjectController()
    projects.create(tmp_path / "work", [image])
    cells = window.proofread.cells
    some = sorted(cells.sources)[:5]
    cells.states = dict.fromkeys(some, "accepted")
    assert projects.adopt(cells, str(image), "TYX", None)
    labels, confidence = window.labels.copy(), dict(cells.confidence)
    window.proofread.reviewed.connect(lambda ids: projects.save_review(cells, ids))
    window.tracks.parents_changed.connect(lambda: projects.save_lineage(cells))
    window.tracks.link()
    assert window.tracks.parents
    projects.close()

    projects.open(tmp_path / "work.cellseg")
    again = projects.cells_of(str(image))
    assert again.parents
    window.proofread.reopen(again)
    window.proofread.undo()
    assert np.array_equal(window.labels, labels)
    assert again.parents == {}
    assert again.confidence == confidence
    assert again.notes.states == dict.fromkeys(some, "accepted")
    projects.close()


def test_linking_again_changes_nothing(window):
    window.tracks.link()
    once, parents = window.labels.copy(), dict(window.tracks.parents)
    window.tracks.link()

    assert np.array_equal(window.labels, once)
    assert window.tracks.parents == parents


def test_a_link_by_hand_outlives_linking_again(window, truth):
    window.tracks.link()
    ids = same_cells(window.labels, truth[0])
    window.tracks.cut(ids[2], 3)
    (fresh,) = np.unique(window.labels[5][truth[0][5] == 2])
    assert fresh != ids[2]
    window.tracks.wait_for("same", int(fresh), 3)
    window.tracks.take_pick(ids[3])
    window.tracks.link()

    assert np.unique(window.labels[5][truth[0][5] == 2]) == ids[3]


def test_same_as_before_mends_a_broken_track(window, truth):
    window.tracks.link()
    ids = same_cells(window.labels, truth[0])
    window.tracks.cut(ids[4], 2)
    broken = window.labels.copy()
    (later,) = np.unique(window.labels[2][truth[0][2] == 4])

    window.tracks.wait_for("same", int(later), 2)
    frame = window.tracks.take_pick(ids[4])

    assert frame == 2
    assert same_cells(window.labels, truth[0])[4] == ids[4]
    window.proofread.undo()
    assert np.array_equal(window.labels, broken)


def test_a_daughter_by_hand_and_its_undo(window, truth):
    window.tracks.options = type(window.tracks.options)(divisions=False)
    window.tracks.link()
    here = [int(np.unique(window.labels[5][truth[0][5] == c])[0]) for c in (10, 11)]
    mother = int(np.unique(window.labels[3][truth[0][3] == 1])[0])
    daughter = next(cell for cell in here if cell != mother)

    window.tracks.wait_for("daughter", daughter, 4)
    window.tracks.take_pick(mother)

    assert sorted(window.tracks.parents.values()) == [mother, mother]
    parents = dict(window.tracks.parents)
    window.tracks.link()
    assert window.tracks.parents == parents
    window.proofread.undo()
    assert window.tracks.parents == {}


def test_a_new_run_leaves_the_mothers_of_cells_that_it_leaves(window, truth):
    window.tracks.link()
    parents = dict(window.tracks.parents)
    assert parents
    other = int(np.unique(window.labels[3][truth[0][3] == 2])[0])
    assert other not in parents.keys() | set(parents.values())
    after = np.where(window.labels == other, 0, window.labels)
    window.proofread.take_run(Merged(after, {}), "segment", keeps=True)
    assert window.tracks.parents == parents
    window.proofread.undo()
    assert window.tracks.parents == parents


def test_a_new_run_of_other_cells_has_no_lineage_and_undo_brings_it_back(window):
    window.tracks.link()
    parents = dict(window.tracks.parents)
    window.proofread.take_run(
        Merged(np.roll(window.labels, 1, axis=2), {}), "segment", keeps=False
    )
    assert window.tracks.parents == {}

    window.proofread.undo()
    assert window.tracks.parents == parents


def test_cells_that_change_while_they_are_linked_are_not_overwritten(window):
    window.starter.is_held = True
    window.tracks.link()
    window.proofread.delete_cells([1])
    window.starter.release()

    assert window.tracks.task.state == "failed"
    assert "Link again" in window.tracks.task.failure.message


@pytest.mark.parametrize(
    ("cell", "frame", "words"),
    [(0, 2, "Click a cell first"), (1, 0, "first frame"), (999, 2, "not on frame 3")],
)
def test_what_cannot_wait_says_why(window, cell, frame, words):
    with pytest.raises(EditError, match=words):
        window.tracks.wait_for("same", cell, frame)
    assert window.tracks.pick is None


def test_an_image_without_time_cannot_be_linked():
    session, proofread = Session(), ProofreadController()
    measure = MeasureController(session, proofread, TaskController(NowStarter()))
    tracks = TracksController(proofread, measure, TaskController(NowStarter()))
    session.show_image(CellImage(np.zeros((1, 20, 20)), "CYX"))
    proofread.open(np.ones((20, 20), np.int32))

    assert tracks.n_frames == 1
    assert tracks.words == ""
    with pytest.raises(EditError, match="several frames"):
        tracks.link()


def test_lines_go_through_stacks_too():
    labels = np.zeros((2, 3, 12, 12), np.int32)
    labels[0, :2, 2:8, 2:8] = labels[1, 1:, 3:9, 2:8] = 4
    window = Window(labels, "TCZYX")

    lines = window.tracks.lines()

    assert lines.data.tolist() == [[4, 0, 0.5, 4.5, 4.5], [4, 1, 1.5, 5.5, 4.5]]


def test_the_table_for_export_has_track_and_parent(window, truth):
    window.tracks.link()

    table = window.tracks.with_parents(window.measure.table)

    assert table.parents == window.tracks.parents


def imported(window, labels, mode):
    """Take labels from a file into a window, as the dock does."""
    arrival = Arrival(
        Path("cells.tif"), window.session.image, FoundLabels(labels), 1, 1
    )
    take_arrival(window.proofread, arrival, mode, "model")


def test_an_import_leaves_no_lineage_of_cells_that_are_gone(window):
    window.tracks.link()
    before = dict(window.proofread.cells.parents)
    assert before
    other = np.zeros_like(window.labels)
    for number, cell in enumerate(np.unique(window.labels)[1:].tolist(), start=1):
        other[window.labels == cell] = 1 + number % 9
    imported(window, other, "replace")
    assert window.proofread.cells.parents == {}
    assert window.tracks.lines().graph == {}
    window.proofread.undo()
    assert window.proofread.cells.parents == before
    window.proofread.redo()
    assert window.proofread.cells.parents == {}


def test_cells_that_are_added_leave_the_lineage_of_the_others(window):
    window.tracks.link()
    before = dict(window.proofread.cells.parents)
    free = np.zeros_like(window.labels)
    free[:, :3, :3] = window.labels[:, :3, :3] == 0
    imported(window, free, "add")
    assert window.proofread.n_cells == 14
    assert window.proofread.cells.parents == before


def test_a_lineage_goes_along_when_cells_are_numbered_anew(window):
    window.tracks.link()
    window.proofread.delete_cells([1])
    before, labels = dict(window.proofread.cells.parents), window.labels.copy()
    assert 1 not in before.values()
    window.proofread.make(renumber_cells)
    moved = {cell: int(window.labels[labels == cell][0]) for cell in np.unique(labels)}
    after = {moved[child]: moved[mother] for child, mother in before.items()}
    assert window.proofread.cells.parents == after != before
    window.proofread.undo()
    assert window.proofread.cells.parents == before
