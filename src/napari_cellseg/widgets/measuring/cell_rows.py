"""The rows of the table as Qt wants them: arrays, no object a cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from qtpy.QtCore import (
    QAbstractItemModel,
    QAbstractProxyModel,
    QAbstractTableModel,
    QModelIndex,
    QObject,
    Qt,
)

from napari_cellseg.controllers.measuring.column_words import column_meaning
from napari_cellseg.controllers.measuring.numbers import number_text
from napari_cellseg.controllers.measuring.table_rows import matching_rows, sorted_rows
from napari_cellseg.core.errors import OptionsError

ROLES = Qt.ItemDataRole
NOWHERE = QModelIndex()
RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)


class CellTableModel(QAbstractTableModel):
    """A data frame, in its own order."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.cells = pd.DataFrame()
        self._columns: list[NDArray[Any]] = []

    def show_cells(self, cells: pd.DataFrame) -> None:
        """Show other rows."""
        self.beginResetModel()
        self.cells = cells
        self._columns = [cells.iloc[:, i].to_numpy() for i in range(cells.shape[1])]
        self.endResetModel()

    def rowCount(self, parent: QModelIndex = NOWHERE) -> int:
        """Return the number of rows."""
        return 0 if parent.isValid() else len(self.cells)

    def columnCount(self, parent: QModelIndex = NOWHERE) -> int:
        """Return the number of columns."""
        return 0 if parent.isValid() else len(self._columns)

    def data(self, index: QModelIndex, role: int = ROLES.DisplayRole) -> Any:
        """Return text to show, and numbers to the right."""
        if not index.isValid():
            return None
        value = self._columns[index.column()][index.row()]
        if role == ROLES.DisplayRole:
            return text_of(value)
        if role == ROLES.TextAlignmentRole and not isinstance(value, str):
            return RIGHT
        return None

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = ROLES.DisplayRole,
    ) -> Any:
        """Return the name of a column, and its meaning as its tip."""
        is_column = orientation == Qt.Orientation.Horizontal
        if not is_column or not 0 <= section < len(self._columns):
            return None
        name = str(self.cells.columns[section])
        if role == ROLES.DisplayRole:
            return name
        if role == ROLES.ToolTipRole:
            return column_meaning(name) or name
        return None

    def cell_of_row(self, row: int) -> int:
        """Return the cell of a row."""
        return int(self.cells["label"].to_numpy()[row])

    def rows_of_cell(self, cell: int) -> list[int]:
        """Return the rows of a cell, one a plane."""
        if "label" not in self.cells:
            return []
        found: list[int] = np.flatnonzero(self.cells["label"] == cell).tolist()
        return found


