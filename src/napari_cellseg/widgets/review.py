"""The review of doubtful cells: one key each for next, right and wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.controllers.review import ReviewController
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.core.review import StopHint
from napari_cellseg.widgets.keys import NEXT_KEY, RIGHT_KEY, WRONG_KEY
from napari_cellseg.widgets.tools import CanvasTools
from napari_cellseg.widgets.words import line_label

#: Three buttons in a row leave little room in a narrow dock.
BETWEEN_PX = 4


class ReviewBox(QWidget):
    """Shows what is left to look at, and takes the answers.

    Parameters
    ----------
    review : ReviewController
        Whose queue is gone through.
    tools : CanvasTools
        Bind the keys to the labels.
    """

    failed = Signal(str)

    def __init__(self, review: ReviewController, tools: CanvasTools) -> None:
        super().__init__()
        self._review = review
        self.next = self._button(
            f"Next doubtful  ({NEXT_KEY})",
            "Go to the cell that is most likely wrong: low confidence, odd size or shape, "
            "touching others, cut off, or read in two ways.",
        )
        self.right = self._button(
            f"Right  ({RIGHT_KEY})", "The cell is right: lock it and go on."
        )
        self.wrong = self._button(
            f"Delete  ({WRONG_KEY})", "It is no cell: delete it and go on."
        )
        self.next.clicked.connect(self._on_next_clicked)
        self.right.clicked.connect(self._on_right_clicked)
        self.wrong.clicked.connect(self._on_wrong_clicked)
        self.forget = self._button(
            "Forget areas", "Take the marks of all checked areas away."
        )
        self.forget.clicked.connect(review.forget_areas)
        self.line = line_label()
        self.why = line_label()
        grid = QGridLayout()
        grid.setHorizontalSpacing(BETWEEN_PX)
        grid.addWidget(self.next, 0, 0, 1, 2)
        grid.addWidget(self.right, 0, 2)
        grid.addWidget(self.wrong, 0, 3)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(grid)
        layout.addWidget(self.why)
        last = QHBoxLayout()
        last.addWidget(self.line, 1)
        last.addWidget(self.forget)
        layout.addLayout(last)
        tools.add_key(NEXT_KEY, self._on_next_pressed)
        tools.add_key(RIGHT_KEY, self._on_right_pressed)
        tools.add_key(WRONG_KEY, self._on_wrong_pressed)
        review.changed.connect(self.refresh)
        self.refresh()

    def _button(self, title: str, tip: str) -> QPushButton:
        button = QPushButton(title)
        button.setToolTip(tip)
        # The keys must go on to the canvas.
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return button

    def refresh(self) -> None:
        """Follow the controller."""
        n_left = self._review.n_left
        self.next.setEnabled(n_left > 0)
        for button in (self.right, self.wrong):
            button.setEnabled(bool(self._review.current))
        self.forget.setVisible(self._review.n_areas > 0)
        words = [f"<b>{n_left:,}</b> left to look at"] if n_left else []
        if self._review.is_over:
            words = ["Every cell is looked at"]
        if (hint := self._review.hint) is not None:
            words.append(hint_text(hint))
        self.line.setText(" · ".join(words))
        why = self._review.reasons
        self.why.setVisible(bool(why))
        self.why.setText(f"Why this one: {', '.join(why)}" if why else "")

    def _on_next_clicked(self) -> None:
        self._try(self._review.next)

    def _on_right_clicked(self) -> None:
        self._try(self._review.accept)

    def _on_wrong_clicked(self) -> None:
        self._try(self._review.reject)

    def _on_next_pressed(self, _layer: Any) -> None:
        self._try(self._review.next)

    def _on_right_pressed(self, _layer: Any) -> None:
        self._try(self._review.accept)

    def _on_wrong_pressed(self, _layer: Any) -> None:
        self._try(self._review.reject)

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except CellsegError as error:
            self.failed.emit(str(error))


def hint_text(hint: StopHint) -> str:
    """Return what the last cells say of the rest, in the person's words."""
    were = "was" if hint.n_wrong == 1 else "were"
    return (
        f"{hint.n_wrong} of the last {hint.n_looked_at} {were} wrong: expect at most "
        f"{math.ceil(100 * hint.high)} % wrong among the rest"
    )
