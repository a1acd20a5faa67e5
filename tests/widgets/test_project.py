"""The project in the dock: what was corrected is there again, whatever happened."""

import errno
import sqlite3
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from filelock import FileLock
from napari._vispy.canvas import VispyCanvas
from napari.layers import Image, Labels
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QFileDialog
from tests.project.test_journal import FullDisk
from tests.widgets.conftest import squares, wait_idle

from napari_cellseg.controllers.projects import unsaved_steps
from napari_cellseg.controllers.projects.unsaved_steps import n_steps
from napari_cellseg.core.errors import ProjectError
from napari_cellseg.core.jobs import Progress
from napari_cellseg.project import store
from napari_cellseg.project.labels.labels_store import LabelsStore
from napari_cellseg.project.store import open_project
from napari_cellseg.widgets.basics.words import colour_of
from napari_cellseg.widgets.closing.unsaved_steps import CLOSE, SAVE, STAY
from napari_cellseg.widgets.projects import taking_over
from napari_cellseg.widgets.segmenting.question import KEEP


@pytest.fixture
def files(tmp_path):
    paths = []
    for name, n in (("one", 3), ("two", 2)):
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, squares(n))
        paths.append(str(path))
    return paths


def labels_layers(dock):
    return [layer for layer in dock.viewer.layers if isinstance(layer, Labels)]


@pytest.fixture
def worked_on(dock, files, segment, qtbot, tmp_path):
    """A dock with a project of two images; the first one is segmented and shown."""
    dock.opener.open(files)
    wait_idle(qtbot, dock)
    dock.header.menu.setCurrentIndex(0)
    segment(dock)
    dock.link.create(str(tmp_path / "work"))
    return dock


@pytest.fixture
def one_shown(dock, files, segment, qtbot, tmp_path):
    """A dock with a project of two images, of which only the first is in the viewer."""
    dock.opener.open(files[:1])
    wait_idle(qtbot, dock)
    segment(dock)
    dock.link.create(str(tmp_path / "work"))
    dock.link.projects.add_images([Path(path) for path in files[1:]])
    return dock


@pytest.fixture
def slowly_made(dock, files, segment, qtbot, tmp_path, monkeypatch):
    """A dock whose cells are on their way into a new project, a step at a time."""
    before = "napari_cellseg.controllers.labels.cells_before.AT_ONCE_PX"
    monkeypatch.setattr(before, 1000)
    monkeypatch.setattr("napari_cellseg.widgets.projects.writer.SECONDS_AT_ONCE", 0.0)
    dock.opener.open(files[:1])
    wait_idle(qtbot, dock)
    segment(dock)
    dock.link.create(str(tmp_path / "work"))
    return dock


@pytest.fixture
def reopened(make_dock, qtbot, tmp_path):
    """Return a function that ends a session and opens its project in another."""

    def reopen(dock):
        dock.release()
        dock.viewer.layers.clear()
        again = make_dock()
        again.link.open(str(tmp_path / "work.cellseg"))
        wait_idle(qtbot, again)
        return again

    return reopen


def test_cells_come_into_a_new_project_while_they_are_corrected(slowly_made, qtbot):
    dock = slowly_made
    assert "taking these cells in" in dock.link.bar.status.text()
    dock.proofread.delete_cells([2])
    qtbot.waitUntil(lambda: dock.projects.keeps(dock.proofread.cells))
    assert "every step is saved" in dock.link.bar.status.text()
    dock.keeper.undo()
    assert set(dock.proofread.sources) == {1, 2, 3}


def test_a_new_project_is_whole_if_the_window_closes_meanwhile(slowly_made, reopened):
    assert slowly_made.projects.coming
    slowly_made.proofread.delete_cells([2])
    again = reopened(slowly_made)
    assert set(again.proofread.sources) == {1, 3}
    assert again.proofread.history.undo_name == "delete cell"


def test_corrections_and_undo_are_there_in_the_next_session(worked_on, reopened):
    worked_on.proofread.delete_cells([2])
    again = reopened(worked_on)
    (layer,) = labels_layers(again)
    assert set(np.unique(layer.data)) == {0, 1, 3}
    assert again.proofread.has_hand_work  # the deleted cell is known
    again.keeper.undo()
    assert set(np.unique(layer.data)) == {0, 1, 2, 3}
    assert again.proofread.sources[2] == "model"


