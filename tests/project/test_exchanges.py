"""Cells that are imported take the place of others: nothing passes from one to the other.

Labels too large for memory are exchanged as a whole; the limit is lowered here.
"""

import numpy as np
import pytest
from tests.project.test_journal import FullDisk
from tests.project.test_large_labels import grid, step

from napari_cellseg.core.editing import corrections
from napari_cellseg.core.editing.checked import CheckedArea
from napari_cellseg.core.editing.edits import edit_on_labels
from napari_cellseg.core.editing.numbering import (
    next_id,
)
from napari_cellseg.core.errors import ProjectError
from napari_cellseg.core.jobs import run
from napari_cellseg.project import store
from napari_cellseg.project.labels.new_labels import LargeLabels
from napari_cellseg.project.store import create_project, open_project

SIDE = 600
SHAPE = (SIDE, SIDE)
AREA = CheckedArea((), np.array([[0.0, 0], [0, 90], [90, 90]]))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a project of one image with labels on disk that have no cell yet."""
    monkeypatch.setattr("napari_cellseg.core.labels.on_disk.LARGE_PX", 2**17)
    image = tmp_path / "image.tif"
    image.write_bytes(b"pixels")
    with create_project(tmp_path / "exchanged") as project:
        project.add_images([image])
        run(project.start_by_blocks(1, LargeLabels(SHAPE, "YX")))
        project.open_labels(1)  # they are looked through: no cell is found
        return project.folder


def take_in(project, labels):
    """Import labels, and open them as a window does."""
    new = LargeLabels(SHAPE, "YX", None, labels, "import cells.tif")
    run(project.start_by_blocks(1, new))
    project.forget_labels(1)
    return project.open_labels(1)


def paint(opened, y, x):
    """Make a stroke with a new number; return it."""
    after = opened.labels[y : y + 5, x : x + 5]
    cell = next_id(opened.index)
    after[...] = cell
    opened.take(
        edit_on_labels(opened.index, after, (y, x), "brush stroke", opened.sources)
    )
    return cell


def seen(opened):
    return opened.labels[:SIDE, :SIDE]


def undone(project):
    return step(project, project.open_labels(1), back=True)


def test_an_import_after_one_that_was_undone_and_overtaken_is_looked_at_anew(folder):
    with open_project(folder) as project:
        take_in(project, grid(SIDE))
        project.review(1).save({}, [AREA])
        opened = undone(project)
        paint(opened, 40, 40)
    with open_project(folder) as project:
        undone(project)
        other = grid(SIDE, pitch=80)
        opened = take_in(project, other)
        assert sorted(opened.index.ids) == np.unique(other)[1:].tolist()
        assert len(opened.levels()) == 2
        assert project.review(1).areas() == []


def test_imported_cells_have_nothing_of_former_ones_of_their_numbers(folder):
    with open_project(folder) as project:
        opened = project.open_labels(1)
        cell = paint(opened, 40, 40)
        project.review(1).save({cell: "accepted"}, [])
        project.lineage(1).set_parents({2: cell})
        opened.write({cell: 0.5})
        opened.take(corrections.delete_cells(opened.index, [cell], opened.sources))
        opened = take_in(project, grid(SIDE))
        assert opened.confidence == {}
        assert project.review(1).states() == {}
        assert project.lineage(1).parents() == {}
        project.review(1).save({cell: "rejected"}, [])
    with open_project(folder) as project:
        undone(project)
        opened = undone(project)
        assert opened.sources == {cell: "hand"}
        assert opened.confidence == {cell: 0.5}
        assert project.review(1).states() == {cell: "accepted"}
        assert project.lineage(1).parents() == {2: cell}
        opened = step(project, opened, back=False)
        step(project, opened, back=False)
        assert project.review(1).states() == {cell: "rejected"}
        assert project.lineage(1).parents() == {}


def test_a_step_right_before_an_import_holds_when_the_import_is_undone(folder):
    with open_project(folder) as project:
        opened = project.open_labels(1)
        cell = paint(opened, 40, 40)
        opened.write()
        opened.take(corrections.delete_cells(opened.index, [cell], opened.sources))
        take_in(project, grid(SIDE))
        opened = undone(project)
        assert not seen(opened).any()
        assert (seen(undone(project)) == cell).sum() == 25


def test_no_import_begins_while_steps_wait_for_the_disk(folder, monkeypatch):
    with open_project(folder) as project:
        opened = project.open_labels(1)
        cell = paint(opened, 40, 40)
        full = FullDisk(project._connection)
        monkeypatch.setattr(opened.journal, "_connection", full)
        opened.take(corrections.delete_cells(opened.index, [cell], opened.sources))
        with pytest.raises(ProjectError, match="full"):
            project.start_by_blocks(1, LargeLabels(SHAPE, "YX", None, grid(SIDE)))


def test_a_window_that_has_not_noticed_an_import_loses_no_stroke(folder):
    imported = grid(SIDE)
    with open_project(folder) as project:
        late = project.open_labels(1)
        new = LargeLabels(SHAPE, "YX", None, imported, "import cells.tif")
        run(project.start_by_blocks(1, new))
        paint(late, 33, 33)
        with pytest.raises(ProjectError, match="open the image again"):
            late.write()
        project.forget_labels(1)
    with open_project(folder) as project:
        changed = seen(project.open_labels(1)) != imported
        assert changed.sum() == 25
        assert changed[33:38, 33:38].all()


def test_a_copy_made_while_an_import_ends_can_be_opened(folder, tmp_path, monkeypatch):
    with open_project(folder) as project:
        new = LargeLabels(SHAPE, "YX", None, grid(SIDE), "import cells.tif")
        job = project.start_by_blocks(1, new)
        next(job)
        copy_tree = store.shutil.copytree

        def copytree(source, target, **options):
            monkeypatch.setattr(store.shutil, "copytree", copy_tree)
            copy_tree(source, target, **options)
            run(job)

        monkeypatch.setattr(store.shutil, "copytree", copytree)
        project.save_as(tmp_path / "copy")
    with open_project(tmp_path / "copy.cellseg") as copy:
        assert not seen(copy.open_labels(1)).any()


def test_nothing_is_kept_of_the_chunks_of_labels_that_are_gone(folder):
    with open_project(folder) as project:
        take_in(project, grid(SIDE))
        opened = undone(project)
        paint(opened, 40, 40)  # nothing brings the import back
    with open_project(folder) as project:
        project.open_labels(1)
    with open_project(folder) as project:
        numbers = {
            row["number"]
            for row in project._connection.execute("SELECT DISTINCT number FROM chunks")
        }
    assert numbers == {0}
