"""The question what becomes of the cells that are here when others are imported."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_cellseg.controllers.files.exchange import Arrival
from napari_cellseg.core.counted import counted
from napari_cellseg.widgets.basics.words import line_label

ADD, REPLACE, LEAVE = "add", "replace", "leave"


class ImportQuestion(QWidget):
    """Asks what becomes of the cells that are here, and who made those that come.

    Signals
    -------
    answered : str
        `ADD`, `REPLACE` or `LEAVE`.
    """

    answered = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.text = line_label()
        self.by_hand = QCheckBox("A person drew or checked them")
        self.by_hand.setToolTip(
            "They are then locked: new runs leave them, and Train learns from them. Leave "
            "this off if a program found them."
        )
        self.replace = self._button("Replace all", self._on_replace_clicked)
        self.replace.setToolTip("Only the imported cells; undo brings yours back.")
        self.add = self._button("Add to mine", self._on_add_clicked)
        self.add.setToolTip("Yours stay; imported cells go where there is none.")
        self.leave = self._button("Don't import", self._on_leave_clicked)
        self.leave.setToolTip("Leave everything as it is.")
        row = QHBoxLayout()
        for button in (self.replace, self.add, self.leave):
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.text)
        layout.addWidget(self.by_hand)
        layout.addLayout(row)
        self.hide()

    def _button(self, text: str, action: Any) -> QPushButton:
        button = QPushButton(text)
        button.clicked.connect(action)
        return button

    def ask(self, arrival: Arrival, n_here: int) -> None:
        """Show the question with what it is about."""
        cells = counted(arrival.n_cells, "cell")
        text = f"{cells} in {arrival.path.name}."
        if n_here:
            text += f" There {'is' if n_here == 1 else 'are'} {n_here} here."
        self.text.setText(text)
        self.by_hand.setChecked(False)
        self.by_hand.setVisible(arrival.n_unknown > 0)
        self.add.setVisible(n_here > 0)
        self.replace.setText("Replace all" if n_here else "Import")
        self.show()

    def _on_replace_clicked(self) -> None:
        self._answer(REPLACE)

    def _on_add_clicked(self) -> None:
        self._answer(ADD)

    def _on_leave_clicked(self) -> None:
        self._answer(LEAVE)

    def _answer(self, answer: str) -> None:
        self.hide()
        self.answered.emit(answer)
