"""A log is read on until what writes it has ended."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")

from tests.fakes import NowStarter

from napari_cellseg.cloud.errors import CloudError
from napari_cellseg.cloud.sagemaker.logs import End
from napari_cellseg.controllers.aws import cloud_log
from napari_cellseg.controllers.aws.cloud_log import LogController
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.cloud_options import AccountOptions

ACCOUNT = AccountOptions()
DONE = End("The training job 'mine' is completed.", False)


class Script:
    """What AWS says at each look: new lines, and how it ended."""

    def __init__(self, *looks: tuple[list[str], End | None]) -> None:
        self.looks = list(looks)
        self.n_asked = 0

    def end(self) -> End | None:
        self.n_asked += 1
        return self.looks[0][1]

    def new_lines(self) -> list[str]:
        return self.looks.pop(0)[0]


@pytest.fixture
def log() -> LogController:
    return LogController(TaskController(NowStarter()), lambda _: None)  # type: ignore[arg-type, return-value]


def told(monkeypatch: pytest.MonkeyPatch, script: Any) -> Any:
    monkeypatch.setattr(cloud_log, "all_logs", lambda *_: [script])
    monkeypatch.setattr(cloud_log, "EndWatch", lambda *_: script)
    return script


def test_it_is_followed_to_its_end_and_once_more(
    log: LogController, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = told(
        monkeypatch, Script(([], None), (["a"], None), (["b"], DONE), (["c"], DONE))
    )
    came: list[list[str]] = []
    log.lines_came.connect(came.append)
    log.follow(ACCOUNT, " mine ")
    assert log.words.startswith("Nothing of 'mine' yet")
    log.look()
    assert log.words == "New lines come every few seconds."
    log.look()
    assert log.is_following
    for _ in range(3):
        log.look()
    assert list(log.lines) == ["a", "b", "c"]
    assert came == [["a"], ["b"], ["c"]]
    assert script.n_asked == 4
    assert not log.is_following
    assert log.words == DONE.told


def test_another_log_begins_anew(
    log: LogController, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(monkeypatch, Script((["old"], None)))
    log.follow(ACCOUNT, "mine")
    told(monkeypatch, Script((["new"], None)))
    log.follow(ACCOUNT, "other")
    assert (log.name, list(log.lines)) == ("other", ["new"])


def test_a_look_that_fails_says_why_and_the_next_goes_on(
    log: LogController, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = told(monkeypatch, Script((["a"], None), (["b"], None)))
    good, tries = script.end, iter([True, False])

    def end() -> End | None:
        if next(tries, False):
            raise CloudError("The sign-in of profile 'lab' has expired.", "Expired")
        return good()

    script.end = end
    log.follow(ACCOUNT, "mine")
    assert "has expired" in log.words
    log.look()
    assert list(log.lines) == ["a"]


def test_what_is_stopped_is_read_no_more(
    log: LogController, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = told(monkeypatch, Script((["a"], None), (["b"], None)))
    log.follow(ACCOUNT, "mine")
    log.stop()
    log.look()
    assert script.n_asked == 1
    assert log.words == "No longer followed; Show goes on."
