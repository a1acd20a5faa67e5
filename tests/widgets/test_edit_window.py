"""Large labels in the dock: an overview, and a window that moves with the view."""

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from tests.large_project import PITCH, SIDE, bright_grid, grid, large_project
from tests.widgets.conftest import settle, wait_idle
from tests.widgets.test_gestures import Mouse
from tests.widgets.test_tools import press

from napari_cellseg.controllers.labels.edit_window import ZOOM_IN
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.core.labels.on_disk import is_on_disk
from napari_cellseg.project.labels.new_labels import NewLabels
from napari_cellseg.project.store import create_project, open_project

N_ACROSS = SIDE // PITCH
NEAR = 2.0


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a project of one image whose labels count as large."""
    return large_project(tmp_path, monkeypatch, bright_grid())


class GlobalMouse(Mouse):
    """Takes pixels of all labels, wherever the window is."""

    def place(self, y, x):
        start = self._dock.keeper.binding.start
        return super().place(y - start[0], x - start[1])


def look_at(dock, qtbot, y, x, zoom=NEAR):
    camera = dock.viewer.scene.camera
    camera.center = (0.0, float(y), float(x))
    camera.zoom = zoom
    settle(qtbot, dock)


@pytest.fixture
def opened(make_dock, folder, qtbot):
    dock = make_dock(show=True)
    dock.viewer.window.resize(1280, 800)
    dock.link.open(str(folder))
    wait_idle(qtbot, dock)
    qtbot.waitUntil(lambda: dock.keeper.window is not None, timeout=30000)
    dock.viewer.reset_view()
    settle(qtbot, dock)
    return dock


def overview(dock):
    (layer,) = [one for one in dock.viewer.layers if one.name.endswith("(overview)")]
    return layer


def cell_at(y, x):
    """Return the number of the cell of `grid` whose square begins at (y, x)."""
    return (y // PITCH) * N_ACROSS + x // PITCH + 1


def test_seen_from_afar_there_is_an_overview_and_no_tool(opened, qtbot):
    assert is_on_disk(opened.proofread.labels)
    assert overview(opened).visible
    assert not opened.keeper.layer.visible
    assert not opened.tools.is_ready
    assert opened.correct_tab.hint.text() == ZOOM_IN
    press(opened, "d")
    assert opened.tools.active is None


def test_zoomed_in_the_window_covers_what_is_seen(opened, qtbot):
    look_at(opened, qtbot, 1000, 1000)
    layer, start = opened.keeper.layer, opened.keeper.binding.start
    assert layer.visible
    assert not overview(opened).visible
    assert opened.tools.is_ready
    shape = layer.data.shape
    assert np.array_equal(
        layer.data,
        grid()[start[0] : start[0] + shape[0], start[1] : start[1] + shape[1]],
    )
    assert tuple(layer.translate) == start
    assert max(shape) < SIDE / 2


def test_delete_brush_and_undo_with_the_mouse_before_and_after_a_pan(
    opened, folder, qtbot
):
    truth = grid()
    mouse = GlobalMouse(opened, qtbot)
    look_at(opened, qtbot, 1000, 1000)
    press(opened, "d")
    mouse.click(1010, 1010)
    truth[truth == cell_at(1010, 1010)] = 0
    before = opened.keeper.binding.start
    opened.tools.leave()
    for _ in range(3):  # drag the image up and to the left, by a real mouse
        camera = opened.viewer.scene.camera
        y, x = camera.center[-2:]
        mouse.drag((y + 120, x + 120), (y, x), (y - 60, x - 60), (y - 120, x - 120))
        settle(qtbot, opened)
    assert opened.keeper.binding.start != before
    layer = opened.keeper.layer
    y, x = (PITCH * round(at / PITCH) for at in opened.viewer.scene.camera.center[-2:])
    layer.selected_label = opened.proofread.cells.index.highest + 1
    painted = layer.selected_label
    layer.brush_size = 5
    layer.mode = "paint"
    mouse.drag((y + 34, x + 2), (y + 34, x + 12), (y + 34, x + 22))
    layer.mode = "pan_zoom"
    assert (opened.proofread.labels[y : y + 40, x : x + 40] == painted).sum() > 60
    press(opened, "d")
    mouse.click(y + 10, x + 10)
    assert cell_at(y, x) not in opened.proofread.sources
    press(opened, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert cell_at(y, x) in opened.proofread.sources
    shown = [opened.proofread.labels[low : low + 500] for low in range(0, SIDE, 500)]
    opened.release()
    with open_project(folder) as project:
        written = project._labels_store(1).read()
    assert np.array_equal(written, np.concatenate(shown))
    assert np.array_equal(np.where(written == painted, 0, written), truth)


def cut_cell(dock):
    """Return a cell that goes on beyond the window, and its box in all labels."""
    cells, window = dock.proofread.cells, dock.keeper.window.box
    boxes = cells.index.boxes(cells.index.touching(window))
    return next(
        (cell, box)
        for cell, (box, _) in boxes.items()
        if any(
            b.start < w.start or b.stop > w.stop
            for b, w in zip(box, window, strict=False)
        )
    )


def test_a_cell_that_the_window_cuts_is_deleted_whole(opened, qtbot):
    look_at(opened, qtbot, 1000, 1000)
    cell, box = cut_cell(opened)
    labels, layer = opened.proofread.labels, opened.keeper.layer
    n_in_window = (layer.data == cell).sum()
    assert 0 < n_in_window < 900
    opened.proofread.delete_cells([cell])
    assert not (labels[box] == cell).any()
    assert not (layer.data == cell).any()
    opened.keeper.undo()
    assert (labels[box] == cell).sum() == 900
    assert (layer.data == cell).sum() == n_in_window


def test_a_fill_of_a_cut_cell_goes_on_beyond_the_window(opened, qtbot):
    look_at(opened, qtbot, 1000, 1000)
    cell, box = cut_cell(opened)
    labels, layer = opened.proofread.labels, opened.keeper.layer
    layer.mode = "fill"
    layer.fill(tuple(np.argwhere(layer.data == cell)[0]), 9999)
    assert (labels[box] == 9999).sum() == 900
    assert cell not in opened.proofread.sources
    opened.keeper.undo()
    assert (labels[box] == cell).sum() == 900


def test_a_new_number_is_free_in_all_labels(opened, qtbot):
    look_at(opened, qtbot, 300, 300)
    press(opened, "m")
    assert opened.keeper.layer.selected_label == N_ACROSS**2 + 1


def test_the_review_goes_to_a_cell_far_away(opened, qtbot):
    look_at(opened, qtbot, 2000, 300)
    opened.proofread.cells.confidence = {cell_at(2000, 1800): 0.01}
    opened.review._on_opened()
    opened.review.next()
    settle(qtbot, opened)
    assert opened.review.current == cell_at(2000, 1800)
    start, shape = opened.keeper.binding.start, opened.keeper.layer.data.shape
    assert start[0] < 2000 < start[0] + shape[0]
    assert start[1] < 1800 < start[1] + shape[1]
    frame = opened.correcting.frame.layer
    middle = frame.data_to_world(frame.data[0].mean(axis=0))
    cell = opened.proofread.cells.index.boxes([opened.review.current])
    box, _ = cell[opened.review.current]
    at = [(side.start + side.stop - 1) / 2 for side in box]
    assert np.allclose(
        middle, opened.keeper.layer.data_to_world(np.subtract(at, start))
    )
    opened.review.reject()
    assert cell_at(2000, 1800) not in opened.proofread.sources


def test_what_another_tool_writes_into_the_window_is_recorded_where_it_lies(
    opened, qtbot
):
    look_at(opened, qtbot, 1000, 1000)
    start = opened.keeper.binding.start
    opened.keeper.layer.data[100:110, 100:110] = 7777
    opened.keeper.reconcile()
    y, x = start[0] + 100, start[1] + 100
    assert (opened.proofread.labels[y : y + 10, x : x + 10] == 7777).all()


def test_what_a_run_changed_while_the_image_was_left_is_not_taken_back(opened, qtbot):
    look_at(opened, qtbot, 300, 300)
    cells, image = opened.proofread.cells, opened.header.choice.layers[0]
    opened.keeper.follow_image(None)
    elsewhere = ProofreadController()
    elsewhere.cells = cells
    elsewhere.delete_cells([1])  # in the corner where a window rests
    opened.keeper.show_anew(cells)
    opened.keeper.follow_image(image)
    look_at(opened, qtbot, 100, 100)
    assert 1 not in opened.proofread.sources
    assert not (opened.proofread.labels[:40, :40] == 1).any()
    assert cells.history.undo_name == "delete cell"


def test_cells_of_a_small_image_need_no_window_and_are_the_chosen_layer(
    make_dock, tmp_path, qtbot
):
    labels = np.ascontiguousarray(grid()[:512, :512])
    image = tmp_path / "small.tif"
    tifffile.imwrite(image, (labels > 0).astype(np.uint8) * 200)
    with create_project(tmp_path / "small") as project:
        project.add_images([image])
        project.start_labels(1, NewLabels(labels, "YX"))
        folder = project.folder
    dock = make_dock(show=True)
    dock.link.open(str(folder))
    wait_idle(qtbot, dock)
    qtbot.waitUntil(lambda: dock.keeper.layer is not None, timeout=30000)
    settle(qtbot, dock)
    assert dock.keeper.window is None
    assert dock.viewer.layers.selection.active is dock.keeper.layer
