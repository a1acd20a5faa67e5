"""The help sheet: every key on one page."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QDialog, QGridLayout, QLabel, QWidget

from napari_cellseg.widgets.canvas.keys import HELP_KEY, key_lines

N_COLUMNS = 3
KEY_WIDTH_PX = 100


class KeySheet(QDialog):
    """Shows all keys; it can stay open beside the image.

    Parameters
    ----------
    parent : QWidget
        The dock; the key ? works in its window.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys of Cell segmentation")
        grid = QGridLayout(self)
        grid.setHorizontalSpacing(28)
        heights = [0] * N_COLUMNS
        columns: list[list[str]] = [[] for _ in range(N_COLUMNS)]
        for title, lines in key_lines().items():
            column = heights.index(min(heights))
            heights[column] += len(lines) + 2
            columns[column].append(_table(title, lines))
        for column, tables in enumerate(columns):
            label = QLabel("".join(tables))
            label.setTextFormat(Qt.TextFormat.RichText)
            label.setAlignment(Qt.AlignmentFlag.AlignTop)
            grid.addWidget(label, 0, column)
        self.shortcut = QShortcut(QKeySequence(HELP_KEY), parent)
        self.shortcut.activated.connect(self.toggle)

    @property
    def text(self) -> str:
        """All that stands on the sheet, as it is written."""
        return " ".join(label.text() for label in self.findChildren(QLabel))

    def toggle(self) -> None:
        """Show the sheet, or put it away."""
        if self.isVisible():
            self.hide()
        else:
            self.show()
            self.raise_()


def _table(title: str, lines: list[tuple[str, str]]) -> str:
    """Return a heading and its keys."""
    rows = "".join(
        f"<tr><td align='right' width='{KEY_WIDTH_PX}'><b>{escape(key)}</b>&nbsp;&nbsp;</td>"
        f"<td>{escape(what)}</td></tr>"
        for key, what in lines
    )
    return f"<p><b>{escape(title)}</b></p><table>{rows}</table>"
