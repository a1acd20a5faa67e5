"""The cells that a run or an import meets, as a job may look at them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.controllers.labels.seen_edits import still_deleted
from napari_cellseg.core.editing.cell_index import IndexedLabels, labels_of
from napari_cellseg.core.editing.cell_notes import CellNotes
from napari_cellseg.core.editing.checked import checked_background, locked_ids
from napari_cellseg.core.editing.edits import Edit, Source
from napari_cellseg.core.editing.rerun import Footprint
from napari_cellseg.core.types import Labels

#: What is done with labels of so few pixels is done on the spot, without a job: to merge
#: 2048 x 2048 takes 0.1 s.
AT_ONCE_PX = 2**22


def is_done_at_once(shape: tuple[int, ...]) -> bool:
    """Say whether labels of a shape are so small that no job is needed."""
    return math.prod(shape) <= AT_ONCE_PX


@dataclass(frozen=True, slots=True, eq=False)
class CellsBefore:
    """What there is of some cells, for as long as `still_holds` says so.

    Attributes
    ----------
    cells : CellLabels
        Whose it is; a job changes nothing of them.
    indexed : CellIndex or int32 array
        The labels: those under correction, or a copy.
    n_edits, last_id : int
        See `CellIndex`.
    sources, classes, notes, deleted
        See `CellLabels`.
    last : Edit or None
        What undo would take back.
    around_last : tuple or None
        Confidence and deleted before `last`, if it was a run.
    """

    cells: CellLabels
    indexed: IndexedLabels
    n_edits: int
    last_id: int
    sources: dict[int, Source]
    classes: dict[int, str]
    notes: CellNotes
    deleted: list[Footprint]
    last: Edit | None
    around_last: tuple[dict[int, float], list[Footprint]] | None

    @property
    def labels(self) -> Labels:
        """The labels."""
        return labels_of(self.indexed)

    @property
    def kept_ids(self) -> set[int]:
        """See `ProofreadController.kept_ids`."""
        return locked_ids(self.sources, self.notes.states) | self.classes.keys()

    @property
    def kept_empty(self) -> list[Footprint]:
        """See `ProofreadController.kept_empty`."""
        found = still_deleted(self.labels, self.deleted)
        return found + checked_background(self.notes.areas or (), self.labels)

    def on_a_copy(self) -> CellsBefore:
        """Return the same with labels that nobody edits; large ones stay on the disk.

        A compiled loop that counts ids would write beside its table if a new one came in
        between.
        """
        if self.cells.is_large:
            return self
        return replace(self, indexed=self.labels.copy())

    def still_holds(self, cells: CellLabels | None) -> bool:
        """Say whether these are the cells, and nothing was done on them since."""
        if cells is not self.cells or cells.index.n_edits != self.n_edits:
            return False
        notes, then = cells.notes, self.notes
        has_same_areas = [*map(id, notes.areas or ())] == [*map(id, then.areas or ())]
        return has_same_areas and notes.states == then.states


def cells_before(cells: CellLabels) -> CellsBefore:
    """Return what there is of cells now."""
    last = cells.history.last()
    return CellsBefore(
        cells,
        cells.index,
        cells.index.n_edits,
        cells.index.last_id,
        dict(cells.sources),
        dict(cells.classes),
        replace(cells.notes, confidence=dict(cells.confidence)),
        cells.deleted,
        last,
        None if last is None else cells.around_runs.get(last.made_at),
    )
