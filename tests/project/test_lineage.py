"""Who came of whom is kept in the project."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from napari_cellseg.controllers.cell_labels import CellLabels
from napari_cellseg.controllers.project import ProjectController
from napari_cellseg.project.store import create_project


def test_parents_are_there_when_the_project_is_opened_again(tmp_path: Path) -> None:
    image = tmp_path / "series.tif"
    tifffile.imwrite(image, np.zeros((2, 16, 16), np.uint8), photometric="minisblack")
    labels = np.zeros((2, 16, 16), np.int32)
    labels[0, 2:6, 2:6], labels[1, 2:6, 2:4], labels[1, 2:6, 5:7] = 1, 2, 3
    cells = CellLabels(labels)
    cells.parents = {2: 1, 3: 1}
    projects = ProjectController()
    projects.create(tmp_path / "work.cellseg", [image])
    projects.adopt(cells, str(image), "TYX", None)
    projects.close()

    projects.open(tmp_path / "work.cellseg")
    found = projects.cells_of(str(image))
    assert found is not None
    assert found.parents == {2: 1, 3: 1}
    found.parents = {2: 1}
    projects.save_lineage(found)
    projects.close()

    projects.open(tmp_path / "work.cellseg")
    again = projects.cells_of(str(image))
    assert again is not None
    assert again.parents == {2: 1}
    projects.close()


def test_each_image_has_its_own_parents(tmp_path: Path) -> None:
    with create_project(tmp_path / "work") as project:
        project.lineage(1).set_parents({5: 4})

        assert project.lineage(1).parents() == {5: 4}
        assert project.lineage(2).parents() == {}
