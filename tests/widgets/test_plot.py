"""The plot below the image with the real mouse, and cells in the colours of their numbers."""

import weakref

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from tests.widgets.conftest import squares

from napari_cellseg.widgets.labels.label_look import bright_colours
from napari_cellseg.widgets.measuring import cell_colours

NONE, LEFT = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton


@pytest.fixture
def shown(make_dock, segment, qtbot):
    """Return a dock with three cells, the third with a brighter half, and its plot."""
    dock = make_dock(show=True)
    dock.viewer.window.resize(1280, 800)
    image = squares()
    image[10:18, 41:45] = 250
    dock.viewer.add_image(image)
    segment(dock)
    dock.results.open_table()
    plot = dock.results.below.plot
    dock.results.below.setCurrentWidget(plot)
    qtbot.waitUntil(plot.isVisible)
    plot.across.setCurrentText("centroid_x_px")
    plot.upwards.setCurrentText("mean_intensity_channel 1")
    qtbot.wait(200)
    return dock


def draw(plot, corners_xy, qtbot):
    """Draw a line by the mouse, given in the units of the axes."""
    viewport = plot.view.viewport()
    points = [plot.box.mapViewToScene(QPointF(*xy)) for xy in corners_xy]
    places = [plot.view.mapFromScene(point) for point in points]
    QTest.mousePress(viewport, LEFT, NONE, places[0])
    for place in [*places[1:], places[-1]]:
        event = QMouseEvent(
            QEvent.Type.MouseMove,
            QPointF(place),
            QPointF(viewport.mapToGlobal(place)),
            Qt.MouseButton.NoButton,
            LEFT,
            NONE,
        )
        QApplication.sendEvent(viewport, event)
        qtbot.wait(30)
    QTest.mouseRelease(viewport, LEFT, NONE, places[-1])
    qtbot.wait(50)


def colour(dock, cell):
    return dock.keeper.layer.colormap.map(np.array([cell]))[0]


def test_a_line_narrows_the_table_fades_the_others_and_gives_a_class(shown, qtbot):
    plot, table = shown.results.below.plot, shown.results.table
    x, y = plot.gate.dots.xy[0]
    around = [(x - 3, y - 3), (x + 3, y - 3), (x + 3, y + 3), (x - 3, y + 3)]
    draw(plot, around, qtbot)
    assert plot.gate.cells == [1]
    assert table.count.text() == "1 of 3, chosen in the plot"
    assert colour(shown, 2)[3] < 0.3 < colour(shown, 1)[3]
    shown.by_class.classes.choose("dead")
    QTest.mouseClick(plot.class_button, LEFT)
    assert shown.proofread.classes == {1: "dead"}
    QTest.mouseClick(plot.clear_button, LEFT)
    assert table.count.text() == "3 rows"
    assert np.allclose(colour(shown, 2), bright_colours().map(np.array([2]))[0])
    assert shown.keeper.layer.contour > 0


def test_a_click_on_a_dot_shows_the_cell(shown, qtbot):
    plot = shown.results.below.plot
    point = plot.box.mapViewToScene(QPointF(*plot.gate.dots.xy[1]))
    place = plot.view.mapFromScene(point)
    QTest.mouseMove(plot.view.viewport(), place + QPoint(1, 1))
    QTest.mouseClick(plot.view.viewport(), LEFT, NONE, place)
    qtbot.waitUntil(lambda: shown.measure.selected_cell == 2)
    assert shown.keeper.layer.selected_label == 2


def test_closing_the_table_lets_all_cells_be_seen_again(shown, qtbot):
    plot = shown.results.below.plot
    x, y = plot.gate.dots.xy[0]
    plot.gate.draw([(x - 3, y - 3), (x + 3, y - 3), (x + 3, y + 3), (x - 3, y + 3)])
    assert colour(shown, 2)[3] < 0.3
    shown.results.below.parent().destroyOnClose()
    assert colour(shown, 2)[3] == 1


def test_cells_have_the_colours_of_a_column_and_follow_edits(shown, qtbot):
    tab = shown.measure_tab
    opacity = shown.keeper.layer.opacity
    tab.column.setCurrentText("area_px")
    tab.coloured.setChecked(True)
    assert shown.keeper.layer.contour == 0
    assert np.allclose(colour(shown, 1), colour(shown, 2))
    with qtbot.waitSignal(shown.measure.changed):
        shown.keeper.layer.data_setitem((np.arange(20, 28), np.full(8, 6)), 1)
    qtbot.waitUntil(lambda: not np.allclose(colour(shown, 1), colour(shown, 2)))
    tab.coloured.setChecked(False)
    assert np.allclose(colour(shown, 1), bright_colours().map(np.array([1]))[0])
    assert shown.keeper.layer.contour > 0
    assert shown.keeper.layer.opacity == opacity


def test_cells_are_coloured_although_the_layer_that_was_is_gone(shown):
    layer = shown.keeper.layer
    shown.colours._filled = weakref.ref(set())  # nobody holds it: it is gone at once
    shown.colours.by_column("area_px")
    assert layer.contour == 0
    shown.colours.by_column("")
    assert layer.contour > 0


def test_cells_that_are_too_many_for_colours_are_not_drawn_anew(shown, monkeypatch):
    monkeypatch.setattr(cell_colours, "LARGEST_ID", 2)
    drawn, told = [], []
    shown.keeper.layer.events.colormap.connect(drawn.append)
    shown.colours.failed.connect(told.append)
    shown.colours.by_column("area_px")
    assert len(told) == 1
    assert not drawn


def test_a_plot_that_is_taken_away_is_not_drawn_again(shown, monkeypatch):
    plot, drawn = shown.results.below.plot, []
    monkeypatch.setattr(type(plot), "_draw", lambda _plot: drawn.append(1))
    shown.results.close_table()
    assert not drawn
