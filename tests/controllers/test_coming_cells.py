"""Cells of large images come into a project while the window goes on."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.project.test_journal import FullDisk

from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.core.errors import ProjectError
from napari_cellseg.core.jobs import run
from napari_cellseg.project.store import open_project

SIDE = 1100
CELLS = {1: (10, 10), 2: (10, 1060), 3: (1060, 10), 4: (1060, 1060)}


class Window:
    """A project that has begun to take cells in, of three chunks each way."""

    def __init__(self, parent: Path) -> None:
        self.image, self.folder = parent / "image.tif", parent / "work.cellseg"
        tifffile.imwrite(self.image, np.zeros((SIDE, SIDE), np.uint8))
        labels = np.zeros((SIDE, SIDE), np.int32)
        for cell, (y, x) in CELLS.items():
            labels[y : y + 20, x : x + 20] = cell
        self.proofread = ProofreadController()
        self.proofread.open(labels)
        self.proofread.delete_cells([4])
        self.projects = ProjectController()
        self.projects.create(self.folder, [self.image])
        assert self.projects.adopt(self.proofread.cells, str(self.image), "YX", None)

    def begin(self):
        """Return the writing, with the first chunks written."""
        job = self.projects.writing()
        for _ in range(2):
            next(job)
        return job

    def kept(self):
        """Return what another session finds, and what it can undo."""
        self.projects.close()
        with open_project(self.folder) as project:
            opened = project.open_labels(1)
            return opened.labels.copy(), opened.journal.undo_name


@pytest.fixture
def window(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "napari_cellseg.controllers.labels.cells_before.AT_ONCE_PX", 1000
    )
    monkeypatch.setattr(
        "napari_cellseg.project.labels.labels_store.SMALL_BLOCK_PX", 512
    )
    return Window(tmp_path)


def test_nothing_of_them_is_in_the_project_before_all_is(window):
    job = window.begin()
    assert window.projects.n_waiting == 1
    assert not window.projects.keeps(window.proofread.cells)
    with open_project(window.folder, read_only=True) as reader:
        assert not reader.images()[0].has_labels
    run(job)
    assert window.projects.n_waiting == 0
    assert window.projects.keeps(window.proofread.cells)


def test_what_is_edited_meanwhile_is_taken_in_too(window):
    job = window.begin()
    window.proofread.delete_cells([1])
    window.proofread.accept([3])
    next(job)
    window.proofread.undo()
    window.proofread.undo()
    next(job)
    window.proofread.undo()
    window.proofread.delete_cells([2])
    run(job)
    now = window.proofread.labels.copy()
    labels, undo_name = window.kept()
    assert set(np.unique(labels)) == {0, 1, 3, 4}
    assert np.array_equal(labels, now)
    assert undo_name == "delete cell"


def test_what_was_made_and_undone_between_two_chunks_leaves_nothing(window):
    job = window.begin()
    window.proofread.delete_cells([3])
    for _ in range(8):
        next(job)
    window.proofread.undo()
    run(job)
    labels, _ = window.kept()
    assert set(np.unique(labels)) == {0, 1, 2, 3}


def test_to_close_in_the_middle_takes_all_in(window):
    job = window.begin()
    window.proofread.delete_cells([2])
    labels, undo_name = window.kept()
    assert set(np.unique(labels)) == {0, 1, 3}
    assert undo_name == "delete cell"
    run(job)  # what was begun has nothing to do any more


def test_who_asks_for_them_gets_them(window):
    window.begin()
    found = window.projects.cells_of(str(window.image))
    assert found is window.proofread.cells
    assert window.projects.keeps(found)
    window.projects.close()


def test_what_a_full_disk_does_not_take_waits(window):
    disk = FullDisk(window.projects.project._connection)
    window.projects.project._connection = disk
    window.projects.write()
    assert "disk is full" in window.projects.problem
    assert window.projects.n_waiting == 1
    with pytest.raises(ProjectError, match="stays open"):
        window.projects.close()
    window.proofread.delete_cells([2])
    disk.is_full = False
    window.projects.write()
    assert not window.projects.problem
    labels, _ = window.kept()
    assert set(np.unique(labels)) == {0, 1, 3}


def test_a_copy_has_what_could_not_be_taken_in(window, tmp_path):
    disk = FullDisk(window.projects.project._connection)
    window.projects.project._connection = disk
    window.projects.save_as(tmp_path / "copy")
    disk.is_full = False
    with open_project(tmp_path / "copy.cellseg") as copy:
        assert set(np.unique(copy.open_labels(1).labels)) == {0, 1, 2, 3}
    assert window.projects.n_waiting == 1
    window.projects.close()


def test_what_is_known_of_them_is_what_the_project_has(window):
    window.proofread.cells.confidence = {1: 0.5, 4: 0.25}
    window.proofread.set_class([2], "dead")
    job = window.begin()
    while window.projects.coming:
        next(job)
    (_, opened) = window.projects._kept[1]
    with open_project(window.folder, read_only=True) as reader:
        read = reader.open_labels(1)
    assert opened.sources == read.sources == {1: "model", 2: "model", 3: "model"}
    assert opened.confidence == read.confidence == {1: 0.5}
    assert opened.classes == read.classes == {2: "dead"}
    run(job)
    window.projects.close()