def test_steps_from_before_the_project_can_be_undone(
    dock, files, segment, qtbot, tmp_path, reopened
):
    dock.opener.open(files[:1])
    wait_idle(qtbot, dock)
    segment(dock)
    dock.proofread.delete_cells([1])
    dock.link.create(str(tmp_path / "work"))
    again = reopened(dock)
    again.keeper.undo()
    assert again.proofread.n_cells == 3


def test_a_brush_stroke_is_on_disk_before_the_next_thing(worked_on, tmp_path):
    layer = worked_on.keeper.layer
    layer.selected_label = 9
    layer.brush_size = 4
    layer.mode = "paint"
    layer.paint((40, 40), 9)
    with open_project(tmp_path / "work.cellseg", read_only=True) as reader:
        opened = reader.open_labels(1)
        assert opened.labels[40, 40] == 9
        assert opened.journal.undo_name == "brush stroke"


def test_a_run_goes_into_the_project(worked_on, segment, qtbot, tmp_path):
    worked_on.link.show_image(1)
    wait_idle(qtbot, worked_on)
    segment(worked_on)
    worked_on.link.projects.write()
    with open_project(tmp_path / "work.cellseg", read_only=True) as reader:
        assert [image.has_labels for image in reader.images()] == [True, True]
        assert reader.open_labels(2).labels.max() == 2


@pytest.fixture
def count_calls(monkeypatch):
    """Return a function that returns a list with an entry for each call of napari's canvas."""

    def count(name):
        calls, action = [], getattr(VispyCanvas, name)

        def counted(*given):
            calls.append(name)
            return action(*given)

        monkeypatch.setattr(VispyCanvas, name, counted)
        return calls

    return count


def test_going_to_another_image_puts_the_first_away_and_keeps_its_cells(
    worked_on, reopened, qtbot, count_calls
):
    dock = reopened(worked_on)
    dock.proofread.delete_cells([1])
    removed = count_calls("_clean_and_update_scenegraph")
    dock.link.bar.next.click()
    wait_idle(qtbot, dock)
    # After each, napari looks through all memory.
    assert len(removed) == 1
    names = [layer.name for layer in dock.viewer.layers if isinstance(layer, Image)]
    assert names == ["two.tif"]
    assert not labels_layers(dock)
    dock.link.bar.previous.click()
    wait_idle(qtbot, dock)
    (layer,) = labels_layers(dock)
    assert set(np.unique(layer.data)) == {0, 2, 3}


def test_a_full_disk_is_told_in_red_and_nothing_is_lost(worked_on, tmp_path):
    _, opened = next(iter(worked_on.link.projects._kept.values()))
    disk = FullDisk(opened.journal._connection)
    opened.journal._connection = disk
    worked_on.proofread.delete_cells([1])
    line, status = worked_on.link.bar.problem, worked_on.link.bar.status
    assert not line.isHidden()
    assert "disk is full" in line.text()
    assert "1 step kept in memory" in line.text()
    assert colour_of("error", worked_on.viewer.theme) in line.text()
    assert "not every step is saved" in status.text()
    disk.is_full = False
    worked_on.link.projects.write()
    assert line.isHidden()
    assert "· every step is saved" in status.text()
    with open_project(tmp_path / "work.cellseg", read_only=True) as reader:
        assert set(reader.open_labels(1).sources) == {2, 3}


@pytest.mark.parametrize(
    ("answer", "stays"), [(STAY, True), (CLOSE, False), (SAVE, False)]
)
def test_the_window_does_not_close_over_unsaved_steps(
    worked_on, tmp_path, monkeypatch, answer, stays
):
    _, opened = next(iter(worked_on.link.projects._kept.values()))
    disk = FullDisk(opened.journal._connection)
    opened.journal._connection = disk
    worked_on.proofread.delete_cells([1])
    asked = []
    worked_on.guard.unsaved.ask = lambda _, text: asked.append(text) or answer
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "copy"), "")
    )
    closing = QCloseEvent()
    assert worked_on.guard.eventFilter(worked_on.window(), closing) is stays
    assert asked[0].startswith("1 step is not on the disk yet.")
    assert (tmp_path / "copy.cellseg").exists() is (answer == SAVE)
    disk.is_full = False
    assert not worked_on.guard.eventFilter(worked_on.window(), closing)
    assert len(asked) == 1


