"""The bench in a process of its own.

What is worked on holds Python's lock for as long as it likes, runs out of memory or
crashes: the process that answers the network notices nothing but that it is over.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import IO, Any

from napari_cellseg.serving.bench.bench import Ended, Setup, Task, Tell
from napari_cellseg.serving.bench.frames import (
    DROP,
    STOP,
    news_of,
    read_frame,
    task_frame,
    write_frame,
)

logger = logging.getLogger(__name__)

PROGRAM = (sys.executable, "-m", "napari_cellseg.serving.bench.bench_process")
#: For glibc, which else gives each thread a heap of its own, so that memory grows.
ENVIRONMENT = {"MALLOC_ARENA_MAX": "2"}
KILL_SECONDS = 5.0
#: As much as Linux gives to anybody. With its usual 64 KiB an image of 512 x 512 pixels
#: took half a millisecond longer, in as many pieces as both processes have to wake up.
PIPE_BYTES = 2**20

Frame = tuple[Mapping[str, Any], bytes]


class BenchApart:
    """A bench in a process of its own; see `Bench`. It can be started again once it ended.

    Parameters
    ----------
    setup : Setup
        What it works with.
    program : sequence of str
        What is run; the setup follows as JSON.
    environment : mapping, optional
        Variables for it; those of this process win.
    """

    def __init__(
        self,
        setup: Setup,
        program: Sequence[str] = PROGRAM,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._environment = {**ENVIRONMENT, **(environment or {})}
        self._command = [*program, json.dumps(asdict(setup))]
        self._frames: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, tell: Tell) -> None:
        """Start the process, which begins to load the model."""
        self._frames = queue.SimpleQueue()
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**self._environment, **os.environ},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._process = process
        for pipe in (process.stdin, process.stdout):
            _widen(pipe)
        for work, given in (
            (_hand_over, (self._frames, process.stdin)),
            (_listen, (process, tell)),
        ):
            threading.Thread(
                target=work, args=given, daemon=True, name="cellseg-bench"
            ).start()

    def take(self, task: Task) -> None:
        """Take a task; it is handed over by a thread, however large it is."""
        self._frames.put(task_frame(task))

    def drop(self, number: int) -> None:
        """Stop a task at its next step."""
        self._frames.put(({"kind": DROP, "number": number}, b""))

    def stop(self, seconds: float) -> None:
        """Let the process end, and end it where it takes longer."""
        process = self._process
        if process is None:
            return
        self._frames.put(({"kind": STOP}, b""))
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(KILL_SECONDS)
        self._frames.put(None)


def _widen(pipe: IO[bytes] | None) -> None:
    """Let a pipe hold a whole request, where the system lets it (Linux)."""
    if sys.platform == "linux" and pipe is not None:
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _hand_over(frames: queue.SimpleQueue[Frame | None], stream: IO[bytes]) -> None:
    """Write each frame; once the process is gone, nothing more."""
    try:
        with stream:
            while (frame := frames.get()) is not None:
                write_frame(stream, *frame)
                del frame
    except (OSError, ValueError):
        # Who listens to it tells why.
        return


def _listen(process: subprocess.Popen[bytes], tell: Tell) -> None:
    """Tell what the process says, and that it ended."""
    if process.stdout is not None:
        with process.stdout as stream:
            while (frame := read_frame(stream)) is not None:
                tell(news_of(*frame))
                del frame
    code = process.wait()
    reason = (
        "it was killed, probably because memory ran out"
        if code == -9
        else f"code {code}"
    )
    if code:
        logger.warning("The segmentation process ended: %s", reason)
    tell(
        Ended(
            f"The segmentation process ended ({reason}). Send the image again, or a "
            "region of it if it is large."
        )
    )
