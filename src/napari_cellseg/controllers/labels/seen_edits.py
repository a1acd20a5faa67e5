"""What was done on a layer, as edits of the labels; the layer may be a window of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.controllers.labels.run_edits import is_bare
from napari_cellseg.controllers.labels.strokes import (
    after_stroke,
    is_erasure,
    stroke_box,
)
from napari_cellseg.core.editing.cut_cells import carried_on
from napari_cellseg.core.editing.edits import Edit, edit_on_labels
from napari_cellseg.core.editing.rerun import Footprint
from napari_cellseg.core.labels.boxes import shifted
from napari_cellseg.core.labels.on_disk import is_on_disk
from napari_cellseg.core.types import Labels

#: Of large labels, each place of a deleted cell that is looked at may be a read from disk.
MAX_LOOKED_AT = 200
PIXELS_AT_ONCE = 2**18
FOREIGN_CHANGE = "change by another tool"


def edit_of_atoms(
    cells: CellLabels, atoms: Sequence[Any], start: tuple[int, ...], *, fills: bool
) -> Edit | None:
    """Return the edit of a stroke, or None if it touches nothing.

    Parameters
    ----------
    cells : CellLabels
        Before the stroke.
    atoms : sequence
        The value of napari's paint event.
    start : tuple of int
        Where the layer begins in the labels, if it shows a window of them; () if not.
    fills : bool
        Whether it is a fill: it goes on in what of the cells the window cuts off.
    """
    box = stroke_box(atoms)
    if box is None:
        return None
    whole = shifted(box, tuple(-low for low in start)) if start else box
    after = after_stroke(cells.labels[whole], box, atoms)
    corner = tuple(part.start for part in whole)
    if start and fills:
        corner, after = carried_on(cells.index, corner, after)
    name = "erase" if is_erasure(atoms) else "brush stroke"
    return edit_on_labels(cells.index, after, corner, name, cells.sources)


def is_shown(cells: CellLabels, shown: NDArray[Any], start: tuple[int, ...]) -> bool:
    """Say whether a layer holds the labels, or its window of them, as they are."""
    part = _part(cells, shown, start)
    if shown.shape != part.shape:
        return False
    # Some rows at a time: what is compared stays near the processor.
    n_rows = max(1, len(part) * PIXELS_AT_ONCE // max(part.size, 1))
    return all(
        np.array_equal(shown[top : top + n_rows], part[top : top + n_rows])
        for top in range(0, len(part), n_rows)
    )


def edit_of_shown(cells: CellLabels, shown: Labels, start: tuple[int, ...]) -> Edit:
    """Return the edit that makes the labels, or the window of them, what is shown."""
    corner = start or (0,) * shown.ndim
    indexed = cells.index if start else cells.labels
    return edit_on_labels(indexed, shown, corner, FOREIGN_CHANGE, cells.sources)


def _part(cells: CellLabels, shown: NDArray[Any], start: tuple[int, ...]) -> Labels:
    if not start:
        return cells.labels
    spans = zip(start, shown.shape, strict=True)
    return cells.labels[tuple(slice(low, low + n) for low, n in spans)]


def still_deleted(labels: Labels, deleted: list[Footprint]) -> list[Footprint]:
    """Return where cells were deleted by hand and nothing has taken their place."""
    if is_on_disk(labels) and len(deleted) > MAX_LOOKED_AT:
        return deleted
    return [one for one in deleted if is_bare(labels[one.box], one.mask)]
