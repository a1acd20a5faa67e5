"""The table below the image: one row a cell, linked with the canvas both ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from qtpy.QtCore import (
    QAbstractTableModel,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QSortFilterProxyModel,
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

from napari_cellseg.controllers.measure import MeasureController

ROLES = Qt.ItemDataRole
NOWHERE = QModelIndex()


class CellTableModel(QAbstractTableModel):
    """A data frame as Qt wants it."""

    def __init__(self) -> None:
        super().__init__()
        self._cells = pd.DataFrame()

    def show_cells(self, cells: pd.DataFrame) -> None:
        """Show other rows; where only values change, sorting and scrolling stay."""
        is_same = list(cells.columns) == list(self._cells.columns)
        if is_same and len(cells) == len(self._cells) and len(cells):
            self._cells = cells
            last = self.index(len(cells) - 1, cells.shape[1] - 1)
            self.dataChanged.emit(self.index(0, 0), last)
            return
        self.beginResetModel()
        self._cells = cells
        self.endResetModel()

    def rowCount(self, parent: QModelIndex = NOWHERE) -> int:
        """Return the number of rows."""
        return 0 if parent.isValid() else len(self._cells)

    def columnCount(self, parent: QModelIndex = NOWHERE) -> int:
        """Return the number of columns."""
        return 0 if parent.isValid() else self._cells.shape[1]

    def data(self, index: QModelIndex, role: int = ROLES.DisplayRole) -> Any:
        """Return text to show, or a value to sort by."""
        if not index.isValid():
            return None
        value = self._cells.iat[index.row(), index.column()]
        if role == ROLES.DisplayRole:
            return text_of(value)
        if role == ROLES.UserRole:
            return _sortable(value)
        if role == ROLES.TextAlignmentRole and not isinstance(value, str):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = ROLES.DisplayRole,
    ) -> Any:
        """Return the name of a column."""
        is_name = role in (ROLES.DisplayRole, ROLES.ToolTipRole)
        if is_name and orientation == Qt.Orientation.Horizontal:
            return str(self._cells.columns[section])
        return None

    def cell_of_row(self, row: int) -> int:
        """Return the cell of a row."""
        return int(self._cells["label"].to_numpy()[row])

    def rows_of_cell(self, cell: int) -> list[int]:
        """Return the rows of a cell, one a plane."""
        if "label" not in self._cells:
            return []
        found: list[int] = np.flatnonzero(self._cells["label"] == cell).tolist()
        return found


def text_of(value: Any) -> str:
    """Return a value as the table shows it; what is not known is empty."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.5g}"
    return str(value)


def _sortable(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return -np.inf if np.isnan(value) else float(value)
    if isinstance(value, bool | np.bool_ | int | np.integer):
        return int(value)
    return str(value)


class CellTable(QWidget):
    """Sortable, filterable, linked with the selected cell."""

    chosen = Signal(int)

    def __init__(self, measure: MeasureController) -> None:
        super().__init__()
        self._measure = measure
        self.model = CellTableModel()
        self.model.setParent(self)
        self.sorted = QSortFilterProxyModel(self)
        self.sorted.setSourceModel(self.model)
        self.sorted.setSortRole(ROLES.UserRole)
        self.sorted.setFilterKeyColumn(-1)
        self.sorted.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.view = self._make_view()
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Show only rows that contain… (such as: edited)")
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self._on_filter_changed)
        self.count = QLabel()
        top = QHBoxLayout()
        top.addWidget(self.filter, 1)
        top.addWidget(self.count)
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addWidget(self.view)
        self._is_following = False
        self._has_widths = False
        measure.changed.connect(self.refresh)
        measure.selected.connect(self._on_cell_selected)
        self.refresh()

    def _make_view(self) -> QTableView:
        view = QTableView()
        view.setModel(self.sorted)
        view.setSortingEnabled(True)
        view.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        names = view.horizontalHeader()
        if names is not None:
            names.setResizeContentsPrecision(20)
        header = view.verticalHeader()
        if header is not None:
            header.hide()
        selection = view.selectionModel()
        if selection is not None:
            selection.selectionChanged.connect(self._on_row_selected)
        return view

    def refresh(self) -> None:
        """Show the table as it is."""
        table = self._measure.table
        self._is_following = True
        self.model.show_cells(pd.DataFrame() if table is None else table.cells)
        self._is_following = False
        if not self._has_widths and self.model.rowCount():
            self.view.resizeColumnsToContents()
            self._has_widths = True
        self._show_count()
        self._on_cell_selected(self._measure.selected_cell)

    def release(self) -> None:
        """Hear of the measurements no more."""
        self._measure.changed.disconnect(self.refresh, missing_ok=True)
        self._measure.selected.disconnect(self._on_cell_selected, missing_ok=True)

    def _show_count(self) -> None:
        shown, total = self.sorted.rowCount(), self.model.rowCount()
        self.count.setText(f"{shown} of {total}" if shown < total else f"{total} rows")

    def _on_filter_changed(self, text: str) -> None:
        self.sorted.setFilterFixedString(text)
        self._show_count()

    def _on_row_selected(self, chosen: QItemSelection, _: QItemSelection) -> None:
        rows = chosen.indexes()
        if rows and not self._is_following:
            source = self.sorted.mapToSource(rows[0])
            self.chosen.emit(self.model.cell_of_row(source.row()))

    def _on_cell_selected(self, cell: int) -> None:
        """Select and show the row of a cell."""
        selection = self.view.selectionModel()
        if selection is None:
            return
        rows = self.model.rows_of_cell(cell)
        chosen = [self.sorted.mapFromSource(self.model.index(row, 0)) for row in rows]
        chosen = [index for index in chosen if index.isValid()]
        self._is_following = True
        if not chosen:
            selection.clearSelection()
        elif chosen[0].row() not in {one.row() for one in selection.selectedRows()}:
            flags = QItemSelectionModel.SelectionFlag
            selection.select(chosen[0], flags.ClearAndSelect | flags.Rows)
            self.view.scrollTo(chosen[0])
        self._is_following = False
