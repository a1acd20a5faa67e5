"""Results are listed as they come; a record cannot send the dock elsewhere."""

import json
import os

import pytest
from tests.fakes import NowStarter

from napari_cellseg.controllers.task import TaskController
from napari_cellseg.controllers.watch import MAX_LISTED, WatchController


@pytest.fixture
def watch():
    return WatchController(TaskController(NowStarter()))


def finish(folder, name, n_cells=3, source=None, written=1000.0):
    """Write what `cellseg segment` leaves behind."""
    folder.mkdir(parents=True, exist_ok=True)
    image = {"name": f"{name}.tif", "source": str(source or folder / f"{name}.tif")}
    record = folder / f"{name}_cells.json"
    record.write_text(json.dumps({"image": image, "summary": {"n_cells": n_cells}}))
    (folder / f"{name}_labels.tif").write_bytes(b"x")
    os.utime(record, (written, written))


def test_what_is_finished_is_listed_the_newest_first(watch, tmp_path):
    finish(tmp_path, "a", written=1000.0)
    finish(tmp_path / "deeper", "b", n_cells=7, written=2000.0)

    watch.watch(str(tmp_path))

    assert [(one.name, one.n_cells) for one in watch.results] == [
        ("b.tif", 7),
        ("a.tif", 3),
    ]


def test_what_comes_later_is_put_on_top(watch, tmp_path):
    finish(tmp_path, "a", written=1000.0)
    watch.watch(str(tmp_path))
    finish(tmp_path, "b", written=2000.0)

    watch.look()

    assert [one.name for one in watch.results] == ["b.tif", "a.tif"]


def test_what_was_done_again_takes_the_place_of_the_old(watch, tmp_path):
    finish(tmp_path, "a", n_cells=3)
    watch.watch(str(tmp_path))
    finish(tmp_path, "a", n_cells=4, written=3000.0)

    watch.look()

    assert [one.n_cells for one in watch.results] == [4]


def test_half_of_a_result_is_not_listed(watch, tmp_path):
    finish(tmp_path, "a")
    (tmp_path / "a_labels.tif").unlink()
    (tmp_path / "b_labels.tif").write_bytes(b"x")

    watch.watch(str(tmp_path))

    assert watch.results == []


def test_what_is_being_written_again_is_listed_when_it_is_whole(watch, tmp_path):
    finish(tmp_path, "a", n_cells=3)
    record = tmp_path / "a_cells.json"
    whole = record.read_text()
    record.write_text(json.dumps({**json.loads(whole), "is_finished": False}))
    watch.watch(str(tmp_path))
    before = list(watch.results)
    record.write_text(whole)
    os.utime(record, (3000.0, 3000.0))

    watch.look()

    assert before == []
    assert [one.name for one in watch.results] == ["a.tif"]


def test_image_and_labels_are_opened(watch, tmp_path):
    finish(tmp_path, "a")
    (tmp_path / "a.tif").write_bytes(b"x")
    watch.watch(str(tmp_path))

    assert watch.paths_of(0) == [
        str(tmp_path / "a.tif"),
        str(tmp_path / "a_labels.tif"),
    ]


@pytest.mark.parametrize("source", ["gone.tif", "s3://elsewhere/a.tif"])
def test_an_image_that_is_not_there_is_left_out(watch, tmp_path, source):
    finish(tmp_path, "a", source=source)
    watch.watch(str(tmp_path))

    assert watch.paths_of(0) == [str(tmp_path / "a_labels.tif")]


@pytest.mark.parametrize("text", ["no json", "[]", '{"image": "x"}'])
def test_a_damaged_record_leaves_the_name(watch, tmp_path, text):
    finish(tmp_path, "a")
    (tmp_path / "a_cells.json").write_text(text)

    watch.watch(str(tmp_path))

    assert [(one.name, one.n_cells) for one in watch.results] == [("a", None)]


def test_many_results_are_read_once(watch, tmp_path):
    for number in range(MAX_LISTED + 5):
        finish(tmp_path, f"i{number}", written=1000.0 + number)
    watch.watch(str(tmp_path))
    before = list(watch.results)

    watch.look()

    assert len(before) == MAX_LISTED
    assert before[0].name == f"i{MAX_LISTED + 4}.tif"
    assert watch.results == before


def test_a_place_that_is_none_is_told_of(watch, tmp_path):
    watch.watch(str(tmp_path / "gone"))

    assert "is no folder" in watch.problem


def test_nothing_is_looked_at_after_the_stop(watch, tmp_path):
    watch.watch(str(tmp_path))
    watch.stop()
    finish(tmp_path, "a")

    watch.look()

    assert watch.results == []


def test_results_of_the_same_name_are_told_apart_by_their_folders(watch, tmp_path):
    for folder in ("run 1", "run 2/b"):
        finish(tmp_path / folder, "A01", written=1000.0 + len(folder))

    watch.watch(f"{tmp_path}/")

    titles = [watch.title(one) for one in watch.results]
    assert titles == ["run 2/b/A01.tif", "run 1/A01.tif"]
