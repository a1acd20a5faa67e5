"""Labels too large for memory in a project: the limit is lowered, the rules are the same."""

import shutil
import sqlite3

import numpy as np
import pytest
from tests.large_project import PITCH, SIDE, grid, large_project
from tests.project.test_journal import FullDisk

from napari_cellseg.controllers.labels.cell_labels import CellLabels, labels_to_adopt
from napari_cellseg.core.editing import corrections
from napari_cellseg.core.editing.checked import CheckedArea
from napari_cellseg.core.editing.edits import apply_edit, edit_on_labels, update_sources
from napari_cellseg.core.editing.numbering import (
    next_id,
)
from napari_cellseg.core.errors import EditError, ProjectError
from napari_cellseg.core.jobs import run
from napari_cellseg.core.labels.on_disk import is_on_disk
from napari_cellseg.core.labels.rows import find_rows
from napari_cellseg.project.labels.exchanges import Exchanges
from napari_cellseg.project.labels.new_labels import LargeLabels
from napari_cellseg.project.store import create_project, open_project


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a project of one image whose labels count as large."""
    return large_project(tmp_path, monkeypatch)


def make(opened, edit):
    opened.journal.push(edit)
    apply_edit(opened.labels, edit)
    opened.index.follow(edit)
    update_sources(opened.sources, edit)


def on_disk(project):
    """Return the labels as the files have them."""
    return project._labels_store(1).read()


def test_large_labels_are_left_on_disk(folder):
    with open_project(folder) as project:
        opened = project.open_labels(1)
        assert is_on_disk(opened.labels)
        assert len(opened.index) == (SIDE // PITCH) ** 2
        assert opened.labels.n_kept == 0
        with pytest.raises(EditError, match="at once"):
            np.asarray(opened.labels)


def test_what_is_known_of_the_cells_is_what_lies_on_disk(folder):
    with open_project(folder) as project:
        opened = project.open_labels(1)
        make(opened, corrections.delete_cells(opened.index, [1, 60], opened.sources))
        make(opened, _painted(opened, 2000, 2000))
    with open_project(folder) as project:
        opened = project.open_labels(1)
        rows, truth = opened.index.rows(), find_rows(on_disk(project))
        for name in ("ids", "counts", "lows", "highs"):
            assert np.array_equal(getattr(rows, name), getattr(truth, name)), name
        assert 1 not in opened.index


def _painted(opened, y, x):
    """Return the edit of a stroke with a new number."""
    after = opened.labels[y : y + 20, x : x + 30].copy()
    after[...] = next_id(opened.index)
    return edit_on_labels(opened.index, after, (y, x), "brush stroke", opened.sources)


def test_large_labels_in_memory_are_edited_between_two_chunks(tmp_path, monkeypatch):
    """Killed right after, each cell is where the index says; the pyramid is made then."""
    folder = large_project(tmp_path, monkeypatch, has_cells=False)
    labels = grid()
    cells = CellLabels(labels)
    new = labels_to_adopt(cells, cells.history, "YX", None)
    project = open_project(folder)
    opened = project.start_labels(1, new)
    opened.share(cells.labels, cells.index)
    make(opened, corrections.delete_cells(opened.index, [1, 60, 700], opened.sources))
    job = opened.writing()
    next(job)
    make(opened, corrections.delete_cells(opened.index, [2, 1500], opened.sources))
    make(opened, _painted(opened, 5, 0))
    run(job)
    assert len(opened.levels()) == 1
    left = shutil.copytree(folder, tmp_path / "killed.cellseg")
    project.close()
    with open_project(left) as project:
        opened = project.open_labels(1)
        rows, truth = opened.index.rows(), find_rows(labels)
        for name in ("ids", "counts", "lows", "highs"):
            assert np.array_equal(getattr(rows, name), getattr(truth, name)), name
        opened.write()
        for level, seen in enumerate(opened.levels()):
            assert np.array_equal(np.asarray(seen), labels[:: 2**level, :: 2**level])


def test_the_pyramid_follows_every_edit(folder):
    with open_project(folder) as project:
        opened = project.open_labels(1)
        make(opened, corrections.delete_cells(opened.index, [1, 700], opened.sources))
        make(opened, _painted(opened, 500, 1010))
        opened.write()
        full, *smaller = (np.asarray(level[...]) for level in opened.levels())
        assert np.array_equal(full, opened.labels[:SIDE, :SIDE])
        assert len(smaller) == 2
        for level, seen in enumerate(smaller, start=1):
            assert np.array_equal(seen, full[:: 2**level, :: 2**level])


def test_a_write_touches_the_chunks_of_the_edit_only(folder):
    with open_project(folder) as project:
        opened = project.open_labels(1)
        opened.write()
        store = project._labels_store(1).folder
        before = {p: p.stat().st_mtime_ns for p in store.rglob("*/c/*/*")}
        make(opened, corrections.delete_cells(opened.index, [1], opened.sources))
        opened.write()
        changed = {
            p.relative_to(store).as_posix()
            for p in store.rglob("*/c/*/*")
            if before.get(p) != p.stat().st_mtime_ns
        }
        assert changed == {"0/c/0/0", "1/c/0/0", "2/c/0/0"}


def test_a_pyramid_that_a_crash_left_behind_is_renewed(folder, monkeypatch):
    with open_project(folder) as project:
        opened = project.open_labels(1)
        make(opened, corrections.delete_cells(opened.index, [1], opened.sources))
        monkeypatch.setattr(type(opened), "renew_pyramid", lambda self: None)
        opened.write()
        assert len(opened.levels()) == 1
    monkeypatch.undo()
    monkeypatch.setattr("napari_cellseg.core.labels.on_disk.LARGE_PX", 2**20)
    with open_project(folder) as project:
        opened = project.open_labels(1)
        assert opened.levels()[1][5, 5] == 0
        assert project.open_labels(1)._notes.stale() == set()


def test_undo_after_a_restart_brings_a_cell_back_whole(folder):
    with open_project(folder) as project:
        opened = project.open_labels(1)
        make(opened, corrections.delete_cells(opened.index, [13], opened.sources))
    with open_project(folder) as project:
        opened = project.open_labels(1)
        assert 13 not in opened.index
        edit = opened.journal.undo()
        apply_edit(opened.labels, edit)
        opened.index.follow(edit)
        assert opened.index.n_pixels(13) == 900
    with open_project(folder) as project:
        assert np.array_equal(on_disk(project), grid())


def test_a_project_to_read_only_is_looked_through_for_the_session(folder):
    with open_project(folder, read_only=True) as project:
        opened = project.open_labels(1)
        assert len(opened.index) == (SIDE // PITCH) ** 2


def test_empty_labels_of_any_size_take_no_room(tmp_path):
    image = tmp_path / "image.tif"
    image.write_bytes(b"pixels")
    with create_project(tmp_path / "large") as project:
        project.add_images([image])
        run(project.start_by_blocks(1, LargeLabels((50_000, 50_000), "YX")))
        opened = project.open_labels(1)
        make(opened, _painted(opened, 49_000, 30_000))
        opened.write()
        assert opened.levels()[-1][49_000 // 64 + 1, 30_000 // 64 + 1] in (0, 1)
        assert opened.index.highest == 1
    n_bytes = sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file())
    assert n_bytes < 2_000_000


def test_memory_is_bounded_by_the_chunks_that_are_kept(folder, monkeypatch):
    monkeypatch.setattr("napari_cellseg.core.labels.on_disk.MAX_KEPT_CHUNKS", 3)
    with open_project(folder) as project:
        opened = project.open_labels(1)
        truth = grid()
        for y in range(0, SIDE - 100, 300):
            crop = opened.labels[y : y + 100, 900:1400]
            assert np.array_equal(crop, truth[y : y + 100, 900:1400])
            assert opened.labels.n_kept <= 4


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """Return a project of one large image without cells."""
    return large_project(tmp_path, monkeypatch, has_cells=False)


def take_in(project, labels=None):
    """Import labels, of the grid if none are given."""
    labels = grid() if labels is None else labels
    new = LargeLabels(labels.shape, "YX", None, labels, "import grid.tif")
    run(project.start_by_blocks(1, new))
    project.forget_labels(1)


def step(project, opened, *, back):
    """Undo or redo a step, as the window does."""
    edit = opened.journal.undo() if back else opened.journal.redo()
    if edit.is_exchange:
        project.forget_labels(1)
        return project.open_labels(1)
    opened._apply(edit)
    return opened


def seen(opened):
    return np.concatenate(
        [opened.labels[low : low + 500] for low in range(0, SIDE, 500)]
    )


def test_an_import_is_undone_and_made_again(bare):
    with open_project(bare) as project:
        take_in(project)
        opened = project.open_labels(1)
        assert opened.journal.undo_name == "import grid.tif"
        assert np.array_equal(seen(opened), grid())
        opened = step(project, opened, back=True)
        assert not seen(opened).any()
        assert (len(opened.index), opened.journal.undo_name) == (0, "")
        assert opened.journal.redo_name == "import grid.tif"
        opened = step(project, opened, back=False)
        assert np.array_equal(seen(opened), grid())
        assert len(opened.index) == (SIDE // PITCH) ** 2


def test_an_import_is_undone_in_a_later_session_with_the_steps_after_it(bare):
    with open_project(bare) as project:
        take_in(project)
        opened = project.open_labels(1)
        opened.take(corrections.delete_cells(opened.index, [7], opened.sources))
        opened.take(_painted(opened, 2000, 2000))
        after = seen(opened)
    for back in (True, False):
        for _ in range(3):  # a session for each step
            with open_project(bare) as project:
                step(project, project.open_labels(1), back=back)
        with open_project(bare) as project:
            expected = np.zeros_like(after) if back else after
            assert np.array_equal(seen(project.open_labels(1)), expected)


def test_a_step_after_an_undone_import_ends_it_and_its_room_is_free_again(bare):
    with open_project(bare) as project:
        take_in(project)
        opened = step(project, project.open_labels(1), back=True)
        # A number of the import is never given to another cell.
        assert opened.last_id() == grid().max()
        opened.take(_painted(opened, 40, 40))
        assert not opened.journal.redo_name
    assert len(list((bare / "labels").iterdir())) == 1
    with open_project(bare) as project:
        opened = project.open_labels(1)
        assert (seen(opened) > 0).sum() == 600
        opened = step(project, opened, back=True)
        assert not seen(opened).any()


def test_after_an_undone_import_another_file_can_be_taken_in(bare):
    other = grid(pitch=80)
    with open_project(bare) as project:
        take_in(project)
        step(project, project.open_labels(1), back=True)
        take_in(project, other)
        opened = project.open_labels(1)
        assert np.array_equal(seen(opened), other)
        with pytest.raises(ProjectError, match="has labels already"):
            project.start_by_blocks(1, LargeLabels(other.shape, "YX", None, other))
        opened = step(project, opened, back=True)
        assert not seen(opened).any()


def test_areas_that_were_checked_wait_with_the_labels_they_were_checked_on(bare):
    area = CheckedArea((), np.array([[0.0, 0], [0, 90], [90, 90]]))
    with open_project(bare) as project:
        take_in(project)
        project.review(1).save({}, [area])
        opened = step(project, project.open_labels(1), back=True)
        assert project.review(1).areas() == []
        step(project, opened, back=False)
        assert [len(one.outline_yx) for one in project.review(1).areas()] == [3]


def test_cells_that_are_made_during_an_import_stay(bare):
    with open_project(bare) as project:
        run(project.start_by_blocks(1, LargeLabels((SIDE, SIDE), "YX")))
        opened = project.open_labels(1)
        new = LargeLabels((SIDE, SIDE), "YX", None, grid(), "import grid.tif")
        job = project.start_by_blocks(1, new)
        next(job)
        opened.take(_painted(opened, 40, 40))
        with pytest.raises(ProjectError, match="import again"):
            run(job)
        assert (seen(opened) > 0).sum() == 600


def test_an_import_that_cannot_be_undone_now_stays(bare, monkeypatch):
    with open_project(bare) as project:
        take_in(project)
        opened = project.open_labels(1)
        opened.take(corrections.delete_cells(opened.index, [7], opened.sources))
        step(project, opened, back=True)
        monkeypatch.setattr(
            opened.journal, "_connection", FullDisk(project._connection)
        )
        with pytest.raises(ProjectError, match="full"):
            opened.journal.undo()
        assert opened.journal.undo_name == "import grid.tif"
    with open_project(bare) as project:
        assert np.array_equal(seen(project.open_labels(1)), grid())


def test_an_undo_of_an_import_is_whole_or_not_at_all(bare, monkeypatch):
    with open_project(bare) as project:
        take_in(project)
        opened = project.open_labels(1)
        run_before = Exchanges.show

        def show(self, number):
            run_before(self, number)
            raise sqlite3.OperationalError("disk I/O error")

        monkeypatch.setattr(Exchanges, "show", show)
        with pytest.raises(ProjectError):
            opened.journal.undo()
        monkeypatch.setattr(Exchanges, "show", run_before)
    with open_project(bare) as project:
        opened = project.open_labels(1)
        assert opened.journal.undo_name == "import grid.tif"
        assert np.array_equal(seen(opened), grid())


def test_a_copy_of_a_project_undoes_imports_as_well(bare, tmp_path):
    with open_project(bare) as project:
        take_in(project)
        project.open_labels(1)
        project.save_as(tmp_path / "copy")
    with open_project(tmp_path / "copy.cellseg") as project:
        opened = step(project, project.open_labels(1), back=True)
        assert not seen(opened).any()
