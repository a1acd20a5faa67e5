"""The cells of a run are looked at again, and the queue follows."""

import numpy as np
import pytest
from tests.fakes import FakeEngine, FakeSegmenter, NowStarter

from napari_cellseg.controllers.labels.cell_tools import CellTools
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.measuring.measure import MeasureController
from napari_cellseg.controllers.reviewing.review import ReviewController
from napari_cellseg.controllers.segmenting.second_look import SecondLook
from napari_cellseg.controllers.segmenting.segment import SegmentController
from napari_cellseg.controllers.session import Session
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.editing.rerun import Region
from napari_cellseg.core.editing.split import add_cell
from napari_cellseg.core.types import CellImage, PlaneMaps, SegmentationResult


class BlindSegmenter(FakeSegmenter):
    """Finds what is bright; its maps show nothing, so that no decoder agrees."""

    def segment(self, image, options):
        made = yield from super().segment(image, options)
        empty = np.zeros((5, *made.labels.shape[-2:]), np.uint8)
        settled = self.settled(options)
        maps = tuple(
            PlaneMaps(empty, made.labels.shape[-2:]) for _ in image.plane_indices()
        )
        return SegmentationResult(
            made.labels, made.confidence, "fake", "f" * 64, settled, maps=maps,
            axes=made.axes,
        )  # fmt: skip

    @staticmethod
    def settled(options):
        from dataclasses import replace

        return replace(
            options, foreground_threshold=0.5, seed_threshold=0.5, decoder="watershed"
        )


class Bench:
    """The controllers of a window on an image with three bright squares."""

    def __init__(self, segmenter=None):
        pixels = np.zeros((1, 60, 80), np.uint8)
        for left in (10, 30, 50):
            pixels[0, 10:20, left : left + 10] = 200
        self.session, self.proofread = Session(), ProofreadController()
        tasks = tuple(TaskController(NowStarter()) for _ in range(4))
        engine = FakeEngine(segmenter or FakeSegmenter())
        self.segment = SegmentController(self.session, engine, self.proofread, tasks)
        self.segment.load_models()
        task = TaskController(NowStarter())
        self.measure = MeasureController(self.session, self.proofread, task)
        self.review = ReviewController(self.proofread, self.measure)
        look_task = TaskController(NowStarter())
        self.look = SecondLook(self.segment, self.proofread, look_task)
        self.look.looked.connect(self.review.take_signs)
        self.session.show_image(CellImage(pixels))


def touching_pair():
    """Return labels: 1 and 2 touch, 3 lies alone."""
    labels = np.zeros((60, 80), np.int32)
    labels[10:20, 10:20], labels[10:20, 20:30], labels[40:50, 40:50] = 1, 2, 3
    return labels


def test_cells_that_are_opened_are_looked_at():
    bench = Bench()
    bench.proofread.open(touching_pair(), None, dict.fromkeys((1, 2, 3), 0.9))
    assert bench.look.signs.touching[3] == 0
    assert bench.look.signs.touching[1] > 0.2
    assert bench.review.queue == [1, 2, 3]
    bench.review.next()
    assert bench.review.reasons == ["touches 1 other"]


def test_the_reason_follows_the_neighbours_that_are_left():
    bench = Bench()
    bench.proofread.open(touching_pair(), None, dict.fromkeys((1, 2, 3), 0.9))
    bench.review.next()
    bench.proofread.delete_cells([2])
    assert bench.review.reasons == []


def test_a_cell_that_the_other_decoder_does_not_find_comes_first():
    bench = Bench(BlindSegmenter())
    bench.segment.start()
    assert bench.look.signs.disagreement == {1: 1.0, 2: 1.0, 3: 1.0}
    bench.review.next()
    assert any("two ways" in reason for reason in bench.review.reasons)


def test_cells_that_a_region_cuts_off_come_first():
    bench = Bench()
    bench.segment.start(Region((0, 0, 60, 55)))
    assert bench.look.signs.cut_off == {3}
    assert bench.review.queue[0] == 3
    bench.review.next()
    assert bench.review.reasons[0] == "cut off where the region ended"


def test_what_was_seen_of_other_cells_stays_after_a_region():
    bench = Bench(BlindSegmenter())
    bench.segment.start()
    bench.segment.start(Region((0, 45, 60, 80)))
    assert {1, 2} <= bench.look.signs.disagreement.keys()


