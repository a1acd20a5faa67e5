"""Cells go into files by a job."""

import json

import numpy as np

from napari_cellseg.controllers.files.exchange import cells_to_write, write_cells
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.core.jobs import run
from napari_cellseg.core.measuring.measure import measure_cells
from napari_cellseg.core.types import CellImage
from napari_cellseg.io.exchange.formats import format_named


def test_the_numbers_of_cells_are_gathered_by_the_job(tmp_path):
    labels = np.zeros((30, 30), np.int32)
    labels[2:5, 2:5] = 1
    image = CellImage(np.ones((1, 30, 30), np.uint8))
    proofread = ProofreadController()
    proofread.open(labels)
    cells = cells_to_write(proofread, image)
    assert not cells.measurements  # with many cells that takes seconds
    path = tmp_path / "a.geojson"
    run(write_cells(path, format_named("geojson"), cells, measure_cells(image, labels)))
    (feature,) = json.loads(path.read_text())["features"]
    assert feature["properties"]["measurements"]["area_px"] == 9