def test_what_could_not_be_written_is_tried_until_it_is(worked_on, qtbot):
    projects = worked_on.link.projects
    _, opened = next(iter(projects._kept.values()))
    disk = FullDisk(opened.journal._connection)
    opened.journal._connection = disk
    retry = worked_on.link._retry_later
    worked_on.proofread.delete_cells([1])
    worked_on.proofread.delete_cells([2])
    assert "2 steps kept" in worked_on.link.bar.problem.text()
    for _ in range(2):
        retry.stop()
        projects.write()
        assert retry.is_waiting
    disk.is_full = False
    projects.write()
    assert projects.n_waiting == 0


def test_a_second_window_may_look_but_not_write(worked_on, make_dock, qtbot, tmp_path):
    other = make_dock()
    other.link.open(str(tmp_path / "work.cellseg"))
    wait_idle(qtbot, other)
    bar = other.link.bar
    assert "read only" in bar.status.text()
    assert "open in another window" in bar.problem.text()
    assert "open it to read only" not in bar.problem.text()  # it is
    assert not bar.problem.isHidden()
    other.proofread.delete_cells([1])
    assert not bar.problem.isHidden()
    with open_project(tmp_path / "work.cellseg", read_only=True) as reader:
        assert set(reader.open_labels(1).sources) == {1, 2, 3}


@pytest.mark.parametrize(
    ("answer", "stays"), [(STAY, True), (CLOSE, False), (SAVE, False)]
)
def test_a_second_window_does_not_close_over_what_was_changed_there(
    worked_on, make_dock, qtbot, tmp_path, monkeypatch, answer, stays
):
    other = make_dock()
    other.link.open(str(tmp_path / "work.cellseg"))
    wait_idle(qtbot, other)
    closing = QCloseEvent()
    assert not other.guard.eventFilter(other.window(), closing)
    other.proofread.delete_cells([1])
    asked = []
    other.guard.unsaved.ask = lambda _, text: asked.append(text) or answer
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "copy"), "")
    )
    assert other.guard.eventFilter(other.window(), closing) is stays
    (text,) = asked
    assert text.startswith("1 step is not on the disk yet.")
    assert "open in another window" in text
    assert (tmp_path / "copy.cellseg").exists() is (answer == SAVE)


def test_a_second_window_does_not_close_over_what_was_only_marked_there(
    worked_on, make_dock, qtbot, tmp_path
):
    other = make_dock()
    other.link.open(str(tmp_path / "work.cellseg"))
    wait_idle(qtbot, other)
    other.proofread.set_state([2], "accepted")
    asked = []
    other.guard.unsaved.ask = lambda _, text: asked.append(text) or STAY
    assert other.guard.eventFilter(other.window(), QCloseEvent())
    assert asked[0].startswith("What was marked is not on the disk yet.")
    other.proofread.set_state([2], "unseen")
    assert not other.guard.eventFilter(other.window(), QCloseEvent())


@pytest.fixture
def second(worked_on, make_dock, qtbot, tmp_path, monkeypatch):
    """Return a second window on the project of the first, which soon looks again."""
    monkeypatch.setattr(taking_over, "RETRY_MILLISECONDS", 50)
    other = make_dock()
    other.link.open(str(tmp_path / "work.cellseg"))
    wait_idle(qtbot, other)
    return other


def test_a_second_window_saves_its_steps_once_the_first_is_closed(
    worked_on, second, qtbot, tmp_path
):
    second.proofread.delete_cells([1])
    second.proofread.set_state([2], "accepted")
    worked_on.release()
    qtbot.waitUntil(lambda: not second.projects.project.is_read_only)
    assert second.link.bar.problem.isHidden()
    assert "written to again" in second.footer.line.text()
    second.proofread.delete_cells([3])
    with open_project(tmp_path / "work.cellseg", read_only=True) as reader:
        assert set(reader.open_labels(1).sources) == {2}
        assert reader.review(1).states() == {2: "accepted"}
    second.proofread.undo()
    second.proofread.undo()
    assert second.proofread.n_cells == 3


