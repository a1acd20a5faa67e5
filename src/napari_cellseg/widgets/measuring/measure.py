"""The tab "Measure": count and density, a histogram, the way out as CSV."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPalette
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_cellseg.controllers.measuring.measure import MeasureController
from napari_cellseg.controllers.measuring.numbers import Histogram
from napari_cellseg.widgets.basics.jobs import Later
from napari_cellseg.widgets.basics.options_form import may_be_narrow
from napari_cellseg.widgets.basics.words import line_label
from napari_cellseg.widgets.labels.exchange import EXPORT_TIP, FormatMenu
from napari_cellseg.widgets.measuring.cell_colours import ramp

FIRST_COLUMNS = ("area_um2", "area_px")
LARGE_PT = 20
QUIET_MILLISECONDS = 250


class HistogramView(QWidget):
    """Bars in the theme's colours."""

    def __init__(self) -> None:
        super().__init__()
        self._histogram: Histogram | None = None
        self._is_coloured = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Return the size it wants."""
        return QSize(240, 110)

    def show_histogram(
        self, histogram: Histogram | None, *, is_coloured: bool = False
    ) -> None:
        """Show bars, in the colours of their cells if wanted; or nothing."""
        self._histogram = histogram
        self._is_coloured = is_coloured
        self.setToolTip("" if histogram is None else histogram.words)
        self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        """Draw the bars and their ends."""
        if self._histogram is None:
            return
        painter = QPainter(self)
        text_height = self.fontMetrics().height()
        height = self.height() - text_height - 2
        width = self.width() / len(self._histogram.shares)
        colour = self.palette().color(QPalette.ColorRole.WindowText)
        tints = [
            QColor.fromRgbF(*rgba) for rgba in ramp(self._histogram.tones).tolist()
        ]
        for index, share in enumerate(self._histogram.shares):
            bar = QRectF(index * width, height * (1 - share), width - 1, height * share)
            painter.fillRect(bar, tints[index] if self._is_coloured else colour)
        painter.setPen(colour)
        low, high = self._histogram.ends
        flag = Qt.AlignmentFlag
        area = self.rect()
        painter.drawText(area, flag.AlignLeft | flag.AlignBottom, low)
        painter.drawText(area, flag.AlignRight | flag.AlignBottom, high)
        painter.end()


class MeasureTab(QWidget):
    """Shows what `MeasureController` holds."""

    table_wanted = Signal()
    colours_wanted = Signal(str)

    def __init__(self, measure: MeasureController) -> None:
        super().__init__()
        self._measure = measure
        self.count = _large_label()
        self.density = _large_label()
        self.sources = line_label()
        self.column = QComboBox()
        self.column.setToolTip("Which number the bars show.")
        may_be_narrow(self.column)
        self.column.currentTextChanged.connect(self._on_column_changed)
        self.histogram = HistogramView()
        self.coloured = QCheckBox("Colour the cells by it")
        self.coloured.setToolTip(
            "Fills the cells with the colours of the bars: dark is small, bright is large."
        )
        self.coloured.toggled.connect(self._on_colours_toggled)
        self.table_button = QPushButton("Open table")
        self.table_button.setToolTip("One row a cell, below the image.")
        self.table_button.clicked.connect(self.table_wanted)
        self.save_button = QPushButton("Export cells as")
        self.save_button.setToolTip(EXPORT_TIP)
        self.format_menu = FormatMenu(self.save_button)
        self.save_button.setMenu(self.format_menu)
        row = QHBoxLayout()
        row.addWidget(self.table_button)
        row.addWidget(self.save_button)
        layout = QVBoxLayout(self)
        layout.addWidget(self.count)
        layout.addWidget(self.density)
        layout.addWidget(self.sources)
        layout.addWidget(self.column)
        layout.addWidget(self.histogram)
        layout.addWidget(self.coloured)
        layout.addLayout(row)
        layout.addStretch(1)
        self._catch_up = Later(measure.catch_up, QUIET_MILLISECONDS, self)
        measure.behind.connect(self._catch_up.call)
        measure.changed.connect(self.refresh)
        measure.task.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the numbers as they are."""
        words = self._measure.words
        self.count.setText(_large(words.count))
        self.density.setText(_large(words.density))
        self.density.setToolTip(words.density_tip)
        self.density.setVisible(bool(words.density))
        self.sources.setText(words.sources)
        columns = self._measure.number_columns
        self._show_columns(columns)
        has_table = self._measure.table is not None
        for widget in (
            self.column,
            self.histogram,
            self.coloured,
            self.table_button,
            self.save_button,
        ):
            widget.setEnabled(has_table)
        self._show_histogram()

    def _show_columns(self, columns: list[str]) -> None:
        if columns == [self.column.itemText(i) for i in range(self.column.count())]:
            return
        chosen = self.column.currentText()
        with signals_blocked(self.column):
            self.column.clear()
            self.column.addItems(columns)
            for name in (chosen, *FIRST_COLUMNS):
                if name in columns:
                    self.column.setCurrentText(name)
                    break

    def _show_histogram(self) -> None:
        self.histogram.show_histogram(
            self._measure.histogram(self.column.currentText()),
            is_coloured=self.coloured.isChecked(),
        )

    def _on_column_changed(self, _column: str) -> None:
        self._show_histogram()
        if self.coloured.isChecked():
            self.colours_wanted.emit(self.column.currentText())

    def _on_colours_toggled(self, is_on: bool) -> None:  # noqa: FBT001 - Qt's signal
        self._show_histogram()
        self.colours_wanted.emit(self.column.currentText() if is_on else "")


def _large_label() -> QLabel:
    label = QLabel()
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setWordWrap(True)
    return label


def _large(text: str) -> str:
    """Return text in large type; napari's theme overrides the font of a widget."""
    return f'<span style="font-size:{LARGE_PT}pt">{escape(text)}</span>'
