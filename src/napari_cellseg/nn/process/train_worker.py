"""The training process: ``python -m napari_cellseg.nn.process.train_worker FOLDER PID``.

It takes everything from the folder and leaves everything there, so that it can go on
after a kill, and be let alone when the window closes. PID is the window's process.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import astuple
from pathlib import Path
from typing import TextIO

from filelock import Timeout

from napari_cellseg.core.errors import CellsegError, TrainingError
from napari_cellseg.core.jobs import Progress, run
from napari_cellseg.core.training.item import TrainProgress
from napari_cellseg.io.models.left_trainings import running_in
from napari_cellseg.io.models.training_files import ALONE_NAME, LOG_NAME
from napari_cellseg.nn.fine_tuning.fine_tune import fine_tune
from napari_cellseg.nn.process.messages import error_message
from napari_cellseg.nn.process.window_watch import WindowWatch

#: Another window looks whether the training runs, which takes a moment.
LOCK_SECONDS = 5.0


def main(folder: Path, window: WindowWatch) -> None:
    """Train; write what happens line by line."""
    try:
        with (
            running_in(folder, LOCK_SECONDS),
            (folder / LOG_NAME).open("w", encoding="utf-8") as log,
        ):
            _train(folder, log, window)
    except Timeout:
        sys.exit("another process trains in this folder")


def _train(folder: Path, log: TextIO, window: WindowWatch) -> None:
    """Train to the end, or until the window is gone that was to wait for it."""

    def tell(progress: Progress) -> None:
        if window.is_gone() and not (folder / ALONE_NAME).exists():
            # The window is gone; the checkpoint is there.
            os._exit(0)
        log.write(json.dumps(_values(progress)) + "\n")
        log.flush()

    try:
        run(fine_tune(folder), tell)
    except CellsegError as error:
        log.write(json.dumps(error_message(error)) + "\n")
    except (OSError, MemoryError) as error:
        told = TrainingError(f"The training could not go on: {error or 'no memory'}.")
        log.write(json.dumps(error_message(told)) + "\n")


def _values(progress: Progress) -> dict[str, object]:
    """Return a progress as JSON values."""
    points = progress.points if isinstance(progress, TrainProgress) else ()
    return {
        "kind": "progress",
        "progress": [progress.done, progress.total, progress.message],
        "points": [astuple(point) for point in points],
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), WindowWatch(int(sys.argv[2]) if sys.argv[2:] else None))
