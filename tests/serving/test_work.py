"""The worker: orders in turn, on time, and none that nobody waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.fakes import FakeSegmenter

from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.jobs import Progress
from napari_cellseg.serving import work
from napari_cellseg.serving.allowed import container_options, lab_options
from napari_cellseg.serving.work import (
    BusyError,
    GoneError,
    LateError,
    NotReadyError,
    Worker,
)

LONG = 60.0


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    monkeypatch.setattr(work, "open_part_segmenter", lambda *_: FakeSegmenter())
    made = Worker(queue_length=2)
    made.start()
    until = time.monotonic() + 10
    while not made.is_ready and time.monotonic() < until:
        time.sleep(0.01)
    yield made
    made.stop(5)


class Slow:
    """Work that goes on step by step until it is let go."""

    def __init__(self) -> None:
        self.n_steps = 0
        self.may_end = threading.Event()
        self.is_cleaned_up = threading.Event()

    def __call__(self, _segmenter: Any) -> Any:
        try:
            while not self.may_end.wait(0.01):
                self.n_steps += 1
                yield Progress(self.n_steps, 0, f"step {self.n_steps}")
        finally:
            self.is_cleaned_up.set()
        return "done"


def test_an_order_that_takes_too_long_is_stopped_and_said_so(worker: Worker) -> None:
    slow = Slow()
    order = worker.order(slow, 0.2)
    with pytest.raises(LateError, match="smaller region"):
        order.answer.result(10)
    assert slow.is_cleaned_up.is_set()
    assert slow.n_steps > 1


def test_waiting_counts_as_well(worker: Worker) -> None:
    slow, late = Slow(), Slow()
    worker.order(slow, LONG)
    order = worker.order(late, 0.1)
    time.sleep(0.3)
    slow.may_end.set()
    with pytest.raises(LateError):
        order.answer.result(10)
    assert late.n_steps == 0


def test_what_nobody_waits_for_is_not_worked_on(worker: Worker) -> None:
    first, second = Slow(), Slow()
    running, waiting = worker.order(first, LONG), worker.order(second, LONG)
    running.drop()
    waiting.drop()
    for order in (running, waiting):
        with pytest.raises(GoneError):
            order.answer.result(10)
    assert second.n_steps == 0


def test_a_full_queue_refuses_and_says_how_many_are_before(worker: Worker) -> None:
    slow = Slow()
    first = worker.order(slow, LONG)
    until = time.monotonic() + 10
    while worker.n_before(first) and time.monotonic() < until:
        time.sleep(0.01)
    waiting = [worker.order(Slow(), LONG) for _ in range(2)]
    with pytest.raises(BusyError, match="2 images wait"):
        worker.order(Slow(), LONG)
    assert [worker.n_before(order) for order in waiting] == [1, 2]
    for order in waiting:
        order.drop()
    slow.may_end.set()
    assert first.answer.result(10) == "done"


def test_an_error_of_a_library_does_not_end_the_worker(worker: Worker) -> None:
    def broken(_segmenter: Any) -> Any:
        yield Progress(0, 0)
        raise RuntimeError("CUDA out of memory")

    with pytest.raises(Exception, match="CUDA out of memory"):
        worker.order(broken, LONG).answer.result(10)
    fine = Slow()
    fine.may_end.set()
    assert worker.order(fine, LONG).answer.result(10) == "done"


def test_a_server_that_stops_tells_who_waits(worker: Worker) -> None:
    slow = Slow()
    worker.order(slow, LONG)
    waiting = worker.order(Slow(), LONG)
    threading.Timer(0.3, slow.may_end.set).start()
    worker.stop(10)
    with pytest.raises(BusyError, match="being stopped"):
        waiting.answer.result(10)
    with pytest.raises((BusyError, NotReadyError)):
        worker.order(Slow(), LONG)


def test_before_the_model_is_there_nothing_is_taken() -> None:
    with pytest.raises(NotReadyError, match="being loaded"):
        Worker().order(Slow(), LONG)


@pytest.mark.parametrize(
    ("environment", "megabytes", "seconds"),
    [
        ({}, 25, 55),
        ({"CELLSEG_ENDPOINT_KIND": "serverless"}, 4, 55),
        ({"CELLSEG_ENDPOINT_KIND": "async"}, 1000, 3595),
        ({"SAGEMAKER_BATCH": "true"}, 100, 595),
    ],
)
def test_the_container_keeps_to_the_limits_of_its_endpoint(
    environment: dict[str, str], megabytes: int, seconds: float
) -> None:
    options = container_options(environment)
    assert options.max_body_bytes == megabytes * 10**6
    assert options.seconds == seconds
    assert options.token == ""


def test_an_unknown_kind_of_endpoint_is_refused() -> None:
    with pytest.raises(OptionsError, match="CELLSEG_ENDPOINT_KIND is 'fast'"):
        container_options({"CELLSEG_ENDPOINT_KIND": "fast"})


def test_other_names_reach_a_server_of_this_computer_with_a_token_alone() -> None:
    alone = lab_options("", is_alone=True, seconds=10)
    assert "evil.example" not in alone.hosts
    assert "*" not in alone.hosts
    assert lab_options("secret", is_alone=False, seconds=10).hosts == ("*",)
    with pytest.raises(OptionsError, match="--seconds is 0"):
        lab_options("", is_alone=True, seconds=0)
