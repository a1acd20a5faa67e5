"""Who came of whom is kept in the project."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.project.lineage_run import dividing_cells

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.controllers.projects.project import ProjectController
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


SCRIPT = Path(__file__).with_name("lineage_run.py")


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """Return an image of two frames, beside an empty project of it."""
    image = tmp_path / "series.tif"
    tifffile.imwrite(image, np.zeros((2, 16, 16), np.uint8), photometric="minisblack")
    projects = ProjectController()
    projects.create(tmp_path / "work.cellseg", [image])
    projects.close()
    return image


def killed_in(image: Path, name: str) -> None:
    """Do a step in a process that dies as soon as the journal has it."""
    folder = str(image.with_name("work.cellseg"))
    done = subprocess.run(
        [sys.executable, str(SCRIPT), folder, str(image), name], check=False
    )
    assert done.returncode == -signal.SIGKILL


def reopened(image: Path) -> tuple[ProjectController, CellLabels]:
    """Return what the project has of the image."""
    projects = ProjectController()
    projects.open(image.with_name("work.cellseg"))
    cells = projects.cells_of(str(image))
    assert cells is not None
    return projects, cells


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_kill_right_after_a_step_loses_no_mother(series: Path) -> None:
    projects, cells = ProjectController(), dividing_cells()
    projects.open(series.with_name("work.cellseg"))
    assert projects.adopt(cells, str(series), "TYX", None)
    projects.close()

    killed_in(series, "number")
    projects, cells = reopened(series)
    assert sorted(cells.sources) == [1, 2, 3]
    assert cells.parents == {2: 1, 3: 1}
    projects.close()

    killed_in(series, "undo")
    projects, cells = reopened(series)
    assert sorted(cells.sources) == [11, 12, 13]
    assert cells.parents == {12: 11, 13: 11}
    projects.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_kill_right_after_cells_are_taken_in_loses_nothing_said_of_them(
    series: Path,
) -> None:
    killed_in(series, "adopt")

    projects, cells = reopened(series)
    assert cells.parents == {12: 11, 13: 11}
    assert cells.states == {12: "accepted"}
    projects.close()
