"""The runner: what napari's and superqt's workers get wrong."""

import gc
import threading
import weakref

import numpy as np
import pytest

from napari_cellseg.core.errors import SegmentationError
from napari_cellseg.core.jobs import Progress
from napari_cellseg.widgets.basics.jobs import Later, start_job


class Listener:
    """Notes what it hears, and on which thread."""

    def __init__(self):
        self.heard = []
        self.threads = set()

    def _note(self, *what):
        self.threads.add(threading.current_thread())
        self.heard.append(what)

    def on_job_progress(self, progress):
        self._note("progress", progress)

    def on_job_result(self, result):
        self._note("result", result)

    def on_job_failed(self, failure):
        self._note("failed", failure)

    def on_job_cancelled(self):
        self._note("cancelled")

    @property
    def end(self):
        return (
            self.heard[-1] if self.heard and self.heard[-1][0] != "progress" else None
        )


@pytest.fixture
def listener(qapp):
    return Listener()


def wait(qtbot, listener):
    qtbot.waitUntil(lambda: listener.end is not None, timeout=5000)


def test_a_result_comes_back_on_the_main_thread(qtbot, listener):
    def job():
        yield Progress(1, 2)
        return threading.current_thread()

    start_job(job(), listener)
    wait(qtbot, listener)
    assert listener.end[1] is not threading.main_thread()
    assert listener.threads == {threading.main_thread()}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("CUDA out of memory"), "CUDA out of memory"),
        (SegmentationError("It stopped."), "It stopped."),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (SystemExit(3), "SystemExit"),
    ],
    ids=["runtime", "ours", "interrupt", "exit"],
)
def test_every_error_is_reported(qtbot, listener, error, words):
    def job():
        yield Progress(0, 1)
        raise error

    start_job(job(), listener)
    wait(qtbot, listener)
    kind, failure = listener.end
    assert kind == "failed"
    assert words in failure.message
    assert type(error).__name__ in failure.details


def test_cancel_closes_the_generator(qtbot, listener):
    closed, started = [], threading.Event()

    def job():
        try:
            while True:
                started.set()
                yield Progress(0, 0)
        finally:
            closed.append(threading.current_thread())

    runner = start_job(job(), listener)
    started.wait(5)
    runner.cancel()
    wait(qtbot, listener)
    assert listener.end == ("cancelled",)
    assert len(closed) == 1


def test_a_result_that_is_cancelled_late_is_not_lost(qtbot, listener):
    at_the_end, go_on = threading.Event(), threading.Event()

    def job():
        yield Progress(0, 1)
        at_the_end.set()
        go_on.wait(5)
        return "whole"

    runner = start_job(job(), listener)
    at_the_end.wait(5)
    runner.cancel()
    go_on.set()
    wait(qtbot, listener)
    assert listener.end == ("result", "whole")


def test_the_arguments_are_dropped_after_the_run(qtbot, listener):
    data = np.zeros(10)
    held = weakref.ref(data)

    def job(values):
        yield Progress(0, 1)
        raise RuntimeError(f"stopped with {values.size}")

    running = start_job(job(data), listener)
    del data
    wait(qtbot, listener)
    qtbot.wait(50)
    gc.collect()
    assert running is not None
    assert held() is None


def test_a_job_of_many_steps_does_not_fill_the_queue(qtbot, listener):
    def job():
        for step in range(50_000):
            yield Progress(step, 50_000)
        return None

    start_job(job(), listener)
    wait(qtbot, listener)
    assert len(listener.heard) < 500


def test_what_a_job_is_at_now_is_told_however_quickly_it_came_to_it(qtbot, listener):
    go_on = threading.Event()
    reading, counting = Progress(0, 0, "reading"), Progress(0, 0, "counting")

    def job():
        yield reading
        yield counting
        go_on.wait(5)

    start_job(job(), listener)
    qtbot.waitUntil(lambda: ("progress", counting) in listener.heard, timeout=3000)
    go_on.set()
    wait(qtbot, listener)
    assert listener.heard[-1] == ("result", None)


def test_the_last_step_is_told_before_the_end(qtbot, listener):
    def job():
        yield Progress(0, 1)
        yield Progress(1, 1)

    start_job(job(), listener)
    wait(qtbot, listener)
    assert listener.heard == [("progress", Progress(1, 1)), ("result", None)]


def test_of_many_calls_later_makes_one(qtbot, qapp):
    calls = []
    later = Later(lambda: calls.append(1), 20, qapp)
    for _ in range(5):
        later.call()
    qtbot.waitUntil(lambda: bool(calls))
    qtbot.wait(60)
    assert calls == [1]
    later.deleteLater()
