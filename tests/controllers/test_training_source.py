"""What a training learns from: every checked image of a project, each once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from fakes import FakeEngine, NowStarter
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.controllers.segmenting.segment import SegmentController
from napari_cellseg.controllers.session import Session
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.controllers.training.training_source import TrainingSource
from napari_cellseg.core.jobs import run
from napari_cellseg.io.reading.images import read_image
from napari_cellseg.project.labels.new_labels import NewLabels
from napari_cellseg.project.store import create_project

SIDES = ("left", "right")


@pytest.fixture
def source(tmp_path: Path) -> TrainingSource:
    """Return a source with a project of two images of one name; the first is open."""
    labels = np.zeros((40, 50), np.int32)
    labels[10:20, 10:20] = 1
    folder = tmp_path / "p.cellseg"
    with create_project(folder) as project:
        for number, side in enumerate(SIDES, start=1):
            (tmp_path / side).mkdir()
            path = tmp_path / side / "A01.tif"
            tifffile.imwrite(path, labels.astype(np.uint8))
            project.add_images([path], group="patient 7")
            project.start_labels(number, NewLabels(labels, "YX", {1: "hand"}))
    session, proofread, projects = Session(), ProofreadController(), ProjectController()
    tasks = tuple(TaskController(NowStarter()) for _ in range(4))
    segment = SegmentController(session, FakeEngine(), proofread, tasks)
    projects.open(folder)
    session.show_image(read_image(tmp_path / SIDES[0] / "A01.tif"))
    proofread.open(labels)
    proofread.set_state([1], "accepted")
    source = TrainingSource(session, segment, projects)
    source.choose("project")
    return source


def test_images_of_one_name_are_learned_from_once_each(source: TrainingSource) -> None:
    supply = run(source.counted())

    assert supply.n_cells == len(SIDES)


def test_what_the_project_groups_stays_together(source: TrainingSource) -> None:
    items = run(source.collected())

    assert [item.group for item in items] == ["patient 7"] * 2


def test_what_is_edited_later_is_not_learned(source: TrainingSource) -> None:
    here = run(source.collected())[0]
    source._proofread.delete_cells([1])

    assert here.labels.any()
