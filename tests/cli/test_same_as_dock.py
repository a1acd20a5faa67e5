"""The command line and the engine of the dock give the same labels and numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from napari_cellseg.cli.main import app
from napari_cellseg.core.jobs import run
from napari_cellseg.core.measuring.measure import measure_cells
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import SegmentationResult
from napari_cellseg.engines import open_segmenter
from napari_cellseg.io.reading.images import read_image, read_labels

SAMPLES = Path(__file__).parents[2] / "sample_data"


def as_the_dock_does(path: Path) -> SegmentationResult:
    """Segment in a process of its own and keep the maps."""
    segmenter = open_segmenter("local", in_child=True)
    try:
        options = SegmentOptions(keep_maps=True)
        return run(segmenter.segment(read_image(path), options))
    finally:
        segmenter.close()


@pytest.mark.parametrize("name", ["nuclei.tif", "histology.png"])
def test_labels_and_numbers_are_the_same_through_both_doors(
    name: str, tmp_path: Path
) -> None:
    path = SAMPLES / name

    shown = as_the_dock_does(path)
    result = CliRunner().invoke(app, ["segment", str(path), "-o", str(tmp_path)])

    assert result.exit_code == 0, result.output
    written, _ = read_labels(tmp_path / f"{path.stem}_labels.tif")
    np.testing.assert_array_equal(written, shown.labels)
    confidence = dict(enumerate(shown.confidence.tolist(), start=1))
    table = measure_cells(read_image(path), shown.labels, confidence=confidence)
    rows = pd.read_csv(tmp_path / f"{path.stem}_cells.csv").drop(columns="image")
    pd.testing.assert_frame_equal(rows, table.cells, check_dtype=False, rtol=0, atol=0)
