"""Figures against true labels from the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from fakes import FakeSegmenter
from napari_cellseg import engines
from napari_cellseg.cli.main import app
from napari_cellseg.core.errors import ImageReadError

runner = CliRunner()


@pytest.fixture
def labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with two cells, of which the fake segmenter finds one."""
    labels = np.zeros((20, 20), np.uint16)
    labels[2:8, 2:8] = 1
    labels[12:18, 12:18] = 2
    for name, array in (("images", np.where(labels == 1, 200, 0)), ("masks", labels)):
        (tmp_path / "set" / name).mkdir(parents=True)
        tifffile.imwrite(tmp_path / "set" / name / "a.tif", array.astype(np.uint16))
    monkeypatch.setattr(engines, "open_segmenter", lambda *_, **__: FakeSegmenter())
    return tmp_path / "set"


def test_half_of_the_cells_found_is_an_ap_of_one_half(labelled: Path) -> None:
    result = runner.invoke(app, ["evaluate", str(labelled)])

    assert result.exit_code == 0, result.output
    figures = result.output.splitlines()[-1].split()
    assert figures[:4] == ["all", "1", "2", "1"]
    assert float(figures[4]) == 0.5


def test_a_folder_without_pairs_is_refused(labelled: Path) -> None:
    result = runner.invoke(app, ["evaluate", str(labelled / "images")])

    assert isinstance(result.exception, ImageReadError)
