"""Through time: cells are linked, shown as tracks and put right, with keys and mouse."""

import csv

import numpy as np
import pytest
from napari.layers import Tracks
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from tests.moving_cells import moving_cells, same_cells
from tests.widgets.conftest import settle, squares, wait_idle
from tests.widgets.test_gestures import Mouse

pytest.importorskip("laptrack", reason="the extra 'tracks' is not installed")

SCALE = (1.0, 0.5, 0.5)


class SeriesMouse(Mouse):
    """Clicks on the frame that is shown."""

    def place(self, y, x):
        camera = self._dock.viewer.scene.camera
        world = self._dock.keeper.layer.data_to_world((0, y, x))
        dy, dx = np.subtract(world[-2:], camera.center[-2:]) * camera.zoom
        size = self._canvas.size()
        return QPoint(round(size.width() / 2 + dx), round(size.height() / 2 + dy))


def open_series(dock):
    truth, parents = moving_cells()
    dock.viewer.add_image(
        (truth > 0).astype(np.uint8) * 200,
        axis_labels=("t", "y", "x"),
        scale=SCALE,
        name="series",
    )
    assert dock.session.image.axes == "TCYX"
    return truth, parents


def wait_linked(qtbot, dock):
    tracks = dock.through_time.tracks
    # The library is imported on the first link, which a busy machine takes long for.
    qtbot.waitUntil(lambda: not tracks.task.is_running, timeout=90000)
    assert tracks.task.state == "done", tracks.task.failure
    wait_idle(qtbot, dock)


def link(qtbot, dock):
    dock.through_time.box.link.click()
    wait_linked(qtbot, dock)
    dock.through_time.show_tracks()


def tracks_layers(dock):
    return [one for one in dock.viewer.layers if isinstance(one, Tracks)]


@pytest.fixture
def shown(make_dock, segment, qtbot):
    """Return a dock beside a shown, segmented and linked series, and its truth."""
    dock = make_dock(show=True)
    dock.viewer.window.resize(1200, 800)
    truth, parents = open_series(dock)
    segment(dock)
    dock.viewer.reset_view()
    dock.tabs.setCurrentIndex(1)
    link(qtbot, dock)
    settle(qtbot, dock)
    return dock, truth, parents


def press(dock, key):
    canvas = dock.viewer.window._qt_viewer.canvas.native
    canvas.setFocus()
    QTest.keyClick(canvas, key, Qt.KeyboardModifier.ShiftModifier)


def centre(truth, frame, cell):
    return np.argwhere(truth[frame] == cell).mean(axis=0)


def test_the_box_is_there_for_series_only(dock):
    dock.viewer.add_image(squares())
    assert dock.through_time.box.isHidden()
    open_series(dock)
    assert not dock.through_time.box.isHidden()
    assert not dock.through_time.box.link.isEnabled()


def test_linked_cells_have_one_number_and_are_shown_as_tracks(shown):
    dock, truth, parents = shown
    ids = same_cells(dock.proofread.labels, truth)
    assert np.array_equal(dock.keeper.layer.data, dock.proofread.labels)
    (layer,) = tracks_layers(dock)
    assert layer.graph == {ids[child]: [ids[who]] for child, who in parents.items()}
    assert layer.scale.tolist() == list(SCALE)
    assert len(np.unique(layer.data[:, 0])) == 13
    assert "13 cells over 8 frames · 2 divide" in dock.through_time.box.line.text()
    assert dock.viewer.layers.selection.active is dock.keeper.layer


def test_undo_takes_the_tracks_away_again(shown, qtbot):
    dock, _, _ = shown
    dock.correct_tab.undo.click()
    wait_idle(qtbot, dock)
    dock.through_time.show_tracks()
    assert not tracks_layers(dock)[0].visible
    dock.correct_tab.redo.click()
    wait_idle(qtbot, dock)
    dock.through_time.show_tracks()
    assert tracks_layers(dock)[0].visible
    assert len(tracks_layers(dock)[0].graph) == 4


