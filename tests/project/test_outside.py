"""Labels of a project that another program changes on the disk."""

import os
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
import zarr

from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.core.editing.corrections import delete_cells
from napari_cellseg.core.editing.split import add_cell
from napari_cellseg.core.errors import ProjectError
from napari_cellseg.project.labels.new_labels import NewLabels
from napari_cellseg.project.labels.outside import CHANGED_OUTSIDE
from napari_cellseg.project.store import create_project, open_project

SIDE = 1200  # three by three chunks


def cells():
    labels = np.zeros((SIDE, SIDE), np.int32)
    labels[10:30, 10:30], labels[600:620, 600:620], labels[1100:1120, 10:30] = 1, 2, 3
    return labels


@pytest.fixture(params=[False, True], ids=["in memory", "on disk"])
def folder(request, tmp_path, monkeypatch):
    """Return a project of one image with three cells."""
    image = tmp_path / "image.tif"
    image.write_bytes(b"pixels")
    with create_project(tmp_path / "work") as project:
        project.add_images([image])
        by_model = dict.fromkeys((1, 2, 3), "model")
        project.start_labels(1, NewLabels(cells(), "YX", by_model))
        found = project.folder
    if request.param:
        monkeypatch.setattr("napari_cellseg.core.labels.on_disk.LARGE_PX", 2**18)
        open_project(found).close()
    return found


def other_program(folder):
    """Return the labels as another program writes them."""
    return zarr.open_array(folder / "labels" / "1.ome.zarr" / "0", mode="r+")


def seen(opened):
    return np.array(opened.labels[:, :])


def test_a_change_while_the_project_is_closed_is_a_step_that_undo_takes_back(folder):
    other_program(folder)[605:640, 605:640] = 7  # over a part of cell 2
    with open_project(folder) as project:
        opened = project.open_labels(1)
        assert opened.n_outside == 1
        assert opened.journal.undo_name == CHANGED_OUTSIDE
        assert (seen(opened)[605:640, 605:640] == 7).all()
        assert opened.sources == {1: "model", 2: "edited", 3: "model", 7: "hand"}
    with open_project(folder) as project:
        opened = project.open_labels(1)
        assert opened.n_outside == 0  # once
        opened._apply(opened.journal.undo())
        assert np.array_equal(seen(opened), cells())
    with open_project(folder) as project:
        opened = project.open_labels(1)
        assert opened.n_outside == 0
        assert np.array_equal(seen(opened), cells())


def test_a_chunk_that_was_deleted_comes_back_by_undo(folder):
    chunk = folder / "labels" / "1.ome.zarr" / "0" / "c" / "0" / "0"
    chunk.unlink()
    with open_project(folder) as project:
        opened = project.open_labels(1)
        assert sorted(opened.sources) == [2, 3]
        opened._apply(opened.journal.undo())
        assert np.array_equal(seen(opened), cells())


def test_a_change_while_the_labels_are_open_is_not_written_over(folder):
    with open_project(folder) as project:
        opened = project.open_labels(1)
        other_program(folder)[40:50, 40:50] = 9
        known = opened.labels if opened.index is None else opened.index
        opened.take(delete_cells(known, [1], opened.sources))  # in the same chunk
        opened.write()
        assert opened.journal.undo_name == CHANGED_OUTSIDE
        assert sorted(opened.sources) == [2, 3, 9]
    with open_project(folder) as project:
        opened = project.open_labels(1)
        assert opened.n_outside == 0
        assert sorted(np.unique(seen(opened))) == [0, 2, 3, 9]
        for _ in range(2):
            opened._apply(opened.journal.undo())
        assert np.array_equal(seen(opened), cells())


def test_a_file_that_was_only_touched_is_no_change(folder):
    chunk = folder / "labels" / "1.ome.zarr" / "0" / "c" / "0" / "0"
    os.utime(chunk)
    with open_project(folder) as project:
        opened = project.open_labels(1)
        assert opened.n_outside == 0
        assert not opened.journal.undo_name


