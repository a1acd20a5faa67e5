"""Segmenting and moving thresholds with a fake engine."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile
from tests.fakes import FakeEngine, NowStarter

from napari_cellseg.controllers.labels import cells_before
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.labels.run_step import MOVED
from napari_cellseg.controllers.segmenting import run_taking
from napari_cellseg.controllers.segmenting.project_run import ProjectRun
from napari_cellseg.controllers.segmenting.segment import SegmentController
from napari_cellseg.controllers.session import Session
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.editing.grow import grow_cells
from napari_cellseg.core.editing.rerun import Region
from napari_cellseg.core.editing.split import add_cell
from napari_cellseg.core.errors import EditError, ImageError
from napari_cellseg.core.jobs import Progress
from napari_cellseg.core.run_place import HERE, RunPlace
from napari_cellseg.core.types import CellImage, SegmentationResult


def squares(n=3, shape=(1, 40, 40)):
    """Return an image with n bright 6 × 6 squares on each plane."""
    data = np.zeros(shape, np.uint8)
    for index in range(n):
        data[..., 2:8, 2 + 10 * index : 8 + 10 * index] = 200
    return data


class Bench:
    """The controllers of one window."""

    def __init__(self, *, is_held=False):
        self.starter = NowStarter(is_held=is_held)
        self.engine = FakeEngine()
        self.session = Session()
        self.proofread = ProofreadController()
        tasks = tuple(TaskController(self.starter) for _ in range(4))
        self.segment = SegmentController(
            self.session, self.engine, self.proofread, tasks
        )
        self.segment.load_models()

    def show(self, data=None, axes="CYX", **kwargs):
        self.session.show_image(
            CellImage(squares() if data is None else data, axes, **kwargs)
        )


def test_a_run_opens_labels_that_fit_the_image():
    bench, told = Bench(), []
    bench.show()
    bench.segment.finished.connect(lambda run, merged, is_new: told.append(is_new))
    bench.segment.start()
    assert bench.proofread.n_cells == 3
    assert bench.proofread.labels.shape == (40, 40)
    assert bench.segment.device == "CPU"
    assert told == [True]


@pytest.mark.parametrize(
    ("data", "channel", "is_blank"),
    [
        (np.full((1, 20, 20), 7), None, True),
        (np.full((1, 20, 20), np.nan), None, True),
        (squares(), None, False),
        (np.stack([np.zeros((20, 20)), np.eye(20)]), 0, True),
        (np.stack([np.zeros((20, 20)), np.eye(20)]), 1, False),
    ],
    ids=["one value", "not a number", "cells", "dark channel", "other channel"],
)
def test_an_image_of_one_value_is_blank(data, channel, is_blank):
    bench = Bench()
    bench.show(data)
    bench.segment.options = replace(bench.segment.options, channel=channel)
    assert bench.segment.is_blank is is_blank


def test_a_second_run_is_an_edit_of_the_same_labels():
    bench, told = Bench(), []
    bench.show()
    bench.segment.start()
    bench.segment.finished.connect(lambda run, merged, is_new: told.append(is_new))
    bench.proofread.delete_cells([1])
    bench.segment.start(keeps=False)
    assert told == [False]
    assert bench.proofread.n_cells == 3
    bench.proofread.undo()
    assert bench.proofread.n_cells == 2


def test_work_by_hand_is_asked_for_and_kept():
    bench = Bench()
    bench.show()
    bench.segment.start()
    assert not bench.segment.asks_before_run
    bench.proofread.delete_cells([1])
    bench.proofread.make(
        add_cell, np.array([[20, 20], [20, 30], [30, 30], [30, 20]]), ()
    )
    added = bench.proofread.labels == 4
    assert bench.segment.asks_before_run
    bench.segment.start(keeps=True)
    np.testing.assert_array_equal(bench.proofread.labels == 4, added)
    assert bench.proofread.n_cells == 3
    assert bench.segment.n_kept == 1


def test_edits_made_while_the_model_runs_are_kept():
    bench = Bench()
    bench.show()
    bench.segment.start()
    bench.starter.is_held = True
    bench.segment.start(keeps=True)
    bench.proofread.delete_cells([2])
    bench.starter.release()
    assert bench.proofread.n_cells == 2


def test_a_result_for_an_image_that_was_left_changes_nothing_here():
    bench, told = Bench(is_held=True), []
    bench.show()
    bench.segment.start()
    bench.segment.arrived.connect(
        lambda run, cells, is_new: told.append((cells, is_new))
    )
    bench.show(squares(1))
    bench.starter.release()
    assert bench.proofread.labels is None
    ((cells, is_new),) = told
    assert cells.labels.max() == 3
    assert is_new


def test_a_run_that_ends_after_the_image_was_left_and_chosen_again_is_taken():
    bench, told = Bench(), []
    bench.show(source="/data/a.tif", name="a")
    bench.segment.start()
    cells = bench.proofread.cells
    bench.proofread.delete_cells([1])
    bench.starter.is_held = True
    bench.segment.start(keeps=True)
    bench.segment.finished.connect(lambda run, merged, is_new: told.append(is_new))
    bench.show(squares(1), source="/data/b.tif", name="b")
    bench.show(squares(), source="/data/a.tif", name="a")  # read again: another array
    bench.starter.release()
    assert told == [False]
    assert bench.proofread.cells is cells
    assert set(cells.sources) == {2, 3}
    assert cells.history.undo_name in ("segment", "delete cell")


def test_a_run_on_an_image_that_was_left_goes_into_the_cells_that_are_kept_of_it():
    bench, told = Bench(), []
    bench.show(source="/data/a.tif", name="a")
    bench.segment.start()
    kept = bench.proofread.cells
    bench.proofread.delete_cells([2])
    bench.proofread.make(
        add_cell, np.array([[20, 20], [20, 30], [30, 30], [30, 20]]), ()
    )
    bench.segment.recall = lambda image: kept
    bench.starter.is_held = True
    bench.segment.options = replace(bench.segment.options, foreground_threshold=0.4)
    bench.segment.start(keeps=True)
    bench.segment.arrived.connect(
        lambda run, cells, is_new: told.append((cells, is_new))
    )
    bench.proofread.reopen(None)
    bench.show(squares(1), source="/data/b.tif", name="b")
    bench.starter.release()
    assert told == [(kept, False)]
    assert bench.proofread.cells is None
    assert kept.sources[4] == "hand"
    assert len(kept.sources) == 3  # the deleted cell does not come back


def test_a_run_where_labels_are_kept_goes_over_them_and_not_beside_them():
    bench, told = Bench(), []
    bench.show()
    bench.segment.start()
    kept = bench.proofread.cells
    bench.proofread.delete_cells([2])
    bench.proofread.reopen(None)  # as when the layer was deleted
    bench.segment.recall = lambda image: bench.proofread.reopen(kept)
    bench.segment.finished.connect(lambda run, merged, is_new: told.append(is_new))
    bench.segment.start(keeps=True)
    assert told == [False]
    assert bench.proofread.cells is kept
    assert set(kept.sources) == {1, 3}


def test_a_region_alone_is_segmented():
    bench = Bench()
    bench.show()
    bench.segment.start(Region((0, 0, 20, 20)))
    assert bench.proofread.labels.shape == (40, 40)
    assert bench.proofread.n_cells == 2


def test_a_region_of_a_stack_is_on_its_plane():
    bench = Bench()
    bench.show(squares(shape=(2, 1, 3, 40, 40)), "TCZYX")
    bench.segment.start(Region((0, 0, 20, 20), plane=(1, 2)))
    labels = bench.proofread.labels
    assert labels.shape == (2, 3, 40, 40)
    assert labels[1, 2].max() == 2
    assert labels.any(axis=(2, 3)).sum() == 1


def test_a_tiny_region_is_refused():
    bench = Bench()
    bench.show()
    bench.segment.start(Region((0, 0, 2, 20)))
    assert "20 × 2 pixels" in bench.segment.task.failure.message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "Open an image"),
        (np.zeros((1, 1, 50), np.uint8), "50 × 1 pixels"),
        (np.zeros((2, 20, 20), np.uint8), "Choose the channel"),
    ],
    ids=["nothing", "one row", "two channels"],
)
def test_why_not(data, words):
    bench = Bench()
    if data is not None:
        bench.show(data)
    assert words in bench.segment.why_not()
    with pytest.raises(ImageError):
        bench.segment.start()


def test_thresholds_decode_without_a_run_and_count_once_in_the_history():
    bench = Bench()
    bench.show()
    bench.segment.start()
    bench.segment.redecode(foreground_threshold=0.4)
    bench.segment.redecode(foreground_threshold=0.6)
    assert bench.engine.segmenter.n_runs == 1
    assert bench.proofread.n_cells == 2
    bench.proofread.undo()
    assert bench.proofread.n_cells == 3
    assert not bench.proofread.history.undo_name


def test_of_many_thresholds_the_last_one_wins():
    bench = Bench()
    bench.show()
    bench.segment.start()
    bench.starter.is_held = True
    for value in (0.3, 0.4, 0.7):
        bench.segment.redecode(foreground_threshold=value)
    bench.starter.release()
    bench.starter.release()
    decoded = [options.foreground_threshold for options in bench.engine.decoded]
    assert decoded == [0.3, 0.7]


def test_moving_a_threshold_keeps_what_was_done_by_hand():
    bench = Bench()
    bench.show()
    bench.segment.start()
    bench.proofread.delete_cells([1])
    bench.segment.redecode(foreground_threshold=0.4)
    assert not (bench.proofread.labels[2:8, 2:8]).any()


def test_cancel_closes_the_run_and_changes_nothing():
    bench = Bench(is_held=True)
    bench.show()
    bench.segment.start()
    bench.segment.task.cancel()
    bench.starter.release()
    assert bench.segment.task.state == "cancelled"
    assert bench.proofread.labels is None
    assert bench.engine.segmenter.n_unfinished == 0


def test_waking_tells_the_device_and_closing_closes_the_model():
    bench = Bench()
    bench.segment.wake()
    assert bench.segment.device == "CPU"
    bench.segment.close()
    assert bench.engine.segmenter.is_closed


def test_what_is_slow_at_its_first_use_is_used_by_the_job_that_wakes_the_model():
    bench = Bench(is_held=True)
    used = []
    bench.segment.first_use = lambda: used.append(1)
    bench.segment.wake()
    assert not used
    bench.starter.release()
    assert used == [1]
    assert bench.segment.device == "CPU"


def test_the_model_moves_to_a_server_and_back():
    made = Bench()
    server = RunPlace("http://lab:8080", "token")
    made.segment.place.use(server)
    assert made.engine.place == server
    assert made.segment.place.current == server
    assert made.segment.place.lines[0] == "Runs 'Fake cells' at http://lab:8080"
    made.segment.place.use(HERE)
    assert made.segment.place.current.is_here
    assert made.segment.place.lines == ()


def test_a_server_that_cannot_be_reached_changes_nothing():
    made = Bench()
    made.segment.place.use(RunPlace("http://off"))
    assert made.segment.place.current.is_here
    assert "cannot be reached" in made.segment.place_task.failure.message


def test_asking_for_profiles_does_not_end_the_way_to_a_server():
    made = Bench()
    server = RunPlace("http://lab")
    made.starter.is_held = True
    made.segment.place.use(server)
    made.segment.place.ask_names()
    made.starter.release()
    assert made.segment.place.current == server


def test_what_a_place_that_was_left_has_yet_to_say_is_not_told_of_the_next():
    made = Bench()
    made.show()
    made.segment.device = ""
    made.starter.is_held = True
    made.segment.wake()
    made.starter.is_held = False
    made.segment.place.use(RunPlace("http://lab"))
    now = made.segment.device
    made.engine.segmenter.device = "left behind"
    made.starter.release()
    assert made.segment.device == now == "CPU"


@pytest.fixture
def _merges_by_job(monkeypatch):
    """Let a small image count as one that is merged off the main thread."""
    monkeypatch.setattr(cells_before, "AT_ONCE_PX", 0)


@pytest.mark.usefixtures("_merges_by_job")
def test_cells_of_a_large_image_are_taken_by_a_job():
    bench = Bench(is_held=True)
    bench.show()
    bench.segment.start()
    bench.starter.release()
    assert bench.segment.task.is_running
    assert bench.proofread.cells is None
    bench.starter.release()
    assert bench.proofread.n_cells == 3
    # The layer's copy was made by the job, and is given away once.
    cells = bench.proofread.cells
    shown = cells.copy_to_show()
    assert shown is not cells.labels
    np.testing.assert_array_equal(shown, cells.labels)
    assert cells.copy_to_show() is not shown


def test_a_copy_made_ahead_is_not_shown_after_an_edit():
    proofread = ProofreadController()
    proofread.open(np.eye(9, dtype=np.int32))
    proofread.cells.copy_ahead()
    proofread.delete_cells([1])
    assert not proofread.cells.copy_to_show().any()


@pytest.mark.usefixtures("_merges_by_job")
@pytest.mark.parametrize("seen", [False, True], ids=["edited", "looked at"])
def test_what_is_done_while_a_run_is_merged_is_kept(seen):
    bench = Bench(is_held=True)
    bench.show()
    bench.segment.start()
    bench.starter.release()
    bench.starter.release()
    first = bench.proofread.labels.copy()
    bench.engine.segmenter.segment = nothing_found
    bench.segment.start()
    bench.starter.release()  # the model is through, and merged with three cells
    if seen:
        bench.proofread.set_state([1], "accepted")
    else:
        bench.proofread.make(grow_cells, [1])
    bench.starter.release()
    bench.starter.release()
    assert not bench.segment.task.is_running
    assert bench.proofread.sources == {1: "model" if seen else "edited"}
    n_grown = 36 if seen else 36 + 4 * 6
    assert np.count_nonzero(bench.proofread.labels) == n_grown
    bench.proofread.undo()
    if not seen:
        bench.proofread.undo()
    np.testing.assert_array_equal(bench.proofread.labels, first)


@pytest.mark.usefixtures("_merges_by_job")
def test_what_is_found_on_all_images_is_merged_by_their_own_task(tmp_path):
    bench, found, told = Bench(is_held=True), [], []
    sources = [str(tmp_path / f"{name}.tif") for name in ("one", "two")]
    for source in sources:
        tifffile.imwrite(source, squares()[0])
    whole = ProjectRun(bench.segment, TaskController(bench.starter))
    bench.segment.arrived.connect(
        lambda run, cells, is_new: found.append(len(cells.sources))
    )
    whole.finished.connect(told.append)
    whole.start(sources)
    bench.starter.release()  # the model is through
    assert not found
    assert whole.task.is_running
    assert not bench.segment.task.is_running
    bench.starter.release()
    assert found == [3]
    bench.starter.release()
    bench.starter.release()
    assert found == [3, 3]
    assert told == ["2 images segmented."]


@pytest.mark.usefixtures("_merges_by_job")
def test_an_image_that_cannot_be_merged_is_no_end_to_the_others(tmp_path, monkeypatch):
    bench, told, merge = Bench(is_held=True), [], run_taking.merge_run
    sources = [str(tmp_path / f"{name}.tif") for name in ("one", "two")]
    for source in sources:
        tifffile.imwrite(source, squares()[0])

    def fails_once(*args, **options):
        monkeypatch.setattr(run_taking, "merge_run", merge)
        raise EditError("The disk is full.")

    monkeypatch.setattr(run_taking, "merge_run", fails_once)
    whole = ProjectRun(bench.segment, TaskController(bench.starter))
    whole.finished.connect(told.append)
    whole.start(sources)
    for _ in range(4):  # a model and a merge for each
        bench.starter.release()
    (words,) = told
    assert words == (
        "1 image segmented. 1 failed; the first: one.tif: The disk is full."
    )


def nothing_found(image, options):
    """Find no cell at all."""
    yield Progress(0, 1, "looking")
    labels = np.zeros(image.labels_shape, np.int32)
    return SegmentationResult(labels, np.zeros(0, np.float32), "", "", options)


@pytest.mark.usefixtures("_merges_by_job")
def test_moved_thresholds_are_merged_by_the_job_with_what_was_done_meanwhile():
    bench = Bench(is_held=True)
    bench.show()
    bench.segment.start()
    for _ in range(2):
        bench.starter.release()
    first = bench.proofread.labels.copy()
    for level in (0.3, 0.4):
        bench.segment.redecode(foreground_threshold=level)
        bench.starter.release()
        if level == 0.4:
            # A step in between: the first move of the slider may not be joined with.
            bench.proofread.delete_cells([1])
        while bench.starter.held:
            bench.starter.release()
    assert set(bench.proofread.sources) == {2}
    names = []
    while bench.proofread.history.undo_name:
        names.append(bench.proofread.history.undo_name)
        bench.proofread.undo()
    assert names == ["delete cell", MOVED]
    np.testing.assert_array_equal(bench.proofread.labels, first)
