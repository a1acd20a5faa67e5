"""A run of a model as one step of the history of some cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from napari_cellseg.controllers.labels.cells_before import CellsBefore
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
from napari_cellseg.core.labels.on_disk import is_on_disk
from napari_cellseg.core.labels.rows import CellRows, find_rows

#: Runs of this name follow each other while a slider moves; they count as one.
MOVED = "move threshold"


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
    rows : CellRows or None
        Where every cell lies after it, where that was looked for.
    replaces_last : bool
        Whether `kept` takes the place of the last step, which was such a run.
    """

    shown: Edit
    kept: Edit
    confidence: dict[int, float]
    deleted: list[Footprint]
    rows: CellRows | None = None
    replaces_last: bool = False

    @property
    def changes_nothing(self) -> bool:
        """True for a slider that came back to where it was."""
        kept = self.kept
        return is_empty(kept) and kept.sources_before == kept.sources_after


def step_of_run(before: CellsBefore, merged: Merged, name: str) -> RunStep | None:
    """Return the step of a run, or None if it changes nothing that is shown.

    A run `MOVED` right after another takes its place in the history.

    Parameters
    ----------
    before : CellsBefore
        The cells that it meets.
    merged : Merged
        From `core.editing.rerun.merge_run`.
    name : str
        What undo is to say.
    """
    shown = run_edit(before.indexed, before.sources, merged, name)
    if is_empty(shown):
        return None
    shown = with_classes(shown, before.labels, before.classes)
    now, after = before.notes, notes_of_run(before.notes, merged)
    is_large = is_on_disk(before.labels)
    rows = None if is_large or merged.start else find_rows(merged.labels)
    last = before.last
    if last is None or not last.name == name == MOVED or is_large:
        kept = with_notes(shown, now, after)
        return RunStep(kept, kept, dict(now.confidence), before.deleted, rows)
    joined, classes = _joined_with(last, before, merged, name)
    shown = class_change(shown, before.labels, before.classes, classes)
    shown = with_notes(shown, now, after)
    return replace(joined, shown=shown, rows=rows, replaces_last=True)


def _joined_with(
    last: Edit, before: CellsBefore, merged: Merged, name: str
) -> tuple[RunStep, Mapping[int, str]]:
    """Return the step from before the last run, with the classes after it."""
    back = last.inverted()
    labels = before.labels.copy()
    apply_edit(labels, back)
    sources = updated_sources(before.sources, back)
    confidence, deleted = before.around_last or (
        dict(before.notes.confidence), before.deleted,
    )  # fmt: skip
    classes = updated_classes(before.classes, back)
    edit = run_edit(labels, sources, merged, name)
    edit = with_classes(edit, labels, classes)
    known = updated_notes(before.notes, back)
    # What the run of before said of cells that are kept since still holds.
    edit = with_notes(edit, known, notes_of_run(before.notes, merged))
    return RunStep(edit, edit, confidence, deleted), updated_classes(classes, edit)