@pytest.fixture
def readers(monkeypatch):
    """Return the threads that read labels, of which all count as not small."""
    threads = []
    read = LabelsStore.read_all

    def read_here(store):
        if store.ahead is None:
            threads.append(threading.current_thread())
        return read(store)

    monkeypatch.setattr(store, "AT_ONCE_PX", 0)
    monkeypatch.setattr(LabelsStore, "read_all", read_here)
    return threads


def test_labels_that_are_not_small_are_read_by_a_job_when_their_image_is_shown(
    worked_on, reopened, qtbot, readers
):
    again = reopened(worked_on)
    qtbot.waitUntil(lambda: again.keeper.layer is not None)
    assert again.proofread.n_cells == 3
    assert again.projects.keeps(again.proofread.cells)
    assert len(readers) == 1
    assert readers[0] is not threading.main_thread()


def test_labels_that_are_not_small_are_read_by_a_job_when_they_are_taken_over(
    worked_on, second, qtbot, readers
):
    second.proofread.delete_cells([1])
    worked_on.release()
    qtbot.waitUntil(lambda: not second.projects.project.is_read_only)
    assert second.projects.keeps(second.proofread.cells)
    assert len(readers) == 1
    assert readers[0] is not threading.main_thread()


@pytest.fixture
def slow_reading(monkeypatch):
    """Return the event that lets cells be read which are taken over."""
    go_on = threading.Event()

    def wait_first(*_):
        go_on.wait(5)
        yield Progress(0, 0)

    monkeypatch.setattr(unsaved_steps, "_in_turn", wait_first)
    return go_on


def test_a_window_that_closes_while_it_takes_a_project_over_lets_it_go(
    worked_on, second, qtbot, slow_reading, tmp_path
):
    worked_on.release()
    qtbot.waitUntil(lambda: second.link.taking_over._task.is_running)
    second.release()
    slow_reading.set()
    open_project(tmp_path / "work.cellseg").close()  # nobody holds it


def test_what_is_changed_while_a_project_is_taken_over_stays_and_it_is_said(
    worked_on, second, qtbot, slow_reading, tmp_path
):
    worked_on.proofread.delete_cells([2])
    worked_on.release()
    qtbot.waitUntil(lambda: second.link.taking_over._task.is_running)
    second.proofread.delete_cells([1])
    slow_reading.set()
    problem = second.link.bar.problem
    qtbot.waitUntil(lambda: "changed here as well" in problem.text())
    assert second.projects.project.is_read_only
    assert set(second.proofread.sources) == {2, 3}
    assert n_steps(second.projects.read.values()) == 1
    with open_project(tmp_path / "work.cellseg") as project:
        assert set(project.open_labels(1).sources) == {1, 3}


def test_cells_changed_in_both_windows_stay_in_memory_and_it_is_said(
    worked_on, second, qtbot, tmp_path
):
    second.proofread.delete_cells([1])
    worked_on.proofread.delete_cells([2])
    worked_on.release()
    problem = second.link.bar.problem
    qtbot.waitUntil(lambda: "changed here as well" in problem.text())
    assert second.projects.project.is_read_only
    assert not problem.isHidden()
    assert n_steps(second.projects.read.values()) == 1
    with open_project(tmp_path / "work.cellseg") as project:
        assert set(project.open_labels(1).sources) == {1, 3}


def test_a_project_whose_cells_cannot_be_read_is_let_go(
    worked_on, second, qtbot, tmp_path, monkeypatch
):
    def refuse(*_):
        raise ProjectError("The cells cannot be read.")
        yield

    monkeypatch.setattr(unsaved_steps, "_in_turn", refuse)
    worked_on.release()
    problem = second.link.bar.problem
    qtbot.waitUntil(lambda: "cannot be read" in problem.text())
    open_project(tmp_path / "work.cellseg").close()  # nobody holds it


