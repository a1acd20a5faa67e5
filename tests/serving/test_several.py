"""Several devices behind one queue: the free one is next, and one that dies costs little."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from tests.serving.benches import READY, HandBench

from napari_cellseg.cloud.wire.envelope import Message
from napari_cellseg.core import processors
from napari_cellseg.core.errors import OptionsError
from napari_cellseg.serving.bench import several
from napari_cellseg.serving.bench.bench import Answer, Ended, News, Problem, Ready, Task
from napari_cellseg.serving.bench.devices import devices_of, threads_environment, titles
from napari_cellseg.serving.bench.several import Benches

SECONDS = 60.0


class Loading(HandBench):
    """Is ready only when told so."""

    def start(self, tell: Callable[[News], None]) -> None:
        self.n_starts += 1
        self._tell = tell


class Row:
    """Benches by hand, and what they told."""

    def __init__(self, *devices: str, kind: type[HandBench] = HandBench) -> None:
        self.benches: dict[str, HandBench] = {}
        self.kind = kind
        self.heard: list[News] = []
        self.all = Benches(self._made, self._names(devices), 1)
        self.all.start(self.heard.append)

    def _names(self, devices: tuple[str, ...]) -> tuple[str, ...]:
        return devices

    def _made(self, device: str) -> HandBench:
        return self.benches.setdefault(device, self.kind())

    def take(self, *numbers: int, seconds: float = SECONDS) -> None:
        for number in numbers:
            message = Message(b"pixels", "image/png")
            self.all.take(Task(number, message, "", seconds))

    def numbers(self, device: str) -> list[int]:
        return [task.number for task in self.benches[device].tasks]

    def statuses(self) -> dict[int, int]:
        answers = [each for each in self.heard if isinstance(each, Answer)]
        assert len({each.number for each in answers}) == len(answers)
        return {each.number: each.reply.status for each in answers}

    def states(self) -> list[str]:
        return [each.state for each in self.all.devices()]


@pytest.fixture
def row() -> Row:
    return Row("a", "b")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start a bench again without a pause."""

    class Now:
        daemon = True

        def __init__(self, _seconds: float, work: Callable[..., None], given: tuple):
            self.start = lambda: work(*given)

    monkeypatch.setattr(several.threading, "Timer", Now)


def test_the_device_that_is_free_takes_the_next(row: Row) -> None:
    row.take(1, 2, 3, 4)
    assert (row.numbers("a"), row.numbers("b")) == ([1], [2])
    row.benches["b"].end(0)
    row.benches["b"].end(1)
    assert (row.numbers("a"), row.numbers("b")) == ([1], [2, 3, 4])
    assert row.statuses() == {2: 200, 3: 200}
    assert [each.n_done for each in row.all.devices()] == [0, 2]


def test_one_that_dies_is_begun_anew_and_only_what_it_had_begun_fails() -> None:
    row = Row("a", "b")
    row.take(1, 2, 3)
    row.benches["a"].begin()
    row.benches["a"].die()
    assert row.statuses() == {1: 500}
    assert row.benches["a"].n_starts == 2
    # It is there again, and takes what waited; nothing is worked on twice.
    assert row.numbers("a") == [1, 3]
    row.benches["a"].end(1)
    row.benches["b"].end()
    assert row.statuses() == {1: 500, 2: 200, 3: 200}
    assert not any(isinstance(each, Ended) for each in row.heard)


def test_what_it_had_not_begun_goes_to_another_before_what_came_later() -> None:
    row = Row("a", "b", kind=Loading)
    for bench in row.benches.values():
        bench.tell(READY)
    row.take(1, 2, 3)
    row.benches["a"].die()
    assert row.states() == ["loading", "ready"]
    row.benches["b"].end()
    assert row.numbers("b") == [2, 1]
    row.benches["a"].tell(READY)
    assert row.numbers("a") == [1, 3]


def test_without_any_device_it_says_so_and_what_waits_goes_on() -> None:
    row = Row("a", kind=Loading)
    row.benches["a"].tell(READY)
    row.take(1, 2)
    row.benches["a"].die()
    assert isinstance(row.heard[-1], Ended)
    row.benches["a"].tell(READY)
    for place in (1, 2):
        row.benches["a"].end(place)
    assert row.statuses() == {1: 200, 2: 200}


