"""What is asked of ``cellseg fine-tune`` is looked at before anything is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from typer.testing import CliRunner

from napari_cellseg.cli.main import app


def test_too_little_is_refused_before_the_folder_is_taken(tmp_path: Path) -> None:
    for part in ("images", "masks"):
        (tmp_path / "set" / part).mkdir(parents=True)
        empty = np.zeros((40, 40), np.uint8)
        tifffile.imwrite(tmp_path / "set" / part / "a.tif", empty)
    out = tmp_path / "out"

    words = ["fine-tune", str(tmp_path / "set"), "-o", str(out), "--device", "cpu"]
    result = CliRunner().invoke(app, words)

    assert "There are 0 checked cells" in str(result.exception)
    assert not out.exists()


def test_a_folder_whose_name_no_model_can_have_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "a:b"

    words = ["fine-tune", str(tmp_path), "-o", str(out), "--device", "cpu"]
    result = CliRunner().invoke(app, words)

    assert "'a:b' is no name for a model" in str(result.exception)
    assert not out.exists()
