"""Files and folders dropped on the window, one or two hundred."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from napari.settings import get_settings
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QFileDialog
from tests.widgets.conftest import squares, wait_idle

from napari_cellseg.core.jobs import Progress
from napari_cellseg.core.types import PixelSize
from napari_cellseg.widgets.images.opening import MOST_UNASKED


def drop(widget, *paths, keys=Qt.KeyboardModifier.NoModifier):
    """Drag files over a widget and drop them there, as Qt tells of it."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    how = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, keys)
    QApplication.sendEvent(widget, QDragEnterEvent(QPoint(5, 5), *how))
    QApplication.sendEvent(widget, QDropEvent(QPointF(5, 5), *how))


def canvas_of(dock):
    return dock.viewer.window._qt_viewer


@pytest.fixture
def opened_by_napari(monkeypatch):
    """What napari's own way was asked to open."""
    opened = []
    monkeypatch.setattr(
        "napari._qt.qt_viewer.QtViewer._qt_open",
        lambda _self, names, **_: opened.extend(names),
    )
    return opened


@pytest.fixture
def two_channels(tmp_path):
    path = tmp_path / "two.ome.tif"
    metadata = {
        "axes": "CYX",
        "PhysicalSizeX": 0.25,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 0.25,
        "PhysicalSizeYUnit": "µm",
    }
    tifffile.imwrite(
        path, np.stack([squares()] * 2), ome=True, metadata=metadata,
        photometric="minisblack",
    )  # fmt: skip
    return path


@pytest.fixture
def plate(tmp_path):
    """A folder with more images than are opened unasked."""
    folder = tmp_path / "plate"
    folder.mkdir()
    for index in range(MOST_UNASKED + 1):
        tifffile.imwrite(folder / f"well_{index:02d}.tif", squares(1 + index % 3))
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.mark.parametrize("is_empty", [True, False], ids=["welcome", "canvas"])
def test_the_canvas_keeps_pixel_size_and_channels(
    dock, qtbot, two_channels, opened_by_napari, is_empty
):
    canvas = canvas_of(dock)

    drop(canvas._welcome_widget if is_empty else canvas, two_channels)
    wait_idle(qtbot, dock)

    assert len(dock.viewer.layers) == 2
    assert dock.session.pixel_size.x_um == 0.25
    assert not opened_by_napari
    assert not canvas._welcome_widget.property("drag")


def test_what_means_something_to_napari_is_left_to_it(
    dock, two_channels, tmp_path, opened_by_napari
):
    table = tmp_path / "cells.csv"
    table.write_text("a,b\n1,2\n")

    drop(canvas_of(dock), two_channels, keys=Qt.KeyboardModifier.AltModifier)
    drop(canvas_of(dock), two_channels, table)

    assert opened_by_napari == [str(two_channels), str(two_channels), str(table)]


def test_a_reader_that_was_remembered_is_used(dock, two_channels, opened_by_napari):
    settings = get_settings().plugins
    before = settings.extension2reader
    settings.extension2reader = {**before, "*.tif": "another-reader"}

    drop(canvas_of(dock), two_channels)

    settings.extension2reader = before
    assert opened_by_napari == [str(two_channels)]


def test_napari_gets_its_canvas_back(dock, two_channels, opened_by_napari):
    dock.release()

    drop(canvas_of(dock), two_channels)

    assert opened_by_napari == [str(two_channels)]


def test_a_folder_opens_its_images(dock, qtbot, plate):
    for path in sorted(plate.glob("*.tif"))[3:]:
        path.unlink()

    drop(dock, plate)
    wait_idle(qtbot, dock)

    assert [layer.name for layer in dock.viewer.layers] == [
        "well_00.tif", "well_01.tif", "well_02.tif",
    ]  # fmt: skip


def test_an_empty_folder_is_told_of(dock, qtbot, tmp_path):
    drop(dock, tmp_path)
    wait_idle(qtbot, dock)

    assert "is a folder" in dock.footer.line.text()


def test_many_images_become_a_project_that_shows_one(
    dock, qtbot, plate, tmp_path, monkeypatch
):
    drop(dock, plate)
    assert not dock.many.question.isHidden()
    assert len(dock.viewer.layers) == 0
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "work"), "")
    )

    dock.many.question.project_button.click()
    qtbot.waitUntil(lambda: len(dock.viewer.layers) == 1)
    wait_idle(qtbot, dock)

    assert dock.many.question.isHidden()
    assert len(dock.projects.images) == MOST_UNASKED + 1
    assert dock.link.bar.index == 0
    assert dock.viewer.layers[0].name == "well_00.tif"


def test_many_images_go_into_the_project_that_is_open(dock, qtbot, plate, tmp_path):
    dock.link.begin(tmp_path / "mine.cellseg")
    drop(dock, plate)

    dock.many.question.project_button.click()
    qtbot.waitUntil(lambda: len(dock.viewer.layers) == 1)

    assert dock.projects.project.folder.name == "mine.cellseg"
    assert len(dock.projects.images) == MOST_UNASKED + 1


