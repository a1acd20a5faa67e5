"""A project: images by reference, one writer, copies, sentences on bad input."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from filelock import FileLock
from tests.project.test_journal import FullDisk, paint

from napari_cellseg.core.editing.checked import CheckedArea
from napari_cellseg.core.editing.edits import apply_edit, edit_on_labels
from napari_cellseg.core.editing.history import History
from napari_cellseg.core.errors import ProjectError, ReadOnlyProjectError
from napari_cellseg.core.jobs import run
from napari_cellseg.core.types import PixelSize
from napari_cellseg.io.reading.images import read_image
from napari_cellseg.project.facts import project_facts
from napari_cellseg.project.labels.labels_store import LabelsStore
from napari_cellseg.project.labels.new_labels import NewLabels, labels_axes_of
from napari_cellseg.project.store import (
    Project,
    create_project,
    open_project,
)


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "images"
    folder.mkdir()
    paths = [folder / f"{name}.tif" for name in ("one", "two", "three")]
    for path in paths:
        path.write_bytes(path.name.encode() * 40000)
    return paths


@pytest.fixture
def project(tmp_path: Path, images: list[Path]) -> Project:
    project = create_project(tmp_path / "work")
    project.add_images(images)
    return project


def test_adding_an_image_twice_keeps_one(project: Project, images: list[Path]) -> None:
    assert project.add_images(images[:2]) == 0
    assert [one.name for one in project.images()] == ["one.tif", "two.tif", "three.tif"]


def test_images_are_never_written(project: Project, images: list[Path]) -> None:
    before = [path.read_bytes() for path in images]
    project.start_labels(1, NewLabels(np.ones((8, 8), np.int32), "YX", {1: "model"}))
    project.close()
    assert [path.read_bytes() for path in images] == before


def test_a_project_and_its_images_can_move_together(
    project: Project, tmp_path: Path
) -> None:
    project.close()
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.move(tmp_path / "images", moved / "images")
    shutil.move(project.folder, moved / project.folder.name)
    with open_project(moved / project.folder.name) as again:
        assert not any(image.is_missing for image in again.images())


def test_moved_images_are_found_by_what_they_hold(
    project: Project, images: list[Path], tmp_path: Path
) -> None:
    target = tmp_path / "disk" / "deep"
    target.mkdir(parents=True)
    for path in images[:2]:
        shutil.move(path, target / path.name)
    (target / "two.tif").write_bytes(b"another image of this name")
    assert project.relocate(tmp_path / "disk") == 1
    assert [image.is_missing for image in project.images()] == [False, True, False]


def test_a_second_window_is_told_to_wait_and_may_read(project: Project) -> None:
    with pytest.raises(ProjectError, match="open in another window"):
        open_project(project.folder)
    with open_project(project.folder, read_only=True) as reader:
        assert reader.is_read_only
        assert len(reader.images()) == 3


def test_closing_lets_the_next_window_in(project: Project) -> None:
    project.close()
    with open_project(project.folder) as again:
        assert not again.is_read_only


def test_labels_are_an_ome_zarr_that_we_read(project: Project) -> None:
    labels = np.arange(600 * 700, dtype=np.int32).reshape(600, 700)
    size = PixelSize(0.5, 0.25)
    project.start_labels(1, NewLabels(labels, "YX", pixel_size=size))
    folder = project.folder / "labels" / "1.ome.zarr"
    image = read_image(folder)
    assert image.pixel_size == size
    np.testing.assert_array_equal(np.asarray(image.data).squeeze(), labels)
    assert zarr.open_group(folder, mode="r").metadata.zarr_format == 3


def test_labels_are_started_once(project: Project) -> None:
    project.start_labels(1, NewLabels(np.zeros((8, 8), np.int32), "YX"))
    with pytest.raises(ProjectError, match="has labels already"):
        project.start_labels(1, NewLabels(np.zeros((8, 8), np.int32), "YX"))
    with pytest.raises(ProjectError, match="no labels yet"):
        project.open_labels(2)


def test_reviews_and_checked_areas_survive_a_restart(project: Project) -> None:
    square = np.array([[0.0, 0.0], [0.0, 4.0], [4.0, 4.0]])
    project.review(1).save({3: "accepted", 4: "accepted"}, [])
    project.review(1).save({4: "fixed"}, [CheckedArea((), square)])
    project.close()
    with open_project(project.folder) as again:
        assert again.review(1).states() == {3: "accepted", 4: "fixed"}
        np.testing.assert_array_equal(again.review(1).areas()[0].outline_yx, square)
        assert again.review(2).areas() == []


def test_a_copy_holds_everything_and_points_to_the_same_images(
    project: Project, tmp_path: Path
) -> None:
    labels = np.full((9, 9), 5, np.int32)
    project.start_labels(2, NewLabels(labels, "YX", {5: "hand"}, {5: 0.5}))
    target = tmp_path / "deep" / "er"
    target.mkdir(parents=True)
    project.save_as(target / "copy")
    with open_project(target / "copy.cellseg") as copy:
        assert not any(image.is_missing for image in copy.images())
        opened = copy.open_labels(2)
        np.testing.assert_array_equal(opened.labels, labels)
        assert opened.sources == {5: "hand"}
        assert opened.confidence == {5: 0.5}
    with pytest.raises(ProjectError, match="exists already"):
        project.save_as(target / "copy")


def test_what_is_no_project_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="does not exist"):
        open_project(tmp_path / "nowhere.cellseg")
    with pytest.raises(ProjectError, match="is no project"):
        open_project(tmp_path)
    (tmp_path / "project.db").write_bytes(b"these are no tables" * 100)
    with pytest.raises(ProjectError, match="is damaged"):
        open_project(tmp_path)


def test_a_project_of_a_newer_program_is_told(project: Project) -> None:
    project._connection.execute("PRAGMA user_version = 99")
    project.close()
    with pytest.raises(ProjectError, match="version 99"):
        open_project(project.folder)


def test_an_image_that_is_not_there_is_told(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="does not exist"):
        project.add_images([tmp_path / "none.tif"])


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere"
)
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ProjectError, match="could not be read or written"):
        create_project(tmp_path / "work")


def test_ten_thousand_images_are_listed_from_the_database_alone(tmp_path: Path) -> None:
    with create_project(tmp_path / "many") as project:
        rows = [(f"../gone/{n}.tif", f"{n}.tif", str(n), 1, "") for n in range(10_000)]
        project._connection.executemany(
            "INSERT INTO images (path, name, group_name, n_bytes, fingerprint) "
            "VALUES (?, ?, ?, ?, ?)",
            rows,
        )
        assert len(project.images()) == 10_000
        assert project_facts(project)["missing"] == 10_000


def test_a_name_that_is_not_text_is_told_and_the_others_are_added(
    project: Project, images: list[Path]
) -> None:
    odd = images[0].with_name(os.fsdecode(b"caf\xe9.tif"))
    fine = images[0].with_name("four.tif")
    for path in (odd, fine):
        path.write_bytes(path.name.encode(errors="ignore"))
    with pytest.raises(ProjectError, match=r"1 images were added.*not UTF-8") as told:
        project.add_images([odd, fine])
    str(told.value).encode()
    assert project.images()[-1].name == "four.tif"


def test_copies_of_one_image_that_moved_find_a_file_each(
    project: Project, tmp_path: Path
) -> None:
    folders = [tmp_path / "images" / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
        (folder / "same.tif").write_bytes(b"one image, two places")
    project.add_images([folder / "same.tif" for folder in folders])
    shutil.move(tmp_path / "images", tmp_path / "moved")
    assert project.relocate(tmp_path / "moved") == 5
    assert not any(image.is_missing for image in project.images())
    (tmp_path / "moved" / "b" / "same.tif").unlink()
    assert project.relocate(tmp_path / "moved") == 0


@pytest.mark.parametrize("axes", ["ZTYX", "TYX", "TZYXC", "YX"])
def test_axes_that_do_not_fit_the_labels_are_refused(
    project: Project, axes: str
) -> None:
    labels = np.zeros((2, 3, 8, 8), np.int32)
    with pytest.raises(ProjectError, match="in the order TZYX"):
        project.start_labels(1, NewLabels(labels, axes))
    project.start_labels(1, NewLabels(labels, "TZYX"))


@pytest.mark.parametrize(
    ("axes", "expected"), [("ZTYX", "TZYX"), ("TCYX", "TYX"), ("CYX", "YX")]
)
def test_labels_have_their_axes_in_one_order(axes: str, expected: str) -> None:
    assert labels_axes_of(axes) == expected


def test_labels_whose_history_does_not_fit_on_the_disk_can_be_started_again(
    project: Project,
) -> None:
    labels = np.zeros((8, 8), np.int32)
    history = History()
    edit = edit_on_labels(labels, np.ones((2, 2), np.int32), (1, 1), "brush stroke", {})
    history.push(edit)
    apply_edit(labels, edit)
    new = NewLabels(labels, "YX", {1: "hand"}, history=history)
    disk = NoRoomForEdits(project._connection)
    project._connection = disk
    with pytest.raises(ProjectError, match="disk is full"):
        project.start_labels(1, new)
    assert not project.images()[0].has_labels
    disk.is_full = False
    opened = project.start_labels(1, new)
    assert opened.sources == {1: "hand"}
    assert opened.journal.undo_name == "brush stroke"


class NoRoomForEdits(FullDisk):
    """A disk that fills while edits are written."""

    def execute(self, statement: str, *values: Any) -> Any:
        if self.is_full and "INSERT INTO edits" in statement:
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(statement, *values)


def test_a_save_while_labels_are_read_makes_no_step_go_missing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = project.start_labels(1, NewLabels(np.zeros((20, 30), np.int32), "YX"))
    read = LabelsStore.read_all

    def read_and_be_overtaken(store: LabelsStore) -> Any:
        found = read(store)
        paint(opened, 7, 3)
        opened.write()
        return found

    monkeypatch.setattr(LabelsStore, "read_all", read_and_be_overtaken)
    with open_project(project.folder, read_only=True) as reader:
        late = reader.open_labels(1)
    assert late.labels[3, 6] == 7
    assert late.sources == {7: "hand"}


def test_a_folder_that_cannot_be_written_can_be_read(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.close()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with pytest.raises(ReadOnlyProjectError, match="cannot be written"):
        open_project(project.folder)
    with open_project(project.folder, read_only=True) as reader:
        assert len(reader.images()) == 3


def test_what_was_read_ahead_is_read_again_where_it_has_changed_since(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_cellseg.project.store.AT_ONCE_PX", 0)
    opened = project.start_labels(1, NewLabels(np.ones((8, 20), np.int32), "YX"))
    with open_project(project.folder, read_only=True) as reader:
        preparation = reader.preparation(1)
        assert preparation is not None
        run(preparation)
        assert reader.preparation(1) is None
        paint(opened, 5, row=2)
        opened.write()
        assert reader.open_labels(1).labels[2, 5] == 5


def test_labels_are_read_once_and_not_copied(tmp_path):
    labels = np.zeros((4096, 2048), np.int32)
    labels[100:200, 100:200] = 7
    store = LabelsStore(tmp_path / "1" / "labels")
    store.folder.parent.mkdir()
    store.create(labels, "YX", None)
    tracemalloc.start()
    try:
        found = store.read()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(found, labels)
    assert found.flags.writeable
    assert most < 1.9 * labels.nbytes