def test_other_labels_are_seen_anew():
    bench = Bench(BlindSegmenter())
    bench.segment.start()
    bench.proofread.open(touching_pair())
    assert bench.look.signs.disagreement == {}
    bench.proofread.reopen(None)
    assert bench.look.signs.touching == {}


class SeeingSegmenter(BlindSegmenter):
    """Finds what is bright; its maps show another square, less sure."""

    def segment(self, image, options):
        made = yield from super().segment(image, options)
        maps = made.maps[0].maps
        height = maps.shape[1]
        below = 60 - height  # a region begins lower
        maps[:2, 40 - below : 50 - below, 30:40] = 110
        return made


def test_cells_that_a_run_missed_are_pointed_at():
    bench = Bench(SeeingSegmenter())
    bench.segment.start()
    (place,) = bench.look.signs.missing
    assert place.corner_yx == (40, 30)
    assert place.mask.all()


def test_a_place_in_a_region_lies_in_the_whole():
    bench = Bench(SeeingSegmenter())
    bench.segment.start(Region((5, 0, 60, 80)))
    (place,) = bench.look.signs.missing
    assert place.corner_yx == (40, 30)


def test_a_cell_that_was_deleted_by_hand_is_not_offered_again():
    bench = Bench(SeeingSegmenter())
    bench.segment.start()
    outline = np.array([(39.0, 29), (39, 41), (51, 41), (51, 29)])
    bench.proofread.make(add_cell, outline, ())
    bench.proofread.delete_cells([4])
    bench.segment.start()
    assert bench.look.signs.missing == ()


def test_nothing_is_heard_after_the_window_is_closed():
    bench = Bench(BlindSegmenter())
    bench.look.release()
    bench.segment.start()
    assert bench.look.signs.touching == {}


@pytest.mark.parametrize("confidence", [0.3, 0.9])
def test_the_cell_that_is_looked_at_stays_when_signs_come(confidence):
    bench = Bench()
    bench.look.release()
    bench.proofread.open(touching_pair(), None, {1: 0.9, 2: 0.9, 3: confidence})
    bench.review.next()
    current = bench.review.current
    bench.review.take_signs(bench.look.signs)
    assert bench.review.current == current


class TwoModels(FakeSegmenter):
    """Runs another model once it is told to: it sees one half of two of the squares."""

    is_other = False

    def segment(self, image, options):
        made = yield from super().segment(image, options)
        if not self.is_other:
            return made
        labels = made.labels.copy()
        labels[..., 15:, 30:] = 0
        return SegmentationResult(
            labels, made.confidence, "other", "0" * 64, made.options, axes=made.axes
        )


def test_cells_that_another_model_drew_otherwise_are_pointed_at():
    model = TwoModels()
    bench = Bench(model)
    bench.segment.start()
    first = dict(bench.proofread.sources)
    assert bench.look.signs.other_model == {}

    model.is_other = True
    bench.segment.start()
    disputed = bench.look.signs.other_model
    assert list(disputed.values()) == [0.5, 0.5]  # half of each is left
    assert min(first) not in disputed  # both models drew it alike
    said = {}
    for _ in bench.review.queue:
        bench.review.next()
        why = bench.review.reasons
        said[bench.review.current] = "another model drew it otherwise" in why
    assert said == {min(first): False, **dict.fromkeys(disputed, True)}


def test_a_second_run_of_one_model_disputes_nothing():
    bench = Bench()
    bench.segment.start()
    bench.segment.start()
    assert bench.look.signs.other_model == {}


def test_what_was_seen_follows_cells_to_their_new_numbers():
    bench = Bench(BlindSegmenter())
    bench.segment.start()
    bench.proofread.delete_cells([1])
    CellTools(bench.proofread).number_anew()
    assert {1, 2} <= bench.look.signs.disagreement.keys()
    bench.proofread.undo()
    assert {2, 3} <= bench.look.signs.disagreement.keys()


def test_labels_are_copied_by_the_job_and_not_before():
    started = []
    bench = Bench()
    bench.look.task.start = lambda _name, job, _on_done: started.append(job)
    labels = np.zeros((60, 80), np.int32)
    labels[10:20, 10:20] = 1
    labels[10:20, 20:30] = 2
    bench.proofread.open(labels)
    next(started[-1])
    labels[...] = 0  # the job has not copied yet, so that it finds nothing
    with pytest.raises(StopIteration) as end:
        next(started[-1])
    assert not end.value.value.touching
