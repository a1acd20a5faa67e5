"""The journal: a history that is on disk, and that waits where it cannot be."""

from __future__ import annotations

import os
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_cellseg.core.editing.classes import assign_class, updated_classes
from napari_cellseg.core.editing.edits import (
    Edit,
    apply_edit,
    edit_on_labels,
    updated_sources,
)
from napari_cellseg.core.editing.history import History
from napari_cellseg.core.errors import ProjectError
from napari_cellseg.core.jobs import run
from napari_cellseg.project.cells.cell_facts import read_last_step
from napari_cellseg.project.copying import purge_dropped
from napari_cellseg.project.database import packing
from napari_cellseg.project.labels.labels import ProjectLabels
from napari_cellseg.project.labels.new_labels import NewLabels
from napari_cellseg.project.store import create_project, open_project


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.tif"
    path.write_bytes(b"pixels")
    return path


@pytest.fixture
def folder(tmp_path: Path, image: Path) -> Path:
    with create_project(tmp_path / "work") as project:
        project.add_images([image])
        project.start_labels(1, NewLabels(np.zeros((20, 30), np.int32), "YX"))
        return project.folder


def paint(opened: ProjectLabels, cell: int, row: int) -> Edit:
    """Paint a row of a cell, as a stroke does."""
    after = np.full((1, 10), cell, np.int32)
    edit = edit_on_labels(
        opened.labels, after, (row, 5), "brush stroke", opened.sources
    )
    opened.journal.push(edit)
    apply_edit(opened.labels, edit)
    opened.sources = updated_sources(opened.sources, edit)
    return edit


