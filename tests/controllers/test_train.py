"""What is checked goes into the training, and every step into the curve."""

import numpy as np
import pytest
from tests.fakes import FakeEngine, FakeTrainer, NowStarter

from napari_cellseg.controllers.project import ProjectController
from napari_cellseg.controllers.proofread import ProofreadController
from napari_cellseg.controllers.segment import SegmentController
from napari_cellseg.controllers.session import Session
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.controllers.train import TrainController
from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.types import CellImage, PixelSize
from napari_cellseg.io.model_folder import MODELS_VARIABLE


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
    with pytest.raises(TrainingError, match="only what you vouch for"):
        train.start()


def test_a_longer_preset_takes_longer(training):
    train, _, _ = training
    quick = train.minutes
    train.set_option("preset", "thorough")
    assert train.minutes > 5 * quick
