"""How far a job is, where there is no terminal."""

from __future__ import annotations

import itertools

import pytest
import typer

from napari_cellseg.cli.progress import LOG_SECONDS, run_with_bar
from napari_cellseg.core.jobs import Job, Notice, Progress


def many_images() -> Job[str]:
    """Do ten images, of which one fails."""
    for done in range(10):
        yield Progress(done, 10, f"i{done}.tif")
    yield Notice(9, 10, "failed: i9.tif")
    return "end"


def test_a_log_is_told_now_and_then_how_far_a_run_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Three steps take as long as a line waits for.
    ticks = itertools.count(0, LOG_SECONDS / 3)

    result = run_with_bar(many_images(), clock=lambda: next(ticks))

    assert result == "end"
    assert capsys.readouterr().err.splitlines() == [
        "2 of 10: i2.tif",
        "5 of 10: i5.tif",
        "8 of 10: i8.tif",
        "failed: i9.tif",
    ]


def test_ctrl_c_ends_a_command_with_a_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped() -> Job[None]:
        yield Progress(1, 10, "tile 1")
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as ended:
        run_with_bar(stopped(), when_stopped="It goes on.")

    assert ended.value.exit_code == 130
    assert capsys.readouterr().err.splitlines() == ["Stopped. It goes on."]


def test_where_nothing_is_to_be_shown_only_failures_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ticks = itertools.count(0, LOG_SECONDS)

    run_with_bar(many_images(), is_shown=False, clock=lambda: next(ticks))

    assert capsys.readouterr().err.splitlines() == ["failed: i9.tif"]
