"""The segmentation process: ``python -m napari_cellseg.nn.process.worker``, fed through its stdin.

It ends when its stdin does, so that it never outlives the viewer, whatever happens there.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from pathlib import Path
from typing import IO, Any

from napari_cellseg.core.errors import CellsegError, SegmentationError
from napari_cellseg.core.jobs import Progress, run
from napari_cellseg.core.options import segment_options_from_dict
from napari_cellseg.core.segmenter import Segmenter
from napari_cellseg.nn.inference.known import open_here
from napari_cellseg.nn.process.messages import (
    error_message,
    read_sent_image,
    receive,
    send,
    write_result,
)


def main() -> None:
    """Serve segmentations until stdin is closed."""
    answers = os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not stand between the messages.
    os.dup2(2, 1)
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(
        target=_listen, args=(sys.stdin.buffer, requests), daemon=True
    ).start()
    segmenter: Segmenter | None = None
    while True:
        request = requests.get()
        try:
            if segmenter is None:
                segmenter = open_here(request["model"], request["device"])
            _answer(segmenter, request, answers)
        except CellsegError as error:
            send(answers, error_message(error))
        except (MemoryError, OSError) as error:
            send(answers, error_message(_translated(error)))


def _listen(stream: IO[bytes], requests: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Put each request into the queue; when the viewer is gone, end at once."""
    while (request := receive(stream)) is not None:
        requests.put(request)
    os._exit(0)


def _answer(segmenter: Segmenter, request: dict[str, Any], answers: IO[bytes]) -> None:
    """Say hello, or segment the image that the request names."""
    if request["kind"] == "hello":
        send(answers, {"kind": "hello", "device": segmenter.device})
        return
    folder = Path(request["folder"])
    image = read_sent_image(folder, request["axes"], request["name"])
    options = segment_options_from_dict(request["options"])

    def tell(progress: Progress) -> None:
        message = [progress.done, progress.total, progress.message]
        send(answers, {"kind": "progress", "progress": message})

    result = run(segmenter.segment(image, options), tell)
    send(answers, {"kind": "result", **write_result(folder, result)})


def _translated(error: MemoryError | OSError) -> SegmentationError:
    """Return what ran out, in words."""
    if isinstance(error, MemoryError):
        return SegmentationError(
            "There is not enough memory for this image; segment a region of it, or close "
            "other programs."
        )
    return SegmentationError(f"The segmentation could not use its files: {error}.")


if __name__ == "__main__":
    main()
