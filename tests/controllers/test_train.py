"""What is checked goes into the training, and every step into the curve."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from tests.fakes import FakeEngine, FakeTrainer, NowStarter

from napari_cellseg.controllers.labels import cells_before
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.controllers.segmenting.segment import SegmentController
from napari_cellseg.controllers.session import Session
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.controllers.training.train import TrainController
from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.training.curve import CurvePoint
from napari_cellseg.core.training.item import TrainingSupply, TrainProgress
from napari_cellseg.core.types import CellImage, PixelSize
from napari_cellseg.io.models.folder import MODELS_VARIABLE
from napari_cellseg.io.models.left_trainings import last_crop_seconds, trainings_folder
from napari_cellseg.io.models.training_files import write_outcome


@pytest.fixture
def training(tmp_path, monkeypatch):
    """Return a controller with two cells on an image, and what it works on."""
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "models"))
    session, proofread = Session(), ProofreadController()
    tasks = tuple(TaskController(NowStarter()) for _ in range(4))
    segment = SegmentController(session, FakeEngine(), proofread, tasks)
    segment.load_models()
    trainer = FakeTrainer(tmp_path / "made")
    train = TrainController(
        session,
        segment,
        ProjectController(),
        TaskController(NowStarter()),
        lambda *_: trainer,
    )
    session.show_image(
        CellImage(np.zeros((1, 40, 40), np.uint8), pixel_size=PixelSize(0.5, 0.5))
    )
    labels = np.zeros((40, 40), np.int32)
    labels[2:10, 2:10] = 1
    labels[20:30, 20:30] = 2
    proofread.open(labels)
    return train, proofread, trainer


def test_every_step_is_on_the_curve(training):
    train, proofread, _ = training
    proofread.set_state([1], "accepted")
    train.count()
    train.start()
    assert [point.step for point in train.curve] == [1, 2, 3]
    assert train.curve[-1].score == pytest.approx(0.8)
    assert train.outcome.is_recommended


def test_the_result_of_one_training_is_decided_before_the_next_begins(training):
    train, proofread, _ = training
    proofread.set_state([1], "accepted")
    train.count()
    train.start()
    with pytest.raises(TrainingError, match="keep the old"):
        train.start()
    assert train.outcome is not None
    train.keep_old()
    assert not train.why_not()


def test_the_area_is_said_in_square_millimetres(training):
    train, proofread, _ = training
    everything = np.array([[0.0, 0.0], [0.0, 40.0], [40.0, 40.0], [40.0, 0.0]])
    proofread.check_area(everything, ())
    train.count()
    assert train.supply.n_cells == 2
    # 40 x 40 pixels of 0.5 um are 400 um2.
    assert "0.0004 mm²" in train.words


def test_nothing_checked_cannot_be_trained_on(training):
    train, _, _ = training
    train.count()
    assert "mark an area or the whole image as checked" in train.words
    with pytest.raises(TrainingError, match="only what you vouch for"):
        train.start()


def test_what_is_checked_of_a_large_image_is_counted_by_a_job(training, monkeypatch):
    train, proofread, _ = training
    monkeypatch.setattr(cells_before, "AT_ONCE_PX", 0)
    proofread.set_state([1], "accepted")
    train.counting.starter.is_held = True
    train.count()
    assert train.supply is None
    assert train.words == "Counting the checked cells…"
    train.counting.starter.release()
    assert train.supply.n_cells == 1


def test_an_image_without_a_number_is_named_before_the_start(training):
    train, proofread, _ = training
    nothing = np.full((1, 40, 40), np.nan, np.float32)
    train.source._session.show_image(CellImage(nothing, name="empty.tif"))
    labels = np.zeros((40, 40), np.int32)
    labels[2:10, 2:10] = 1
    proofread.open(labels)
    proofread.set_state([1], "accepted")
    train.count()
    assert "'empty.tif' has no pixel that is a number" in train.words
    with pytest.raises(TrainingError, match="no pixel that is a number"):
        train.start()


def test_a_model_is_called_after_what_it_learned_from(training, tmp_path, monkeypatch):
    train, proofread, trainer = training
    titles = []
    monkeypatch.setattr(
        train, "_open_trainer", lambda *told: titles.append(told[2]) or trainer
    )
    for name in ("images", "masks"):
        (tmp_path / "mitoses" / name).mkdir(parents=True)
        labels = proofread.cells.labels.astype(np.uint8)
        tifffile.imwrite(tmp_path / "mitoses" / name / "a.tif", labels)
    train.choose_source("folder", tmp_path / "mitoses")
    train.start()
    assert titles == ["mitoses model"]


def test_thousands_of_checked_cells_are_learned_from_for_longer(training):
    train, _, _ = training
    train.set_option("preset", "thorough")
    usual = train.minutes
    train.supply = TrainingSupply(10, 7500, 10**7)
    assert train.minutes > 1.8 * usual


def test_a_longer_preset_takes_longer(training):
    train, _, _ = training
    quick = train.minutes
    train.set_option("preset", "thorough")
    assert train.minutes > 5 * quick


@pytest.fixture
def left(training, tmp_path):
    """Return the folder of a training that was cut, and the controller that finds it."""
    train, _, trainer = training
    folder = trainings_folder() / "20260101-mine"
    folder.mkdir(parents=True)
    (folder / "request.json").write_text(json.dumps({"title": "Mine"}))
    step = {"kind": "progress", "progress": [2, 3, "step 2 of 3"]}
    (folder / "log.jsonl").write_text(json.dumps(step) + "\n")
    (folder / "curve.csv").write_text("step,loss,held_out_msa\n1,0.9,\n2,0.8,0.5\n")
    return folder, train, trainer


def test_a_training_that_was_cut_goes_on(left):
    folder, train, trainer = left
    train.look_for_left()
    assert train.left.state == "cut"
    train.take_left()
    assert trainer.gone_on_with == folder
    assert train.outcome.is_recommended
    assert train.left is None
    # Steps that were done again take the place of those of the first time.
    assert [point.step for point in train.curve] == [1, 2, 3]


def test_the_result_of_an_earlier_window_is_shown_and_settled(left):
    folder, train, _ = left
    train.look_for_left()
    train.take_left()
    write_outcome(folder, train.outcome)
    train.outcome = None
    train.look_for_left()
    assert train.left.state == "done"
    train.take_left()
    assert train.outcome.reason == "Better."
    assert [point.score for point in train.curve] == [None, 0.5]
    train.keep_old()
    train.look_for_left()
    assert train.left is None


def test_what_is_dropped_is_not_offered_again(left):
    folder, train, _ = left
    train.look_for_left()
    train.drop_left()
    train.look_for_left()
    assert train.left is None
    assert folder.is_dir()


def test_quick_says_at_most_what_it_is_limited_to(training):
    train, _, _ = training
    assert train.minutes <= 3
    train.set_option("batch_size", 64)
    assert train.minutes == pytest.approx(2.5)
    train.set_option("steps", 240)
    assert train.minutes > 10


def test_the_estimate_follows_the_pace_of_the_last_training(left):
    folder, train, _ = left
    assert "on two CPU cores" in train.time_words
    options = {"options": {"preset": "quick", "batch_size": 2}, "title": "Mine"}
    (folder / "request.json").write_text(json.dumps(options))
    train.look_for_left()
    train.take_left()
    # 100 steps of 2 crops in 60 s.
    write_outcome(folder, replace(train.outcome, n_steps=100, seconds=60.0))
    assert last_crop_seconds() == pytest.approx(0.3)
    train._take(train.outcome)
    assert "your last training" in train.time_words


def test_a_training_whose_process_was_killed_is_offered_to_go_on(left, monkeypatch):
    folder, train, trainer = left

    def killed(*_):
        yield TrainProgress(1, 3, "step 1 of 3", (CurvePoint(1, 0.9),))
        raise TrainingError("The training process ended.")

    monkeypatch.setattr(trainer, "go_on", killed)
    train.look_for_left()
    train.take_left()
    assert train.task.state == "failed"
    assert train.left.folder == folder
    assert train.curve == []


@pytest.fixture
def beginning(left):
    """Return what `left` does, the training going on and yet to do its first step."""
    folder, train, _ = left
    (folder / "curve.csv").unlink()
    train.task.starter.is_held = True
    train.look_for_left()
    train.take_left()
    return left


def test_what_is_stopped_before_its_first_step_is_cancelled_and_not_offered_again(
    beginning,
):
    _, train, trainer = beginning
    train.stop()
    train.task.starter.release()
    assert train.task.state == "cancelled"
    assert not trainer.was_stopped
    train.look_for_left()
    assert train.left is None


def test_a_window_that_closes_before_the_first_step_leaves_the_training_to_be_offered(
    beginning,
):
    folder, train, _ = beginning
    train.close()
    train.look_for_left()
    assert train.left.folder == folder