def text_of(value: Any) -> str:
    """Return a value as the table shows it; what is not known is empty."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else number_text(float(value), 5)
    return str(value)


class ArrangedCells(QAbstractProxyModel):
    """The rows of a `CellTableModel`, sorted and filtered.

    QSortFilterProxyModel asks Python for each value it compares: 20 seconds for a sort of
    100,000 rows, where a whole column at a time takes hundredths.

    Attributes
    ----------
    complaint : str
        Why the filter is not understood, so that all rows are shown; "" if it is.
    """

    def __init__(self, cells: CellTableModel) -> None:
        super().__init__(cells.parent())
        self._cells = cells
        self._filter = ""
        self._only: list[int] = []
        self._column = 0
        self._is_descending = False
        self.complaint = ""
        self._rows = np.zeros(0, np.intp)
        self._places = np.zeros(0, np.intp)
        self.setSourceModel(cells)

    def show_cells(self, cells: pd.DataFrame) -> None:
        """Show other cells, in the same order and with the same filter."""
        if list(cells.columns) != list(self._cells.cells.columns):
            self._column = self._place_of_sorting(cells)
        self.beginResetModel()
        self._cells.show_cells(cells)
        self._arrange()
        self.endResetModel()

    def _place_of_sorting(self, cells: pd.DataFrame) -> int:
        """Return where the column is now that the rows are sorted by, else the first."""
        old = self._cells.cells.columns
        new = list(cells.columns)
        is_there = self._column < len(old) and old[self._column] in new
        return new.index(old[self._column]) if is_there else 0

    @property
    def sorting(self) -> tuple[int, Qt.SortOrder]:
        """The column that the rows are sorted by, and which way."""
        orders = Qt.SortOrder
        order = orders.DescendingOrder if self._is_descending else orders.AscendingOrder
        return self._column, order

    def show_matching(self, text: str) -> None:
        """Show only the rows that a filter leaves; see `matching_rows`."""
        self._filter = text
        self.beginResetModel()
        self._arrange()
        self.endResetModel()

    @property
    def is_narrowed(self) -> bool:
        """Whether only some cells are shown, whatever the filter says."""
        return bool(self._only)

    def show_only(self, cells: list[int]) -> None:
        """Show only the rows of these cells, as far as the filter leaves them; none: of all."""
        self._only = cells
        self.beginResetModel()
        self._arrange()
        self.endResetModel()

    def sort(
        self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder
    ) -> None:
        """Sort by a column; what is selected stays selected."""
        self.layoutAboutToBeChanged.emit()
        old = self.persistentIndexList()
        sources = [self.mapToSource(index) for index in old]
        self._column = max(column, 0)
        self._is_descending = order == Qt.SortOrder.DescendingOrder
        self._arrange()
        new = [self.mapFromSource(index) for index in sources]
        self.changePersistentIndexList(old, new)
        self.layoutChanged.emit()

    def _arrange(self) -> None:
        """Work out the rows that are shown."""
        cells = self._cells.cells
        rows = sorted_rows(cells, self._column, is_descending=self._is_descending)
        self.complaint = ""
        try:
            self._rows = rows[matching_rows(cells, self._filter)[rows]]
        except OptionsError as error:
            self.complaint, self._rows = str(error), rows
        if self._only and "label" in cells:
            is_shown = np.isin(cells["label"].to_numpy(), self._only)
            self._rows = self._rows[is_shown[self._rows]]
        self._places = np.full(len(cells), -1, np.intp)
        self._places[self._rows] = np.arange(len(self._rows))

    # --------------------------------------------------------------- for Qt
    def rowCount(self, parent: QModelIndex = NOWHERE) -> int:
        """Return the number of rows that are shown."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex = NOWHERE) -> int:
        """Return the number of columns."""
        return 0 if parent.isValid() else self._cells.columnCount()

    def index(
        self, row: int, column: int, parent: QModelIndex = NOWHERE
    ) -> QModelIndex:
        """Return an index, an invalid one outside the table."""
        is_there = 0 <= row < len(self._rows) and 0 <= column < self.columnCount()
        return self.createIndex(row, column) if is_there else QModelIndex()

    def parent(self, child: QModelIndex | None = None) -> Any:
        """Return no parent for an index; without one, the object that owns the model."""
        return super().parent() if child is None else QModelIndex()

    def mapToSource(self, index: QModelIndex) -> QModelIndex:
        """Return where a shown place lies in the table."""
        if not index.isValid() or index.row() >= len(self._rows):
            return QModelIndex()
        return self._cells.index(int(self._rows[index.row()]), index.column())

    def mapFromSource(self, index: QModelIndex) -> QModelIndex:
        """Return where a place of the table is shown, an invalid one if it is not."""
        if not index.isValid() or index.row() >= len(self._places):
            return QModelIndex()
        return self.index(int(self._places[index.row()]), index.column())

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = ROLES.DisplayRole,
    ) -> Any:
        """Return the name of a column, also where no row is shown."""
        return self._cells.headerData(section, orientation, role)

    def sourceModel(self) -> QAbstractItemModel:
        """Return the table in its own order."""
        return self._cells
