"""Benches that do what a test wants, and a program that runs one in its own process."""

from __future__ import annotations

import ctypes
import os
from typing import Any

from tests.fakes import FAKE_SPEC, FakeSegmenter

from napari_cellseg.core.jobs import Progress
from napari_cellseg.serving.bench.bench import (
    Answer,
    DeviceState,
    Ended,
    News,
    Ready,
    Step,
    Task,
    Tell,
)
from napari_cellseg.serving.requests.reply import Reply

READY = Ready(FAKE_SPEC.to_json(), "CPU")
#: Enough for some pings, however busy the computer.
HELD_MICROSECONDS = 5_000_000


class HandBench:
    """Ready at once; does with a task what the test says."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.dropped: list[int] = []
        self.n_starts = 0
        self.is_stopped = False
        self._tell: Tell | None = None

    def start(self, tell: Tell) -> None:
        self.n_starts += 1
        self._tell = tell
        tell(READY)

    def take(self, task: Task) -> None:
        self.tasks.append(task)

    def drop(self, number: int) -> None:
        self.dropped.append(number)

    def stop(self, seconds: float) -> None:
        self.is_stopped = True

    def devices(self) -> list[DeviceState]:
        n = len(self.tasks)
        return [DeviceState("auto", READY.device, "ready", "", n, 0)]

    def tell(self, news: News) -> None:
        assert self._tell is not None
        self._tell(news)

    def begin(self, place: int = 0) -> None:
        self.tell(Step(self.tasks[place].number, Progress(0, 0, "at work")))

    def end(self, place: int = 0, body: bytes = b"done") -> None:
        self.tell(Answer(self.tasks[place].number, Reply(200, body, "text/plain")))

    def die(self) -> None:
        self.tell(Ended("The segmentation process ended (code 1)."))


class HoldingSegmenter(FakeSegmenter):
    """Holds Python's lock, or ends its process, by the width of an image."""

    def segment(self, image: Any, options: Any) -> Any:
        yield Progress(0, 0, "at work")
        if image.shape[-1] == 64:
            # A library of C that does not let go of the lock.
            ctypes.PyDLL(None).usleep(HELD_MICROSECONDS)
        if image.shape[-1] == 66:
            os._exit(3)
        return (yield from super().segment(image, options))


def main() -> None:
    """Run a bench with such a segmenter."""
    from napari_cellseg.serving.bench import bench_process, hands

    hands.open_part_segmenter = lambda *_: HoldingSegmenter()  # type: ignore[assignment]
    bench_process.main()
