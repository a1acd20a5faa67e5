"""A layer that is not under correction says so, and one button changes that."""

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QPoint
from tests.widgets.conftest import squares, wait_idle
from tests.widgets.test_gestures import Mouse

from napari_cellseg.core.editing.edits import apply_edit
from napari_cellseg.project.store import open_project


@pytest.fixture
def opened(make_dock, tmp_path, qtbot):
    """A dock that shows an image from a file."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, squares())
    dock = make_dock(show=True)
    dock.viewer.window.resize(1280, 800)
    dock.opener.open([str(path)])
    wait_idle(qtbot, dock)
    return dock


def notice(dock):
    return dock.correcting.unrecorded


def new_layer(dock):
    """Make a layer as napari's own button does."""
    dock.viewer.window._qt_viewer.layerButtons.newLabelsButton.click()
    return dock.viewer.layers.selection.active


class LayerMouse(Mouse):
    """Goes to pixels of the image: its layers lie where it lies."""

    def place(self, y, x):
        camera = self._dock.viewer.scene.camera
        dy, dx = np.subtract((y, x), camera.center[-2:]) * camera.zoom
        size = self._canvas.size()
        return QPoint(round(size.width() / 2 + dx), round(size.height() / 2 + dy))


def paint(dock, qtbot, layer):
    """Paint a stroke on a layer by a real mouse."""
    dock.viewer.layers.selection.active = layer
    layer.brush_size = 4
    layer.mode = "paint"
    LayerMouse(dock, qtbot).drag((40, 20), (40, 25), (40, 30))
    layer.mode = "pan_zoom"


def test_a_layer_of_naparis_button_is_told_of_until_it_is_corrected(opened, qtbot):
    assert not notice(opened).isVisibleTo(opened)
    layer = new_layer(opened)
    assert notice(opened).isVisibleTo(opened)
    assert layer.name in notice(opened).line.text()

    notice(opened).button.click()
    assert not notice(opened).isVisibleTo(opened)
    corrected = opened.keeper.layer
    assert corrected.data.dtype == np.int32
    said = opened.footer.line.text()
    assert f"a copy, '{corrected.name}', is corrected" in said.replace("&#x27;", "'")
    assert "✕" not in said
    paint(opened, qtbot, corrected)
    assert opened.proofread.history.undo_name == "brush stroke"
    assert opened.proofread.n_cells == 1


def test_what_was_painted_before_is_kept_when_it_is_corrected(opened, qtbot):
    layer = new_layer(opened)
    paint(opened, qtbot, layer)
    n_painted = int((np.asarray(layer.data) > 0).sum())
    assert n_painted > 0

    notice(opened).button.click()
    assert (opened.proofread.labels > 0).sum() == n_painted
    assert opened.proofread.n_cells == 1


def test_cells_of_such_a_layer_go_into_the_project(opened, qtbot, tmp_path):
    opened.link.create(str(tmp_path / "mine"))
    new_layer(opened)
    notice(opened).button.click()
    paint(opened, qtbot, opened.keeper.layer)
    assert opened.projects.keeps(opened.proofread.cells)
    opened.release()
    with open_project(tmp_path / "mine.cellseg") as project:
        assert (project.open_labels(1).labels > 0).any()


def test_the_layer_under_correction_is_not_told_of(opened, segment, qtbot):
    segment(opened)
    assert not notice(opened).isVisibleTo(opened)
    ours = opened.keeper.layer
    other = opened.viewer.add_labels(np.zeros((60, 60), np.int32), name="mine")
    assert notice(opened).isVisibleTo(opened)
    opened.viewer.layers.selection.active = ours
    assert not notice(opened).isVisibleTo(opened)
    opened.viewer.layers.selection.active = other
    opened.viewer.layers.remove(other)
    assert not notice(opened).isVisibleTo(opened)


def test_cells_of_an_image_that_was_left_are_not_told_of(opened, segment):
    second = opened.viewer.add_image(squares(1), name="second")
    opened.header.menu.setCurrentIndex(0)
    segment(opened)
    opened.header.menu.setCurrentIndex(1)
    assert notice(opened).isHidden()
    assert opened.viewer.layers.selection.active is second


def test_labels_that_do_not_fit_the_image_stay_out_of_its_project(
    opened, qtbot, tmp_path
):
    opened.link.create(str(tmp_path / "mine"))
    opened.viewer.add_labels(np.ones((9, 9), np.int32), name="small")
    notice(opened).button.click()
    assert opened.keeper.layer.name == "small"
    assert not opened.projects.keeps(opened.proofread.cells)


@pytest.fixture
def in_project(opened, segment, tmp_path):
    """The image with three cells in a project, and a layer with another one in a gap."""
    segment(opened)
    opened.link.create(str(tmp_path / "mine"))
    ours = opened.proofread.labels
    data = np.zeros(ours.shape, np.int32)
    free = np.argwhere(ours == 0)[-1]
    data[tuple(free)] = 5
    opened.viewer.add_labels(data, name="another")
    return opened


@pytest.mark.parametrize(("answer", "n_cells"), [("add", 4), ("replace", 1)])
def test_cells_of_a_layer_go_into_those_of_the_project_as_one_step(
    in_project, tmp_path, answer, n_cells
):
    before = in_project.proofread.labels.copy()
    notice(in_project).button.click()
    assert in_project.exchange.question.isVisibleTo(in_project)
    assert "There are 3 here" in in_project.exchange.question.text.text()
    assert np.array_equal(in_project.proofread.labels, before)  # nothing so far

    getattr(in_project.exchange.question, answer).click()
    assert in_project.proofread.n_cells == n_cells
    assert in_project.projects.keeps(in_project.proofread.cells)
    assert not notice(in_project).isVisibleTo(in_project)
    in_project.release()
    with open_project(tmp_path / "mine.cellseg") as project:
        again = project.open_labels(1)
        assert len(again.sources) == n_cells
        apply_edit(again.labels, again.journal.undo())  # in a later session
        assert np.array_equal(again.labels, before)


def test_who_does_not_want_the_cells_of_a_layer_loses_none(in_project):
    before = in_project.proofread.labels.copy()
    layer = in_project.viewer.layers["another"]
    notice(in_project).button.click()
    in_project.exchange.question.leave.click()
    assert np.array_equal(in_project.proofread.labels, before)
    assert (layer.data > 0).sum() == 1
    assert notice(in_project).isVisibleTo(in_project)


def test_a_layer_chosen_in_the_menu_beside_those_of_the_project_is_told_of(in_project):
    names = [one.name for one in in_project.keeper.labels_layers()]
    kept = in_project.proofread.cells
    in_project.keeper.choose(names.index("another"))
    notice(in_project)._on_layer_chosen(0)
    assert not in_project.projects.keeps(in_project.proofread.cells)
    assert "keeps its own cells" in in_project.footer.line.text()
    assert in_project.projects.keeps(kept)
