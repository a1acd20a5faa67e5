"""A viewer with the dock, and what must not be left behind."""

import contextlib
import gc
import os
import sys
import threading

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication
from tests.fakes import FakeEngine

from napari_cellseg.cli.display import virtual_display
from napari_cellseg.io.models.folder import MODELS_VARIABLE
from napari_cellseg.widgets.basics.jobs import JobRunner, Later

GRACE_SECONDS = 5.0


def pytest_configure(config):
    """Give each process of ``-n`` a screen, as keys go to one window of a screen."""
    is_one_of_many = "PYTEST_XDIST_WORKER" in os.environ
    if is_one_of_many and sys.platform == "linux" and "SEE_WINDOWS" not in os.environ:
        screen = contextlib.ExitStack()
        config.add_cleanup(screen.close)
        screen.enter_context(virtual_display())


def own_threads():
    return [t for t in threading.enumerate() if t.name.startswith("cellseg")]


@pytest.fixture(autouse=True)
def _nothing_is_left_running(request):
    """Fail where a thread, a job or a timer of ours outlives its test."""
    yield
    app = QApplication.instance()
    if app is None:
        return
    for _ in range(20):
        app.processEvents()
    for thread in own_threads():
        # A job that was released ends at its next step; one that hangs is still there.
        thread.join(timeout=GRACE_SECONDS)
    for _ in range(20):
        app.processEvents()
    gc.collect()
    threads = [thread.name for thread in own_threads()]
    runners = app.findChildren(JobRunner)
    timers = [
        later
        for later in gc.get_objects()
        if issubclass(type(later), Later) and later.is_waiting
    ]
    assert not threads
    assert not runners
    assert not timers
    # What outlives a test, libraries for the most part, is not looked through again: the
    # many collections around each viewer took as long as the tests.
    gc.freeze()


def squares(n=3, shape=(60, 60)):
    """Return an image with n bright 8 × 8 squares in its last two axes."""
    data = np.zeros(shape, np.uint8)
    for index in range(n):
        data[..., 10:18, 5 + 18 * index : 13 + 18 * index] = 200
    return data


@pytest.fixture(autouse=True)
def recent_file(tmp_path, monkeypatch):
    """Keep the list of recent projects out of the home of who runs the tests."""
    file = tmp_path / "state" / "recent.json"
    monkeypatch.setattr(
        "napari_cellseg.widgets.projects.project_link.recent_file", lambda: file
    )
    return file


@pytest.fixture(autouse=True)
def own_models(tmp_path, monkeypatch):
    """Keep the models and trainings of who runs the tests out of them."""
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "models"))


@pytest.fixture
def engine():
    return FakeEngine()


@pytest.fixture
def make_dock(make_napari_viewer, engine, qtbot):
    """Return a function that makes a viewer with the dock in it."""
    from napari_cellseg.widgets.main import CellSegmentationWidget

    docks = []

    def make(*, show=False, starter=None):
        viewer = make_napari_viewer(show=show)
        kwargs = {} if starter is None else {"starter": starter}
        dock = CellSegmentationWidget(viewer, engine, **kwargs)
        viewer.window.add_dock_widget(dock, name="Cell segmentation", area="right")
        docks.append(dock)
        return dock

    yield make
    for dock in docks:
        dock.release()
    docks.clear()


@pytest.fixture
def dock(make_dock):
    return make_dock()


@pytest.fixture
def segment(qtbot):
    """Return a function that segments and waits for cells and numbers."""

    def run(dock):
        dock.start()
        wait_idle(qtbot, dock)

    return run


#: What waits longer, such as for another window, may never come.
SOON_MILLISECONDS = 1000


def settle(qtbot, dock):
    """Wait until the window is laid out, and all is done that waits for it to be still."""

    def is_still():
        laters = dock.findChildren(Later)
        return not any(
            one.is_waiting and one.milliseconds < SOON_MILLISECONDS for one in laters
        )

    for _ in range(3):
        QApplication.processEvents()
    qtbot.waitUntil(is_still, timeout=30000)


def wait_idle(qtbot, dock):
    """Wait until nothing runs any more."""

    def is_idle():
        assert not dock.task.is_running
        assert not dock.files.is_running
        assert not dock.many.task.is_running
        assert not dock.opener.task.is_running
        assert not dock.measure.task.is_running
        assert not dock.segment.live_task.is_running
        assert not dock.rerun.difference.task.is_running
        assert not dock.correcting.look.task.is_running
        assert not any(
            later.is_waiting and later.milliseconds == 0
            for later in dock.findChildren(Later)
        )

    qtbot.waitUntil(is_idle, timeout=30000)  # a busy machine is slow
