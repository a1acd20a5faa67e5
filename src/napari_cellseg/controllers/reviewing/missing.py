"""Places where a cell may be missing, gone through one by one."""

from __future__ import annotations

from dataclasses import replace

from psygnal import Signal

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.core.editing.cell_index import overlap
from napari_cellseg.core.editing.edits import Edit
from napari_cellseg.core.editing.find_cell import add_found
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.review.doubt_signs import Signs
from napari_cellseg.core.review.in_turn import follower, next_of
from napari_cellseg.core.review.missing_cells import MissingPlace


class MissingController:
    """Goes from one place to the next; adds the cell that is seen there, or none.

    Attributes
    ----------
    current : MissingPlace or None
        The place that is looked at.
    """

    changed = Signal()
    shown = Signal(MissingPlace)
    decided = Signal(CellLabels)

    def __init__(self, proofread: ProofreadController) -> None:
        self._proofread = proofread
        self.current: MissingPlace | None = None
        self._known: list[MissingPlace] = []
        self._taken: set[int] = set()
        self._refused: list[MissingPlace] = []
        proofread.opened.connect(self._on_opened)
        proofread.edited.connect(self._on_edited)

    @property
    def places(self) -> list[MissingPlace]:
        """What nobody has decided on, the likeliest first; filled places are none."""
        return [one for one in self._known if id(one) not in self._taken]

    def take_signs(self, signs: Signs) -> None:
        """Take the places that a second look has found."""
        if signs.missing is None:
            return
        self._known = [one for one in signs.missing if not self._was_refused(one)]
        self._taken.clear()
        labels = self._proofread.labels
        if labels is not None:
            self._taken |= {id(one) for one in self._known if not one.is_free(labels)}
        self._show(None)

    def next(self) -> None:
        """Go to the next place; raises `EditError` where none is left."""
        places = self.places
        if not places:
            raise EditError(
                "No place is left where the model thinks a cell is missing."
            )
        self._show(next_of(places, self.current))

    def add(self) -> None:
        """Add the cell that is seen there, and go on; undo brings the place back."""
        place = self._current_or_error()
        following = follower(self.places, place)
        self._proofread.make(add_found, place.mask, place.corner_yx, place.plane)
        self._show(following)

    def refuse(self) -> None:
        """Say that there is no cell, and go on."""
        place = self._current_or_error()
        following = follower(self.places, place)
        self._known.remove(place)
        self._refused.append(place)
        cells = self._proofread.cells
        if cells is not None:
            cells.signs = replace(cells.signs, missing=tuple(self._known))
            self.decided.emit(cells)
        self._show(following)

    def leave(self) -> None:
        """Look at no place any more."""
        if self.current is not None:
            self._show(None)

    def _current_or_error(self) -> MissingPlace:
        if self.current is None:
            raise EditError("No place is looked at; go to the next one first.")
        return self.current

    def _was_refused(self, place: MissingPlace) -> bool:
        """Say whether somebody said of this place that there is no cell."""
        return any(overlap(place.box, one.box) is not None for one in self._refused)

    def _show(self, place: MissingPlace | None) -> None:
        self.current = place
        self.changed.emit()
        if place is not None:
            self.shown.emit(place)

    def _on_opened(self) -> None:
        self._known, self._refused = [], []
        self._taken.clear()
        self._show(None)

    def _on_edited(self, edit: Edit) -> None:
        """Leave places out that were filled; undo brings them back."""
        labels = self._proofread.labels
        if labels is None or not self._known:
            return
        before = set(self._taken)
        for place in self._known:
            if overlap(place.box, edit.box) is None:
                continue
            if place.is_free(labels):
                self._taken.discard(id(place))
            else:
                self._taken.add(id(place))
        if self.current is not None and id(self.current) in self._taken:
            self.current = None
        if self._taken != before:
            self.changed.emit()
