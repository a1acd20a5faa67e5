"""Other numbers for cells: all of them from 1 on, or a new one for one cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np

from napari_cellseg.core.editing.cell_index import (
    CellIndex,
    IndexedLabels,
    boxes_on,
    labels_of,
)
from napari_cellseg.core.editing.edits import (
    NUMBER_ANEW,
    Edit,
    Source,
    edit_on_labels,
    with_sources,
)
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.labels.arrays import MAX_ID, relabel_sequential
from napari_cellseg.core.labels.boxes import start_of


def renumber_cells(indexed: IndexedLabels, sources: Mapping[int, Source]) -> Edit:
    """Return the edit that numbers all cells from 1 to n, in their order.

    Who made a cell goes along with it.

    Raises
    ------
    EditError
        If there is no cell, or they are numbered so already.
    """
    labels = labels_of(indexed)
    after, new_ids = relabel_sequential(labels)
    if all(old == new for old, new in new_ids.items()):
        raise EditError(f"The {len(new_ids)} cells are numbered from 1 already.")
    start = (0,) * labels.ndim
    edit = edit_on_labels(indexed, after, start, NUMBER_ANEW, sources)
    before = {cell: sources.get(cell, "model") for cell in new_ids}
    moved = {new: before[old] for old, new in new_ids.items()}
    return with_sources(edit, before, moved)


def moved_numbers(edit: Edit) -> dict[int, int]:
    """Return the new id of each cell that an edit numbers anew; {} for other edits."""
    if edit.name != NUMBER_ANEW:
        return {}
    ids, places = np.unique(edit.before, return_index=True)
    new = edit.after.ravel()[places]
    pairs = zip(ids.tolist(), new.tolist(), strict=True)
    return {old: now for old, now in pairs if old > 0 and old != now}


Known = TypeVar("Known")


def moved_keys(
    known: Mapping[int, Known], moved: Mapping[int, int]
) -> dict[int, Known]:
    """Return what is known of cells under their new ids.

    Of a former cell whose number another one has now, nothing is.
    """
    taken = set(moved.values())
    return {
        moved.get(cell, cell): value
        for cell, value in known.items()
        if cell in moved or cell not in taken
    }


def give_new_id(
    indexed: IndexedLabels,
    cell: int,
    sources: Mapping[int, Source],
    *,
    plane: tuple[int, ...] | None = None,
) -> Edit:
    """Return the edit that gives a cell, or what of it is on a plane, an id of its own.

    Parameters
    ----------
    indexed, cell, sources
        As in `core.editing.corrections`.
    plane : tuple of int or None
        What is on this plane becomes a cell of its own; None: the whole cell.

    Raises
    ------
    EditError
        If the cell is not there.
    """
    labels = labels_of(indexed)
    ((box, _),) = boxes_on(indexed, [cell], plane).values()
    new = next_id(indexed)
    before = labels[box]
    after = np.where(before == cell, new, before)
    edit = edit_on_labels(indexed, after, start_of(box), "new number", sources)
    was = sources.get(cell, "model")
    source: Source = "edited" if was == "model" else was
    return replace(edit, sources_after={**edit.sources_after, new: source})


def next_id(indexed: IndexedLabels) -> int:
    """Return the id for a new cell: one more than the highest, 1 if there is none.

    Of an index it is one that no cell ever had, as long as int32 holds such.

    Raises
    ------
    EditError
        If the highest id is the last that int32 can hold.
    """
    if isinstance(indexed, CellIndex):
        # After "number anew" the high ids are free again.
        is_left = indexed.last_id < MAX_ID
        highest = indexed.last_id if is_left else indexed.highest
    else:
        highest = int(indexed.max(initial=0))
    check_free_ids(highest + 1, 1)
    return highest + 1


def check_free_ids(first: int, n_ids: int) -> None:
    """Raise `EditError` unless int32 holds `n_ids` ids from `first` on."""
    if first + n_ids - 1 > MAX_ID:
        raise EditError(
            f"The highest cell id is {first - 1}, so there is none left for a new cell. "
            "Number the cells anew first."
        )
