"""The table below the image: one row a cell, linked with the canvas both ways."""

from __future__ import annotations

import pandas as pd
from qtpy.QtCore import (
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    Qt,
    Signal,
)
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QTableView,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_cellseg.controllers.measuring.measure import MeasureController
from napari_cellseg.controllers.measuring.table_rows import EXAMPLE
from napari_cellseg.core.measuring.measure import MeasurementTable
from napari_cellseg.widgets.measuring.cell_rows import ArrangedCells, CellTableModel

FILTER_TIP = (
    "A word (edited), the number of a cell (12), or conditions:\n"
    f"{EXAMPLE}\n"
    "area_px > 200 and source = hand\n"
    "touches_border = no and confidence < 0.5\n"
    "The beginning of a column's name is enough where only one begins so."
)
#: Added to the number of rows where they were drawn around in the plot.
IN_PLOT = ", chosen in the plot"
#: How many rows are looked at for the width of a column.
N_ROWS_FOR_WIDTH = 20


class CellTable(QWidget):
    """Sortable, filterable, linked with the selected cell.

    Attributes
    ----------
    chosen : Signal(int)
        The cell of the row that the person clicked or moved to with the keys; again on
        Enter or a double click. Never sent by `select_cell` or `show_table`.
    """

    chosen = Signal(int)

    def __init__(self, measure: MeasureController) -> None:
        super().__init__()
        self._measure = measure
        self.model = CellTableModel(self)
        self.sorted = ArrangedCells(self.model)
        self.view = self._make_view()
        self.filter = QLineEdit()
        self.filter.setPlaceholderText(f"Show only… (such as: edited, or {EXAMPLE})")
        self.filter.setToolTip(FILTER_TIP)
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self._on_filter_changed)
        self.count = QLabel()
        self.message = QLabel()
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.setWordWrap(True)
        self.message.hide()
        top = QHBoxLayout()
        top.addWidget(self.filter, 1)
        top.addWidget(self.count)
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addWidget(self.message)
        layout.addWidget(self.view)
        measure.changed.connect(self.refresh)
        measure.selected.connect(self.select_cell)
        self.refresh()

    def _make_view(self) -> QTableView:
        view = QTableView()
        view.setModel(self.sorted)
        view.setSortingEnabled(True)
        view.sortByColumn(0, Qt.SortOrder.AscendingOrder)  # Qt begins with the largest
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setTabKeyNavigation(False)  # Tab leaves the table
        names = view.horizontalHeader()
        if names is not None:
            names.setResizeContentsPrecision(N_ROWS_FOR_WIDTH)
        header = view.verticalHeader()
        if header is not None:
            header.hide()
        selection = view.selectionModel()
        if selection is not None:
            selection.selectionChanged.connect(self._on_row_selected)
        view.activated.connect(self._on_row_activated)
        return view

    def refresh(self) -> None:
        """Show the measurements as they are now."""
        self.show_table(self._measure.table)

    def show_table(self, table: MeasurementTable | None) -> None:
        """Show a table, None for no rows; selection, order, filter and scrolling stay."""
        cells = pd.DataFrame() if table is None else table.cells
        has_other_columns = list(cells.columns) != list(self.model.cells.columns)
        bars = (self.view.verticalScrollBar(), self.view.horizontalScrollBar())
        positions = [0 if bar is None else bar.value() for bar in bars]
        with signals_blocked(self):
            self.sorted.show_cells(cells)
        header = self.view.horizontalHeader()
        if has_other_columns and header is not None:
            with signals_blocked(header):  # the rows are sorted already
                header.setSortIndicator(*self.sorted.sorting)
            self.view.resizeColumnsToContents()
        self._show_count()
        self._mark_row(self._measure.selected_cell)
        for bar, position in zip(bars, positions, strict=True):
            if bar is not None:
                bar.setValue(position)

    def show_only(self, cells: list[int]) -> None:
        """Show only the rows of these cells; none: of all."""
        with signals_blocked(self):
            self.sorted.show_only(cells)
        self._show_count()
        self.select_cell(self._measure.selected_cell)

    def release(self) -> None:
        """Hear of the measurements no more."""
        self._measure.changed.disconnect(self.refresh, missing_ok=True)
        self._measure.selected.disconnect(self.select_cell, missing_ok=True)

    def select_cell(self, cell: int) -> None:
        """Select the row of a cell and scroll to it, without `chosen`; 0 selects none."""
        place = self._mark_row(cell)
        if place is not None:
            self.view.scrollTo(place)

    def _mark_row(self, cell: int) -> QModelIndex | None:
        """Select the row of a cell; return it if it was not selected before."""
        selection = self.view.selectionModel()
        if selection is None:
            return None
        rows = self.model.rows_of_cell(cell)
        places = [self.sorted.mapFromSource(self.model.index(row, 0)) for row in rows]
        places = [place for place in places if place.isValid()]
        marked = {index.row() for index in selection.selectedRows()}
        if any(place.row() in marked for place in places):
            return None
        with signals_blocked(self):
            if not places:
                selection.clearSelection()
                return None
            flags = QItemSelectionModel.SelectionFlag
            selection.setCurrentIndex(places[0], flags.ClearAndSelect | flags.Rows)
        return places[0]

    def _show_count(self) -> None:
        shown, total = self.sorted.rowCount(), self.model.rowCount()
        text = f"{shown} of {total}" if shown < total else f"{total} rows"
        self.count.setText(text + (IN_PLOT if self.sorted.is_narrowed else ""))
        complaint = self.sorted.complaint
        self.message.setText(f"⚠ {complaint}" if complaint else "")
        self.message.setVisible(bool(complaint))

    def _on_filter_changed(self, text: str) -> None:
        with signals_blocked(self):
            self.sorted.show_matching(text)
        self._show_count()
        self.select_cell(self._measure.selected_cell)

    def _on_row_selected(self, chosen: QItemSelection, _: QItemSelection) -> None:
        rows = chosen.indexes()
        if rows:
            self._on_row_activated(rows[0])

    def _on_row_activated(self, place: QModelIndex) -> None:
        source = self.sorted.mapToSource(place)
        if source.isValid():
            self.chosen.emit(self.model.cell_of_row(source.row()))
