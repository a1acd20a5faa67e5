"""The project of one window: what it keeps, and what it must never let go of."""

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.project.test_journal import FullDisk

from napari_cellseg.controllers.labels.cell_labels import CellLabels, cells_in
from napari_cellseg.controllers.labels.lineage_following import follow_parents
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.core.editing.corrections import merge_cells
from napari_cellseg.core.editing.edits import edit_on_labels
from napari_cellseg.core.editing.lineage_steps import parents_difference
from napari_cellseg.core.editing.split import add_cell
from napari_cellseg.core.jobs import Progress, run
from napari_cellseg.project import store
from napari_cellseg.project.labels.labels import ProjectLabels
from napari_cellseg.project.labels.labels_store import LabelsStore
from napari_cellseg.project.store import open_project


def three_cells():
    labels = np.zeros((40, 40), np.int32)
    for cell in (1, 2, 3):
        labels[5:12, 10 * cell : 10 * cell + 6] = cell
    return labels


class Window:
    """A project with images, and what is corrected in it."""

    def __init__(self, folder: Path, n_images: int = 1) -> None:
        self.folder = folder / "work.cellseg"
        self.paths = [folder / f"image {index}.tif" for index in range(n_images)]
        for path in self.paths:
            tifffile.imwrite(path, np.zeros((40, 40), np.uint8))
        self.projects = ProjectController()
        self.projects.create(self.folder, self.paths)
        self.proofread = ProofreadController()

    def source(self, index: int = 0) -> str:
        return str(self.paths[index].absolute())

    def begin(self, index: int = 0) -> CellLabels:
        """Take three cells into the project and correct them."""
        self.proofread.open(three_cells())
        assert self.projects.adopt(self.proofread.cells, self.source(index), "YX", None)
        return self.proofread.cells

    def on_disk(self, index: int = 0):
        """Return what another program reads."""
        with open_project(self.folder, read_only=True) as reader:
            return reader.open_labels(index + 1).labels


@pytest.fixture
def window(tmp_path):
    made = Window(tmp_path)
    yield made
    made.projects.close()


def test_opening_the_project_that_is_open_changes_nothing(window):
    cells = window.begin()
    project, journal = window.projects.project, cells.history
    window.projects.open(window.folder)
    window.projects.open(window.folder.parent / "." / window.folder.name)
    assert window.projects.project is project
    assert cells.history is journal
    window.proofread.delete_cells([2])
    assert set(np.unique(window.on_disk())) == {0, 1, 3}


def test_what_was_corrected_while_the_project_was_closed_goes_into_it(window):
    cells = window.begin()
    window.projects.close()
    window.proofread.delete_cells([1])
    window.proofread.make(merge_cells, [2, 3])
    window.projects.open(window.folder)
    assert window.projects.rejoin(cells, window.source())
    assert window.projects.keeps(cells)
    assert set(np.unique(window.on_disk())) == {0, 2}
    window.proofread.undo()
    window.proofread.undo()
    np.testing.assert_array_equal(window.on_disk(), three_cells())


def test_cells_do_not_go_back_where_others_have_taken_their_place(window):
    cells = window.begin()
    window.projects.close()
    window.proofread.delete_cells([1])
    other = ProjectController()
    other.open(window.folder)
    there = ProofreadController()
    there.reopen(other.cells_of(window.source()))
    there.delete_cells([3])
    other.close()
    window.projects.open(window.folder)
    assert not window.projects.rejoin(cells, window.source())
    kept = window.projects.cells_of(window.source())
    assert set(np.unique(kept.labels)) == {0, 1, 2}


def test_cells_that_were_never_in_the_project_do_not_replace_its_own(window):
    window.begin()
    window.projects.close()
    window.projects.open(window.folder)
    assert not window.projects.rejoin(CellLabels(three_cells()), window.source())


def test_an_id_is_never_given_again_not_even_after_a_restart(window):
    window.begin()
    window.proofread.delete_cells([3])
    outline = np.array([[20, 20], [20, 30], [30, 30], [30, 20]])
    window.proofread.make(add_cell, outline, ())
    assert set(window.proofread.sources) == {1, 2, 4}
    window.proofread.delete_cells([4])
    window.projects.close()
    window.projects.open(window.folder)
    window.proofread.reopen(window.projects.cells_of(window.source()))
    window.proofread.make(add_cell, outline, ())
    assert set(window.proofread.sources) == {1, 2, 5}


