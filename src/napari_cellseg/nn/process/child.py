"""The local engine in a process of its own, kept warm between jobs.

The viewer's process never imports torch; a cancel is a kill, and neither running out of
memory nor a crash in a library takes unsaved work down. Nothing here imports torch.
"""

from __future__ import annotations

import queue
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from napari_cellseg.core.errors import SegmentationError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.intensity import choose_channels
from napari_cellseg.core.segmentation.with_nuclei import segment_with_nuclei
from napari_cellseg.core.types import CellImage, SegmentationResult
from napari_cellseg.nn.inference.known import known_model
from napari_cellseg.nn.memory import check_memory
from napari_cellseg.nn.process.messages import (
    error_from,
    read_result,
    receive,
    send,
    write_image,
)

#: A cancel is noticed within this time.
POLL_SECONDS = 0.1
WAIT_AFTER_KILL_SECONDS = 5.0


class ChildSegmenter:
    """Runs a model in a child process; see `Segmenter`.

    Parameters
    ----------
    model : str, Path or None
        Name or folder; None means the default model.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Raises
    ------
    ModelError
        If there is no such model.
    """

    def __init__(self, model: str | Path | None = None, device: str = "auto") -> None:
        self._model, self._spec = known_model(model)
        self._wanted_device = device
        self._device = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    @property
    def spec(self) -> ModelSpec:
        """The model that it runs."""
        return self._spec

    @property
    def device(self) -> str:
        """Where it runs; "" until `warm_up` or `segment` has been through."""
        return self._device

    def warm_up(self) -> Job[str]:
        """Start the process, load the model and return the device in words."""
        yield Progress(0, 0, "starting the segmentation process")
        answer = yield from self._ask(
            {"kind": "hello"}, "starting the segmentation process"
        )
        self._device = str(answer["device"])
        return self._device

    def segment(
        self, image: CellImage, options: SegmentOptions
    ) -> Job[SegmentationResult]:
        """Segment every plane of `image`; closing the job ends the process at once."""
        if options.nuclei_channel is not None:
            return (yield from segment_with_nuclei(self, image, options))
        channels = choose_channels(image, options.channel)
        # Before a slide is written to the disk for nothing.
        check_memory(image, options)
        yield Progress(0, 0, "reading the image")
        with tempfile.TemporaryDirectory(
            prefix="cellseg-", ignore_cleanup_errors=True
        ) as name:
            folder = Path(name)
            try:
                write_image(folder, image, channels)
            except OSError as error:
                raise SegmentationError(
                    f"The image could not be handed to the segmentation process: {error}. "
                    "Free space in the folder for temporary files."
                ) from error
            request = {
                "kind": "segment",
                "folder": name,
                "axes": image.axes,
                "name": image.name,
                "options": replace(options, channel=None).to_dict(),
            }
            answer = yield from self._ask(request, "starting")
            result = read_result(folder, answer)
        self._device = result.device
        return replace(result, options=replace(result.options, channel=options.channel))

    def _ask(self, request: dict[str, Any], words: str) -> Job[dict[str, Any]]:
        """Send a request and return its answer, yielding progress until it is there."""
        process = self._started()
        is_answered = False
        progress = Progress(0, 0, words)
        try:
            _send_to(
                process,
                {"model": self._model, "device": self._wanted_device, **request},
            )
            while True:
                yield progress
                try:
                    answer = self._answers.get(timeout=POLL_SECONDS)
                except queue.Empty:
                    continue
                if answer is None:
                    raise _died(process)
                if answer["kind"] == "progress":
                    progress = Progress(*answer["progress"])
                    continue
                is_answered = True
                if answer["kind"] == "error":
                    raise error_from(answer)
                return answer
        finally:
            if not is_answered:
                self.close()

    def _started(self) -> subprocess.Popen[bytes]:
        """Return the running process, started if there is none."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._answers = queue.SimpleQueue()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "napari_cellseg.nn.process.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
            threading.Thread(
                target=_collect, args=(self._process.stdout, self._answers), daemon=True
            ).start()
        return self._process

    def close(self) -> None:
        """End the process; safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait(WAIT_AFTER_KILL_SECONDS)
        if process.stdin is not None:
            try:
                process.stdin.close()
            except OSError:
                # What was still in the buffer cannot reach a process that is gone.
                return


def _send_to(process: subprocess.Popen[bytes], message: dict[str, Any]) -> None:
    """Send a message; a process that is gone raises `SegmentationError`."""
    try:
        if process.stdin is not None:
            send(process.stdin, message)
    except OSError as error:
        raise _died(process) from error


def _collect(
    stream: IO[bytes] | None, answers: queue.SimpleQueue[dict[str, Any] | None]
) -> None:
    """Put each answer into the queue, and None at the end."""
    if stream is not None:
        with stream:
            while (answer := receive(stream)) is not None:
                answers.put(answer)
    answers.put(None)


def _died(process: subprocess.Popen[bytes]) -> SegmentationError:
    """Return the error for a process that ended by itself."""
    try:
        code = process.wait(WAIT_AFTER_KILL_SECONDS)
    except subprocess.TimeoutExpired:
        code = 0
    reason = (
        "it was killed, probably because memory ran out"
        if code == -9
        else f"code {code}"
    )
    return SegmentationError(
        f"The segmentation process ended ({reason}). Your work is untouched; "
        "try again, on a region of the image if it is large."
    )