def test_a_dropped_project_is_opened(dock, qtbot, plate, tmp_path):
    dock.link.begin(tmp_path / "mine.cellseg")
    dock.link.close()

    drop(canvas_of(dock), tmp_path / "mine.cellseg")

    assert dock.projects.project.folder == tmp_path / "mine.cellseg"


def test_many_images_are_segmented_into_a_folder(
    dock, qtbot, plate, tmp_path, monkeypatch
):
    (plate / "well_00.tif").write_bytes(b"no image at all")
    out = tmp_path / "results"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(out))
    drop(dock, plate)

    dock.many.question.segment_button.click()
    assert not dock.many.progress.isHidden()
    wait_idle(qtbot, dock)

    assert dock.many.progress.isHidden()
    assert f"{MOST_UNASKED} images segmented, 1 failed" in dock.footer.line.text()
    summary = pd.read_csv(out / "summary.csv").set_index("file")
    assert summary["n_cells"].dropna().tolist() == [
        1 + index % 3 for index in range(1, MOST_UNASKED + 1)
    ]
    assert len(list(out.glob("*_cells.csv"))) == MOST_UNASKED
    assert len(dock.viewer.layers) == 0


def test_the_channel_of_the_tab_is_taken(dock, qtbot, tmp_path, monkeypatch):
    out = tmp_path / "results"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(out))
    for index in range(MOST_UNASKED + 1):
        tifffile.imwrite(
            tmp_path / f"{index:02d}.ome.tif", np.stack([squares(1), squares(3)]),
            ome=True, metadata={"axes": "CYX"}, photometric="minisblack",
        )  # fmt: skip
    drop(dock, tmp_path / "00.ome.tif")
    wait_idle(qtbot, dock)
    dock.segment.set_option("channel", 1)

    drop(dock, tmp_path)
    dock.footer.tell("An older message.")
    dock.many.question.segment_button.click()
    assert "older" not in dock.footer.line.text()
    wait_idle(qtbot, dock)

    summary = pd.read_csv(out / "summary.csv")
    assert summary["n_cells"].tolist() == [3] * (MOST_UNASKED + 1)


def test_the_pixel_size_that_was_set_counts_where_a_file_says_none(
    dock, qtbot, plate, two_channels, tmp_path, monkeypatch
):
    out = tmp_path / "results"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(out))
    drop(dock, plate)
    assert "µm" not in dock.many.question.text.text()
    drop(dock, plate / "well_00.tif")
    wait_idle(qtbot, dock)
    dock.session.set_pixel_size(PixelSize(0.5, 0.5))
    assert "says no pixel size, 0.5 µm/px counts" in dock.many.question.text.text()
    two_channels.rename(plate / "well_00.tif")
    dock.segment.set_option("channel", 0)

    dock.many.question.segment_button.click()
    wait_idle(qtbot, dock)

    sizes = pd.read_csv(out / "summary.csv")["pixel_size_x_um"].tolist()
    assert sizes == [0.25, *[0.5] * MOST_UNASKED]


def test_the_question_goes_when_something_else_is_opened(
    dock, qtbot, plate, two_channels
):
    drop(dock, plate)
    drop(dock, plate / "well_00.tif")
    wait_idle(qtbot, dock)
    assert not dock.many.question.isHidden()

    drop(dock, two_channels)
    wait_idle(qtbot, dock)

    assert dock.many.question.isHidden()


def test_a_long_file_name_is_cut_in_its_middle(dock):
    name = "plate_7_well_B03_field_12_channel_DAPI_time_0001_a_very_long_name.tif"
    dock.many.progress.file.setFixedWidth(200)
    dock.many.task.progress = Progress(3, 40, f"{name}: tile 2 of 9")

    dock.many.progress.refresh()

    assert dock.many.progress.file.toolTip() == f"{name}: tile 2 of 9"
    assert dock.many.progress.text.text() == "3 of 40 images"
    assert dock.many.progress.file._elidedText().startswith("plate_7")
    assert dock.many.progress.file._elidedText().endswith("tile 2 of 9")


def test_a_run_over_many_images_can_be_stopped_and_goes_on(
    dock, qtbot, plate, tmp_path, monkeypatch, engine
):
    out = tmp_path / "results"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(out))
    drop(dock, plate)
    dock.many.question.segment_button.click()
    qtbot.waitUntil(lambda: dock.many.task.progress.done >= 2)

    dock.many.progress.button.click()
    wait_idle(qtbot, dock)
    n_done = len(list(out.glob("*_cells.json")))
    assert 2 <= n_done <= MOST_UNASKED
    assert "Stopped" in dock.footer.line.text()

    drop(dock, plate)
    dock.many.question.segment_button.click()
    wait_idle(qtbot, dock)

    assert f"{n_done} were done before" in dock.footer.line.text()
    assert engine.segmenter.n_unfinished == 0
