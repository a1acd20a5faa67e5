"""A training knows whether its window lives, on systems that never say so by themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import psutil
import pytest

from napari_cellseg.nn.process import window_watch
from napari_cellseg.nn.process.window_watch import WindowWatch


class FakeProcess:
    """Stands for a process of another system."""

    running = True
    state = psutil.STATUS_RUNNING

    def __init__(self, pid: int) -> None:
        if pid == 404:
            raise psutil.NoSuchProcess(pid)

    def is_running(self) -> bool:
        return self.running

    def status(self) -> str:
        return self.state


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeProcess]:
    kind = type("OneProcess", (FakeProcess,), {})
    monkeypatch.setattr(window_watch.psutil, "Process", kind)
    # On Windows this number never changes, whatever becomes of the parent.
    monkeypatch.setattr(os, "getppid", lambda: 7)
    return kind


def test_a_window_whose_number_was_given_to_another_process_is_gone(
    fake: type[FakeProcess],
) -> None:
    watch = WindowWatch(7)
    assert not watch.is_gone()
    fake.running = False
    assert watch.is_gone()


def test_a_window_that_ended_but_is_still_listed_is_gone(
    fake: type[FakeProcess],
) -> None:
    watch = WindowWatch(7)
    fake.state = psutil.STATUS_ZOMBIE
    assert watch.is_gone()


def _raise(error: Exception) -> Callable[[object], str]:
    def fails(_: object) -> str:
        raise error

    return fails


def test_a_window_that_vanishes_while_it_is_asked_about_is_gone(
    fake: type[FakeProcess],
) -> None:
    watch = WindowWatch(7)
    fake.status = _raise(psutil.NoSuchProcess(7))  # type: ignore[assignment]
    assert watch.is_gone()


def test_a_window_of_somebody_else_is_there(fake: type[FakeProcess]) -> None:
    watch = WindowWatch(7)
    fake.status = _raise(psutil.AccessDenied(7))  # type: ignore[assignment]
    assert not watch.is_gone()


def test_a_window_that_went_before_the_training_was_ready_is_gone(
    fake: type[FakeProcess],
) -> None:
    assert WindowWatch(404).is_gone()


def test_without_a_window_none_can_go(fake: type[FakeProcess]) -> None:
    assert not WindowWatch(None).is_gone()


def test_a_real_process_is_missed_once_it_has_ended() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
    ) as process:
        watch = WindowWatch(process.pid)
        assert not watch.is_gone()
        process.kill()
        process.wait(10)
    assert watch.is_gone()
