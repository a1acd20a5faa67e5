"""Screens that are smaller than napari's docks and ours."""

import pytest
from qtpy.QtCore import QSize, Qt
from tests.fakes import FakeEngine

from napari_cellseg.widgets import app
from napari_cellseg.widgets.canvas import small_screen
from napari_cellseg.widgets.canvas.small_screen import FRAME, is_small

#: A screen of 1024 × 700 on which everything is drawn half as large again.
LOW = QSize(683, 467)
LAPTOP = QSize(1280, 800)


@pytest.fixture
def screen_of(monkeypatch):
    """Return a function that gives every window a screen of this size."""

    def give(size):
        monkeypatch.setattr(small_screen, "available_size", lambda _widget: size)

    return give


@pytest.mark.parametrize(
    ("size", "expected"),
    [(LOW, True), (QSize(1280, 600), True), (QSize(800, 1280), True), (LAPTOP, False)],
    ids=["low", "wide", "upright", "laptop"],
)
def test_a_laptop_is_large_enough(size, expected):
    assert is_small(size) is expected


def docks_of(dock):
    """Return the window, napari's layer docks, and the dock that holds ours."""
    canvas = dock.viewer.window._qt_viewer
    return (
        dock.viewer.window._qt_window,
        {canvas.dockLayerControls, canvas.dockLayerList},
        dock.parent(),
    )


def test_a_low_screen_holds_the_whole_window(make_dock, screen_of, segment, qtbot):
    screen_of(LOW)
    dock = make_dock(show=True)
    window, others, holder = docks_of(dock)
    qtbot.waitUntil(lambda: others <= set(window.tabifiedDockWidgets(holder)))

    dock.opener.open_sample()
    qtbot.waitUntil(lambda: len(dock.viewer.layers) > 0)
    segment(dock)

    assert window.minimumSizeHint().height() <= LOW.height() - FRAME.height()
    window.resize(LOW - FRAME)
    qtbot.waitUntil(lambda: window.height() <= LOW.height())
    button = dock.footer.button
    bottom = button.mapTo(window, button.rect().bottomLeft()).y()
    assert bottom < LOW.height() - FRAME.height()
    assert button.visibleRegion().boundingRect() == button.rect()


def test_a_laptop_keeps_the_docks_apart(make_dock, screen_of, qtbot):
    screen_of(LAPTOP)
    dock = make_dock(show=True)
    window, _others, holder = docks_of(dock)
    qtbot.wait(50)

    assert not window.tabifiedDockWidgets(holder)
    assert window.dockWidgetArea(holder) == Qt.DockWidgetArea.RightDockWidgetArea


def test_the_window_of_the_app_fits_the_screen(
    make_napari_viewer, monkeypatch, screen_of
):
    screen_of(LAPTOP)
    viewer = make_napari_viewer()
    sizes = []
    monkeypatch.setattr(app.napari, "Viewer", lambda **_: viewer)
    monkeypatch.setattr(
        app.napari, "run", lambda: sizes.append(viewer.window._qt_window.size())
    )

    app.open_app(sample=False, engine=FakeEngine())

    assert sizes[0].boundedTo(LAPTOP - FRAME) == sizes[0]
