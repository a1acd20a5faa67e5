"""Training in a process of its own: the viewer stays free, and a kill loses nothing.

Nothing here imports torch.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.jobs import Job
from napari_cellseg.core.train_options import FineTuneOptions
from napari_cellseg.core.training.curve import CurvePoint
from napari_cellseg.core.training.item import (
    TrainingItem,
    TrainingOutcome,
    TrainProgress,
)
from napari_cellseg.io.atomic import is_full
from napari_cellseg.io.models.folder import find_model
from napari_cellseg.io.models.left_trainings import is_running
from napari_cellseg.io.models.training_files import (
    ALONE_NAME,
    LOG_NAME,
    STOP_NAME,
    TrainingRequest,
    read_outcome,
    write_request,
)
from napari_cellseg.nn.process.messages import error_from

ERRORS_NAME = "errors.txt"
#: A cancel is noticed within this time.
POLL_SECONDS = 0.2
WAIT_AFTER_KILL_SECONDS = 5.0


class ChildTrainer:
    """Trains in a child process; see `Trainer`.

    Parameters
    ----------
    model : str, Path or None
        The model to start from; None means the default.
    name, title : str
        Of the new model.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    """

    def __init__(
        self, model: str | Path | None, name: str, title: str, device: str = "auto"
    ) -> None:
        self._model = find_model(model)
        self._name, self._title, self._device = name, title, device
        self._out: Path | None = None
        self._is_stopping = False
        self._process: subprocess.Popen[bytes] | None = None

    def train(
        self, items: Sequence[TrainingItem], options: FineTuneOptions, out: Path
    ) -> Job[TrainingOutcome]:
        """Train into `out`; closing the job ends the process, its checkpoint stays."""
        yield TrainProgress(0, 0, "writing what to learn from")
        request = TrainingRequest(
            str(self._model), self._device, options, self._name, self._title
        )
        write_request(out, request, items)
        return (yield from self.go_on(out))

    def go_on(self, out: Path) -> Job[TrainingOutcome]:
        """Go on with a training that lies in a folder, or follow it where it still runs."""
        if not is_running(out):
            self._process = self._started(out)
        # Not before: who starts takes away what was asked of an earlier process.
        self._out = out
        if self._is_stopping:
            self.stop()
        try:
            yield from self._followed(self._process, out)
        finally:
            self._end()
        outcome = read_outcome(out)
        if outcome is None:
            raise _died(out)
        return outcome

    def _started(self, out: Path) -> subprocess.Popen[bytes]:
        """Start the process; on Unix neither Ctrl-C nor a closed terminal reaches it."""
        for name in (STOP_NAME, ALONE_NAME, LOG_NAME):
            (out / name).unlink(missing_ok=True)
        with (out / ERRORS_NAME).open("wb") as errors:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "napari_cellseg.nn.process.train_worker",
                    str(out),
                    str(os.getpid()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )

    def _followed(
        self, process: subprocess.Popen[bytes] | None, out: Path
    ) -> Job[None]:
        """Yield what the process writes until it has ended; None is another window's."""
        shown = TrainProgress(0, 0, "starting the training")
        place = 0
        while True:
            has_ended = (
                not is_running(out) if process is None else process.poll() is not None
            )
            lines, place = _new_lines(out / LOG_NAME, place)
            # All in one step: of several at once the window hears the last.
            shown = _step_of(lines, shown)
            yield shown
            if has_ended:
                return
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End early with the best model so far, though the process has yet to start."""
        self._is_stopping = True
        if self._out is not None:
            (self._out / STOP_NAME).touch()

    def leave_alone(self) -> bool:
        """Let the process go on when the window closes; its outcome waits in `out`.

        False while there is no process yet.
        """
        if self._out is None:
            return False
        (self._out / ALONE_NAME).touch()
        self._process = None
        return True

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.kill()
            process.wait(WAIT_AFTER_KILL_SECONDS)


def _step_of(lines: Sequence[dict[str, Any]], before: TrainProgress) -> TrainProgress:
    """Return the last step of a log's new lines, with every point; raises their error."""
    points: list[CurvePoint] = []
    last = before.done, before.total, before.message
    for line in lines:
        if line["kind"] == "error":
            raise error_from(line)
        points += [CurvePoint(*point) for point in line["points"]]
        last = line["progress"]
    return TrainProgress(*last, tuple(points))


def _new_lines(path: Path, place: int) -> tuple[list[dict[str, Any]], int]:
    """Return the whole lines of a log from a place on, and the place after them."""
    if not path.is_file():
        return [], place
    with path.open("rb") as file:
        file.seek(place)
        lines = _whole_lines(file)
    return [json.loads(line) for line in lines], place + sum(map(len, lines))


def _whole_lines(file: IO[bytes]) -> list[bytes]:
    return [line for line in file.readlines() if line.endswith(b"\n")]


def _died(out: Path) -> TrainingError:
    """Return the error for a process that ended by itself."""
    path = out / ERRORS_NAME
    text = path.read_text(errors="replace").strip() if path.is_file() else ""
    last = text.splitlines()[-1] if text else "it was killed, probably for memory"
    if is_full(out):  # then it could not say so itself
        last = f"the disk of '{out}' is full; free some space"
    return TrainingError(
        f"The training process ended ({last}). The old model is untouched, and the "
        "training can go on from where it last saved."
    )
