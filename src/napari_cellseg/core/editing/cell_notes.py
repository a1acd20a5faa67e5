"""What is known of cells beside their pixels, and how an edit changes it.

A run or an import brings other confidences along, and nobody has looked at its cells yet;
undo restores what was known before, in any later session.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from napari_cellseg.core.editing.checked import CheckedArea, ReviewState
from napari_cellseg.core.editing.edits import Edit, unchanged_pixel
from napari_cellseg.core.types import Labels

Known = TypeVar("Known")


@dataclass(frozen=True, slots=True, eq=False)
class CellNotes:
    """What is known of all cells, or of those that an edit changes.

    Attributes
    ----------
    confidence : mapping of int to float
        The model's confidence where there is one.
    states : mapping of int to ReviewState
        What a person said of each cell that was looked at.
    areas : tuple of CheckedArea or None
        All checked areas; None where an edit leaves them.
    """

    confidence: Mapping[int, float] = field(default_factory=dict)
    states: Mapping[int, ReviewState] = field(default_factory=dict)
    areas: tuple[CheckedArea, ...] | None = None

    def without(self, ids: set[int]) -> CellNotes:
        """Return what is known of the other cells, and all areas."""
        return CellNotes(
            {cell: value for cell, value in self.confidence.items() if cell not in ids},
            {cell: state for cell, state in self.states.items() if cell not in ids},
            self.areas,
        )

    def accepting(self, ids: Iterable[int]) -> CellNotes:
        """Return what is known once a person has said that cells are right."""
        accepted: dict[int, ReviewState] = dict.fromkeys(ids, "accepted")
        return replace(self, states={**self.states, **accepted})


def with_notes(edit: Edit, before: CellNotes, after: CellNotes) -> Edit:
    """Return an edit with what else it changes.

    Parameters
    ----------
    edit : Edit
        Of the pixels.
    before, after : CellNotes
        Of all cells.
    """
    old_confidence, confidence = _changed(before.confidence, after.confidence)
    old_states, states = _changed(before.states, after.states)
    is_same = before.areas == after.areas
    return replace(
        edit,
        notes_before=CellNotes(
            old_confidence, old_states, None if is_same else before.areas
        ),
        notes_after=CellNotes(confidence, states, None if is_same else after.areas),
    )


def noting(labels: Labels, name: str, before: CellNotes, after: CellNotes) -> Edit:
    """Return the edit that changes what is known of the cells, and no pixel.

    Parameters
    ----------
    labels : int32 array
        2-D to 4-D.
    name : str
        What was done.
    before, after : CellNotes
        Of all cells.
    """
    held = unchanged_pixel(labels, name, (0,) * labels.ndim)
    return with_notes(held, before, after)


def updated_notes(notes: CellNotes, edit: Edit) -> CellNotes:
    """Return what is known of all cells after an edit."""
    old, new = edit.notes_before, edit.notes_after
    if old is None or new is None:
        return notes
    return CellNotes(
        _updated(notes.confidence, old.confidence, new.confidence),
        _updated(notes.states, old.states, new.states),
        notes.areas if new.areas is None else new.areas,
    )


def _changed(
    old: Mapping[int, Known], new: Mapping[int, Known]
) -> tuple[dict[int, Known], dict[int, Known]]:
    """Return what differs, before and after."""
    if old is new:
        return {}, {}
    changed = {
        cell for cell in old.keys() | new.keys() if old.get(cell) != new.get(cell)
    }
    return (
        {cell: old[cell] for cell in changed & old.keys()},
        {cell: new[cell] for cell in changed & new.keys()},
    )


def _updated(
    known: Mapping[int, Known], old: Mapping[int, Known], new: Mapping[int, Known]
) -> dict[int, Known]:
    if not (old or new):
        return dict(known)
    gone = old.keys() - new.keys()
    kept = {cell: value for cell, value in known.items() if cell not in gone}
    return {**kept, **new}
