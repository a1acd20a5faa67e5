"""The plot below the image: two columns of the table, and a line drawn around some cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtGui import QColor, QPalette, QShowEvent
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_cellseg.controllers.measuring.gate import Gate
from napari_cellseg.controllers.measuring.measure import MeasureController
from napari_cellseg.controllers.projects.classes import ClassController
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.widgets.basics.options_form import may_be_narrow
from napari_cellseg.widgets.correcting.classes import ClassPicker

#: What is plotted first, where the table has it: the first of each row.
FIRST_X = ("area_um2", "area_px")
FIRST_Y = ("mean_intensity", "eccentricity")
DOT_PX, CHOSEN_PX = 6, 14
LOWEST_PX = 80
INSIDE = QColor("#e69f00")
HINT = "Draw around dots to choose cells."
VIEW_TIP = (
    "A dot is a cell: click it, or draw around several.\n"
    "The wheel zooms, the right button moves, the A in the corner shows all."
)


class LassoBox(pg.ViewBox):  # type: ignore[misc] # without types
    """Draws a line with the left button, where pyqtgraph moves the view.

    Attributes
    ----------
    drawn : Signal(list)
        Corners (x, y) in the units of the axes, when the button is let go.
    """

    drawn = Signal(list)

    def __init__(self) -> None:
        # Room to draw around the dots at the edges.
        super().__init__(enableMenu=False, defaultPadding=0.15)
        self.line = pg.PlotCurveItem(pen=pg.mkPen(INSIDE, width=2))
        self.addItem(self.line, ignoreBounds=True)
        self._corners: list[tuple[float, float]] = []

    def mouseDragEvent(self, event: Any, axis: int | None = None) -> None:
        """Draw with the left button; the right one moves the view."""
        if event.button() == Qt.MouseButton.RightButton and axis is None:
            event.accept()
            moved = self.mapToView(event.lastPos()) - self.mapToView(event.pos())
            self.translateBy(moved)
            return
        if event.button() != Qt.MouseButton.LeftButton or axis is not None:
            super().mouseDragEvent(event, axis)
            return
        event.accept()
        if event.isStart():
            self._corners = [self._place(event.buttonDownPos())]
        self._corners.append(self._place(event.pos()))
        self.show_line(self._corners)
        if event.isFinish():
            self.drawn.emit(self._corners)

    def _place(self, position: Any) -> tuple[float, float]:
        place = self.mapToView(position)
        return float(place.x()), float(place.y())

    def show_line(self, corners: list[tuple[float, float]]) -> None:
        """Show a closed line; none of no corners."""
        closed = np.array([*corners, *corners[:1]], float).reshape(-1, 2)
        self.line.setData(closed[:, 0], closed[:, 1])


class CellPlot(QWidget):
    """One dot a cell.

    Parameters
    ----------
    measure : MeasureController
        Whose table is plotted.
    classes : ClassController
        Gives the cells inside the line a class.

    Attributes
    ----------
    chosen : Signal(int)
        The cell of a dot that was clicked.
    gated : Signal(list)
        The cells inside the line, none without one; again when edits change them.
    failed : Signal(str)
        Why they cannot have the class.
    """

    chosen = Signal(int)
    gated = Signal(list)
    failed = Signal(str)

    def __init__(self, measure: MeasureController, classes: ClassController) -> None:
        super().__init__()
        self._measure, self._classes = measure, classes
        self._told: list[int] = []
        self.gate = Gate(measure)
        self.across, self.upwards = _column_box("across"), _column_box("upwards")
        self.box = LassoBox()
        self.view = pg.PlotWidget(viewBox=self.box, background=None)
        self.outside = pg.ScatterPlotItem(size=DOT_PX, pen=None)
        self.inside = pg.ScatterPlotItem(size=DOT_PX, pen=None, brush=INSIDE)
        self.mark = pg.ScatterPlotItem(size=CHOSEN_PX, brush=None)
        for dots in (self.outside, self.inside):
            self.view.addItem(dots)
            dots.sigClicked.connect(self._on_dot_clicked)
        self.view.addItem(self.mark)
        self.words = QLabel(HINT)
        self.view.setToolTip(VIEW_TIP)
        self.view.setMinimumHeight(LOWEST_PX)
        self.picker = ClassPicker(classes)
        self.picker.failed.connect(self.failed)
        self.class_button = QPushButton("Give them the class")
        self.class_button.setToolTip(
            "The cells inside the line; one undo takes it back."
        )
        self.clear_button = QPushButton("All cells")
        self.clear_button.setToolTip("Take the line away.")
        self._lay_out()
        self.across.currentTextChanged.connect(self._on_columns_chosen)
        self.upwards.currentTextChanged.connect(self._on_columns_chosen)
        self.box.drawn.connect(self.gate.draw)
        self.clear_button.clicked.connect(self.clear)
        self.class_button.clicked.connect(self._on_class_pressed)
        self.gate.changed.connect(self._on_gate_changed)
        measure.changed.connect(self._show_columns)
        measure.selected.connect(self._show_mark)
        self._colour()
        self._show_columns()

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.addWidget(QLabel("across"))
        row.addWidget(self.across, 1)
        row.addWidget(QLabel("up"))
        row.addWidget(self.upwards, 1)
        row.addWidget(self.words, 1)
        row.addWidget(self.clear_button)
        row.addWidget(self.class_button)
        row.addWidget(self.picker, 1)
        layout = QVBoxLayout(self)
        layout.addLayout(row)
        layout.addWidget(self.view, 1)

    def changeEvent(self, event: QEvent | None) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.StyleChange:
            self._colour()
            if self.isVisible():
                self._draw()

    def _colour(self) -> None:
        """Draw axes in the colour of the theme's text."""
        text = self.palette().color(QPalette.ColorRole.WindowText)
        for name in ("bottom", "left"):
            axis = self.view.getAxis(name)
            axis.setPen(text)
            axis.setTextPen(text)

    def release(self) -> None:
        """Hear of the measurements no more."""
        self.gate.release()
        self.gate.changed.disconnect()
        self._measure.changed.disconnect(self._show_columns, missing_ok=True)
        self._measure.selected.disconnect(self._show_mark, missing_ok=True)
        self.picker.release()

    def clear(self) -> None:
        """Take the line away."""
        self.gate.draw([])

    def _show_columns(self) -> None:
        """Offer the columns that there are."""
        names = self._measure.number_columns
        for box, first in ((self.across, FIRST_X), (self.upwards, FIRST_Y)):
            if names == [box.itemText(place) for place in range(box.count())]:
                continue
            wanted = [box.currentText(), *_beginning_with(first, names)]
            with signals_blocked(box):
                box.clear()
                box.addItems(names)
                box.setCurrentText(next((n for n in wanted if n in names), ""))
        self._on_columns_chosen()

    def _on_columns_chosen(self, _name: str = "") -> None:
        self.gate.plot(self.across.currentText(), self.upwards.currentText())

    def showEvent(self, event: QShowEvent | None) -> None:
        """Draw what has changed while nobody looked."""
        super().showEvent(event)
        self._draw()

    def _on_gate_changed(self) -> None:
        """Tell which cells are inside, where these are others, and draw."""
        if self.gate.cells != self._told:
            self._told = self.gate.cells
            self.gated.emit(self._told)
        if self.isVisible():
            self._draw()

    def _draw(self) -> None:
        """Show dots, those inside the line, and how many they are."""
        gate = self.gate
        self.outside.setBrush(self.palette().color(QPalette.ColorRole.WindowText))
        for dots, part in ((self.outside, ~gate.inside), (self.inside, gate.inside)):
            dots.setData(pos=gate.dots.xy[part], data=gate.dots.ids[part])
        if not gate.is_drawn:
            self.box.show_line([])
        n_inside, n_all = int(gate.inside.sum()), len(gate.dots.ids)
        self.words.setText(
            f"{n_inside:,} of {n_all:,} cells" if gate.is_drawn else HINT
        )
        self.clear_button.setEnabled(gate.is_drawn)
        self.class_button.setEnabled(n_inside > 0)
        self._show_mark(self._measure.selected_cell)

    def _show_mark(self, cell: int) -> None:
        """Ring the dot of the selected cell."""
        text = self.palette().color(QPalette.ColorRole.WindowText)
        place = self.gate.dots.xy[self.gate.dots.ids == cell]
        self.mark.setData(pos=place, pen=pg.mkPen(text, width=2))

    def _on_dot_clicked(self, _dots: Any, clicked: Any, _event: Any) -> None:
        if len(clicked):
            self.chosen.emit(int(clicked[0].data()))

    def _on_class_pressed(self) -> None:
        try:
            self._classes.give_all(self.gate.cells)
        except CellsegError as error:
            self.failed.emit(str(error))


def _column_box(direction: str) -> QComboBox:
    box = QComboBox()
    box.setToolTip(f"The column that is plotted {direction}.")
    may_be_narrow(box)
    return box


def _beginning_with(first: tuple[str, ...], names: list[str]) -> list[str]:
    """Return the columns that begin so, the wanted ones first, then any other."""
    return [name for start in first for name in names if name.startswith(start)] + names
