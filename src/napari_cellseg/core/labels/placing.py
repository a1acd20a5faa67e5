"""Cells that may overlap, put into one labels array without losing one silently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.counted import counted
from napari_cellseg.core.errors import LabelsError
from napari_cellseg.core.labels.arrays import MAX_ID
from napari_cellseg.core.types import LABELS_DTYPE, Labels

#: So many ids are named in a sentence; more are counted.
MAX_NAMED = 5


@dataclass(frozen=True, slots=True, eq=False)
class PlacedCells:
    """Labels, and what could not be kept in them.

    Attributes
    ----------
    labels : int32 array
        0 is background.
    notes : tuple of str
        Sentences for the person on overlaps and on cells without a pixel; empty if
        everything is as it was.
    """

    labels: Labels
    notes: tuple[str, ...] = ()


def place_cells(
    cells: Sequence[NDArray[Any]],
    shape: tuple[int, ...],
    ids: Sequence[int] | None = None,
) -> PlacedCells:
    """Return labels of cells that may overlap: smaller ones lie on larger ones.

    Parameters
    ----------
    cells : sequence of (n,) int arrays
        Places of the pixels of each cell in an array of `shape`, row by row.
    shape : tuple of int
        Of the labels.
    ids : sequence of int, optional
        Id of each cell, all different; None: 1, 2, 3... A cell without a pixel leaves its
        id unused.

    Raises
    ------
    LabelsError
        If an id is given twice or is none.
    """
    numbers = list(ids) if ids is not None else list(range(1, len(cells) + 1))
    _check_ids(numbers, len(cells))
    labels = np.zeros(shape, LABELS_DTYPE)
    flat = labels.ravel()
    n_shared = 0
    order = sorted(range(len(cells)), key=lambda place: -len(cells[place]))
    for place in order:
        n_shared += int(np.count_nonzero(flat[cells[place]]))
        flat[cells[place]] = numbers[place]
    kept = set(np.unique(flat).tolist())
    empty = [
        number for number, cell in zip(numbers, cells, strict=True) if not len(cell)
    ]
    hidden = [
        number
        for number, cell in zip(numbers, cells, strict=True)
        if len(cell) and number not in kept
    ]
    return PlacedCells(labels, _notes(n_shared, hidden, empty))


def _check_ids(ids: Sequence[int], n_cells: int) -> None:
    """Raise unless there is one id a cell, all different."""
    if len(ids) != n_cells or len(set(ids)) != n_cells:
        raise LabelsError(
            f"{n_cells} cells have {len(set(ids))} different numbers; each needs one of "
            "its own. Number the cells anew."
        )
    if ids and not 1 <= min(ids) <= max(ids) <= MAX_ID:
        raise LabelsError(
            f"Cells are numbered from 1 to {MAX_ID}; {min(ids)} to {max(ids)} was given. "
            "Number the cells anew."
        )


def _notes(
    n_shared_px: int, hidden: Sequence[int], empty: Sequence[int]
) -> tuple[str, ...]:
    """Return what the person should know."""
    notes = []
    if n_shared_px:
        pixels = counted(n_shared_px, "pixel")
        notes.append(f"Cells overlap in {pixels}, which went to the smaller cell.")
    if hidden:
        notes.append(f"{_named(hidden)} lay wholly under others and could not be kept.")
    if empty:
        notes.append(
            f"{_named(empty)} had no pixel in the image and could not be kept."
        )
    return tuple(notes)


def _named(ids: Sequence[int]) -> str:
    """Return cells by number, such as ``"2 cells (3, 7)"``."""
    shown = ", ".join(str(number) for number in ids[:MAX_NAMED])
    more = ", …" if len(ids) > MAX_NAMED else ""
    return f"{counted(len(ids), 'cell')} ({shown}{more})"


def places_of_cells(labels: Labels) -> dict[int, NDArray[np.int64]]:
    """Return the rising places of the pixels of every cell, in rising order of the ids."""
    flat = labels.ravel()
    places = np.flatnonzero(flat)
    order = np.argsort(flat[places], kind="stable")
    places = places[order]
    ids, firsts = np.unique(flat[places], return_index=True)
    parts = np.split(places, firsts[1:]) if ids.size else []
    return dict(zip(ids.tolist(), parts, strict=True))
