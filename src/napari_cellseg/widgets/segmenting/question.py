"""What is asked before a run of the model meets work by hand."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_cellseg.core.counted import counted

KEEP, REPLACE, LEAVE = "keep", "replace", "leave"


class HandWorkQuestion(QWidget):
    """Asks what is to become of cells that were drawn, edited or deleted by hand.

    Signals
    -------
    answered : str
        `KEEP`, `REPLACE` or `LEAVE`.
    """

    answered = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.keep_button = QPushButton("Keep mine")
        self.keep_button.setToolTip("Your cells stay; the model fills in the rest.")
        self.keep_button.clicked.connect(self._on_keep_clicked)
        self.replace_button = QPushButton("Replace all")
        self.replace_button.setToolTip(
            "The model's cells only; undo brings yours back."
        )
        self.replace_button.clicked.connect(self._on_replace_clicked)
        self.leave_button = QPushButton("Don't run")
        self.leave_button.setToolTip("Leave everything as it is.")
        self.leave_button.clicked.connect(self._on_leave_clicked)
        row = QHBoxLayout()
        for button in (self.keep_button, self.replace_button, self.leave_button):
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.text)
        layout.addLayout(row)
        self.hide()

    def ask(self, n_hand: int, n_deleted: int) -> None:
        """Show the question with what it is about."""
        parts = []
        if n_hand:
            cells = counted(n_hand, "cell")
            parts.append(f"drew, edited, accepted or gave a class to {cells}")
        if n_deleted:
            parts.append(f"deleted {n_deleted}")
        text = f"You {' and '.join(parts)} here. Keep that in the new run?"
        self.text.setText(text)
        self.show()

    def _on_keep_clicked(self) -> None:
        self._answer(KEEP)

    def _on_replace_clicked(self) -> None:
        self._answer(REPLACE)

    def _on_leave_clicked(self) -> None:
        self._answer(LEAVE)

    def _answer(self, answer: str) -> None:
        self.hide()
        self.answered.emit(answer)
