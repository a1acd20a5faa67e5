"""The worker: places for those that wait, and what becomes of orders."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from tests.serving.benches import READY, HandBench

from napari_cellseg.cloud.wire.envelope import Message
from napari_cellseg.core.errors import OptionsError, SegmentationError
from napari_cellseg.serving.allowed import container_options, lab_options
from napari_cellseg.serving.bench.bench import Problem
from napari_cellseg.serving.bench.work import Order, Worker
from napari_cellseg.serving.doors.desk import Desk, ServerOptions
from napari_cellseg.serving.requests.pace import MAX_RETRY_SECONDS, Pace
from napari_cellseg.serving.requests.reply import (
    BusyError,
    NotReadyError,
    Reply,
    refusal,
)

REQUEST = Message(b"pixels", "image/tiff")


@pytest.fixture
def bench() -> HandBench:
    return HandBench()


@pytest.fixture
def worker(bench: HandBench) -> Worker:
    made = Worker(bench, queue_length=2)
    made.start()
    return made


def ordered(worker: Worker) -> Order:
    with worker.place() as place:
        return worker.order(REQUEST, "", 60.0, place)


def test_an_answer_comes_back(worker: Worker, bench: HandBench) -> None:
    order = ordered(worker)
    bench.begin()
    assert order.progress.message == "at work"
    bench.end(body=b"labels")
    assert order.answer.result(0).body == b"labels"
    assert worker.n_waiting == 0


def test_a_full_queue_refuses_and_says_how_many_are_before(
    worker: Worker, bench: HandBench
) -> None:
    first = ordered(worker)
    bench.begin()
    waiting = [ordered(worker) for _ in range(2)]
    with pytest.raises(BusyError, match="2 images wait"):
        worker.place()
    assert [worker.n_before(order) for order in (first, *waiting)] == [0, 1, 2]
    assert worker.n_waiting == 2
    bench.end()
    bench.begin(1)
    assert worker.n_before(waiting[0]) == 0
    worker.place()


def test_a_request_that_still_arrives_holds_a_place_and_gives_it_back(
    worker: Worker,
) -> None:
    with worker.place(), worker.place(), pytest.raises(BusyError):
        worker.place()
    with worker.place(), worker.place():
        pass


def test_who_goes_away_gives_the_place_back_once(
    worker: Worker, bench: HandBench
) -> None:
    order = ordered(worker)
    order.drop()
    assert bench.dropped == [order.number]
    bench.begin()
    bench.end()
    order.drop()
    with worker.place(), worker.place(), pytest.raises(BusyError):
        worker.place()
    assert bench.dropped == [order.number]


def test_a_server_that_stops_tells_who_waits(worker: Worker, bench: HandBench) -> None:
    order = ordered(worker)
    worker.stop(5)
    assert bench.is_stopped
    assert b"being stopped" in order.answer.result(0).body
    with pytest.raises(BusyError, match="being stopped"):
        worker.place()


def test_before_the_model_is_there_nothing_is_taken(bench: HandBench) -> None:
    with pytest.raises(NotReadyError, match="being loaded"):
        Worker(bench).place()


def test_while_no_bench_is_there_nothing_new_is_taken_and_what_waits_goes_on(
    worker: Worker, bench: HandBench
) -> None:
    waiting = ordered(worker)
    bench.die()
    assert not worker.is_ready
    with pytest.raises(NotReadyError):
        worker.place()
    bench.tell(READY)
    bench.begin()
    bench.end()
    assert waiting.answer.result(0).status == 200
    assert worker.is_ready


def test_a_bench_without_a_model_says_why(
    bench: HandBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(bench)
    monkeypatch.setattr("tests.serving.benches.READY", Problem("There is no model."))
    worker.start()
    with pytest.raises(SegmentationError, match="There is no model"):
        worker.place()


def test_when_to_come_again_is_what_was_measured(
    worker: Worker, bench: HandBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    for number in range(2):
        ordered(worker)
        bench.begin(number)
        now[0] += 6.0
        bench.end(number)
    for _ in range(2):
        ordered(worker)
    with pytest.raises(BusyError) as error:
        worker.place()
    # Two wait, each takes 6 s.
    assert error.value.seconds == 12
    assert refusal(error.value).headers["Retry-After"] == "12"


def test_a_time_without_work_does_not_count() -> None:
    pace = Pace()
    for begun in (0.0, 1000.0):
        pace.begin(begun)
        pace.end(begun + 2.0)
    assert pace.retry_seconds(3) == 6


def test_nobody_is_told_to_come_at_once_or_next_week() -> None:
    pace = Pace()
    pace.end(0.001)
    assert pace.retry_seconds(1) == 1
    pace.end(10.0**6)
    assert pace.retry_seconds(8) == MAX_RETRY_SECONDS


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


async def cancelled(waiting: Coroutine[Any, Any, Reply | bytes]) -> Reply | bytes:
    """Return what somebody gets whose request the web server cancels, as it is stopped."""
    task = asyncio.create_task(waiting)
    await asyncio.sleep(0)
    task.cancel()
    return await task


def test_who_still_waits_when_the_server_is_stopped_is_told_to_come_again(
    worker: Worker, bench: HandBench
) -> None:
    order = ordered(worker)

    async def is_gone() -> bool:
        return False

    desk = Desk(worker, ServerOptions())
    with pytest.raises(NotReadyError, match="send it again") as found:
        asyncio.run(cancelled(desk.finished(order, is_gone)))
    assert "Retry-After" in refusal(found.value).headers
    assert bench.dropped == [order.number]


def test_a_streamed_answer_ends_in_a_sentence_when_the_server_is_stopped(
    worker: Worker, bench: HandBench
) -> None:
    order = ordered(worker)

    async def last() -> bytes:
        return [piece async for piece in Desk(worker, ServerOptions()).pieces(order)][
            -1
        ]

    assert b"send it again" in asyncio.run(cancelled(last()))
    assert bench.dropped == [order.number]
