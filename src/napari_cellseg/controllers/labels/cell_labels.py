"""The labels under correction, and all that is known of their cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_cellseg.core.editing.cell_index import CellIndex
from napari_cellseg.core.editing.cell_notes import CellNotes, updated_notes
from napari_cellseg.core.editing.checked import CheckedArea, ReviewState
from napari_cellseg.core.editing.edits import Edit, Source
from napari_cellseg.core.editing.history import History, Steps
from napari_cellseg.core.editing.lineage_steps import Lineage, ParentsDifference
from napari_cellseg.core.editing.replay import steps_since
from napari_cellseg.core.editing.rerun import Footprint, deleted_footprints
from napari_cellseg.core.labels.on_disk import is_large, is_on_disk
from napari_cellseg.core.review.doubt_signs import NO_SIGNS
from napari_cellseg.core.types import Labels, PixelSize, SegmentationResult
from napari_cellseg.project.labels.labels import ProjectLabels
from napari_cellseg.project.labels.new_labels import NewLabels
from napari_cellseg.project.store import Project


class CellLabels:
    """Labels with who made each cell and what can be undone.

    Attributes
    ----------
    labels : int32 array
        2-D to 4-D; the truth, of which the layer shows a copy. `LabelsOnDisk` where they
        are too large for memory: then the layer shows a window of them.
    index : CellIndex
        Where each cell lies.
    sources : dict of int to Source
        Who made each cell.
    confidence : dict of int to float
        The model's confidence where there is one.
    history : Steps
        Of every tool, brush and run; the journal once they belong to a project.
    deleted : list of Footprint
        Where cells were deleted by hand.
    origin : SegmentationResult or None
        The last run that made them, without its maps; None if no run of ours did.
    states : dict of int to ReviewState
        What a person said of each cell that was looked at.
    areas : list of CheckedArea
        Where everything was looked at.
    classes : dict of int to str
        What kind each cell is, where a person said so; see `core.editing.classes`.
    parents : dict of int to int
        By a daughter its mother, in labels with time; see `core.tracking.tracks`.
    levels : list of arrays
        Of large labels: the pyramid on disk, the full resolution first.
    around_runs : dict
        By the time of a run's edit: confidence and deleted on its other side.
    around_parents : dict
        By the time of an edit: what differs in the parents on its other side.
    signs : Signs
        What speaks for some cells being wrong, and where one may be missing.
    model_digest : str
        Of the model of the last run, "" where it is not known.
    home : str
        The project and image that kept them last, "" for none.
    left_at : int
        The last step in that project when it was closed, or read without writing to it.
    left_as : tuple
        What was said of the cells then; see `controllers.projects.unsaved_steps`.
    """

    def __init__(
        self,
        labels: Labels,
        sources: Mapping[int, Source] | None = None,
        confidence: Mapping[int, float] | None = None,
        index: CellIndex | None = None,
    ) -> None:
        self.labels = labels
        self.index = CellIndex(labels) if index is None else index
        self.sources: dict[int, Source] = dict.fromkeys(sorted(self.index.ids), "model")
        known = sources or {}
        # Who made cells that are not there does not matter.
        self.sources.update(
            {cell: known[cell] for cell in known.keys() & self.sources.keys()}
        )
        self.confidence = dict(confidence or {})
        self.history: Steps = History()
        self._deleted: dict[object, Footprint] = {}
        self._deleting: list[Edit] = []
        self.states: dict[int, ReviewState] = {}
        self.areas: list[CheckedArea] = []
        self.classes: dict[int, str] = {}
        self.parents: dict[int, int] = {}
        self.origin: SegmentationResult | None = None
        self.around_runs: dict[float, tuple[dict[int, float], list[Footprint]]] = {}
        self.around_parents: dict[float, ParentsDifference] = {}
        self.signs = NO_SIGNS
        self.model_digest = ""
        self.home = ""
        self.left_at = 0
        self.left_as: tuple[Any, ...] = ()
        self.levels: list[Any] = []
        self._copied: tuple[int, Labels] | None = None

    def copy_ahead(self) -> None:
        """Make the copy for a layer now, in a job: it takes long of a large image."""
        self.take_copy(self.labels.copy())

    def take_copy(self, copied: Labels) -> None:
        """Take a copy for a layer that somebody made ahead."""
        self._copied = self.index.n_edits, copied

    def copy_to_show(self) -> Labels:
        """Return a copy of the labels, which the caller may write to."""
        copied, self._copied = self._copied, None
        if copied is not None and copied[0] == self.index.n_edits:
            return copied[1]
        return self.labels.copy()

    @property
    def deleted(self) -> list[Footprint]:
        """Where cells were deleted by hand, each place once: undo brings cells back."""
        for edit in self._deleting:
            self._deleted.update({one.key: one for one in deleted_footprints(edit)})
        self._deleting.clear()
        return list(self._deleted.values())

    @deleted.setter
    def deleted(self, deleted: list[Footprint]) -> None:
        self._deleting.clear()
        self._deleted = {one.key: one for one in deleted}

    def note_deleted(self, edit: Edit) -> None:
        """Let `deleted` hold what an edit by hand deletes.

        It is looked up when it is asked for, not before the edit is on the screen.
        """
        if edit.sources_before.keys() - edit.sources_after.keys():
            self._deleting.append(edit)

    @property
    def is_large(self) -> bool:
        """True if the labels are on disk and shown in a window."""
        return is_on_disk(self.labels)

    @property
    def notes(self) -> CellNotes:
        """What is known of the cells, as an edit may change it."""
        seen = {cell: said for cell, said in self.states.items() if said != "unseen"}
        return CellNotes(self.confidence, seen, tuple(self.areas))

    def take_notes(self, edit: Edit) -> list[int] | None:
        """Bring what is known of cells up to an edit.

        Returns
        -------
        list of int or None
            The cells of which something else is said now; None if areas are as they were,
            too.
        """
        old, new = edit.notes_before, edit.notes_after
        if old is None or new is None:
            return None
        notes = updated_notes(self.notes, edit)
        self.confidence, self.states = dict(notes.confidence), dict(notes.states)
        if new.areas is not None:
            self.areas = list(new.areas)
        changed = sorted(old.states.keys() | new.states.keys())
        return None if new.areas is None and not changed else changed


def cells_of_project(opened: ProjectLabels) -> CellLabels:
    """Return the labels of a project as cells to correct; the array is shared."""
    pixels, opened.pixels = opened.pixels, None
    index = opened.index
    if index is None and pixels is not None and pixels.rows is not None:
        index = CellIndex(opened.labels, pixels.rows)
    cells = CellLabels(opened.labels, opened.sources, opened.confidence, index)
    if pixels is not None and pixels.copy is not None:
        cells.take_copy(pixels.copy)
    cells.classes = dict(opened.classes)
    cells.levels = opened.levels() if cells.is_large else []
    cells.deleted = opened.deleted()
    return cells


def cells_in(project: Project, image_id: int) -> tuple[CellLabels, ProjectLabels]:
    """Return the cells of an image, with all that is said of them, and their labels.

    Raises
    ------
    ProjectError
        If they cannot be read.
    """
    opened = project.open_labels(image_id)
    cells = cells_of_project(opened)
    notes, lineage = project.review(image_id), project.lineage(image_id)
    cells.states, cells.areas = notes.states(), notes.areas()
    cells.parents, cells.around_parents = lineage.parents(), lineage.steps()
    cells.signs, cells.model_digest = project.signs(image_id).read(cells.sources)
    cells.index.reserve(max([opened.last_id(), *cells.states, *cells.parents]))
    return cells, opened


def labels_to_adopt(
    cells: CellLabels, history: History, axes: str, size: PixelSize | None
) -> NewLabels:
    """Return cells with all that is known of them, as a project takes them in."""
    rows = cells.index.rows() if is_large(cells.labels.shape) else None
    return NewLabels(
        cells.labels,
        axes,
        cells.sources,
        cells.confidence,
        size,
        history,
        cells.classes,
        cells.states,
        cells.areas,
        Lineage(cells.parents, cells.around_parents),
        is_handed_over=True,
        rows=rows,
    )


def steps_in_between(
    opened: ProjectLabels, cells: CellLabels, history: History
) -> list[Edit] | None:
    """Return the steps made on cells since their project was closed, or None.

    None where the project has other steps by now, or not every step is known any more.

    Raises
    ------
    ProjectError
        If the project cannot be read.
    """
    if not cells.is_large:
        return steps_since(opened.labels, cells.labels, history)
    # Too large to be compared: the chunks are those of the project, and its steps tell.
    is_untouched = opened.last_step == cells.left_at and history.is_whole
    return history.edits()[0] if is_untouched else None


def home_of(project: Project, image_id: int) -> str:
    """Return what tells an image of a project from every other."""
    return f"{project.folder.resolve()}:{image_id}"
