"""The changes of the last run, gone through one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from psygnal import Signal

from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.labels.run_step import MOVED
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.editing.around_run import Around, around
from napari_cellseg.core.editing.cell_notes import CellNotes, with_notes
from napari_cellseg.core.editing.checked import ReviewState
from napari_cellseg.core.editing.classes import updated_classes
from napari_cellseg.core.editing.difference import (
    Change,
    ChangeView,
    Former,
    counts_of,
    find_changes,
    keep_old,
    view_of,
)
from napari_cellseg.core.editing.edits import Edit, Source, updated_sources
from napari_cellseg.core.editing.numbering import moved_numbers
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.review.in_turn import follower, next_of

RUN_NAMES = ("segment", MOVED)


@dataclass(slots=True, eq=False)
class _Before:
    """What there was before a run.

    Attributes
    ----------
    made_at : float
        Of the run's edit.
    sources, confidence, classes
        Of the cells in it.
    is_undone : bool
        True while the run is taken back.
    former : Former or None
        The labels, of the part that it changed; None until they were compared.
    """

    made_at: float
    sources: dict[int, Source]
    confidence: dict[int, float]
    classes: dict[int, str]
    is_undone: bool = False
    former: Former | None = None


class RerunDifference:
    """Compares the cells after a new run with those before.

    The run itself is one edit, so taking what is new costs nothing; keeping what was
    old is one edit for each choice, and undo brings the choice back.

    Parameters
    ----------
    proofread : ProofreadController
        Tells of runs, and takes the edits.
    task : TaskController
        Compares off the main thread.

    Attributes
    ----------
    current : Change or None
        The change that is looked at.
    """

    changed = Signal()
    shown = Signal(Change)

    def __init__(self, proofread: ProofreadController, task: TaskController) -> None:
        self._proofread = proofread
        self.task = task
        self.current: Change | None = None
        self._before: _Before | None = None
        self._open: list[Change] = []
        self._taken_back: dict[float, list[Change]] = {}
        self._seen: set[float] = set()
        self._is_ours = False
        proofread.opened.connect(self.forget)
        proofread.edited.connect(self._on_edited)

    # ------------------------------------------------------------------ what there is
    @property
    def changes(self) -> list[Change]:
        """The changes that nobody has decided on, and that no hand has touched since."""
        sources, before = self._proofread.sources, self._before
        if before is None or before.is_undone:
            return []
        return [
            change
            for change in self._open
            if all(sources.get(cell) == "model" for cell in change.new_ids)
        ]

    @property
    def words(self) -> str:
        """How many changes of each kind are left, and which one is looked at."""
        changes = self.changes
        if not changes:
            return ""
        counts = counts_of(changes)
        parts = [f"{n:,} {kind}" for kind, n in counts.items() if n]
        text = " · ".join(parts)
        if self.current in changes:
            text += f" — {describe(self.current)}"
        return text

    def view_of(self, change: Change) -> ChangeView:
        """Return where to look at a change; raises `EditError` where there is no run."""
        before, labels = self._before, self._proofread.labels
        if before is None or before.former is None or labels is None:
            raise EditError("There is no new run to look at. Segment again.")
        return view_of(change, before.former, labels)

    # ------------------------------------------------------------------------ stepping
    def step(self, by: int = 1) -> None:
        """Go to the next change, or back with -1; raises `EditError` without any."""
        changes = self.changes
        if not changes:
            raise EditError("The new run changed nothing that is not decided on.")
        self._show(next_of(changes, self.current, by))

    def take_new(self) -> None:
        """Leave the change that is looked at as the run made it, and go on."""
        change = self._current_or_error()
        following = follower(self.changes, change)
        self._open.remove(change)
        self._show(following)

    def keep_old(self) -> None:
        """Bring back what was there before, and go on; one edit."""
        change = self._current_or_error()
        following = follower(self.changes, change)
        self._take_back([change])
        self._show(following)

    def take_all(self) -> None:
        """Leave everything as the run made it."""
        self._open = []
        self._show(None)

    def keep_all_old(self) -> None:
        """Bring back all that is not decided on; one edit."""
        self._take_back(self.changes)
        self._show(None)

    def _take_back(self, changes: list[Change]) -> None:
        before, cells = self._before, self._proofread.cells
        if before is None or before.former is None or cells is None:
            raise EditError("There is nothing left to take back.")
        kept = keep_old(
            cells.index, before.former, changes, cells.sources, before.sources
        )
        found = {new: before.confidence.get(old) for old, new in kept.ids.items()}
        known = {cell: value for cell, value in found.items() if value is not None}
        # Somebody wanted them: the next run leaves them.
        wanted: dict[int, ReviewState] = dict.fromkeys(kept.ids.values(), "accepted")
        notes = cells.notes
        after = CellNotes(
            {**notes.confidence, **known}, {**notes.states, **wanted}, notes.areas
        )
        self._taken_back[kept.edit.made_at] = list(changes)
        self._open = [one for one in self._open if one not in changes]
        self._is_ours = True
        try:
            said = {new: before.classes.get(old, "") for old, new in kept.ids.items()}
            self._proofread.apply(with_notes(kept.edit, notes, after), said)
        finally:
            self._is_ours = False

    def _current_or_error(self) -> Change:
        if self.current is None or self.current not in self.changes:
            raise EditError("No change is looked at; go to the next one first.")
        return self.current

    def _show(self, change: Change | None) -> None:
        self.current = change
        self.changed.emit()
        if change is not None:
            self.shown.emit(change)

    # ----------------------------------------------------------------------- following
    def forget(self) -> None:
        """Forget the last run, as when other labels are opened."""
        self.task.abandon()
        self._before = None
        self._open = []
        self._taken_back.clear()
        self._show(None)

    def _on_edited(self, edit: Edit) -> None:
        if self._is_ours:
            return
        before = self._before
        if moved := moved_numbers(edit):
            self._move(moved)
        elif edit.made_at in self._taken_back:
            self._toggle(self._taken_back[edit.made_at])
        elif before is not None and edit.made_at == before.made_at:
            # The run was undone, or made again.
            before.is_undone = not before.is_undone
            self._show(None)
        elif edit.author != "model":
            self.changed.emit()
        elif self._is_new_run(edit):
            self._seen.add(edit.made_at)
            self._compare(edit)
        else:
            # Cells have other numbers now, as after they were linked through time.
            self.forget()

    def _is_new_run(self, edit: Edit) -> bool:
        """Say whether a run is made, and was not compared before."""
        is_made = edit.name in RUN_NAMES and not self._proofread.is_undo
        return is_made and edit.made_at not in self._seen

    def _move(self, moved: Mapping[int, int]) -> None:
        """Follow the cells of the run to their new numbers."""
        renewed = {id(one): _moved(one, moved) for one in self._known()}
        self._open = [renewed[id(one)] for one in self._open]
        self._taken_back = {
            at: [renewed[id(one)] for one in changes]
            for at, changes in self._taken_back.items()
        }
        current = self.current
        self.current = None if current is None else renewed[id(current)]
        self.changed.emit()

    def _known(self) -> list[Change]:
        """Return every change that is held somewhere."""
        current = [] if self.current is None else [self.current]
        taken = [one for changes in self._taken_back.values() for one in changes]
        return [*self._open, *taken, *current]

    def _toggle(self, changes: list[Change]) -> None:
        """Bring choices back that were undone, or drop those that were made again."""
        if any(one in self._open for one in changes):
            self._open = [one for one in self._open if one not in changes]
        else:
            self._open = [*changes, *self._open]
        self._show(None)

    def _compare(self, edit: Edit) -> None:
        """Compare the cells after a run with those before, off the main thread."""
        self.forget()
        cells = self._proofread.cells
        if cells is None or edit.name == MOVED:
            return
        compared = around(cells.index, edit)
        if compared is None:
            return
        known = cells.around_runs.get(edit.made_at)
        before = _Before(
            edit.made_at,
            updated_sources(cells.sources, edit.inverted()),
            dict(known[0] if known else {}),
            updated_classes(cells.classes, edit.inverted()),
        )
        self._before = before
        self.task.start("Comparing", _compare_job(compared), self._take)

    def _take(self, found: tuple[Former, list[Change]]) -> None:
        if self._before is not None:
            self._before.former, changes = found
            self._open = list(changes)
            self._show(None)


def _moved(change: Change, moved: Mapping[int, int]) -> Change:
    """Return a change with the new numbers of its new cells."""
    return replace(change, new_ids=tuple(moved.get(one, one) for one in change.new_ids))


def describe(change: Change | None) -> str:
    """Return what happened to the cells of a change, in words."""
    if change is None:
        return ""
    n_old, n_new = len(change.old_ids), len(change.new_ids)
    if change.kind == "new":
        return f"cell {change.new_ids[0]} is new"
    if change.kind == "gone":
        return f"a cell is gone (it was number {change.old_ids[0]})"
    if n_old == n_new == 1:
        return f"cell {change.new_ids[0]} has another outline"
    return f"{n_old} became {n_new}"


def _compare_job(compared: Around) -> Job[tuple[Former, list[Change]]]:
    """Find the changes, none where there were no cells; with what there was before."""
    yield Progress(0, 0, "comparing")
    former = compared.before()
    if not former.labels.any():
        return former, []
    return former, find_changes(former.labels, compared.after(), former.start)