def test_one_of_two_that_cannot_be_loaded_leaves_the_work_to_the_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    row = Row("a", "b", kind=Loading)
    row.take(1, 2)
    row.benches["a"].tell(Problem("The CUDA ran out of memory."))
    row.benches["b"].tell(READY)
    assert row.states() == ["failed", "ready"]
    assert row.all.devices()[0].problem == "The CUDA ran out of memory."
    assert "device a cannot be used: The CUDA ran out of memory." in caplog.text
    row.benches["b"].end(0)
    row.benches["b"].end(1)
    assert row.statuses() == {1: 200, 2: 200}
    assert not any(isinstance(each, Problem) for each in row.heard)


def test_where_none_can_be_loaded_all_that_waits_is_told_why() -> None:
    row = Row("a", "b", kind=Loading)
    row.take(1)
    row.benches["a"].tell(Problem("There is no model."))
    assert row.statuses() == {}
    row.benches["b"].tell(Ended("It ended (code 1)."))
    assert row.statuses() == {1: 500}
    assert row.heard[0] == Problem("It ended (code 1).")
    assert [bench.n_starts for bench in row.benches.values()] == [1, 1]


def test_one_that_worked_before_is_tried_some_times_and_then_given_up(
    at_once: None,
) -> None:
    row = Row("a", kind=Loading)
    row.benches["a"].tell(READY)
    row.take(1)
    for _ in range(several.TRIES):
        row.benches["a"].die()
        assert row.states() == ["loading"]
    row.benches["a"].die()
    assert row.states() == ["failed"]
    assert row.benches["a"].n_starts == 1 + several.TRIES
    assert row.statuses() == {1: 500}


def test_a_request_that_ends_every_process_is_not_passed_around_for_ever() -> None:
    row = Row("a", kind=Loading)
    row.take(1)
    for _ in range(several.MAX_GIVEN):
        row.benches["a"].tell(READY)
        row.benches["a"].die()
    row.benches["a"].tell(READY)
    assert row.numbers("a") == [1] * several.MAX_GIVEN
    assert row.statuses() == {1: 500}


def test_who_went_away_while_waiting_is_forgotten_at_once() -> None:
    row = Row("a")
    row.take(1, 2)
    row.all.drop(2)
    row.all.drop(1)
    row.benches["a"].end()
    assert row.benches["a"].dropped == [1]
    assert row.numbers("a") == [1]
    assert row.statuses() == {1: 200, 2: 499}


def test_waiting_counts_as_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(several.time, "monotonic", lambda: now[0])
    row = Row("a")
    row.take(1, 2, seconds=10.0)
    now[0] = 7.0
    row.benches["a"].end()
    assert [task.seconds for task in row.benches["a"].tasks] == [10.0, 3.0]


def test_a_device_that_hangs_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(several.time, "monotonic", lambda: now[0])
    row = Row("a", "b")
    row.take(1, 2, 3, seconds=10.0)
    for bench in row.benches.values():
        bench.begin()
    row.benches["b"].end()
    now[0] = 9.0 + several.HANGING_SECONDS
    row.all.end_what_hangs()
    assert row.statuses() == {2: 200}
    now[0] = 11.0 + several.HANGING_SECONDS
    row.all.end_what_hangs()
    # Those that have not begun are not late by the device.
    assert row.statuses() == {1: 504, 2: 200}
    until = time.perf_counter() + 30
    while not row.benches["a"].is_stopped and time.perf_counter() < until:
        time.sleep(0.01)
    row.benches["a"].die()
    assert row.benches["a"].n_starts == 2
    assert not row.benches["b"].is_stopped


