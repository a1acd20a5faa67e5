"""The queue of doubtful cells, and what a person says of each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
from psygnal import Signal

from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.measuring.measure import MeasureController
from napari_cellseg.core.editing.edits import Edit
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.review.doubt_signs import NO_SIGNS, Signs, neighbours_of
from napari_cellseg.core.review.doubt_words import reasons
from napari_cellseg.core.review.in_turn import follower, next_of
from napari_cellseg.core.review.queue import (
    StopHint,
    doubt_terms,
    doubts_of_terms,
    review_queue,
    stop_hint,
)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a person said of a cell by a step.

    Attributes
    ----------
    was_wrong : bool
        False: it was accepted.
    fixed : int
        The cell, if it was changed and is there still; 0 if not.
    """

    was_wrong: bool
    fixed: int = 0


class ReviewController:
    """Goes from one doubtful cell to the next.

    Attributes
    ----------
    current : int
        The cell that is looked at, 0 for none.
    """

    changed = Signal()
    shown = Signal(int)

    def __init__(
        self, proofread: ProofreadController, measure: MeasureController
    ) -> None:
        self._proofread = proofread
        self._measure = measure
        self.current = 0
        self._queue: list[int] = []
        self._is_stale = True
        # What a person said of cells, by the step that it was said with; undone ones beside.
        self._answers: dict[float, _Answer] = {}
        self._taken_back: dict[float, _Answer] = {}
        self._saying: _Answer | None = None
        self._signs = NO_SIGNS
        self._terms: pd.DataFrame | None = None
        # Only cells of the model are judged, and an edit makes them none of its own.
        self._doubts_of_large: pd.Series | None = None
        proofread.opened.connect(self._on_opened)
        proofread.edited.connect(self._on_edited)
        proofread.reviewed.connect(self._on_reviewed)
        measure.changed.connect(self._on_measured)

    # ---------------------------------------------------------------- the queue
    @property
    def queue(self) -> list[int]:
        """The cells of the model nobody has looked at, the most doubtful first."""
        if self._is_stale:
            self._queue = self._made_queue()
            self._is_stale = False
        return self._queue

    def _made_queue(self) -> list[int]:
        rows, cells = self._measure.rows_to_judge, self._proofread.cells
        if rows is None or cells is None:
            return []
        doubt = self._doubts_of_large
        if doubt is None:
            confidence = self._proofread.model_confidence
            self._terms = doubt_terms(rows, confidence, self._signs)
            doubt = doubts_of_terms(self._terms)
        if cells.is_large:
            self._doubts_of_large = doubt
        return review_queue(doubt, cells.states, cells.sources)

    @property
    def n_left(self) -> int:
        """How many cells wait to be looked at."""
        return len(self.queue)

    @property
    def is_over(self) -> bool:
        """True if there are cells of the model and each was looked at."""
        is_measured = self._measure.table is not None
        return is_measured and bool(self._proofread.n_cells) and not self.queue

    @property
    def hint(self) -> StopHint | None:
        """What the last cells say of the rest, None before any was looked at."""
        return stop_hint([answer.was_wrong for answer in self._answers.values()])

    @property
    def reasons(self) -> list[str]:
        """Why the cell that is looked at is doubtful, the weightiest first."""
        cells, cell, terms = self._proofread.cells, self.current, self._terms
        if cells is None or not cell or terms is None or cell not in terms.index:
            return []
        n_touched = len(neighbours_of(cells.index, cell))
        values = terms.loc[[cell]].to_numpy(float)[0].tolist()
        own = dict(zip(terms.columns, values, strict=True))
        return reasons(own, n_touched, is_on_seam=cell in self._signs.on_seam)

    @property
    def n_areas(self) -> int:
        """How many areas are marked as checked."""
        cells = self._proofread.cells
        return 0 if cells is None else len(cells.areas)

    def forget_areas(self) -> None:
        """Take the marks of all checked areas away; accepted cells stay accepted."""
        self._proofread.forget_areas()

    def take_signs(self, signs: Signs) -> None:
        """Take what was seen of the cells; the queue follows, the cell in view stays."""
        self._signs = signs
        self._doubts_of_large = None
        self._stale()

    # ------------------------------------------------------------------ actions
    def next(self) -> None:
        """Go to the next doubtful cell; raises `EditError` where none is left."""
        queue = self.queue
        if self._proofread.labels is None:
            raise EditError(
                "There are no cells to review yet. Segment the image first."
            )
        if not queue:
            raise EditError("Every cell has been looked at.")
        self._show(next_of(queue, self.current))

    def leave(self) -> None:
        """Look at no cell any more."""
        if self.current:
            self._show(0)

    def accept(self) -> None:
        """Say that the cell is right, and go on."""
        cell = self._current_or_error()
        following = follower(self.queue, cell) or 0
        with self._answering(_Answer(was_wrong=False)):
            self._proofread.accept([cell])
        self._show(following)

    def reject(self) -> None:
        """Delete the cell, and go on."""
        cell = self._current_or_error()
        following = follower(self.queue, cell) or 0
        with self._answering(_Answer(was_wrong=True)):
            self._proofread.delete_cells([cell])
        self._show(following)

    @contextmanager
    def _answering(self, answer: _Answer) -> Iterator[None]:
        """Let the step that is made be an answer."""
        self._saying = answer
        try:
            yield
        finally:
            self._saying = None

    def _current_or_error(self) -> int:
        if self.current and self.current in self._proofread.sources:
            return self.current
        raise EditError(
            "No cell is being looked at; go to the next doubtful one first."
        )

    def _show(self, cell: int) -> None:
        self.current = cell
        self.changed.emit()
        if cell:
            self.shown.emit(cell)

    # ------------------------------------------------------------------ following
    def _on_opened(self) -> None:
        self.current = 0
        self._answers, self._taken_back = {}, {}
        self._doubts_of_large = None
        self._signs = NO_SIGNS
        self._stale()

    def _on_measured(self) -> None:
        self._stale()

    def _on_reviewed(self, ids: list[int]) -> None:
        """Go back to a cell whose answer was taken back; leave one that was answered for."""
        self._stale()
        if self._proofread.is_undo and len(ids) == 1 and ids[0] in self.queue:
            self._show(ids[0])
        elif self._saying is None and self.current in ids and self._is_accepted:
            self.leave()

    @property
    def _is_accepted(self) -> bool:
        """True if the cell that is looked at is said to be right."""
        cells = self._proofread.cells
        return cells is not None and cells.states.get(self.current) == "accepted"

    def _on_edited(self, edit: Edit) -> None:
        """Keep what was said of cells as the steps go, back and forth too."""
        step = edit.made_at
        if self._proofread.is_undo:
            self._move(step, self._answers, self._taken_back)
        elif self._saying is not None:
            self._answers[step] = self._saying
        elif step in self._taken_back:
            self._move(step, self._taken_back, self._answers)
        elif edit.author == "hand" and self.current in edit.changed_ids:
            self._note_changed(step)

    def _note_changed(self, step: float) -> None:
        """Note that the cell that is looked at was wrong: a person changed it."""
        is_left = self.current in self._proofread.sources
        self._answers[step] = _Answer(True, self.current if is_left else 0)
        if is_left:
            self._proofread.set_state([self.current], "fixed")

    def _move(
        self, step: float, here: dict[float, _Answer], there: dict[float, _Answer]
    ) -> None:
        """Take an answer back, or give it again."""
        answer = here.pop(step, None)
        if answer is None:
            return
        there[step] = answer
        if answer.fixed:
            is_given = there is self._answers
            self._proofread.set_state([answer.fixed], "fixed" if is_given else None)

    def _stale(self) -> None:
        self._is_stale = True
        self.changed.emit()
