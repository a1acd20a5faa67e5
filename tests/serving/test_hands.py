"""The bench: tasks in turn, on time, and none that nobody waits for."""

from __future__ import annotations

import errno
import io
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tifffile
from tests.fakes import FakeSegmenter

from napari_cellseg.cloud.wire.envelope import RESULT_TYPE, encode_request
from napari_cellseg.core.errors import ModelError, OutOfMemoryError
from napari_cellseg.core.jobs import Progress, run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.synthetic import random_scene
from napari_cellseg.core.types import CellImage
from napari_cellseg.engines import open_segmenter
from napari_cellseg.serving.bench import hands as hands_module
from napari_cellseg.serving.bench.bench import (
    Answer,
    News,
    Problem,
    Ready,
    Setup,
    Step,
    Task,
)
from napari_cellseg.serving.bench.hands import Hands
from napari_cellseg.serving.requests import answering as answering_module
from napari_cellseg.serving.requests.reply import Reply

LONG = 60.0
SECONDS = 20.0


class SlowSegmenter(FakeSegmenter):
    """Goes on step by step until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.n_steps = 0
        self.may_end = threading.Event()
        self.n_cleaned_up = 0
        self.error: Exception | None = None

    def segment(self, image: Any, options: Any) -> Any:
        try:
            while not self.may_end.wait(0.01):
                self.n_steps += 1
                yield Progress(self.n_steps, 0, f"step {self.n_steps}")
            if self.error is not None:
                raise self.error
            return (yield from super().segment(image, options))
        finally:
            self.n_cleaned_up += 1


class Heard:
    """What a bench told."""

    def __init__(self) -> None:
        self.news: list[News] = []
        self._changed = threading.Condition()

    def __call__(self, news: News) -> None:
        with self._changed:
            self.news.append(news)
            self._changed.notify_all()

    def wait(self, kind: type, number: int = 0, seconds: float = SECONDS) -> Any:
        """Return the first news of a kind, about a task if one is named."""

        def found() -> Any:
            return next(
                (
                    each
                    for each in self.news
                    if isinstance(each, kind) and (not number or each.number == number)  # type: ignore[union-attr]
                ),
                None,
            )

        with self._changed:
            assert self._changed.wait_for(found, seconds), self.news
            return found()

    def reply(self, number: int) -> Reply:
        return self.wait(Answer, number, 10 * SECONDS).reply

    def began(self, number: int) -> bool:
        return any(
            isinstance(each, Step) and each.number == number for each in self.news
        )


@pytest.fixture
def segmenter(monkeypatch: pytest.MonkeyPatch) -> SlowSegmenter:
    slow = SlowSegmenter()
    monkeypatch.setattr(hands_module, "open_part_segmenter", lambda *_: slow)
    return slow


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def hands(segmenter: SlowSegmenter, heard: Heard) -> Iterator[Hands]:
    made = Hands(Setup(), 1)
    made.start(heard)
    heard.wait(Ready)
    yield made
    segmenter.may_end.set()
    made.stop(SECONDS)


def task(number: int, seconds: float = LONG) -> Task:
    image = CellImage(np.pad(np.full((1, 4, 4), 9, np.uint8), ((0, 0), (6, 6), (6, 6))))
    return Task(number, encode_request(image, SegmentOptions()), RESULT_TYPE, seconds)


def test_a_cell_has_been_measured_before_it_says_that_it_is_ready(
    heard: Heard, segmenter: SlowSegmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []
    measured = answering_module.measure_cells

    def measuring(*given: Any, **named: Any) -> Any:
        done.append(measured(*given, **named))
        return done[-1]

    monkeypatch.setattr(answering_module, "measure_cells", measuring)
    made = Hands(Setup(), 1)
    made.start(heard)
    heard.wait(Ready)
    assert [len(table.cells) for table in done] == [1]
    made.stop(SECONDS)


def test_a_task_that_takes_too_long_is_stopped_and_said_so(
    hands: Hands, heard: Heard, segmenter: SlowSegmenter
) -> None:
    hands.take(task(1, seconds=1.0))
    reply = heard.reply(1)
    assert reply.status == 504
    assert b"smaller region" in reply.body
    assert segmenter.n_cleaned_up == 1
    assert segmenter.n_steps > 1


def test_waiting_counts_as_well(
    hands: Hands, heard: Heard, segmenter: SlowSegmenter
) -> None:
    hands.take(task(1))
    hands.take(task(2, seconds=0.1))
    heard.wait(Step, 1)
    time.sleep(0.3)
    segmenter.may_end.set()
    assert heard.reply(1).status == 200
    assert heard.reply(2).status == 504
    assert not heard.began(2)


def test_what_nobody_waits_for_is_not_worked_on(hands: Hands, heard: Heard) -> None:
    hands.take(task(1))
    hands.take(task(2))
    heard.wait(Step, 1)
    hands.drop(1)
    hands.drop(2)
    assert heard.reply(1).status == heard.reply(2).status == 499
    assert not heard.began(2)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_that_nobody_foresaw_is_answered_and_the_hand_replaced(
    hands: Hands,
    heard: Heard,
    segmenter: SlowSegmenter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class StrangeError(Exception):
        """Of a library, in no list of ours."""

    def understood(*_: object) -> object:
        raise StrangeError

    segmenter.may_end.set()
    with monkeypatch.context() as faulty:
        faulty.setattr(hands_module, "understood", understood)
        for number in (1, 2, 3):
            hands.take(task(number))
            assert heard.reply(number).status == 500
            assert b"in its log" in heard.reply(number).body
    hands.take(task(4))
    assert heard.reply(4).status == 200
    assert not hands.is_busy


def test_images_that_are_worked_on_at_a_time_come_out_as_one_by_one(
    heard: Heard,
) -> None:
    """With the real network: hands share it, and nothing else."""
    images = [random_scene(seed, (96, 112)).image for seed in (13, 14, 15, 16)]
    tasks = [
        Task(n, encode_request(image, SegmentOptions()), "image/tiff", LONG * 5)
        for n, image in enumerate(images, start=1)
    ]
    together = Hands(Setup(device="cpu"), 3)
    together.start(heard)
    for each in tasks:
        together.take(each)
    labels = [read_labels(heard.reply(each.number)) for each in tasks]
    together.stop(SECONDS)
    alone = open_segmenter("local", device="cpu")
    for image, found in zip(images, labels, strict=True):
        expected = run(alone.segment(image, SegmentOptions())).labels
        np.testing.assert_array_equal(found, expected)
    assert sum(int(found.max()) for found in labels) > 4


def read_labels(reply: Reply) -> Any:
    assert reply.status == 200, reply.body
    return tifffile.imread(io.BytesIO(reply.body))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("cuDNN error"), 500),
        (RuntimeError("CUDA out of memory"), 413),
        (RuntimeError("std::bad_alloc"), 413),
        (RuntimeError("could not create a primitive"), 413),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 413),
        (OutOfMemoryError("The CPU ran out of memory on a tile."), 413),
        (MemoryError(), 413),
    ],
)
def test_an_error_of_a_library_does_not_end_the_bench(
    hands: Hands,
    heard: Heard,
    segmenter: SlowSegmenter,
    error: Exception,
    status: int,
) -> None:
    segmenter.error = error
    segmenter.may_end.set()
    hands.take(task(1))
    assert heard.reply(1).status == status
    segmenter.error = None
    hands.take(task(2))
    assert heard.reply(2).status == 200


def test_who_finds_no_memory_beside_others_is_told_to_come_again(
    segmenter: SlowSegmenter, heard: Heard
) -> None:
    both = Hands(Setup(), 2)
    both.start(heard)
    for number in (1, 2):
        both.take(task(number))
        heard.wait(Step, number)
    segmenter.error = MemoryError()
    segmenter.may_end.set()
    replies = [heard.reply(number) for number in (1, 2)]
    both.stop(SECONDS)
    # Who fails last is alone then, and too large.
    assert {reply.status for reply in replies} <= {413, 503}
    first = min(replies, key=lambda reply: -reply.status)
    assert first.status == 503
    assert first.headers["Retry-After"] == "5"


def test_a_request_that_cannot_be_read_is_answered_in_a_sentence(
    hands: Hands, heard: Heard
) -> None:
    good = task(1)
    bad = Task(1, type(good.message)(b"no tiff", "image/tiff", ""), "", LONG)
    hands.take(bad)
    assert heard.reply(1).status == 400


def test_several_hands_work_at_a_time(segmenter: SlowSegmenter, heard: Heard) -> None:
    both = Hands(Setup(), 2)
    both.start(heard)
    both.take(task(1))
    both.take(task(2))
    heard.wait(Step, 1)
    heard.wait(Step, 2)
    assert not any(isinstance(each, Answer) for each in heard.news)
    segmenter.may_end.set()
    assert heard.reply(1).body[:2] == heard.reply(2).body[:2] == b"PK"
    both.stop(SECONDS)


def test_a_bench_that_stops_tells_who_waits(
    hands: Hands, heard: Heard, segmenter: SlowSegmenter
) -> None:
    hands.take(task(1))
    hands.take(task(2))
    heard.wait(Step, 1)
    threading.Timer(0.3, segmenter.may_end.set).start()
    hands.stop(SECONDS)
    assert heard.reply(1).status == 200
    reply = heard.reply(2)
    assert reply.status == 429
    assert b"being stopped" in reply.body


def test_a_model_that_cannot_be_loaded_is_told_of(
    monkeypatch: pytest.MonkeyPatch, heard: Heard
) -> None:
    def missing(*_: object) -> None:
        raise ModelError("There is no model 'x'.")

    monkeypatch.setattr(hands_module, "open_part_segmenter", missing)
    Hands(Setup("x"), 1).start(heard)
    assert heard.wait(Problem).text == "There is no model 'x'."
