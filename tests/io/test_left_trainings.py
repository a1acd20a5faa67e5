"""What a window left behind is found again, once, and in the right state."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_cellseg.io.models.folder import MODELS_VARIABLE
from napari_cellseg.io.models.left_trainings import (
    is_running,
    left_trainings,
    running_in,
    settle,
    trainings_folder,
)
from napari_cellseg.io.models.training_files import (
    ALONE_NAME,
    LOG_NAME,
    OUTCOME_NAME,
    REQUEST_NAME,
)

STEP = {"kind": "progress", "progress": [3, 8, "step 3 of 8"]}


@pytest.fixture
def leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Return a function that leaves a training behind."""
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "models"))

    def make(name: str, *lines: object) -> Path:
        folder = trainings_folder() / name
        folder.mkdir(parents=True)
        (folder / REQUEST_NAME).write_text(json.dumps({"title": name}))
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / LOG_NAME).write_text(text)
        return folder

    return make


def states() -> list[tuple[str, str]]:
    return [(left.title, left.state) for left in left_trainings()]


def test_nothing_is_left_at_first(leave) -> None:  # type: ignore[no-untyped-def]
    assert left_trainings() == []


def test_a_killed_training_is_cut_where_it_was(leave) -> None:  # type: ignore[no-untyped-def]
    folder = leave("one", STEP)
    with (folder / LOG_NAME).open("a") as log:
        log.write('{"kind": "progress", "progr')
    (left,) = left_trainings()
    assert (left.state, left.done, left.total) == ("cut", 3, 8)


def test_a_result_waits_until_the_person_has_decided(leave) -> None:  # type: ignore[no-untyped-def]
    folder = leave("one", STEP)
    (folder / OUTCOME_NAME).write_text("{}")
    assert states() == [("one", "done")]
    settle(folder)
    assert states() == []


def test_one_that_was_let_alone_is_running_while_its_process_lives(leave) -> None:  # type: ignore[no-untyped-def]
    folder = leave("one", STEP)
    (folder / ALONE_NAME).touch()
    with running_in(folder):
        assert is_running(folder)
        assert states() == [("one", "running")]
    assert states() == [("one", "cut")]


def test_the_training_of_another_window_is_not_offered(leave) -> None:  # type: ignore[no-untyped-def]
    folder = leave("one", STEP)
    with running_in(folder):
        assert states() == []


def test_one_that_stopped_on_an_error_would_stop_again(leave) -> None:  # type: ignore[no-untyped-def]
    leave("one", STEP, {"kind": "error", "type": "TrainingError", "text": "no"})
    assert states() == []


def test_one_that_a_full_disk_stopped_can_go_on(leave) -> None:  # type: ignore[no-untyped-def]
    leave("one", STEP, {"kind": "error", "type": "SaveError", "text": "full"})
    assert states() == [("one", "cut")]


def test_the_newest_comes_first_and_what_is_no_training_is_passed_over(leave) -> None:  # type: ignore[no-untyped-def]
    for name in ("20260101-a", "20260301-c", "20260201-b"):
        leave(name, STEP)
    (leave("20260401-d") / REQUEST_NAME).write_text("no JSON")
    assert [title for title, _ in states()] == [
        "20260301-c",
        "20260201-b",
        "20260101-a",
    ]
