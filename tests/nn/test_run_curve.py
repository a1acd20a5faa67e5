"""The curve of a run survives a kill, and is a picture that opens."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from napari_cellseg.core.errors import SaveError
from napari_cellseg.nn.training.curve import (
    CURVE_NAME,
    VALIDATION_NAME,
    append_row,
    columns_of,
    forget_after,
    write_curve,
)


@pytest.fixture
def curve(tmp_path: Path) -> Path:
    for step in range(1, 6):
        score = 0.1 * step if step % 2 == 0 else None
        append_row(
            tmp_path / CURVE_NAME, {"step": step, "loss": 1 / step, "score": score}
        )
    return tmp_path / CURVE_NAME


def test_every_row_is_read_back_and_what_was_not_measured_is_left_out(
    curve: Path,
) -> None:
    columns = columns_of(curve)
    assert columns["loss"][0] == (1.0, 1.0)
    assert columns["score"] == [(2.0, 0.2), (4.0, 0.4)]


def test_steps_that_are_done_again_are_forgotten(curve: Path) -> None:
    forget_after(curve, 3)
    assert [step for step, _ in columns_of(curve)["loss"]] == [1, 2, 3]


def test_a_row_that_a_kill_cut_is_forgotten(curve: Path) -> None:
    with curve.open("a") as file:
        file.write("6,0.1")
    forget_after(curve, 6)
    assert [step for step, _ in columns_of(curve)["loss"]] == [1, 2, 3, 4, 5]


def test_losses_and_validation_are_drawn_one_below_the_other(curve: Path) -> None:
    append_row(curve.parent / VALIDATION_NAME, {"step": 5, "H&E/ap50": 0.7})
    write_curve(curve.parent)
    root = ET.parse(curve.parent / "curve.svg").getroot()
    names = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"loss", "score", "validation", "H&E/ap50", "step 5"} <= names
    lines = list(root.iter("{http://www.w3.org/2000/svg}polyline"))
    assert [len(line.attrib["points"].split()) for line in lines] == [5, 2, 1]


def test_a_curve_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    (tmp_path / CURVE_NAME).mkdir()
    with pytest.raises(SaveError, match="could not be written"):
        append_row(tmp_path / CURVE_NAME, {"step": 1})