def test_a_broken_link_is_cut_and_mended_with_keys_and_mouse(shown, qtbot):
    dock, truth, _ = shown
    mouse = SeriesMouse(dock, qtbot)
    ids = same_cells(dock.proofread.labels, truth)
    dock.through_time.go_to(3)
    mouse.click(*centre(truth, 3, 2))
    assert dock.measure.selected_cell == ids[2]
    press(dock, Qt.Key.Key_C)
    assert dock.proofread.n_cells == 14
    mouse.click(*centre(truth, 3, 9))
    mouse.click(*centre(truth, 3, 2))
    later = dock.measure.selected_cell
    assert later not in (0, ids[2])

    press(dock, Qt.Key.Key_T)
    assert dock.through_time.frame == 2
    assert f"what cell {later} was" in dock.through_time.box.line.text()
    mouse.click(*centre(truth, 2, 2))

    assert dock.through_time.frame == 3
    assert same_cells(dock.proofread.labels, truth)[2] == ids[2]
    assert dock.through_time.tracks.pick is None


def test_a_tool_that_is_taken_ends_the_wait_for_an_earlier_cell(shown, qtbot):
    dock, truth, _ = shown
    dock.through_time.go_to(3)
    SeriesMouse(dock, qtbot).click(*centre(truth, 3, 2))
    press(dock, Qt.Key.Key_T)
    assert dock.through_time.tracks.pick is not None
    dock.tools.toggle("delete")
    assert dock.through_time.tracks.pick is None
    assert dock.tools.active.name == "delete"


def test_a_daughter_is_named_with_the_mouse(shown, qtbot):
    dock, truth, _ = shown
    mouse = SeriesMouse(dock, qtbot)
    ids = same_cells(dock.proofread.labels, truth)
    dock.through_time.go_to(6)
    mouse.click(*centre(truth, 6, 9))
    dock.through_time.box.daughter.click()
    mouse.click(*centre(truth, 5, 6))
    wait_idle(qtbot, dock)
    parents = dock.through_time.tracks.parents
    assert list(parents.values()).count(ids[6]) == 2


def test_escape_leaves_the_cell_as_it_is(shown, qtbot):
    dock, truth, _ = shown
    mouse = SeriesMouse(dock, qtbot)
    dock.through_time.go_to(3)
    mouse.click(*centre(truth, 3, 2))
    press(dock, Qt.Key.Key_T)
    canvas = dock.viewer.window._qt_viewer.canvas.native
    QTest.keyClick(canvas, Qt.Key.Key_Escape)
    assert dock.through_time.tracks.pick is None
    assert dock.through_time.frame == 3
    assert dock.proofread.n_cells == 13


def test_what_cannot_be_done_is_said_in_the_dock(shown):
    dock, _, _ = shown
    dock.through_time.go_to(0)
    dock.measure.select(0)
    dock.through_time.box.same.click()
    assert "Click a cell first" in dock.footer.line.text()


def test_the_csv_has_track_and_parent(shown, qtbot, tmp_path):
    dock, truth, parents = shown
    ids = same_cells(dock.proofread.labels, truth)
    dock.results.write_csv(tmp_path / "a.csv")
    wait_idle(qtbot, dock)
    with (tmp_path / "a.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    found = {(row["track_id"], row["parent_id"]) for row in rows if row["parent_id"]}
    assert found == {(str(ids[c]), str(ids[m])) for c, m in parents.items()}
    assert {row["frame"] for row in rows} == {str(frame) for frame in range(8)}


def test_other_labels_begin_without_tracks(shown, qtbot):
    dock, _, _ = shown
    dock.viewer.add_image(squares(), name="other")
    qtbot.waitUntil(lambda: tracks_layers(dock) == [])
    assert dock.through_time.box.isHidden()