def test_our_own_steps_are_no_change_by_another_program(folder):
    with open_project(folder) as project:
        opened = project.open_labels(1)
        known = opened.labels if opened.index is None else opened.index
        opened.take(delete_cells(known, [1, 2], opened.sources))
    with open_project(folder) as project:
        assert project.open_labels(1).n_outside == 0


DYING = """
import os, signal, sys
from pathlib import Path
from napari_cellseg.core.editing.corrections import delete_cells
from napari_cellseg.project.labels.known_chunks import KnownChunks
from napari_cellseg.project.store import open_project

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

opened = open_project(Path(sys.argv[1])).open_labels(1)
opened.take(delete_cells(opened.labels, [1], opened.sources))
KnownChunks.note = die  # the chunk is on the disk, the database does not know of it
opened.write()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_what_a_killed_session_wrote_itself_is_no_change_by_another_program(folder):
    done = subprocess.run([sys.executable, "-c", DYING, str(folder)], check=False)
    assert done.returncode == -signal.SIGKILL
    for _ in range(2):
        with open_project(folder) as project:
            opened = project.open_labels(1)
            assert opened.n_outside == 0
            assert opened.journal.undo_name == "delete cell"
            assert sorted(opened.sources) == [2, 3]
            if opened.index is not None:
                assert opened.index.counts()[1].tolist() == [400, 400]


def test_what_was_written_half_is_no_change_by_another_program(folder, monkeypatch):
    def disk_full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    with open_project(folder) as project:
        opened = project.open_labels(1)
        known = opened.labels if opened.index is None else opened.index
        opened.take(delete_cells(known, [1], opened.sources))
        with monkeypatch.context() as patch:
            patch.setattr(opened, "_save_cells", disk_full)
            with pytest.raises(ProjectError):
                opened.write()
        # What is made next, in the same place, is newer than what lies on the disk.
        outline = np.array([[5, 5], [5, 40], [40, 40], [40, 5]], float)
        opened.take(add_cell(known, outline, (), opened.sources))
        opened.write()
        assert opened.journal.undo_name == "add cell"
        assert sorted(opened.sources) == [2, 3, 4]
        assert (seen(opened)[10:30, 10:30] == 4).all()
    with open_project(folder) as project:
        assert (seen(project.open_labels(1))[10:30, 10:30] == 4).all()


def test_numbers_that_are_no_ids_are_refused(folder):
    other_program(folder)[0, 0] = -4
    with (
        open_project(folder) as project,
        pytest.raises(ProjectError, match="down to -4"),
    ):
        project.open_labels(1)


def test_labels_that_were_packed_anew_are_refused(folder):
    data = other_program(folder)[...]
    zarr.create_array(
        folder / "labels" / "1.ome.zarr" / "0",
        data=data.astype(np.uint16),
        chunks=(300, 300),
        overwrite=True,
    )
    with open_project(folder) as project, pytest.raises(ProjectError, match="anew"):
        project.open_labels(1)


def test_cells_under_correction_follow_a_change_on_the_disk(folder):
    projects, proofread = ProjectController(), ProofreadController()
    projects.outside.in_hand = proofread
    told, edited = [], []
    projects.outside.taken.connect(told.append)
    projects.open(folder)
    image = str(folder.parent / "image.tif")
    proofread.reopen(projects.cells_of(image))
    proofread.edited.connect(edited.append)
    other_program(folder)[40:50, 40:50] = 9
    proofread.delete_cells([1])
    projects.write()
    assert [edit.name for edit in edited] == ["delete cell", CHANGED_OUTSIDE]
    assert told == [proofread.cells]
    assert sorted(proofread.sources) == [2, 3, 9]
    proofread.undo()
    assert sorted(proofread.sources) == [2, 3]
    projects.close()

    other_program(folder)[700:720, 40:50] = 11
    projects.open(folder)
    cells = projects.cells_of(image)
    assert 11 in cells.sources
    assert len(told) == 2
    projects.close()