def test_every_gpu_gets_a_process_once_the_first_says_how_many_there_are() -> None:
    row = Row("auto")
    row.benches["auto"].tell(Ready(READY.spec, "A10G", 3))
    assert list(row.benches) == ["auto", "cuda:1", "cuda:2"]
    assert [each.device for each in row.all.devices()] == ["cuda:0", "cuda:1", "cuda:2"]
    for device in ("cuda:1", "cuda:2"):
        row.benches[device].tell(Ready(READY.spec, "A10G"))
    assert titles(row.all.devices()) == "3 × A10G"
    row.benches["auto"].tell(Ready(READY.spec, "A10G", 3))
    assert len(row.all.devices()) == 3


def test_all_are_stopped(row: Row) -> None:
    row.take(1, 2, 3)
    row.all.stop(1.0)
    assert all(bench.is_stopped for bench in row.benches.values())
    row.benches["a"].die()
    assert row.benches["a"].n_starts == 1


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        ("auto", ("auto",)),
        ("cuda:1", ("cuda:1",)),
        ("0, 1", ("cuda:0", "cuda:1")),
        ("cpu,cpu", ("cpu", "cpu")),
    ],
)
def test_devices_are_read(text: str, devices: tuple[str, ...]) -> None:
    assert devices_of(text) == devices


@pytest.mark.parametrize("text", ["", "0,,1", "auto,cpu"])
def test_devices_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(OptionsError, match="--device is"):
        devices_of(text)


def test_processes_on_the_cpu_share_its_processors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(processors, "n_processors", lambda: 8)
    assert threads_environment(("cpu", "cpu")) == {"OMP_NUM_THREADS": "4"}
    assert threads_environment(("cuda:0", "cpu")) == {}


class Served:
    """A server on two processes."""

    def __init__(self, address: str, process: psutil.Process) -> None:
        self.address, self.process = address, process

    def benches(self) -> list[psutil.Process]:
        found = self.process.children(recursive=True)
        return [each for each in found if "bench_process" in " ".join(each.cmdline())]

    def info(self) -> dict:
        from tests.servers import TOKEN, http

        token = f"Bearer {TOKEN}"
        return http("GET", f"{self.address}/v1/info", authorization=token).json()

    def ask(self, body: bytes) -> tuple[int, bytes]:
        from tests.servers import TOKEN, http

        answer = http(
            "POST", f"{self.address}/invocations", body,
            Authorization=f"Bearer {TOKEN}", Content_Type="image/png", Accept="image/tiff",
        )  # fmt: skip
        return answer.status, answer.data


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 240
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.fixture
def served() -> Iterator[Served]:
    pytest.importorskip("starlette", reason="the extra 'serve' is not installed")
    from tests.servers import serving

    with serving("--devices", "cpu,cpu", "--queue-length", "16") as address:
        (process,) = (
            each
            for each in psutil.Process().children()
            if address.rpartition(":")[2] in each.cmdline()
        )
        yield Served(address, process)


def test_a_process_that_is_killed_costs_its_requests_and_no_other(
    served: Served,
) -> None:
    """The real server, the real network: what is answered with labels has the same."""
    import io

    import numpy as np
    from PIL import Image

    from napari_cellseg.core.synthetic import random_scene

    plane = np.clip(random_scene(5, (256, 256)).image.plane()[0], 0, 255)
    buffer = io.BytesIO()
    Image.fromarray(plane.astype(np.uint8)).save(buffer, format="PNG")
    body = buffer.getvalue()
    wait_until(lambda: served.info()["n_ready"] == 2)
    assert served.info()["device"] == "2 × CPU"
    benches = served.benches()
    assert len(benches) == 2
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(served.ask, body) for _ in range(12)]
        wait_until(lambda: any(each.done() for each in asked))
        benches[0].send_signal(signal.SIGKILL)
        answers = [each.result() for each in asked]
    good = [data for status, data in answers if status == 200]
    bad = [data for status, data in answers if status != 200]
    assert len(set(good)) == 1
    # At most what the one process was working on.
    assert len(bad) <= 4
    assert all(b"process ended" in data for data in bad)
    wait_until(lambda: served.info()["n_ready"] == 2)
    pids = {each.pid for each in served.benches()}
    assert len(pids - {each.pid for each in benches}) == 1
    assert sum(each["n_done"] for each in served.info()["devices"]) == len(good)
    served.process.send_signal(signal.SIGTERM)
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids))
