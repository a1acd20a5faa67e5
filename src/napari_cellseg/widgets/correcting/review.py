"""The review of doubtful cells: one key each for next, right and wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.controllers.reviewing.missing import MissingController
from napari_cellseg.controllers.reviewing.review import ReviewController
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.core.review.queue import StopHint
from napari_cellseg.widgets.basics.buttons import canvas_button
from napari_cellseg.widgets.basics.words import line_label
from napari_cellseg.widgets.canvas.keys import (
    MISSING_KEY,
    NEXT_KEY,
    RIGHT_KEY,
    WRONG_KEY,
    button_key,
)
from napari_cellseg.widgets.labels.tools import CanvasTools

#: Three buttons in a row leave little room in a narrow dock.
BETWEEN_PX = 4
#: What the two keys do: title and tooltip, of a cell and of a place without one.
CELL_ANSWERS = (
    ("Right", "The cell is right: lock it and go on."),
    ("Delete", "It is no cell: delete it and go on."),
)
PLACE_ANSWERS = (
    ("Add", "There is a cell: add the one that is outlined, and go on."),
    ("No cell", "There is no cell here: go on."),
)
MAY_BE_MISSING = "A cell may be missing here: the thin white outline"


class ReviewBox(QWidget):
    """Shows what is left to look at, and takes the answers.

    Parameters
    ----------
    review : ReviewController
        Whose queue is gone through.
    missing : MissingController
        Whose places are gone through.
    tools : CanvasTools
        Bind the keys to the labels.
    """

    failed = Signal(str)

    def __init__(
        self,
        review: ReviewController,
        missing: MissingController,
        tools: CanvasTools,
    ) -> None:
        super().__init__()
        self._review, self._missing = review, missing
        self.next = canvas_button(
            f"Next doubtful  ({NEXT_KEY})",
            "Go to the cell that is most likely wrong: low confidence, odd size or shape, "
            "touching others, cut off, or read in two ways.",
        )
        self.missed = canvas_button(
            f"Next missed  ({button_key(MISSING_KEY)})",
            "Go to the next place where the model, looking harder, sees a cell.",
        )
        self.right = canvas_button("", "")
        self.wrong = canvas_button("", "")
        self.next.clicked.connect(self._on_next_clicked)
        self.right.clicked.connect(self._on_right_clicked)
        self.wrong.clicked.connect(self._on_wrong_clicked)
        self.missed.clicked.connect(self._on_missed)
        self.forget = canvas_button(
            "Forget areas", "Take the marks of all checked areas away."
        )
        self.forget.clicked.connect(review.forget_areas)
        self.line = line_label()
        self.why = line_label()
        self.n_missed = line_label()
        grid = QGridLayout()
        grid.setHorizontalSpacing(BETWEEN_PX)
        grid.addWidget(self.next, 0, 0, 1, 2)
        grid.addWidget(self.right, 0, 2)
        grid.addWidget(self.wrong, 0, 3)
        grid.addWidget(self.missed, 1, 0, 1, 2)
        grid.addWidget(self.n_missed, 1, 2, 1, 2)
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
        tools.add_key(MISSING_KEY, self._on_missed)
        review.changed.connect(self.refresh)
        missing.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Follow the controller."""
        n_left = self._review.n_left
        self.next.setEnabled(n_left > 0)
        self._show_answers()
        n_places = len(self._missing.places)
        for shown in (self.missed, self.n_missed):
            shown.setVisible(n_places > 0)
        lack = "place may lack" if n_places == 1 else "places may lack"
        self.n_missed.setText(f"<b>{n_places:,}</b> {lack} a cell")
        self.forget.setVisible(self._review.n_areas > 0)
        words = [f"<b>{n_left:,}</b> left to look at"] if n_left else []
        if self._review.is_over:
            words = ["Every cell is looked at"]
        if (hint := self._review.hint) is not None:
            words.append(hint_text(hint))
        self.line.setText(" · ".join(words))
        self.why.setText(self._why())
        self.why.setVisible(bool(self.why.text()))

    def _show_answers(self) -> None:
        """Say what the two keys do with what is looked at."""
        is_place = self._missing.current is not None
        right, wrong = PLACE_ANSWERS if is_place else CELL_ANSWERS
        for button, answer, key in (
            (self.right, right, RIGHT_KEY),
            (self.wrong, wrong, WRONG_KEY),
        ):
            title, tip = answer
            button.setText(f"{title}  ({key})")
            button.setToolTip(tip)
            button.setEnabled(is_place or bool(self._review.current))

    def _why(self) -> str:
        if self._missing.current is not None:
            return MAY_BE_MISSING
        why = self._review.reasons
        return f"Why this one: {', '.join(why)}" if why else ""

    def _on_next_clicked(self) -> None:
        self._missing.leave()
        self._try(self._review.next)

    def _on_missed(self, _from: Any = None) -> None:
        self._review.leave()
        self._try(self._missing.next)

    def _on_right_clicked(self) -> None:
        is_place = self._missing.current is not None
        self._try(self._missing.add if is_place else self._review.accept)

    def _on_wrong_clicked(self) -> None:
        is_place = self._missing.current is not None
        self._try(self._missing.refuse if is_place else self._review.reject)

    def _on_next_pressed(self, _layer: Any) -> None:
        self._on_next_clicked()

    def _on_right_pressed(self, _layer: Any) -> None:
        self._on_right_clicked()

    def _on_wrong_pressed(self, _layer: Any) -> None:
        self._on_wrong_clicked()

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