def test_undo_after_a_restart_takes_the_mother_back_too(window):
    cells = window.begin()
    cells.parents = {3: 1}
    edit = edit_on_labels(
        cells.labels, np.where(cells.labels == 2, 9, cells.labels), (0, 0), "daughter",
        cells.sources,
    )  # fmt: skip
    cells.around_parents[edit.made_at] = parents_difference({3: 1, 9: 1}, cells.parents)
    cells.parents = {3: 1, 9: 1}
    window.proofread.apply(edit)
    window.projects.save_lineage(cells)
    window.projects.close()
    window.projects.open(window.folder)
    again = window.projects.cells_of(window.source())
    assert again.parents == {3: 1, 9: 1}
    window.proofread.reopen(again)
    window.proofread.edited.connect(lambda edit: follow_parents(again, edit))
    window.proofread.undo()
    assert again.parents == {3: 1}
    window.proofread.redo()
    assert again.parents == {3: 1, 9: 1}


@pytest.mark.timeout(1200)
def test_memory_does_not_grow_with_the_images_that_were_visited(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "napari_cellseg.controllers.labels.held_labels.MAX_HELD_BYTES", 60_000
    )
    window = Window(tmp_path, 60)
    seen = []
    for index in range(60):
        cells = window.begin(index)
        window.proofread.delete_cells([2])
        seen.append(weakref.ref(cells))
        del cells
        window.projects.let_go([window.proofread.cells])
        assert sum(c.labels.nbytes for c, _ in window.projects._kept.values()) <= 60_000
    gc.collect()
    assert sum(one() is not None for one in seen) < 12
    assert len(window.projects.project._opened) < 12
    for index in (0, 17, 59):
        found = window.projects.cells_of(window.source(index))
        assert set(found.sources) == {1, 3}
        window.proofread.reopen(found)
        window.proofread.undo()
        assert set(np.unique(window.on_disk(index))) == {0, 1, 2, 3}
    window.projects.close()


def test_labels_with_steps_that_wait_are_not_let_go(window, monkeypatch):
    monkeypatch.setattr(
        "napari_cellseg.controllers.labels.held_labels.MAX_HELD_BYTES", 0
    )
    cells = window.begin()
    _, opened = next(iter(window.projects._kept.values()))
    disk = FullDisk(opened.journal._connection)
    opened.journal._connection = disk
    window.proofread.delete_cells([1])
    window.projects.let_go([])
    assert window.projects.keeps(cells)
    disk.is_full = False
    window.projects.let_go([])
    assert not window.projects.keeps(cells)
    assert set(np.unique(window.on_disk())) == {0, 2, 3}


def test_cells_that_a_project_takes_in_are_not_read_back(window, monkeypatch):
    read = LabelsStore.read_all
    monkeypatch.setattr(
        LabelsStore,
        "read_all",
        lambda one: read(one) if one.ahead else pytest.fail("read"),
    )
    cells = window.begin()
    assert window.projects.cells_of(window.source()) is cells


def write_nothing(*_labels):
    """Stand in for what writes labels, as if it had been killed."""
    yield Progress(0, 0)


@pytest.mark.parametrize("is_behind", [False, True], ids=["written", "in the journal"])
def test_the_copy_that_a_job_made_is_shown_unless_steps_follow(
    window, monkeypatch, is_behind
):
    monkeypatch.setattr(store, "AT_ONCE_PX", 0)
    window.begin()
    window.proofread.delete_cells([2])
    labels = window.proofread.labels.copy()
    if is_behind:
        monkeypatch.setattr(ProjectLabels, "writing", write_nothing)
    window.projects.close()
    with open_project(window.folder) as project:
        run(project.preparation(1))
        made = project._large._pixels[1][2]
        cells, _ = cells_in(project, 1)
        shown = cells.copy_to_show()
        assert (shown is made.copy) is not is_behind
        np.testing.assert_array_equal(shown, labels)
        assert sorted(cells.index.ids) == [1, 3]