def test_what_the_first_window_said_of_cells_is_not_written_over(
    worked_on, second, qtbot, tmp_path
):
    worked_on.proofread.set_state([1], "accepted")
    worked_on.proofread.delete_cells([2])
    worked_on.release()
    qtbot.waitUntil(lambda: not second.projects.project.is_read_only)
    qtbot.waitUntil(lambda: second.proofread.n_cells == 2)
    with open_project(tmp_path / "work.cellseg", read_only=True) as reader:
        assert reader.review(1).states() == {1: "accepted"}


def test_a_second_window_takes_steps_of_the_first_for_no_crash(
    worked_on, make_dock, qtbot, tmp_path
):
    worked_on.proofread.delete_cells([1])
    other = make_dock()
    other.link.open(str(tmp_path / "work.cellseg"))
    wait_idle(qtbot, other)
    assert other.proofread.n_cells == 2
    assert other.link.bar._told.isHidden()


def test_a_project_that_cannot_be_written_opens_to_read(
    worked_on, make_dock, qtbot, tmp_path, monkeypatch
):
    worked_on.release()

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    other = make_dock()
    other.link.open(str(tmp_path / "work.cellseg"))
    wait_idle(qtbot, other)
    assert "read only" in other.link.bar.status.text()


def test_work_that_a_crash_left_is_told_of(worked_on, make_dock, qtbot, tmp_path):
    worked_on.proofread.delete_cells([1])
    # As after kill -9: the lock is free, and nothing was brought to its end.
    projects = worked_on.link.projects
    projects._kept.clear()
    projects.project._opened.clear()
    projects.project.close()
    projects.project = None
    again = make_dock()
    again.link.open(str(tmp_path / "work.cellseg"))
    wait_idle(qtbot, again)
    assert "Recovered: 1 step on" in again.link.bar.recovered.text()
    assert "one.tif" in again.link.bar.recovered.text()
    again.link.bar.seen.click()
    assert again.link.bar._told.isHidden()
    assert again.proofread.n_cells == 2


def test_a_project_that_moved_away_is_told_of(dock, tmp_path):
    dock.link.open(str(tmp_path / "none.cellseg"))
    assert "does not exist" in dock.footer.line.text()


def test_an_image_from_no_file_cannot_be_in_a_project(dock, tmp_path):
    dock.viewer.add_image(squares())
    dock.link.create(str(tmp_path / "work"))
    assert "no image here comes from one" in dock.footer.line.text()
    assert not (tmp_path / "work.cellseg").exists()


def test_recent_projects_are_offered(worked_on, recent_file, tmp_path):
    worked_on.link.bar.menu.aboutToShow.emit()
    titles = [action.text() for action in worked_on.link.bar.menu.actions()]
    assert "Recent" in titles
    assert str(tmp_path / "work.cellseg") in recent_file.read_text()


def test_a_closed_project_leaves_the_cells_on_the_screen(worked_on):
    worked_on.proofread.delete_cells([1])
    worked_on.link.close()
    assert len(labels_layers(worked_on)) == 1
    worked_on.proofread.delete_cells([2])
    assert worked_on.proofread.n_cells == 1
    assert "none" in worked_on.link.bar.status.text()


def test_the_database_is_sqlite_in_wal_mode(worked_on, tmp_path):
    connection = sqlite3.connect(tmp_path / "work.cellseg" / "project.db")
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    connection.close()


def test_a_project_with_steps_that_cannot_be_written_stays_open(worked_on):
    _, opened = next(iter(worked_on.link.projects._kept.values()))
    disk = FullDisk(opened.journal._connection)
    opened.journal._connection = disk
    worked_on.proofread.delete_cells([1])
    worked_on.link.close()
    assert worked_on.link.projects.project is not None
    assert "1 steps are not on the disk" in worked_on.footer.line.text()
    disk.is_full = False
    worked_on.link.close()
    assert worked_on.link.projects.project is None


