"""The bench in its own process: what it holds or breaks, the server goes on."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import urllib3
from PIL import Image

pytest.importorskip("starlette", reason="the extra 'serve' is not installed")
from tests.servers import http, listening
from tests.serving import benches

from napari_cellseg.cloud.wire.envelope import Message
from napari_cellseg.core.jobs import Progress
from napari_cellseg.serving.bench.bench import Answer, Problem, Setup, Step, Task
from napari_cellseg.serving.bench.frames import (
    news_frame,
    news_of,
    read_frame,
    task_frame,
    task_of,
    write_frame,
)
from napari_cellseg.serving.bench.several import open_benches
from napari_cellseg.serving.bench.work import Worker
from napari_cellseg.serving.doors.app import create_app
from napari_cellseg.serving.doors.desk import ServerOptions
from napari_cellseg.serving.requests.reply import Reply

ROOT = Path(__file__).parents[2]
PROGRAM = (
    sys.executable,
    "-c",
    f"import sys; sys.path[:0] = [{str(ROOT)!r}]\n"
    "from tests.serving.benches import main; main()",
)
N_PINGS = 20
PNG = {"Content_Type": "image/png", "Accept": "image/tiff"}


def png(width: int) -> bytes:
    pixels = np.zeros((16, width), np.uint8)
    pixels[4:9, 3:7] = 200
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def worker() -> Worker:
    return Worker(open_benches(Setup(device="cpu"), PROGRAM))


@pytest.fixture(scope="module")
def server(worker: Worker) -> Iterator[str]:
    with listening(create_app(worker, ServerOptions())) as port:
        address = f"http://127.0.0.1:{port}"
        wait_until_ready(address)
        yield address


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


def wait_until_ready(server: str) -> None:
    wait_until(lambda: http("GET", f"{server}/ping").status == 200)


def asked(server: str, width: int) -> urllib3.BaseHTTPResponse:
    return http("POST", f"{server}/invocations", png(width), **PNG)


def is_at_work(worker: Worker) -> bool:
    orders = list(worker._orders.values())
    return any(order.progress.message == "at work" for order in orders)


def test_what_is_worked_on_does_not_hold_up_a_ping(server: str, worker: Worker) -> None:
    """The work holds Python's lock in C; in one process the ping would come after it."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(asked, server, 64)
        wait_until(lambda: is_at_work(worker))
        # Held up, the first would come at the end and the others after it.
        for _ in range(N_PINGS):
            assert http("GET", f"{server}/ping").status == 200
        assert not answer.done()
        assert answer.result().status == 200


def test_a_request_that_kills_the_bench_fails_alone(server: str) -> None:
    answer = asked(server, 66)
    assert answer.status == 500
    assert "process ended (code 3)" in answer.json()["error"]
    wait_until_ready(server)
    assert asked(server, 40).status == 200


def test_a_server_that_is_killed_leaves_no_bench_behind() -> None:
    """Its process ends with the pipe that it is fed through."""
    with subprocess.Popen(
        [*PROGRAM, "{}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert news_of(*read_frame(process.stdout)) == benches.READY  # type: ignore[misc]
        process.stdin.close()
        assert process.wait(60) == 0


def test_the_server_itself_does_not_load_what_segments() -> None:
    program = (
        "import sys, napari_cellseg.serving.doors.app, napari_cellseg.serving.bench.apart;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'numba', 'skimage')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("body", [b"", b"\n{}\n" * 1000])
def test_a_task_and_its_answer_travel_whole(body: bytes) -> None:
    task = Task(7, Message(body, "image/tiff", '{"v":1,"ä":"\\n"}'), "image/png", 1.5)
    reply = Reply(200, body, "image/png", {"X-Cells": "3"})
    news = [
        Answer(7, reply), Step(7, Progress(1, 2, "tile 1\nof 2")),
        benches.READY, Problem("no model"),
    ]  # fmt: skip
    stream = io.BytesIO()
    write_frame(stream, *task_frame(task))
    for each in news:
        write_frame(stream, *news_frame(each))
    stream.seek(0)
    frames = [read_frame(stream) for _ in range(1 + len(news))]
    assert task_of(*frames[0]) == task  # type: ignore[misc]
    assert [news_of(*frame) for frame in frames[1:]] == news  # type: ignore[misc]
    assert read_frame(stream) is None


def test_a_frame_that_breaks_off_is_the_end() -> None:
    stream = io.BytesIO()
    write_frame(stream, {"kind": "task"}, b"0123456789")
    assert read_frame(io.BytesIO(stream.getvalue()[:-1])) is None
