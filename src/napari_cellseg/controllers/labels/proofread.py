"""The labels under correction: one history for every tool, brush and run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray
from psygnal import Signal

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.controllers.labels.cells_before import cells_before
from napari_cellseg.controllers.labels.run_edits import without_former
from napari_cellseg.controllers.labels.run_step import RunStep, step_of_run
from napari_cellseg.controllers.labels.seen_edits import (
    edit_of_atoms,
    edit_of_shown,
    is_shown,
    still_deleted,
)
from napari_cellseg.core.editing import corrections
from napari_cellseg.core.editing.cell_notes import CellNotes, noting
from napari_cellseg.core.editing.checked import (
    CheckedArea,
    ReviewState,
    area_within,
    cells_inside,
    checked_background,
    locked_ids,
    whole_plane,
)
from napari_cellseg.core.editing.classes import (
    assign_class,
    updated_classes,
    with_classes,
)
from napari_cellseg.core.editing.edits import (
    Edit,
    Source,
    apply_edit,
    is_empty,
    update_sources,
)
from napari_cellseg.core.editing.history import History, Steps
from napari_cellseg.core.editing.rerun import Footprint, Merged
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.labels.arrays import check_labels
from napari_cellseg.core.labels.rows import CellRows
from napari_cellseg.core.types import Labels

TOO_LARGE_TO_CHECK = (
    "These labels are too large to be marked as checked all at once. Draw around the parts "
    "that you have looked at."
)


class ProofreadController:
    """Corrects one set of labels; every change is an `Edit` on one history.

    `edited` tells the view to write an edit into the layer, and the table to follow.
    `exchanged` tells that the project has other labels by now: they are to be opened again.

    Attributes
    ----------
    cells : CellLabels or None
        None until there are labels to correct.
    keep_mine : bool
        Whether a new run keeps the cells that were made, edited or deleted by hand.
    """

    opened = Signal()
    edited = Signal(Edit)
    exchanged = Signal(CellLabels)
    noticed = Signal(str)
    reviewed = Signal(list)

    def __init__(self) -> None:
        self.cells: CellLabels | None = None
        self.keep_mine = True
        self.is_undo = False  # whether the edit that `edited` tells of is taken back

    def open(
        self,
        labels: Labels,
        sources: Mapping[int, Source] | None = None,
        confidence: Mapping[int, float] | None = None,
    ) -> None:
        """Take new labels to correct.

        Parameters
        ----------
        labels : int32 array
            Taken over, not copied: the layer must show a copy.
        sources : mapping of int to Source
            A cell that is not in it counts as made by a model.
        confidence : mapping of int to float
            Of the model's cells.
        """
        self.reopen(CellLabels(labels, sources, confidence))

    def reopen(self, cells: CellLabels | None) -> None:
        """Go on with labels that were worked on before, or with none."""
        self.cells = cells
        self.opened.emit()

    @property
    def labels(self) -> Labels | None:
        """The labels, None if there are none to correct."""
        return None if self.cells is None else self.cells.labels

    @property
    def sources(self) -> dict[int, Source]:
        """Who made each cell; empty without labels."""
        return {} if self.cells is None else self.cells.sources

    @property
    def classes(self) -> dict[int, str]:
        """The class of each cell that has one; empty without labels."""
        return {} if self.cells is None else self.cells.classes

    @property
    def history(self) -> Steps:
        """What can be undone; empty without labels."""
        return History() if self.cells is None else self.cells.history

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.sources)

    def n_by_source(self, source: Source) -> int:
        """Return the number of cells of one source."""
        return list(self.sources.values()).count(source)

    @property
    def model_confidence(self) -> dict[int, float]:
        """The confidence of the cells that a model made; an id by hand has none."""
        if self.cells is None:
            return {}
        return {
            cell: value
            for cell, value in self.cells.confidence.items()
            if self.sources.get(cell, "hand") != "hand"
        }

    @property
    def deleted(self) -> list[Footprint]:
        """Where cells were deleted by hand and nothing has taken their place."""
        if self.cells is None:
            return []
        return still_deleted(self.cells.labels, self.cells.deleted)

    @property
    def locked_ids(self) -> set[int]:
        """The cells that a run must leave: made or edited by hand, accepted, checked."""
        if self.cells is None:
            return set()
        return locked_ids(self.sources, self.cells.states)

    @property
    def kept_ids(self) -> set[int]:
        """The cells that a run leaves: locked ones, and those that a person gave a class.

        A class does not say that the outline is right: nothing is learned from it.
        """
        return self.locked_ids | self.classes.keys()

    @property
    def kept_empty(self) -> list[Footprint]:
        """Where a run must add nothing: deleted cells, and background that was checked."""
        if self.cells is None:
            return []
        return self.deleted + checked_background(self.cells.areas, self.cells.labels)

    @property
    def has_hand_work(self) -> bool:
        """True if a new run could lose something that a person did."""
        return bool(self.kept_ids or self.deleted)

    # -------------------------------------------------------------- what was seen
    def set_state(self, ids: Sequence[int], state: ReviewState | None) -> None:
        """Note what a step says of cells, None for nothing; undo leaves it."""
        states = self._cells().states
        for cell in ids:
            states.pop(cell, None)
            if state is not None:
                states[cell] = state
        self.reviewed.emit(list(ids))

    def check_area(self, outline_yx: NDArray[Any], plane: tuple[int, ...]) -> None:
        """Note that everything in a polygon, (n, 2), was looked at and is right now."""
        height, width = self._cells().labels.shape[-2:]
        self._check(area_within(plane, outline_yx, (height, width)))

    def check_plane(self, plane: tuple[int, ...]) -> None:
        """Note that everything on a plane was looked at and is right now.

        Raises
        ------
        EditError
            If it is marked already, or the labels are too large to be looked through.
        """
        cells = self._cells()
        if cells.is_large:
            raise EditError(TOO_LARGE_TO_CHECK)
        height, width = cells.labels.shape[-2:]
        area = whole_plane(plane, (height, width))
        if any(
            one.plane == plane and one.area_px >= area.area_px for one in cells.areas
        ):
            raise EditError(f"{'This plane' if plane else 'All'} is marked already.")
        self._check(area)

    def _check(self, area: CheckedArea) -> None:
        cells = self._cells()
        inside = cells_inside(area, cells.index)
        areas = (*cells.areas, area)
        self._note("mark checked", replace(cells.notes.accepting(inside), areas=areas))

    def forget_areas(self) -> None:
        """Take all checked areas back; cells that were accepted stay so."""
        self._note("forget areas", replace(self._cells().notes, areas=()))

    def accept(self, ids: Iterable[int]) -> None:
        """Note that cells are right: a run leaves them, until undo takes it back."""
        self._note("accept", self._cells().notes.accepting(ids))

    def _note(self, name: str, after: CellNotes) -> None:
        """Let other things be known of the cells, as a step."""
        cells = self._cells()
        self.apply(noting(cells.labels, name, cells.notes, after))

    # ---------------------------------------------------------------- the tools
    def delete_cells(self, ids: Iterable[int]) -> None:
        """Delete cells; raises `EditError` if none is there."""
        self.make(corrections.delete_cells, list(ids))

    def set_class(self, ids: Iterable[int], name: str) -> None:
        """Give cells a class, "" for none; raises `EditError` if nothing changes."""
        cells = self._cells()
        self.apply(assign_class(cells.index, ids, name, cells.classes))

    def make(
        self, correction: Callable[..., Edit], *arguments: Any, **options: Any
    ) -> None:
        """Make one correction of `core`; `EditError` says why it cannot be made."""
        cells = self._cells()
        self.apply(correction(cells.index, *arguments, cells.sources, **options))

    # ------------------------------------------------------------- the one history
    def apply(
        self,
        edit: Edit,
        said: Mapping[int, str] | None = None,
        rows: CellRows | None = None,
    ) -> None:
        """Make an edit and remember it; one that changes nothing is dropped.

        Parameters
        ----------
        edit : Edit
            The classes of the cells that it changes follow, see `core.editing.classes`.
        said : mapping of int to str
            Classes that are known otherwise, such as from a file.
        rows : CellRows
            Where every cell lies afterwards, if that is known.
        """
        cells = self._cells()
        edit = with_classes(edit, cells.labels, cells.classes, said)
        if is_empty(edit):
            return
        edit = without_former(edit, cells.confidence, cells.states)
        cells.history.push(edit)
        if edit.author == "hand":
            cells.note_deleted(edit)
        self._write(edit, rows=rows)

    def undo(self) -> None:
        """Take the last edit back, whole; nothing happens where there is none."""
        self._take_back(self.history.undo(), is_undo=True)

    def redo(self) -> None:
        """Make the last undone edit again."""
        self._take_back(self.history.redo(), is_undo=False)

    def take_stroke(
        self, atoms: Sequence[Any], start: tuple[int, ...] = (), *, fills: bool = False
    ) -> None:
        """Record what napari tells of a stroke; see `seen_edits.edit_of_atoms`."""
        if self.cells is not None:
            edit = edit_of_atoms(self.cells, atoms, start, fills=fills)
            if edit is not None:
                self.apply(edit)

    def reconcile(self, shown: NDArray[Any], start: tuple[int, ...] = ()) -> None:
        """Notice what another tool wrote into the layer, and record it as an edit.

        Parameters
        ----------
        shown : integer array
            What the layer holds. Of another shape, the labels are taken anew and the
            history ends.
        start : tuple of int
            Where it begins in the labels, if the layer shows a window of them; () if not.

        Raises
        ------
        LabelsError
            If it holds numbers that are no ids.
        """
        if self.cells is None or is_shown(self.cells, shown, start):
            return
        checked = check_labels(shown)
        if not start and checked.shape != self.cells.labels.shape:
            self.open(checked)
            self.noticed.emit(
                "Another tool replaced the labels; earlier steps cannot be undone."
            )
            return
        self.apply(edit_of_shown(self.cells, checked, start))
        self.noticed.emit("Another tool changed the labels; undo takes it back.")

    def take_run(self, merged: Merged, name: str, *, keeps: bool) -> None:
        """Take the labels of a new run over these labels, as one edit.

        A run of the same name right after another takes its place in the history, so
        that undo goes back to before a slider was moved. On large labels it is a step of
        its own.

        Parameters
        ----------
        merged : Merged
            From `core.editing.rerun.merge_run`.
        name : str
            What undo is to say.
        keeps : bool
            False forgets what was deleted by hand.
        """
        step = step_of_run(cells_before(self._cells()), merged, name)
        self.take_step(step, keeps=keeps)

    def take_step(self, step: RunStep | None, *, keeps: bool) -> None:
        """Make the step of a run; None changes nothing.

        Parameters
        ----------
        step : RunStep or None
            Of the cells as they are now.
        keeps : bool
            False forgets what was deleted by hand.
        """
        if step is None:
            return
        cells = self._cells()
        if step.replaces_last and (back := cells.history.undo()) is not None:
            cells.around_runs.pop(back.made_at, None)
        if not step.changes_nothing:
            cells.history.push(step.kept)
            cells.around_runs[step.kept.made_at] = (step.confidence, step.deleted)
        if not keeps:
            cells.deleted = []
        self._write(step.shown, rows=step.rows)

    def _take_back(self, edit: Edit | None, *, is_undo: bool) -> None:
        """Write an edit of the history; what a run brought along changes with it."""
        if edit is None:
            return
        cells = self._cells()
        if edit.is_exchange:
            self.reopen(None)
            self.exchanged.emit(cells)
            return
        if edit.made_at in cells.around_runs:
            other = cells.around_runs[edit.made_at]
            cells.around_runs[edit.made_at] = (cells.confidence, cells.deleted)
            cells.confidence, cells.deleted = other
        self._write(edit, is_undo=is_undo)

    def _write(
        self, edit: Edit, *, is_undo: bool = False, rows: CellRows | None = None
    ) -> None:
        """Write an edit into the labels and tell of it; `rows`: see `CellIndex.follow`."""
        self.is_undo = is_undo
        cells = self._cells()
        apply_edit(cells.labels, edit)
        cells.index.follow(edit, rows)
        update_sources(cells.sources, edit)
        cells.classes = updated_classes(cells.classes, edit)
        seen = cells.take_notes(edit)
        self.edited.emit(edit)
        if seen is not None:
            self.reviewed.emit(seen)

    def _cells(self) -> CellLabels:
        if self.cells is None:
            raise EditError(
                "There are no cells to correct yet. Segment the image first."
            )
        return self.cells
