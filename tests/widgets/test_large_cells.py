"""Cells of large images come in, are made and go out by the buttons of the dock."""

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog
from tests.large_project import PITCH, SIDE, bright_grid, grid, large_project
from tests.widgets.conftest import settle, wait_idle
from tests.widgets.test_edit_window import GlobalMouse, cell_at, look_at
from tests.widgets.test_tools import press

from napari_cellseg.core.jobs import run
from napari_cellseg.core.labels.on_disk import is_on_disk
from napari_cellseg.io.reading.images import read_labels
from napari_cellseg.project.labels.new_labels import LargeLabels
from napari_cellseg.project.store import open_project

N_CELLS = (SIDE // PITCH) ** 2
UNDO = (Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
REDO = (
    Qt.Key.Key_Z,
    Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a project of one image without cells, which would count as large."""
    return large_project(tmp_path, monkeypatch, bright_grid(), has_cells=False)


@pytest.fixture
def opened(make_dock, folder, qtbot):
    dock = make_dock(show=True)
    dock.viewer.window.resize(1280, 800)
    dock.link.open(str(folder))
    wait_idle(qtbot, dock)
    dock.viewer.reset_view()
    settle(qtbot, dock)
    return dock


@pytest.fixture
def cells_file(tmp_path):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, grid())
    return path


def wait_cells(qtbot, dock, n_cells):
    """Wait until cells are open in a window."""

    def are_there():
        assert dock.keeper.window is not None
        assert dock.proofread.labels is not None
        assert dock.proofread.n_cells == n_cells

    qtbot.waitUntil(are_there, timeout=60_000)
    wait_idle(qtbot, dock)


def take_in(dock, path, monkeypatch, qtbot):
    monkeypatch.setattr(
        QFileDialog, "getOpenFileName", lambda *_a, **_k: (str(path), "")
    )
    dock.link.bar.import_wanted.emit()
    wait_cells(qtbot, dock, N_CELLS)


def n_labels_layers(dock):
    """Return how many layers show cells: a window, and an overview."""
    return sum("cells" in layer.name for layer in dock.viewer.layers)


def test_cells_of_a_file_are_taken_in_and_undone_by_keys(
    opened, folder, cells_file, monkeypatch, qtbot
):
    take_in(opened, cells_file, monkeypatch, qtbot)
    assert "undo takes them back" in opened.footer.line.text()
    look_at(opened, qtbot, 1000, 1000)
    press(opened, "d")
    GlobalMouse(opened, qtbot).click(1010, 1010)
    assert opened.proofread.n_cells == N_CELLS - 1
    press(opened, *UNDO)
    assert opened.proofread.n_cells == N_CELLS
    press(opened, *UNDO)
    wait_cells(qtbot, opened, 0)
    assert n_labels_layers(opened) == 2
    assert opened.correct_tab.redo.isEnabled()
    look_at(opened, qtbot, 1000, 1000)
    assert not opened.keeper.layer.data.any()
    opened.correct_tab.redo.click()
    wait_cells(qtbot, opened, N_CELLS)
    assert n_labels_layers(opened) == 2
    look_at(opened, qtbot, 1000, 1000)
    opened.correct_tab.redo.click()
    assert cell_at(1010, 1010) not in opened.proofread.sources
    opened.release()
    with open_project(folder) as project:
        written = project._labels_store(1).read()
    truth = grid()
    assert np.array_equal(written, np.where(truth == cell_at(1010, 1010), 0, truth))


def test_what_is_in_view_is_segmented_into_labels_on_disk(opened, folder, qtbot):
    look_at(opened, qtbot, 1000, 1000)
    (view,) = (b for b in opened.segment_tab.region_buttons if b.text() == "view")
    view.click()
    opened.start()
    wait_idle(qtbot, opened)
    assert is_on_disk(opened.proofread.labels)
    assert 20 < opened.proofread.n_cells < N_CELLS / 2
    press(opened, "d")
    GlobalMouse(opened, qtbot).click(1010, 1010)
    assert not opened.proofread.labels[1010, 1010]
    n_cells = opened.proofread.n_cells
    opened.release()
    with open_project(folder) as project:
        written = project._labels_store(1).read()
    assert len(np.unique(written)) == n_cells + 1
    assert not written[1010, 1010]
    assert written[1010, 1050]


def test_what_a_second_run_changed_is_gone_through_with_keys(opened, qtbot):
    look_at(opened, qtbot, 1000, 1000)
    (view,) = (b for b in opened.segment_tab.region_buttons if b.text() == "view")
    view.click()
    opened.start()
    wait_idle(qtbot, opened)
    assert opened.rerun.box.isHidden()
    opened.session.image.data[0, 1000:1030, 1000:1030] = 0
    opened.start()
    wait_idle(qtbot, opened)
    assert "1 gone" in opened.rerun.box.line.text()
    assert not opened.proofread.labels[1010, 1010]
    shift = Qt.KeyboardModifier.ShiftModifier
    # Cells that the edge of the view cut may have changed, too.
    press(opened, "e", shift)
    while opened.rerun.difference.current.kind != "gone":
        press(opened, "e", shift)
    (outline,) = opened.rerun.layer.data
    np.testing.assert_allclose(outline.min(0), (999.5, 999.5))
    # It lies where all labels are, though the layer shows a window of them.
    assert opened.keeper.binding.start != (0, 0)
    world = opened.rerun.layer.data_to_world((1000, 1000))
    np.testing.assert_allclose(
        world, opened.viewer.layers[0].data_to_world((1000, 1000))
    )
    press(opened, "w", shift)
    assert (opened.proofread.labels[1000:1030, 1000:1030] > 0).all()
    assert "gone" not in opened.rerun.difference.words.partition("—")[0]
    press(opened, *UNDO)
    assert not opened.proofread.labels[1010, 1010]
    assert "1 gone" in opened.rerun.box.line.text()


@pytest.mark.parametrize("name", ["tiff", "zarr"])
def test_cells_are_exported_by_the_menu_with_the_last_step(
    opened, cells_file, monkeypatch, qtbot, tmp_path, name
):
    take_in(opened, cells_file, monkeypatch, qtbot)
    look_at(opened, qtbot, 1000, 1000)
    press(opened, "d")
    GlobalMouse(opened, qtbot).click(1010, 1010)
    out = tmp_path / f"out{'.tif' if name == 'tiff' else '.ome.zarr'}"
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_a, **_k: (str(out), "")
    )
    opened.link.bar.format_menu.chosen.emit(name)
    qtbot.waitUntil(lambda: not opened.files.is_running, timeout=60_000)
    truth = grid()
    expected = np.where(truth == cell_at(1010, 1010), 0, truth)
    assert np.array_equal(read_labels(out)[0], expected)


def test_a_format_that_needs_all_cells_is_refused_in_a_sentence(
    opened, cells_file, monkeypatch, qtbot, tmp_path
):
    take_in(opened, cells_file, monkeypatch, qtbot)
    monkeypatch.setattr(
        QFileDialog,
        "getSaveFileName",
        lambda *_a, **_k: (str(tmp_path / "out.geojson"), ""),
    )
    opened.link.bar.format_menu.chosen.emit("geojson")
    assert "TIFF or OME-Zarr" in opened.footer.line.text()


def test_cells_are_not_laid_over_others(opened, cells_file, monkeypatch, qtbot):
    take_in(opened, cells_file, monkeypatch, qtbot)
    opened.link.bar.import_wanted.emit()
    assert "has cells in the project" in opened.footer.line.text()
    assert opened.proofread.n_cells == N_CELLS


def test_cells_that_arrive_for_an_image_that_was_left_are_corrected_there(
    opened, folder, cells_file, monkeypatch, qtbot, tmp_path
):
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, np.zeros((64, 64), np.uint8))
    # Labels without a cell are open on the image while others are read for it.
    opened.viewer.scene.camera.zoom = 2
    run(opened.projects.project.start_by_blocks(1, LargeLabels((SIDE, SIDE), "YX")))
    opened.projects.refresh()
    opened.link.on_image_chosen()
    wait_cells(qtbot, opened, 0)
    monkeypatch.setattr(
        QFileDialog, "getOpenFileName", lambda *_a, **_k: (str(cells_file), "")
    )
    opened.link.bar.import_wanted.emit()
    opened.opener.open([str(other)])
    qtbot.waitUntil(lambda: opened.session.image.name.startswith("other"))
    wait_idle(qtbot, opened)
    assert "undo takes them back" in opened.footer.line.text()
    opened.link.show_image(0)
    wait_cells(qtbot, opened, N_CELLS)
    assert n_labels_layers(opened) == 2
    look_at(opened, qtbot, 1000, 1000)
    press(opened, "d")
    GlobalMouse(opened, qtbot).click(1010, 1010)
    opened.release()
    with open_project(folder) as project:
        written = project._labels_store(1).read()
    truth = grid()
    assert np.array_equal(written, np.where(truth == cell_at(1010, 1010), 0, truth))
