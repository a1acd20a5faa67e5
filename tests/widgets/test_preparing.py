"""Large labels are read before they are shown: progress, Cancel, and beginning again."""

from types import SimpleNamespace

import numpy as np
import pytest
from tests.fakes import NowStarter

from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.controllers.session import Session
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.types import CellImage
from napari_cellseg.project.labels.new_labels import NewLabels
from napari_cellseg.project.store import create_project
from napari_cellseg.widgets.labels.preparing import Preparing


@pytest.fixture
def projects(tmp_path, monkeypatch):
    """Return a project of two images with large labels and one with small ones."""
    monkeypatch.setattr("napari_cellseg.core.labels.on_disk.LARGE_PX", 2**16)
    images = [tmp_path / name for name in ("slide.tif", "small.tif", "second.tif")]
    with create_project(tmp_path / "work") as project:
        for number, side in enumerate((600, 60, 600), start=1):
            images[number - 1].write_bytes(bytes([number]))
            project.add_images([images[number - 1]])
            labels = np.zeros((side, side), np.int32)
            labels[5:15, 5:15] = 1
            project.start_labels(number, NewLabels(labels, "YX"))
        folder = project.folder
    found = ProjectController()
    found.open(folder)
    yield found
    found.close()


class Bench:
    """Preparing without a viewer; each step of its job is asked for."""

    def __init__(self, projects):
        self.starter = NowStarter(is_held=True)
        self.session = Session()
        self.n_done = 0
        task = TaskController(self.starter)
        dock = SimpleNamespace(task=task, session=self.session)
        self.preparing = Preparing(projects, dock)
        self.sources = [image.address for image in projects.images]

    def start(self, number=0):
        return self.preparing.start(self.sources[number], self._on_done)

    def _on_done(self):
        self.n_done += 1

    @property
    def said(self):
        return self.preparing.box.line.text()

    @property
    def is_shown(self):
        return not self.preparing.box.isHidden()


@pytest.fixture
def bench(projects, qapp):
    made = Bench(projects)
    yield made
    made.preparing.abandon()
    made.preparing.box.deleteLater()


def test_small_labels_need_nothing(bench):
    assert not bench.start(1)
    assert not bench.is_shown


def test_it_says_what_goes_on_and_goes_on_when_it_is_done(bench):
    assert bench.start()
    assert bench.is_shown
    assert "slide.tif" in bench.said
    assert bench.preparing.box.button.text() == "Cancel"
    assert bench.start()  # asked for again, it goes on
    assert bench.n_done == 0
    bench.starter.release()
    assert bench.n_done == 1
    assert not bench.is_shown
    assert not bench.start()  # it is read: nothing has to be done any more


def test_cancelled_it_waits_for_the_button(bench):
    bench.start()
    bench.preparing.box.button.click()
    bench.starter.release()
    assert bench.said == "The cells of slide.tif were not opened."
    assert bench.start()  # the window asks again at every turn
    assert not bench.preparing.is_running
    bench.preparing.box.button.click()
    assert bench.preparing.is_running
    bench.starter.release()
    assert bench.n_done == 1


def test_another_image_takes_the_question_away(bench):
    bench.start()
    bench.preparing.box.button.click()
    bench.starter.release()
    bench.session.show_image(CellImage(np.zeros((1, 9, 9), np.uint8), "CYX"))
    assert not bench.is_shown
    assert bench.start()
    assert bench.preparing.is_running


def test_the_cells_of_another_large_image_take_its_place(bench, tmp_path):
    bench.start()
    bench.sources[0] = bench.sources[2]
    assert bench.start()
    assert "second.tif" in bench.said
    bench.starter.release()
    assert bench.n_done == 1
    assert not bench.start()


def test_it_ends_with_its_project(bench, projects):
    bench.start()
    projects.close()
    assert not bench.preparing.is_running
    assert not bench.is_shown
    bench.starter.release()
    assert bench.n_done == 0
