"""The project of a window: whatever is done, it is there when it is opened again."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.project.test_journal import FullDisk

from napari_cellseg.controllers.files.exchange import Arrival, take_arrival
from napari_cellseg.controllers.labels.cell_labels import CellLabels, cells_of_project
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.labels.run_step import MOVED
from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.core.editing.edits import Edit
from napari_cellseg.core.editing.numbering import renumber_cells
from napari_cellseg.core.editing.rerun import Merged
from napari_cellseg.core.types import CellImage
from napari_cellseg.io.exchange.cells import FoundLabels
from napari_cellseg.project.store import open_project


def two_cells() -> np.ndarray:
    labels = np.zeros((20, 20), np.int32)
    labels[2:8, 2:8], labels[12:18, 12:18] = 1, 2
    return labels


def one_cell() -> np.ndarray:
    labels = np.zeros((20, 20), np.int32)
    labels[4:12, 4:12] = 1
    return labels


class Window:
    """A project with the labels of one image, without a viewer."""

    def __init__(self, folder: Path) -> None:
        self.image = folder / "image.tif"
        self.folder = folder / "work.cellseg"
        tifffile.imwrite(self.image, np.zeros((20, 20), np.uint8))
        self.projects = ProjectController()
        self.proofread = ProofreadController()
        self.proofread.reviewed.connect(self._save_review)
        self.proofread.open(two_cells(), confidence={1: 0.9, 2: 0.8})
        self.projects.create(self.folder, [self.image])
        self.projects.adopt(self.proofread.cells, str(self.image), "YX", None)

    def _save_review(self, ids: list[int]) -> None:
        self.projects.save_review(self.proofread.cells, ids)

    def fill_disk(self) -> FullDisk:
        """Let every write fail until `is_full` is taken back."""
        project = self.projects.project
        (_, opened) = self.projects._kept[1]
        disk = FullDisk(project._connection)
        project._connection = opened._connection = opened.journal._connection = disk
        return disk

    def killed(self, tmp_path: Path) -> CellLabels:
        """Return the cells as they would be found if the program were killed now."""
        # The image lies beside the project, so its place is the same.
        left = shutil.copytree(self.folder, tmp_path / "killed" / "left.cellseg")
        with open_project(left) as project:
            opened = project.open_labels(1)
            cells = cells_of_project(opened)
            cells.states = project.review(1).states()
            cells.areas = project.review(1).areas()
        return cells

    def reopen(self) -> None:
        """End the session and begin another."""
        if self.projects.project is not None:
            self.projects.close()
        self.projects.open(self.folder)
        self.proofread.reopen(self.projects.cells_of(str(self.image)))


@pytest.fixture
def window(tmp_path: Path) -> Iterator[Window]:
    made = Window(tmp_path)
    yield made
    if made.projects.project is not None:
        made.projects.close()


def test_a_threshold_that_comes_back_leaves_a_project_that_opens(
    window: Window,
) -> None:
    proofread, fewer = window.proofread, two_cells()
    fewer[fewer == 2] = 0
    proofread.take_run(Merged(fewer, {1: 0.9}), MOVED, keeps=True)
    proofread.take_run(Merged(two_cells(), {1: 0.9, 2: 0.8}), MOVED, keeps=True)
    window.projects.write()
    assert not proofread.history.undo_name
    window.reopen()
    np.testing.assert_array_equal(proofread.labels, two_cells())
    proofread.redo()
    np.testing.assert_array_equal(proofread.labels, fewer)


def test_a_second_threshold_keeps_what_the_first_said_of_a_locked_cell(
    window: Window, tmp_path: Path
) -> None:
    proofread = window.proofread
    first, second = np.zeros((20, 20), np.int32), np.zeros((20, 20), np.int32)
    first[2:6, 2:6], second[2:6, 2:6] = 5, 5
    first[10:14, 10:14], second[10:15, 10:15] = 6, 7
    proofread.take_run(Merged(first, {5: 0.7, 6: 0.6}), MOVED, keeps=True)
    proofread.set_state([5], "accepted")
    proofread.take_run(Merged(second, {7: 0.5}), MOVED, keeps=True)
    seen = {cell: proofread.cells.confidence[cell] for cell in (5, 7)}
    left = window.killed(tmp_path).confidence
    assert seen == {5: 0.7, 7: 0.5}
    assert {cell: left.get(cell) for cell in seen} == seen


def test_marks_wait_for_a_full_disk_as_steps_do(window: Window) -> None:
    disk = window.fill_disk()
    told: list[str] = []
    window.projects.problem_changed.connect(told.append)
    window.proofread.set_state([1], "accepted")
    window.proofread.check_area(
        np.array([[10.0, 10], [10, 19], [19, 19], [19, 10]]), ()
    )
    window.proofread.cells.parents = {2: 1}
    window.projects.save_lineage(window.proofread.cells)
    assert window.projects.n_waiting == 4
    assert len(told) == 3
    assert "disk is full" in told[-1]
    disk.is_full = False
    window.projects.write()
    assert window.projects.n_waiting == 0
    assert told[-1] == ""
    window.reopen()
    cells = window.proofread.cells
    assert cells.states == {1: "accepted", 2: "accepted"}
    assert len(cells.areas) == 1
    assert cells.parents == {2: 1}


def test_each_failure_is_told_so_that_it_is_tried_again(window: Window) -> None:
    window.fill_disk()
    told: list[str] = []
    window.projects.problem_changed.connect(told.append)
    window.proofread.delete_cells([1])
    window.projects.write()
    window.projects.write()
    assert len(told) == 2
    window.projects.project._connection.is_full = False


def test_a_copy_holds_what_a_full_disk_does_not_take(
    window: Window, tmp_path: Path
) -> None:
    disk = window.fill_disk()
    window.proofread.delete_cells([1])
    window.proofread.set_state([2], "accepted")
    window.projects.save_as(tmp_path / "copy")
    with open_project(tmp_path / "copy.cellseg") as copy:
        opened = copy.open_labels(1)
        assert set(opened.sources) == {2}
        assert set(np.unique(opened.labels)) == {0, 2}
        assert opened.journal.undo_name == "delete cell"
        assert copy.review(1).states() == {2: "accepted"}
    assert window.projects.n_waiting == 2
    disk.is_full = False


def test_what_was_said_of_a_cell_comes_back_with_it(window: Window) -> None:
    window.proofread.set_state([1], "accepted")
    window.proofread.delete_cells([1])
    window.projects.write()
    window.reopen()
    assert window.proofread.sources == {2: "model"}
    window.proofread.undo()
    assert window.proofread.sources == {1: "model", 2: "model"}
    assert window.proofread.cells.states == {1: "accepted"}
    window.reopen()
    assert window.proofread.cells.states == {1: "accepted"}
    assert window.proofread.model_confidence == {1: 0.9, 2: 0.8}


def test_number_anew_gives_no_cell_what_was_known_of_a_former_one(
    window: Window, tmp_path: Path
) -> None:
    cells = window.proofread.cells
    window.proofread.set_state([1], "rejected")
    window.proofread.set_state([2], "accepted")
    window.proofread.delete_cells([1])
    window.projects.write()
    window.proofread.make(renumber_cells)
    assert cells.states == {1: "accepted"}
    assert cells.confidence == {1: 0.8}
    found = window.killed(tmp_path)
    assert found.states == {1: "accepted"}
    assert found.confidence == {1: 0.8}
    window.reopen()
    window.proofread.undo()
    window.proofread.undo()
    cells = window.proofread.cells
    assert cells.states == {1: "rejected", 2: "accepted"}
    assert cells.confidence == {1: 0.9, 2: 0.8}


def test_a_copy_of_a_project_to_read_only_holds_what_was_corrected_there(
    window: Window, tmp_path: Path
) -> None:
    window.proofread.set_state([2], "rejected")
    reader, proofread = ProjectController(), ProofreadController()
    reader.open(window.folder)
    proofread.reopen(reader.cells_of(str(window.image)))
    proofread.delete_cells([1])
    proofread.set_class([2], "dead")
    proofread.set_state([2], "accepted")
    proofread.check_area(np.array([[10.0, 10], [10, 19], [19, 19]]), ())
    proofread.cells.parents = {2: 1}
    reader.save_as(tmp_path / "copy")
    reader.open(tmp_path / "copy.cellseg")
    cells = reader.cells_of(str(window.image))
    assert (set(np.unique(cells.labels)), cells.sources) == ({0, 2}, {2: "model"})
    assert (cells.classes, cells.states) == ({2: "dead"}, {2: "accepted"})
    assert (len(cells.areas), cells.parents) == (1, {2: 1})
    assert cells.history.undo_name == "mark checked"
    reader.close()


def test_marks_on_numbers_of_numpy_are_read_again(window: Window) -> None:
    window.proofread.set_state(list(np.array([2], np.int32)), "accepted")
    window.reopen()
    assert window.proofread.cells.states == {2: "accepted"}


def test_cells_are_kept_however_the_path_of_the_image_is_written(
    tmp_path: Path,
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data", target_is_directory=True)
    image = tmp_path / "data" / unicodedata.normalize("NFC", "Zell\u00e9.tif")
    tifffile.imwrite(image, np.zeros((20, 20), np.uint8))
    projects = ProjectController()
    projects.create(tmp_path / "work", [image])
    for path in (tmp_path / "data" / ".." / "data", tmp_path / "link"):
        found = projects.image_at(str(path / image.name))
        assert found is not None
        assert found.place == image
        assert projects.add_images([path / image.name]) == 0
    other_accent = unicodedata.normalize("NFD", str(image))
    assert projects.image_at(other_accent) is not None
    cells = CellLabels(two_cells())
    assert projects.adopt(
        cells, str(tmp_path / "link" / ".." / "link" / image.name), "YX", None
    )
    assert len(projects.images) == 1
    projects.close()


def test_undo_of_a_run_in_another_session_restores_what_was_known(
    window: Window,
) -> None:
    proofread = window.proofread
    proofread.set_state([1], "accepted")
    proofread.take_run(Merged(one_cell(), {1: 0.3}), "segment", keeps=False)
    assert proofread.cells.states == {}
    # As after kill -9: the labels were not written yet.
    window.projects._kept.clear()
    window.projects.project._opened.clear()
    window.reopen()
    assert proofread.model_confidence == {1: 0.3}
    proofread.undo()
    assert proofread.model_confidence == {1: 0.9, 2: 0.8}
    assert proofread.cells.states == {1: "accepted"}
    window.reopen()
    assert proofread.cells.states == {1: "accepted"}
    proofread.redo()
    assert proofread.model_confidence == {1: 0.3}
    assert proofread.cells.states == {}


def test_what_was_said_of_cells_is_on_disk_with_the_step_that_changes_it(
    window: Window, tmp_path: Path
) -> None:
    proofread = window.proofread
    corner = np.array([[0.0, 0], [0, 9], [9, 9], [9, 0]])
    proofread.check_area(corner, ())
    frame = CellImage(np.zeros((1, 20, 20), np.uint8), "CYX")
    arrival = Arrival(Path("other.tif"), frame, FoundLabels(one_cell()), 1, 1)
    found: list[CellLabels] = []

    def kill(_edit: Edit) -> None:
        found.append(window.killed(tmp_path / str(len(found))))

    # Told of before anything is painted or saved.
    proofread.edited.connect(kill, priority=1000)
    take_arrival(proofread, arrival, "replace", "model")
    proofread.undo()
    proofread.redo()
    proofread.edited.disconnect(kill)
    imported, undone, redone = found
    for cells in (imported, redone):
        assert (cells.states, cells.areas) == ({}, [])
        assert set(np.unique(cells.labels)) == {0, 1}
    assert undone.states == {1: "accepted"}
    assert len(undone.areas) == 1
    np.testing.assert_array_equal(undone.labels, two_cells())


def test_marks_on_a_run_that_waited_for_a_full_disk_stay(window: Window) -> None:
    disk = window.fill_disk()
    window.proofread.set_state([1], "rejected")
    window.proofread.take_run(Merged(one_cell(), {1: 0.3}), "segment", keeps=False)
    disk.is_full = False
    window.proofread.set_state([1], "accepted")
    window.reopen()
    assert window.proofread.cells.states == {1: "accepted"}


def test_confidence_of_a_run_that_was_overtaken_at_once_comes_back(
    window: Window,
) -> None:
    other = two_cells() * 2
    window.proofread.take_run(Merged(other, {2: 0.5, 4: 0.6}), "segment", keeps=False)
    run_again = Merged(one_cell() * 7, {7: 0.3})
    window.proofread.take_run(run_again, "segment", keeps=False)
    window.reopen()
    window.proofread.undo()
    assert window.proofread.model_confidence == {2: 0.5, 4: 0.6}
    window.proofread.undo()
    assert window.proofread.model_confidence == {1: 0.9, 2: 0.8}


def test_undo_of_an_import_in_another_session_restores_areas(window: Window) -> None:
    proofread = window.proofread
    corner = np.array([[0.0, 0], [0, 9], [9, 9], [9, 0]])
    proofread.check_area(corner, ())
    frame = CellImage(np.zeros((1, 20, 20), np.uint8), "CYX")
    found = FoundLabels(one_cell())
    arrival = Arrival(Path("other_cp_masks.tif"), frame, found, 1, 1)
    take_arrival(proofread, arrival, "replace", "model")
    assert proofread.cells.areas == []
    assert proofread.cells.states == {}
    window.reopen()
    assert proofread.cells.areas == []
    proofread.undo()
    window.reopen()
    (area,) = proofread.cells.areas
    np.testing.assert_array_equal(area.outline_yx, corner)
    assert proofread.cells.states == {1: "accepted"}
    assert proofread.model_confidence == {1: 0.9, 2: 0.8}
