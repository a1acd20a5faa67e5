"""A run of a model as one step of the history of some cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.controllers.labels.run_edits import notes_of_run, run_edit
from napari_cellseg.core.editing.cell_notes import updated_notes, with_notes
from napari_cellseg.core.editing.classes import (
    class_change,
    updated_classes,
    with_classes,
)
from napari_cellseg.core.editing.edits import (
    Edit,
    apply_edit,
    is_empty,
    updated_sources,
)
from napari_cellseg.core.editing.rerun import Footprint, Merged
from napari_cellseg.core.errors import EditError


@dataclass(frozen=True, slots=True, eq=False)
class RunStep:
    """What a run changes.

    Attributes
    ----------
    shown : Edit
        From the cells as they are now.
    kept : Edit
        For the history: from before the run that this one takes the place of.
    confidence : mapping of int to float
        Before `kept`.
    deleted : list of Footprint
        Before `kept`.
    """

    shown: Edit
    kept: Edit
    confidence: dict[int, float]
    deleted: list[Footprint]

    @property
    def changes_nothing(self) -> bool:
        """True for a slider that came back to where it was."""
        kept = self.kept
        return is_empty(kept) and kept.sources_before == kept.sources_after


def step_of_run(
    cells: CellLabels, merged: Merged, name: str, *, replaces_last: bool
) -> RunStep | None:
    """Return the step of a run, or None if it changes nothing that is shown.

    Parameters
    ----------
    cells : CellLabels
        Before the run. With `replaces_last` the last step is taken out of their history.
    merged : Merged
        From `core.editing.rerun.merge_run`.
    name : str
        What undo is to say.
    replaces_last : bool
        Whether it takes the place of the last step, which was such a run.
    """
    shown = run_edit(cells.index, cells.sources, merged, name)
    if is_empty(shown):
        return None
    shown = with_classes(shown, cells.labels, cells.classes)
    now, after = cells.notes, notes_of_run(cells.notes, merged)
    if not replaces_last:
        kept = with_notes(shown, now, after)
        return RunStep(kept, kept, cells.confidence, cells.deleted)
    joined, classes = _joined_with_last(cells, merged, name)
    shown = class_change(shown, cells.labels, cells.classes, classes)
    return RunStep(
        with_notes(shown, now, after), joined.kept, joined.confidence, joined.deleted
    )


def _joined_with_last(
    cells: CellLabels, merged: Merged, name: str
) -> tuple[RunStep, Mapping[int, str]]:
    """Take the last run out of the history; return the step from before it.

    With the classes after it.
    """
    back = cells.history.undo()
    if back is None:  # pragma: no cover - the caller saw its name
        raise EditError("There is nothing to join with.")
    labels = cells.labels.copy()
    apply_edit(labels, back)
    sources = updated_sources(cells.sources, back)
    confidence, deleted = cells.around_runs.pop(
        back.made_at, (cells.confidence, cells.deleted)
    )
    before = updated_classes(cells.classes, back)
    edit = run_edit(labels, sources, merged, name)
    edit = with_classes(edit, labels, before)
    known = updated_notes(cells.notes, back)
    # What the run of before said of cells that are kept since still holds.
    edit = with_notes(edit, known, notes_of_run(cells.notes, merged))
    return RunStep(edit, edit, confidence, deleted), updated_classes(before, edit)
