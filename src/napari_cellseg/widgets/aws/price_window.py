"""The window "Prices": what computers at AWS cost, to be corrected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.cloud.account.costs import Prices, own_prices_path, read_prices
from napari_cellseg.cloud.account.price_table import (
    Row,
    forget_own_prices,
    rows_of,
    save_prices,
    with_rows,
)
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.widgets.basics.buttons import dialog_button

TITLE = "Prices at AWS"
SIZE = (520, 520)
COLUMNS = ("Computer", "US$ an hour")
PAGE = "https://aws.amazon.com/sagemaker/pricing/"
#: Rows below the others, for what is to be added.
N_FREE = 3


class PriceWindow(QDialog):
    """Shows the price table that counts, and writes the person's own.

    Parameters
    ----------
    on_changed : callable
        Called once other prices count.
    wanted : sequence of str
        Computers that stand there even if nobody knows their price.
    parent : QWidget, optional
        The window closes with it.
    """

    def __init__(
        self,
        on_changed: Callable[[], None],
        wanted: tuple[str, ...] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._on_changed = on_changed
        self._wanted = wanted
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(TITLE)
        self.resize(*SIZE)
        self._build()
        self._fill()

    def _build(self) -> None:
        told = QLabel(
            f"Prices differ by region and change. Look yours up at {PAGE} and write them "
            "here; a computer without one is said to cost an unknown amount."
        )
        told.setWordWrap(True)
        told.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setHorizontalHeaderLabels(list(COLUMNS))
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        if (head := self.table.horizontalHeader()) is not None:
            head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        if (side := self.table.verticalHeader()) is not None:
            side.hide()
        self.region, self.source = QLineEdit(), QLineEdit()
        form = QFormLayout()
        form.addRow("For the region", self.region)
        form.addRow("Looked up at", self.source)
        self.state = QLabel()
        self.state.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.addWidget(told)
        layout.addWidget(self.table, 1)
        layout.addLayout(form)
        layout.addWidget(self.state)
        layout.addLayout(self._buttons())

    def _buttons(self) -> QHBoxLayout:
        self.shipped_button = dialog_button(
            "Back to the prices that ship", "Forget the table of your own."
        )
        self.shipped_button.clicked.connect(self._on_shipped_clicked)
        self.close_button = dialog_button("Cancel", "Change nothing.")
        self.close_button.clicked.connect(self.reject)
        self.save_button = dialog_button("Save", "These prices count from now on.")
        self.save_button.clicked.connect(self._on_save_clicked)
        row = QHBoxLayout()
        row.addWidget(self.shipped_button)
        row.addStretch()
        row.addWidget(self.close_button)
        row.addWidget(self.save_button)
        return row

    def _fill(self) -> None:
        """Show the table that counts; one that cannot be read is said, and left."""
        try:
            prices = read_prices()
        except CellsegError as error:
            self.state.setText(f"✕ {error}")
            self.save_button.setEnabled(False)
            return
        self._prices = prices
        rows = [*rows_of(prices, self._wanted), *[("", "")] * N_FREE]
        self.table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            for column, text in enumerate(row):
                self.table.setItem(number, column, _cell(text, column))
        self.region.setText(prices.region)
        self.source.setText(prices.source)
        self.source.setCursorPosition(0)
        is_own = prices.path == own_prices_path()
        where = (
            f"Your own, in {prices.path}" if is_own else "They ship with the program"
        )
        self.state.setText(f"{where}; checked on {prices.checked}.")
        self.save_button.setEnabled(True)

    def rows(self) -> list[Row]:
        """Return the rows as they are filled in."""
        return [
            (self._text(number, 0), self._text(number, 1))
            for number in range(self.table.rowCount())
        ]

    def _text(self, row: int, column: int) -> str:
        cell = self.table.item(row, column)
        return cell.text() if cell is not None else ""

    def prices(self) -> Prices:
        """Return the table as it is filled in, of today; raises `OptionsError`."""
        given = with_rows(self._prices, self.rows())
        return replace(
            given,
            checked=date.today().isoformat(),
            region=self.region.text().strip(),
            source=self.source.text().strip(),
        )

    def _on_save_clicked(self) -> None:
        try:
            save_prices(self.prices())
        except CellsegError as error:
            self.state.setText(f"✕ {error}")
            return
        self._on_changed()
        self.accept()

    def _on_shipped_clicked(self) -> None:
        try:
            forget_own_prices()
        except CellsegError as error:
            self.state.setText(f"✕ {error}")
            return
        self._fill()
        self._on_changed()


def _cell(text: str, column: int) -> QTableWidgetItem:
    cell = QTableWidgetItem(text)
    if column:
        cell.setTextAlignment(
            Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        )
    return cell
