"""Parents of cells follow every edit, back and forth."""

from __future__ import annotations

import weakref

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.core.editing.edits import Edit
from napari_cellseg.core.editing.lineage_steps import (
    Lineage,
    parents_difference,
    with_difference,
)
from napari_cellseg.core.tracking.tracks import parents_after


def lineage_after(cells: CellLabels, edit: Edit) -> Lineage:
    """Return what an edit, its undo or redo makes of the parents; nothing is changed."""
    if edit.made_at in cells.around_parents:
        parents = with_difference(cells.parents, cells.around_parents[edit.made_at])
    else:
        parents = parents_after(edit, cells.parents)
    if parents == cells.parents:
        return Lineage(cells.parents, cells.around_parents)
    difference = parents_difference(parents, cells.parents)
    return Lineage(parents, {**cells.around_parents, edit.made_at: difference})


class LineageFollower:
    """Tells a journal what to write of the parents together with a step.

    Parameters
    ----------
    cells : CellLabels
        Those of the journal, held weakly; what is known of their parents is on the disk.
    """

    def __init__(self, cells: CellLabels) -> None:
        self._cells = weakref.ref(cells)
        self._told = Lineage(cells.parents, cells.around_parents)

    def after(self, edit: Edit) -> Lineage | None:
        """Return the lineage after a step, None where it is on the disk already."""
        cells = self._cells()
        if cells is None:
            return None
        now = Lineage(cells.parents, cells.around_parents)
        # A slider that moves on takes its last step back, which the cells do not follow.
        was, self._told = self._told, lineage_after(cells, edit)
        return None if self._told == now == was else self._told


def follow_parents(cells: CellLabels, edit: Edit) -> bool:
    """Let the parents follow an edit, its undo or redo; return whether they changed.

    What they were is kept with the edit.
    """
    after = lineage_after(cells, edit)
    if after.parents == cells.parents:
        return False
    cells.parents, cells.around_parents = dict(after.parents), dict(after.steps)
    return True