class FullDisk:
    """A connection whose disk is full while `is_full`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.is_full = True

    def execute(self, statement: str, *values: Any) -> Any:
        if self.is_full and not statement.startswith("SELECT"):
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def test_undo_and_redo_survive_a_restart(folder: Path) -> None:
    with open_project(folder) as project:
        opened = project.open_labels(1)
        paint(opened, 1, 2)
        paint(opened, 2, 4)
        edit = opened.journal.undo()
        assert edit is not None
        apply_edit(opened.labels, edit)
    with open_project(folder) as project:
        opened = project.open_labels(1)
        assert opened.labels.max() == 1
        assert opened.journal.undo_name == opened.journal.redo_name == "brush stroke"
        again = opened.journal.redo()
        assert again is not None
        apply_edit(opened.labels, again)
        assert opened.labels[4, 6] == 2
        assert not opened.journal.redo_name


def test_steps_of_a_killed_session_are_read_from_a_disk_that_cannot_be_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = tmp_path / "killed.cellseg"
    with open_project(folder) as project:
        paint(project.open_labels(1), 1, 2)
        shutil.copytree(folder, killed)
    before = {path.name for path in killed.iterdir()}
    assert "project.db-wal" in before
    # As root every folder can be written; what the system would say is put in its place.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with open_project(killed, read_only=True) as project:
        opened = project.open_labels(1)
        assert [one.n_steps for one in project.recovered] == [1]
        assert opened.labels[2, 6] == 1
    assert {path.name for path in killed.iterdir()} == before


def test_a_new_edit_ends_what_could_be_redone(folder: Path) -> None:
    with open_project(folder) as project:
        opened = project.open_labels(1)
        paint(opened, 1, 2)
        apply_edit(opened.labels, opened.journal.undo())
        paint(opened, 2, 4)
    with open_project(folder) as project:
        journal = project.open_labels(1).journal
        assert journal.redo() is None
        assert journal.undo() is not None
        assert journal.undo() is None


def test_steps_wait_while_the_disk_is_full_and_none_is_lost(folder: Path) -> None:
    with open_project(folder) as project:
        opened = project.open_labels(1)
        disk = FullDisk(project._connection)
        opened.journal._connection = disk
        paint(opened, 1, 2)
        paint(opened, 2, 4)
        apply_edit(opened.labels, opened.journal.undo())
        assert "disk is full" in opened.journal.problem
        assert opened.journal.n_waiting == 3
        disk.is_full = False
        assert opened.journal.retry()
        assert opened.journal.problem == ""
    with open_project(folder) as project:
        opened = project.open_labels(1)
        assert opened.labels[2, 6] == 1
        assert opened.labels[4, 6] == 0
        assert opened.journal.redo_name


def test_a_stroke_costs_what_it_covers_not_what_the_image_is(tmp_path: Path) -> None:
    image = tmp_path / "large.tif"
    image.write_bytes(b"pixels")
    with create_project(tmp_path / "large") as project:
        project.add_images([image])
        opened = project.start_labels(
            1, NewLabels(np.zeros((4096, 4096), np.int32), "YX")
        )
        paint(opened, 1, 2)
        row = project._connection.execute("SELECT length(pixels) FROM edits").fetchone()
        assert row[0] < 100
        opened.write()
        chunks = list((project.folder / "labels").rglob("c/*/*"))
        assert len([path for path in chunks if path.is_file()]) == 1


def test_steps_from_before_the_project_can_be_undone(
    tmp_path: Path, image: Path
) -> None:
    labels = np.zeros((20, 30), np.int32)
    history = History()
    for cell in (1, 2, 3):
        after = np.full((1, 10), cell, np.int32)
        edit = edit_on_labels(labels, after, (2 * cell, 5), "brush stroke", {})
        history.push(edit)
        apply_edit(labels, edit)
    apply_edit(labels, history.undo())
    with create_project(tmp_path / "late") as project:
        project.add_images([image])
        project.start_labels(1, NewLabels(labels, "YX", {1: "hand", 2: "hand"}))
        folder = project.folder
    with create_project(tmp_path / "late2") as project:
        project.add_images([image])
        project.start_labels(
            1, NewLabels(labels, "YX", {1: "hand", 2: "hand"}, history=history)
        )
        folder = project.folder
    with open_project(folder) as project:
        opened = project.open_labels(1)
        assert opened.sources == {1: "hand", 2: "hand"}
        redone = opened.journal.redo()
        apply_edit(opened.labels, redone)
        assert opened.labels[6, 6] == 3
        while (edit := opened.journal.undo()) is not None:
            apply_edit(opened.labels, edit)
        assert not opened.labels.any()


def test_two_images_keep_their_own_history(folder: Path, tmp_path: Path) -> None:
    second = tmp_path / "second.tif"
    second.write_bytes(b"other pixels")
    with open_project(folder) as project:
        project.add_images([second])
        one = project.open_labels(1)
        two = project.start_labels(2, NewLabels(np.zeros((20, 30), np.int32), "YX"))
        paint(one, 1, 2)
        paint(two, 7, 3)
        paint(one, 2, 4)
    with open_project(folder) as project:
        assert project.open_labels(2).labels[3, 6] == 7
        apply_edit(project.open_labels(1).labels, project.open_labels(1).journal.undo())
        assert project.open_labels(1).labels.max() == 1


def test_reading_an_edit_from_a_project_that_is_gone_is_told(folder: Path) -> None:
    project = open_project(folder)
    opened = project.open_labels(1)
    paint(opened, 1, 2)
    opened.journal._kept.clear()
    project._connection.close()
    with pytest.raises(ProjectError, match="work"):
        opened.journal.undo()
    assert opened.journal.undo_name


def test_classes_are_in_the_journal_and_survive_a_restart(folder: Path) -> None:
    with open_project(folder) as project:
        opened = project.open_labels(1)
        paint(opened, 1, 2)
        paint(opened, 2, 4)
        opened.take(assign_class(opened.labels, [1, 2], "dead", opened.classes))
        opened.take(assign_class(opened.labels, [2], "mitotic", opened.classes))
    with open_project(folder) as project:
        opened = project.open_labels(1)
        assert opened.classes == {1: "dead", 2: "mitotic"}
        for known in ({1: "dead", 2: "dead"}, {}):
            edit = opened.journal.undo()
            assert edit is not None
            opened.classes = updated_classes(opened.classes, edit)
            assert opened.classes == known
    with open_project(folder) as project:
        assert project.open_labels(1).classes == {}


def test_classes_of_a_session_without_a_project_go_into_it(
    tmp_path: Path, image: Path
) -> None:
    labels = np.ones((4, 4), np.int32)
    new = NewLabels(labels, "YX", {1: "hand"}, classes={1: "dead"})
    with create_project(tmp_path / "taken") as project:
        project.add_images([image])
        assert project.start_labels(1, new).classes == {1: "dead"}


def overtaken(folder: Path, n_edits: int) -> None:
    """Paint and undo some times, then paint what cannot be undone by redo."""
    with open_project(folder) as project:
        opened = project.open_labels(1)
        for row in range(n_edits):
            paint(opened, 1, row)
            edit = opened.journal.undo()
            assert edit is not None
            apply_edit(opened.labels, edit)
        paint(opened, 2, 4)


def states(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "project.db") as connection:
        return [
            row[0] for row in connection.execute("SELECT state FROM edits ORDER BY id")
        ]


def test_dropped_edits_are_purged_when_the_project_is_closed(folder: Path) -> None:
    overtaken(folder, 5)
    assert states(folder) == ["done"]
    with open_project(folder) as project:
        opened = project.open_labels(1)
        assert set(np.unique(opened.labels)) == {0, 2}
        assert project.recovered == ()
        edit = opened.journal.undo()
        assert edit is not None
        apply_edit(opened.labels, edit)
        assert not opened.labels.any()
    assert states(folder) == ["undone"]


def test_dropped_edits_that_a_crash_could_need_stay(folder: Path) -> None:
    project = open_project(folder)
    opened = project.open_labels(1)
    paint(opened, 1, 2)
    edit = opened.journal.undo()
    assert edit is not None
    apply_edit(opened.labels, edit)
    paint(opened, 2, 4)
    assert purge_dropped(project._connection) == 0
    shutil.copytree(folder, folder.with_name("crashed.cellseg"))  # as a kill leaves it
    with open_project(folder.with_name("crashed.cellseg")) as crashed:
        again = crashed.open_labels(1)
        assert [one.n_steps for one in crashed.recovered] == [3]
        np.testing.assert_array_equal(again.labels, opened.labels)
    project.close()


def test_a_copy_is_made_without_dropped_edits(folder: Path) -> None:
    rng = np.random.default_rng(0)
    with open_project(folder) as project:
        opened = project.open_labels(1)
        for _ in range(40):
            noise = rng.integers(1, 2**30, opened.labels.shape, dtype=np.int32)
            opened.take(edit_on_labels(opened.labels, noise, (0, 0), "noise", {}))
            edit = opened.journal.undo()
            assert edit is not None
            apply_edit(opened.labels, edit)
        paint(opened, 2, 4)
        project.save_as(folder.with_name("copy"))
        kept = (folder / "project.db").stat().st_size
        copied = (folder.with_name("copy.cellseg") / "project.db").stat().st_size
        assert copied < kept / 2
    assert states(folder.with_name("copy.cellseg")) == ["done"]
    with open_project(folder.with_name("copy.cellseg")) as project:
        assert set(np.unique(project.open_labels(1).labels)) == {0, 2}


def test_a_step_without_pixels_can_be_read(folder: Path) -> None:
    none = np.zeros((0, 0), np.int32)
    edit = Edit("import cells", (0, 0), none, none, {}, {3: "hand"})
    with open_project(folder) as project:
        project.open_labels(1).journal.push(edit)
    with open_project(folder) as project:
        opened = project.open_labels(1)
        assert opened.sources == {3: "hand"}
        assert opened.journal.undo() is not None


def test_a_damaged_step_is_told(folder: Path) -> None:
    with open_project(folder) as project:
        opened = project.open_labels(1)
        paint(opened, 1, 2)
        project._connection.execute("UPDATE edits SET pixels = x'00'")
        project._opened.clear()
    with (
        open_project(folder) as project,
        pytest.raises(ProjectError, match=r"'brush stroke'.*is damaged"),
    ):
        project.open_labels(1)


def test_what_is_edited_while_labels_are_written_is_there_after_a_crash(
    folder: Path,
) -> None:
    with open_project(folder) as project:
        opened = project.open_labels(1)
        paint(opened, 1, 2)
        job = opened.writing()
        next(job)
        paint(opened, 3, 4)
        run(job)
        expected = opened.labels.copy()
        first, last = read_last_step(project._connection, 1)[1], opened.last_step
        assert first < last
        project._opened.clear()  # killed: nothing more is written
    with open_project(folder) as project:
        np.testing.assert_array_equal(project.open_labels(1).labels, expected)


def test_pixels_that_were_packed_ahead_are_those_of_the_edit_or_not_taken() -> None:
    before, after = np.zeros((2, 3), np.int32), np.ones((2, 3), np.int32)
    edit = Edit("run", (0, 0), before, after)
    ahead = packing.packed_ahead(edit)
    assert ahead.packed is not None
    assert packing.row_of(ahead)["pixels"] is ahead.packed.data
    for one in (edit, ahead.inverted(), replace(ahead, after=2 * after)):
        plain = replace(one, packed=None)
        assert packing.row_of(one)["pixels"] == packing.row_of(plain)["pixels"]


def test_a_write_that_was_overtaken_takes_nothing_back(folder: Path) -> None:
    with open_project(folder) as project:
        opened = project.open_labels(1)
        paint(opened, 1, 2)
        job = opened.writing()
        next(job)
        paint(opened, 3, 4)
        opened.write()
        assert list(job) == []
        assert read_last_step(project._connection, 1)[1] == opened.last_step


def test_no_step_is_unpacked_to_write_labels_in_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_project(folder) as project:
        opened = project.open_labels(1)
        paint(opened, 1, 2)
        monkeypatch.setattr(packing, "_pixels_of", pytest.fail)
        opened.write()
        assert read_last_step(project._connection, 1)[1] == opened.last_step


def test_nothing_is_lost_while_the_project_is_somewhere_else(folder: Path) -> None:
    elsewhere = folder.with_name("renamed.cellseg")
    with open_project(folder) as project:
        opened = project.open_labels(1)
        paint(opened, 1, 2)
        folder.rename(elsewhere)
        paint(opened, 2, 4)
        assert "was moved" in opened.journal.problem
        assert opened.journal.n_waiting == 1
        opened.write()
        with pytest.raises(ProjectError, match="was moved"):
            project.review(1).save({1: "accepted"}, [])
        assert not folder.exists()
        elsewhere.rename(folder)
        assert opened.journal.retry()
    with open_project(folder) as project:
        assert project.open_labels(1).sources == {1: "hand", 2: "hand"}


def test_labels_are_not_written_beside_a_project_that_was_moved(folder: Path) -> None:
    project = open_project(folder)
    opened = project.open_labels(1)
    paint(opened, 1, 2)
    elsewhere = folder.rename(folder.with_name("renamed.cellseg"))
    with pytest.raises(ProjectError, match="was moved"):
        project.close()
    assert not folder.exists()
    with open_project(elsewhere) as again:
        assert again.open_labels(1).sources == {1: "hand"}
