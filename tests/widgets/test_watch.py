"""A folder is watched from the dock, and a click opens a result."""

import json

import numpy as np
import pytest
import tifffile
from tests.fakes import FakeSegmenter
from tests.moto_server import moto_aws
from tests.widgets.conftest import squares

from napari_cellseg.batch.results import ImageResults
from napari_cellseg.core.jobs import run
from napari_cellseg.core.measuring.measure import measure_cells
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import PixelSize
from napari_cellseg.io.reading.images import read_image
from napari_cellseg.io.s3 import cache, client
from napari_cellseg.io.writing.labels_file import write_labels


@pytest.fixture
def results(tmp_path):
    """Write an image and what `cellseg segment` makes of it."""
    path = tmp_path / "A01.tif"
    tifffile.imwrite(path, squares())
    image = read_image(path)
    result = run(FakeSegmenter().segment(image, SegmentOptions()))
    folder = tmp_path / "out"
    folder.mkdir()
    table = measure_cells(image, result.labels)
    ImageResults(folder, "A01", path).write(image, result, table, SegmentOptions())
    return folder


@pytest.fixture
def bucket(results, tmp_path, monkeypatch):
    """Give a function that puts an image and its results where the pipeline does."""
    pytest.importorskip("boto3", reason="the extra 'aws' is not installed")
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "cache"))
    labels = (results / "A01_labels.tif").read_bytes()
    image = (tmp_path / "A01.tif").read_bytes()
    with moto_aws():
        store = client.s3_client()
        store.create_bucket(Bucket="plates")

        def put(name):
            key, out = f"input/{name}", f"output/{name}"
            counts = {"n_cells": 3, "source": f"s3://plates/{key}", "run": "1"}
            store.put_object(Bucket="plates", Key=key, Body=image)
            store.put_object(Bucket="plates", Key=f"{out}_labels.tif", Body=labels)
            store.put_object(
                Bucket="plates", Key=f"{out}_counts.json", Body=json.dumps(counts)
            )

        yield put


def test_the_panel_is_folded_until_it_is_asked_for(dock):
    assert dock.watch.panel.isHidden()

    dock.opener.watch_action.trigger()

    assert not dock.watch.panel.isHidden()


def test_a_result_is_listed_and_a_click_opens_image_and_cells(dock, qtbot, results):
    panel = dock.watch.panel
    dock.link.bar.watch_wanted.emit()
    panel.place.setText(str(results))
    panel.watch_button.click()
    qtbot.waitUntil(lambda: panel.list.count() == 1, timeout=20_000)

    assert panel.list.item(0).text().startswith("A01.tif · 3 cells")
    panel.list.itemClicked.emit(panel.list.item(0))
    qtbot.waitUntil(lambda: len(dock.viewer.layers) >= 2, timeout=20_000)

    names = [type(layer).__name__ for layer in dock.viewer.layers]
    assert names[:2] == ["Image", "Labels"]
    assert np.asarray(dock.viewer.layers[1].data).max() == 3
    assert not panel.isHidden()


def test_results_of_a_bucket_are_listed_as_they_come_and_a_click_opens_one(
    dock, qtbot, bucket
):
    panel = dock.watch.panel
    bucket("plate 1/ä 01.tif")
    dock.opener.watch_action.trigger()
    panel.place.setText("s3://plates/output")
    panel.watch_button.click()
    qtbot.waitUntil(lambda: panel.list.count() == 1, timeout=60_000)
    bucket("plate 1/A02.tif")
    dock.watch.controller.look()
    qtbot.waitUntil(lambda: panel.list.count() == 2, timeout=60_000)

    assert panel.list.item(0).text().startswith("plate 1/A02.tif · 3 cells")
    panel.list.itemClicked.emit(panel.list.item(1))
    qtbot.waitUntil(lambda: len(dock.viewer.layers) >= 2, timeout=60_000)

    assert "ä 01" in dock.viewer.layers[0].name
    assert np.asarray(dock.viewer.layers[1].data).max() == 3
    panel.close_button.click()


def test_cells_lie_over_an_image_whose_pixel_size_only_the_pipeline_was_told(
    dock, qtbot, results
):
    labels = tifffile.imread(results / "A01_labels.tif").astype(np.int32)
    write_labels(
        results / "A01_labels.tif", labels, axes="YX", pixel_size=PixelSize(0.5, 0.5)
    )
    panel = dock.watch.panel
    dock.link.bar.watch_wanted.emit()
    panel.place.setText(str(results))
    panel.watch_button.click()
    qtbot.waitUntil(lambda: panel.list.count() == 1, timeout=20_000)
    panel.list.itemClicked.emit(panel.list.item(0))
    qtbot.waitUntil(lambda: len(dock.viewer.layers) >= 2, timeout=20_000)

    image, cells = dock.viewer.layers[:2]
    assert tuple(image.scale) == tuple(cells.scale) == (0.5, 0.5)
    assert image.units == cells.units


def test_a_bucket_that_is_not_there_is_told_of_in_the_panel(dock, qtbot, bucket):
    panel = dock.watch.panel
    panel.show_panel()
    panel.place.setText("s3://nobodys/output")
    panel.watch_button.click()
    qtbot.waitUntil(lambda: "nobodys" in panel.status.text(), timeout=60_000)
    panel.close_button.click()


def test_closing_the_panel_ends_the_watch(dock, qtbot, results):
    panel = dock.watch.panel
    panel.show_panel()
    panel.place.setText(str(results))
    panel.watch_button.click()
    qtbot.waitUntil(lambda: panel.list.count() == 1, timeout=20_000)
    assert panel.later.is_waiting
    assert panel.watch_button.text() == "Stop"

    panel.close_button.click()

    assert panel.isHidden()
    assert not panel.later.is_waiting
    assert not dock.watch.controller.is_watching


def test_a_place_that_is_none_is_told_of_in_the_panel(dock, qtbot, tmp_path):
    panel = dock.watch.panel
    panel.show_panel()
    panel.place.setText(str(tmp_path / "gone"))

    panel.watch_button.click()

    qtbot.waitUntil(lambda: "is no folder" in panel.status.text(), timeout=20_000)
    panel.close_button.click()