def test_the_only_image_of_a_project_is_named_once(
    dock, files, segment, qtbot, tmp_path
):
    dock.opener.open(files[:1])
    wait_idle(qtbot, dock)
    dock.link.create(str(tmp_path / "work"))
    assert dock.link.bar.images.parent().isHidden()
    assert "work · every step is saved" in dock.link.bar.status.text()
    dock.link.projects.add_images([Path(path) for path in files[1:]])
    assert not dock.link.bar.images.parent().isHidden()
    assert "1 of 2 ·" in dock.link.bar.status.text()


def test_cells_that_are_not_in_the_project_are_told_of(worked_on):
    worked_on.viewer.add_labels(np.ones((60, 60), np.int32), name="others")
    assert "every step is saved" in worked_on.link.bar.status.text()
    names = [one.name for one in worked_on.keeper.labels_layers()]
    worked_on.keeper.choose(names.index("others"))
    worked_on.proofread.delete_cells([1])
    assert "but not these cells" in worked_on.link.bar.status.text()


def test_checked_areas_come_back_over_their_image(worked_on, reopened, qtbot):
    square = np.array([[5.0, 2.0], [5.0, 20.0], [22.0, 20.0], [22.0, 2.0]])
    worked_on.proofread.check_area(square, ())
    dock = reopened(worked_on)
    assert dock.proofread.locked_ids == {1}
    dock.link.bar.next.click()
    wait_idle(qtbot, dock)
    (areas,) = [one for one in dock.viewer.layers if one.name == "checked areas"]
    assert not areas.visible
    dock.link.bar.previous.click()
    wait_idle(qtbot, dock)
    assert areas.visible
    assert len(areas.data) == 1
    assert dock.viewer.layers[-1] is areas


def test_checked_areas_of_a_stack_and_of_a_plane_do_not_mix(dock, segment):
    square = np.array([[5.0, 2.0], [5.0, 20.0], [22.0, 20.0], [22.0, 2.0]])
    for shape, plane in (((60, 60), ()), ((2, 60, 60), (1,))):
        axes = ("z", "y", "x")[-len(shape) :]
        dock.viewer.add_image(squares(3, shape), axis_labels=axes)
        segment(dock)
        dock.proofread.check_area(square, plane)
    shown = [one for one in dock.viewer.layers if one.name.startswith("checked areas")]
    assert [(one.ndim, len(one.data)) for one in shown] == [(2, 0), (3, 1)]


def test_the_project_that_is_open_can_be_chosen_again(worked_on, tmp_path):
    worked_on.link.open(str(tmp_path / "work.cellseg"))
    assert "open already" in worked_on.footer.line.text()
    assert "every step is saved" in worked_on.link.bar.status.text()
    worked_on.proofread.delete_cells([1])
    with open_project(tmp_path / "work.cellseg", read_only=True) as reader:
        assert set(reader.open_labels(1).sources) == {2, 3}


def test_what_is_on_the_screen_goes_on_in_a_project_that_is_opened_again(
    worked_on, tmp_path
):
    worked_on.link.close()
    worked_on.proofread.delete_cells([1])
    worked_on.link.open(str(tmp_path / "work.cellseg"))
    worked_on.proofread.delete_cells([2])
    assert len(labels_layers(worked_on)) == 1
    with open_project(tmp_path / "work.cellseg", read_only=True) as reader:
        assert set(reader.open_labels(1).sources) == {3}


def test_cells_of_the_project_come_in_the_place_of_others(
    worked_on, files, make_dock, segment, qtbot, tmp_path
):
    worked_on.proofread.delete_cells([1])
    worked_on.release()
    dock = make_dock()
    dock.opener.open(files[:1])
    wait_idle(qtbot, dock)
    segment(dock)
    dock.link.open(str(tmp_path / "work.cellseg"))
    wait_idle(qtbot, dock)
    assert set(dock.proofread.sources) == {2, 3}
    assert [layer.visible for layer in labels_layers(dock)] == [False, True]
    assert "on a hidden layer" in dock.footer.line.text()


def test_segmenting_after_the_layer_was_deleted_is_saved(
    worked_on, segment, qtbot, tmp_path
):
    worked_on.proofread.delete_cells([1])
    worked_on.viewer.layers.remove(worked_on.keeper.layer)
    segment(worked_on)
    assert len(labels_layers(worked_on)) == 1
    assert set(worked_on.proofread.sources) == {2, 3}
    worked_on.proofread.delete_cells([2])
    with open_project(tmp_path / "work.cellseg", read_only=True) as reader:
        assert set(reader.open_labels(1).sources) == {3}


