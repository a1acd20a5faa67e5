"""Where results are proposed to go."""

from pathlib import Path

import numpy as np

from napari_cellseg.controllers.files.export import proposed_path
from napari_cellseg.core.types import CellImage


def image_from(source: str, name: str = "A01.ome.tif") -> CellImage:
    return CellImage(np.zeros((1, 9, 9), np.uint8), name=name, source=source)


def test_results_are_proposed_beside_their_image(tmp_path):
    image = image_from(str(tmp_path / "A01.ome.tif"))

    assert proposed_path(image, "_cells.csv") == str(tmp_path / "A01_cells.csv")


def test_results_of_what_is_no_file_are_proposed_in_the_home_folder(tmp_path):
    home = str(Path.home() / "A01_cells.csv")

    for source in ("", "s3://plates/A01.ome.tif", str(tmp_path / "gone" / "A01.tif")):
        assert proposed_path(image_from(source), "_cells.csv") == home
