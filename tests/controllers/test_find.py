"""Finding a missed cell: at once where the maps are known, else after a look."""

import numpy as np
import pytest
from tests.fakes import FakeEngine, FakeSegmenter, NowStarter

from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.segmenting.find import FindController
from napari_cellseg.controllers.segmenting.segment import SegmentController
from napari_cellseg.controllers.session import Session
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.types import CellImage, PlaneMaps, SegmentationResult


class SeeingSegmenter(FakeSegmenter):
    """Sees what is bright; tells of no cell."""

    def segment(self, image, options):
        made = yield from super().segment(image, options)
        maps = tuple(
            PlaneMaps(np.repeat(image.plane(index)[:1], 5, 0), made.labels.shape[-2:])
            for index in image.plane_indices()
        )
        return SegmentationResult(
            np.zeros_like(made.labels), np.zeros(0, np.float32), "fake", "f" * 64,
            made.options, maps=maps, axes=made.axes,
        )  # fmt: skip


def bench(shape=(40, 60), *, is_held=False, engine=None):
    """Return finder, labels, engine's segmenter and starter beside a bright square."""
    pixels = np.zeros((1, *shape), np.uint8)
    pixels[..., 10:20, 30:40] = 200
    session, proofread = Session(), ProofreadController()
    starter = NowStarter(is_held=is_held)
    engine = engine or FakeEngine(SeeingSegmenter())
    tasks = tuple(TaskController(NowStarter()) for _ in range(4))
    segment = SegmentController(session, engine, proofread, tasks)
    segment.load_models()
    axes = "CYX" if len(shape) == 2 else "CZYX"
    session.show_image(CellImage(pixels, axes))
    proofread.open(np.zeros(shape, np.int32))
    finder = FindController(segment, proofread, TaskController(starter))
    return finder, proofread, segment, starter


POINT = np.array([(14.0, 35.0)])
BOX = np.array([(7.0, 27.0), (23.0, 44.0)])


@pytest.mark.parametrize("points", [POINT, BOX], ids=["click", "box"])
@pytest.mark.parametrize(("shape", "plane"), [((40, 60), ()), ((3, 40, 60), (1,))])
def test_the_model_looks_once_and_the_cell_is_there(points, shape, plane):
    finder, proofread, segment, _ = bench(shape)
    finder.find(points, plane)
    cell = proofread.labels[plane] == 1
    assert cell[10:20, 30:40].all()
    assert cell.sum() <= 144
    assert (proofread.labels > 0).sum() == cell.sum()
    n_runs = segment._engine.segmenter.n_runs
    proofread.undo()
    finder.find(points, plane)
    assert segment._engine.segmenter.n_runs == n_runs
    assert proofread.n_cells == 1


def test_the_maps_of_the_last_run_are_used_at_once():
    finder, proofread, segment, _ = bench()
    segment.start()
    n_runs = segment._engine.segmenter.n_runs
    finder.find(POINT, ())
    assert segment._engine.segmenter.n_runs == n_runs
    assert proofread.sources == {1: "hand"}


def test_one_place_at_a_time():
    finder, proofread, _, starter = bench(is_held=True)
    finder.find(POINT, ())
    with pytest.raises(EditError, match="still looking"):
        finder.find(POINT, ())
    starter.release()
    assert proofread.n_cells == 1


def test_where_the_model_sees_nothing_the_task_says_so():
    finder, proofread, _, _ = bench()
    finder.find(np.array([(35.0, 5.0)]), ())
    assert "sees no cell" in finder.task.failure.message
    assert proofread.n_cells == 0


def test_a_click_beside_the_image_and_labels_of_another_image_are_refused():
    finder, proofread, _, _ = bench()
    with pytest.raises(EditError, match="inside the image"):
        finder.find(np.array([(50.0, 5.0)]), ())
    proofread.open(np.zeros((9, 9), np.int32))
    with pytest.raises(EditError, match="not those of the image"):
        finder.find(POINT, ())


def test_a_server_that_sends_no_maps_is_told_of():
    class Blind(FakeSegmenter):
        def segment(self, image, options):
            made = yield from super().segment(image, options)
            return SegmentationResult(
                made.labels,
                made.confidence,
                "fake",
                "f" * 64,
                made.options,
                axes=made.axes,
            )

    finder, *_ = bench(engine=FakeEngine(Blind()))
    finder.find(POINT, ())
    assert "did not send" in finder.task.failure.message