def test_a_run_that_ends_when_the_next_image_is_shown_goes_where_it_belongs(
    one_shown, qtbot, tmp_path
):
    one_shown.proofread.delete_cells([1])
    one_shown.question.answered.emit(KEEP)
    one_shown.link.bar.next.click()
    wait_idle(qtbot, one_shown)
    assert labels_layers(one_shown) == []
    one_shown.link.bar.previous.click()
    wait_idle(qtbot, one_shown)
    assert set(one_shown.proofread.sources) == {2, 3}
    assert one_shown.link.projects.keeps(one_shown.proofread.cells)


def test_the_next_image_stops_no_file_that_is_written(worked_on, qtbot):
    told = []

    def slow():
        for _ in range(20):
            time.sleep(0.01)
            yield Progress(0, 0)
        return "written"

    worked_on.files.start("Writing", slow(), told.append)
    worked_on.link.bar.next.click()
    wait_idle(qtbot, worked_on)
    assert told == ["written"]


def test_next_pressed_twice_goes_two_images_on(one_shown, qtbot, tmp_path):
    third = tmp_path / "three.tif"
    tifffile.imwrite(third, squares(1))
    one_shown.link.projects.add_images([third])
    one_shown.link.bar.next.click()
    one_shown.link.bar.next.click()
    wait_idle(qtbot, one_shown)
    names = [one.name for one in one_shown.viewer.layers if isinstance(one, Image)]
    assert names == ["three.tif"]
    assert one_shown.link.bar.index == 2


def test_the_arrows_change_the_name_of_the_image_too(worked_on):
    assert worked_on.header.menu.currentText() == "one.tif"
    worked_on.link.bar.next.click()
    assert worked_on.header.menu.currentText() == "two.tif"


def test_an_image_that_a_run_adds_to_the_project_has_its_place_there(
    one_shown, segment, qtbot, tmp_path
):
    third = tmp_path / "three.tif"
    tifffile.imwrite(third, squares(1))
    one_shown.opener.open([str(third)])
    wait_idle(qtbot, one_shown)
    assert one_shown.link.bar.images.currentIndex() == -1
    segment(one_shown)
    assert one_shown.link.bar.images.currentText() == "● three.tif"
    assert "3 of 3 ·" in one_shown.link.bar.status.text()


def test_an_image_that_is_added_while_it_is_shown_has_its_place(
    one_shown, qtbot, tmp_path
):
    third = tmp_path / "three.tif"
    tifffile.imwrite(third, squares(1))
    one_shown.opener.open([str(third)])
    wait_idle(qtbot, one_shown)
    one_shown.projects.add_images([third])
    assert "3 of 3 ·" in one_shown.link.bar.status.text()


def test_what_another_tool_wrote_just_before_the_next_image_is_saved(
    worked_on, qtbot, tmp_path
):
    worked_on.keeper.layer.data[40:45, 40:45] = 9
    worked_on.link.bar.next.click()
    wait_idle(qtbot, worked_on)
    with open_project(tmp_path / "work.cellseg", read_only=True) as reader:
        assert reader.open_labels(1).sources[9] == "hand"


def test_an_image_is_seen_until_the_next_one_is_read(one_shown, qtbot):
    one_shown.link.show_image(1)
    assert [layer.name for layer in one_shown.viewer.layers] == [
        "one.tif",
        "one.tif cells",
    ]
    wait_idle(qtbot, one_shown)
    assert one_shown.viewer.layers[0].name == "two.tif"
    assert "one.tif" not in one_shown.viewer.layers


def test_in_the_place_of_an_image_that_is_damaged_nothing_is_shown(
    one_shown, files, qtbot
):
    Path(files[1]).write_bytes(b"II*\0 nothing")
    one_shown.link.show_image(1)
    wait_idle(qtbot, one_shown)
    assert not one_shown.viewer.layers
    assert one_shown.link.bar.index == 1
    assert "two.tif" in one_shown.footer.line.text()
