"""Parents of cells follow every edit, back and forth."""

from __future__ import annotations

from napari_cellseg.controllers.cell_labels import CellLabels
from napari_cellseg.controllers.rerun_difference import RUN_NAMES
from napari_cellseg.core.edits import Edit
from napari_cellseg.core.lineage_steps import parents_difference, with_difference
from napari_cellseg.core.tracks import parents_after


def follow_parents(cells: CellLabels, edit: Edit) -> bool:
    """Let the parents follow an edit, its undo or redo; return whether they changed.

    A new run has none. What they were is kept with the edit.
    """
    if edit.made_at in cells.around_parents:
        parents = with_difference(cells.parents, cells.around_parents[edit.made_at])
    elif edit.name in RUN_NAMES:
        parents = {}
    else:
        parents = parents_after(edit, cells.parents)
    if parents == cells.parents:
        return False
    cells.around_parents[edit.made_at] = parents_difference(parents, cells.parents)
    cells.parents = parents
    return True
