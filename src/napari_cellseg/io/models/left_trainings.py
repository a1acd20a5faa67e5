"""Trainings that a window left behind: finished, still running, or cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from napari_cellseg.core.train_options import fine_tune_options_from_dict
from napari_cellseg.io.models.store import user_folder
from napari_cellseg.io.models.training_files import (
    ALONE_NAME,
    LOG_NAME,
    OUTCOME_NAME,
    REQUEST_NAME,
    read_outcome,
)
from napari_cellseg.io.plain_files import known_json

#: Held by the process that trains.
RUNNING_NAME = ".running"
#: The person has said what is to become of it.
SETTLED_NAME = "settled"

#: Errors after which a training can go on, once the person has made room.
CAN_PASS = ("DiskFullError", "SaveError")

LeftState = Literal["done", "running", "cut"]


@dataclass(frozen=True, slots=True)
class LeftTraining:
    """A training that nobody has decided about.

    Attributes
    ----------
    folder : Path
        See `io.models.training_files`.
    title : str
        Of the new model.
    state : str
        ``"done"``: the result is there; ``"running"``: a process works on it;
        ``"cut"``: it was killed, and can go on from its last checkpoint.
    done, total : int
        Steps so far, and in all; both 0 where nothing is known.
    """

    folder: Path
    title: str
    state: LeftState
    done: int = 0
    total: int = 0


def trainings_folder() -> Path:
    """Return the folder that the dock's trainings lie in; it may not exist yet."""
    return user_folder().parent / "trainings"


def left_trainings() -> list[LeftTraining]:
    """Return the trainings that nobody has decided about, the newest first."""
    paths = trainings_folder().glob(f"*/{REQUEST_NAME}")
    folders = sorted((path.parent for path in paths), reverse=True)
    found = (_left(folder) for folder in folders)
    return [training for training in found if training is not None]


def last_crop_seconds() -> float | None:
    """Return the seconds that the last training here took for a crop of 256 x 256 pixels.

    Its examinations are part of it; None where none has been done.
    """
    outcomes = sorted(trainings_folder().glob(f"*/{OUTCOME_NAME}"), reverse=True)
    for path in outcomes:
        try:
            outcome = read_outcome(path.parent)
            text = (path.parent / REQUEST_NAME).read_text(encoding="utf-8")
            options = fine_tune_options_from_dict(json.loads(text)["options"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if outcome is not None and outcome.n_steps:
            share = (options.crop_px / 256) ** 2
            return outcome.seconds / (outcome.n_steps * options.plan[1] * share)
    return None


def _left(folder: Path) -> LeftTraining | None:
    """Return what is left in a folder; None if it is settled, or was told to have failed."""
    if (folder / SETTLED_NAME).exists():
        return None
    try:
        title = str(known_json(folder / REQUEST_NAME)["title"])
    except (KeyError, TypeError):
        return None
    kind, done, total = _last_said(folder / LOG_NAME)
    if (folder / OUTCOME_NAME).is_file():
        return LeftTraining(folder, title, "done", total, total)
    if is_running(folder):
        # Another window may be waiting for it; then it is not left.
        is_alone = (folder / ALONE_NAME).exists()
        return LeftTraining(folder, title, "running", done, total) if is_alone else None
    return None if kind == "error" else LeftTraining(folder, title, "cut", done, total)


def _last_said(path: Path) -> tuple[str, int, int]:
    """Return the kind of the last line of a log, and the steps done and in all."""
    kind, done, total = "", 0, 0
    lines = path.read_bytes().splitlines() if path.is_file() else []
    for line in lines:
        try:
            said = json.loads(line)
            kind = str(said["kind"])
            if said.get("type") in CAN_PASS:
                kind = "cut"
            if kind == "progress" and said["progress"][1]:
                done, total = (int(value) for value in said["progress"][:2])
        except (ValueError, KeyError, IndexError, TypeError):
            continue  # cut in the middle of a line
    return kind, done, total


@contextmanager
def running_in(folder: Path, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock of a training for the length of the block.

    Parameters
    ----------
    folder : Path
        Of the training.
    wait_seconds : float
        How long to wait for it; `is_running` holds it for a moment, too.

    Raises
    ------
    filelock.Timeout
        If another process trains there.
    """
    with FileLock(folder / RUNNING_NAME, timeout=wait_seconds):
        yield


def is_running(folder: Path) -> bool:
    """Say whether a process trains in a folder now."""
    try:
        with running_in(folder):
            return False
    except Timeout:
        return True
    except OSError:
        return False  # a folder that can only be read


def settle(folder: Path) -> None:
    """Note that the person has decided about a training; it is not offered again."""
    try:
        (folder / SETTLED_NAME).touch()
    except OSError:
        return  # it is offered again, which does no harm
