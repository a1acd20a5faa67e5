"""Cells through time: linking them, and putting links right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.controllers.labels.lineage_following import follow_parents
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.measuring.measure import MeasureController
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.editing.cell_notes import CellNotes, with_notes
from napari_cellseg.core.editing.checked import ReviewState
from napari_cellseg.core.editing.edits import Edit, is_empty
from napari_cellseg.core.editing.lineage_steps import parents_difference
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.measuring.measure import MeasurementTable
from napari_cellseg.core.track_options import TrackOptions
from napari_cellseg.core.tracking.track_edits import (
    TrackEdit,
    continue_track,
    cut_track,
    joined_confidence,
    link_all,
    make_daughter,
)
from napari_cellseg.core.tracking.tracks import (
    Detections,
    Parents,
    find_detections,
    known_links,
    lineage_of,
    sound_parents,
    spans,
)
from napari_cellseg.core.types import Labels
from napari_cellseg.tracking import z_to_y_of
from napari_cellseg.tracking_child import link_in_child

#: Links detections: with options, links that stay, and the ratio of z to y.
Linker: TypeAlias = Callable[
    [Detections, TrackOptions, NDArray[np.int64], float], Job[NDArray[np.int64]]
]
PickKind = Literal["same", "daughter"]


@dataclass(frozen=True, slots=True)
class Pick:
    """A cell that waits for the one on an earlier frame.

    Attributes
    ----------
    kind : "same" or "daughter"
        What the earlier cell is to it.
    cell, frame : int
        The cell and the frame it was picked on.
    """

    kind: PickKind
    cell: int
    frame: int


@dataclass(frozen=True, slots=True, eq=False)
class TrackLines:
    """What a layer of tracks shows.

    Attributes
    ----------
    data : (n, 4) or (n, 5) float
        Track, frame, (z,) y, x in pixels of the labels.
    graph : mapping of int to list of int
        By a daughter its mother.
    """

    data: NDArray[np.float64]
    graph: dict[int, list[int]]


@dataclass(frozen=True, slots=True, eq=False)
class _Linked:
    """What a linking job found."""

    labels: Labels
    found: TrackEdit
    detections: Detections
    tracks: NDArray[np.int32]


class TracksController:
    """Links cells from frame to frame; tells of every change by `changed`.

    Parameters
    ----------
    proofread : ProofreadController
        Takes the edits.
    measure : MeasureController
        Knows the image, and where each cell is on each frame.
    task : TaskController
        Links off the main thread.
    linker : Linker
        Finds the links; the default does so in a process that a cancel can end.

    Attributes
    ----------
    options : TrackOptions
        How far cells go.
    pick : Pick or None
        A cell that waits for its earlier one.
    """

    changed = Signal()
    parents_changed = Signal()

    def __init__(
        self,
        proofread: ProofreadController,
        measure: MeasureController,
        task: TaskController,
        linker: Linker = link_in_child,
    ) -> None:
        self._proofread = proofread
        self._linker = linker
        self._measure = measure
        self.task = task
        self.options = TrackOptions()
        self.pick: Pick | None = None
        proofread.opened.connect(self._on_opened)
        proofread.edited.connect(self._on_edited)
        measure.changed.connect(self.changed)
        task.changed.connect(self.changed)

    # ------------------------------------------------------------------ what there is
    @property
    def n_frames(self) -> int:
        """Frames of the image that is worked on, 1 without time."""
        image = self._measure.session.image
        return 1 if image is None else image.n_along("T")

    @property
    def is_ready(self) -> bool:
        """True if there are labels of a time series."""
        image = self._measure.image
        return image is not None and image.n_along("T") > 1

    @property
    def parents(self) -> Parents:
        """The mother of each daughter, where both are there and follow each other."""
        cells = self._proofread.cells
        if cells is None or not cells.parents or not self.is_ready:
            return {}
        table = self._measure.table
        if table is None or "frame" not in table.cells:
            return {}
        return sound_parents(cells.parents, spans(table.cells))

    def lines(self) -> TrackLines | None:
        """Return what a layer of tracks shows, None without cells on frames."""
        # Asked for after every edit: without time the table need not be brought up to it.
        table = self._measure.table if self.is_ready else None
        if table is None or "frame" not in table.cells or table.cells.empty:
            return None
        rows = table.in_3d if table.in_3d is not None else table.cells
        axes = ["z", "y", "x"] if table.in_3d is not None else ["y", "x"]
        names = ["label", "frame", *(f"centroid_{axis}_px" for axis in axes)]
        ordered = rows.sort_values(["label", "frame"])[names]
        graph = {child: [mother] for child, mother in self.parents.items()}
        return TrackLines(ordered.to_numpy(np.float64), graph)

    @property
    def words(self) -> str:
        """How many tracks there are, how many begin late, and who divides."""
        table = self._measure.table
        if not self.is_ready or table is None or "frame" not in table.cells:
            return ""
        life = spans(table.cells)
        parents = self.parents
        late = sum(
            first > 0 and cell not in parents for cell, (first, _) in life.items()
        )
        alone = sum(first == last for first, last in life.values())
        parts = [
            f"{len(life):,} cells over {self.n_frames} frames",
            f"{len(set(parents.values())):,} divide",
            f"{late:,} begin later without a mother",
            f"{alone:,} on one frame only",
        ]
        return " · ".join(parts)

    # ------------------------------------------------------------------------ linking
    def link(self) -> None:
        """Link all cells, off the main thread; links that were put right by hand stay.

        Raises
        ------
        EditError
            If there are no labels of a time series.
        """
        image, cells = self._measure.image, self._proofread.cells
        if not self.is_ready or image is None or cells is None:
            raise EditError(
                "There are no cells on several frames yet. Segment the image first."
            )
        kept = CellLabels(cells.labels.copy(), cells.sources)
        kept.parents = dict(cells.parents)
        job = _link_job(kept, self.options, z_to_y_of(image), self._linker)
        self.task.start("Linking", job, self._take)

    def _take(self, linked: _Linked) -> None:
        """Make the edit that was found, unless the labels have changed meanwhile."""
        cells = self._proofread.cells
        if cells is None or not np.array_equal(cells.labels, linked.labels):
            raise EditError(
                "The cells were changed while they were linked. Link again."
            )
        tracks = linked.tracks.tolist()
        confidence = joined_confidence(linked.detections, tracks, cells.confidence)
        states = _joined_states(linked.detections, tracks, cells.states)
        before = cells.notes
        # With the edit, so that undo restores them in any later session.
        after = CellNotes(confidence, states, before.areas)
        edit = with_notes(linked.found.edit, before, after)
        self._make(replace(linked.found, edit=edit))

    def _make(self, found: TrackEdit) -> None:
        """Make an edit together with its parents, so that undo takes back both."""
        cells = self._cells()
        if is_empty(found.edit):
            cells.parents = found.parents
            self._tell_parents()
            return
        # The parents follow the edit, and are written with it.
        cells.around_parents[found.edit.made_at] = parents_difference(
            cells.parents, found.parents
        )
        self._proofread.apply(found.edit)
        self.changed.emit()

    # ----------------------------------------------------------------- putting right
    def wait_for(self, kind: PickKind, cell: int, frame: int) -> None:
        """Wait until `take_pick` names the earlier cell; raises `EditError`."""
        if not self.is_ready:
            raise EditError("Segment a time series first.")
        if not cell:
            raise EditError("Click a cell first; then say what it is.")
        if frame <= 0:
            raise EditError("This is the first frame; go to a later one.")
        if not np.any(self._cells().labels[frame] == cell):
            raise EditError(
                f"Cell {cell} is not on frame {frame + 1}. Click a cell of this frame."
            )
        self.pick = Pick(kind, cell, frame)
        self.changed.emit()

    def take_pick(self, earlier: int) -> int:
        """Take the earlier cell and link both; return the frame to go back to."""
        pick, self.pick = self.pick, None
        self.changed.emit()
        if pick is None:
            raise EditError("No cell waits to be linked.")
        cells = self._cells()
        change: Callable[..., TrackEdit] = (
            continue_track if pick.kind == "same" else make_daughter
        )
        pair = (earlier, pick.cell)
        self._make(change(cells.index, pick.frame, pair, cells.sources, cells.parents))
        return pick.frame

    def drop_pick(self) -> None:
        """Wait no more."""
        if self.pick is not None:
            self.pick = None
            self.changed.emit()

    def cut(self, cell: int, frame: int) -> None:
        """Make a cell another one from a frame on; raises `EditError`."""
        if not cell:
            raise EditError("Click a cell first; from this frame on it is another one.")
        cells = self._cells()
        self._make(cut_track(cells.index, frame, cell, cells.sources, cells.parents))

    def _cells(self) -> CellLabels:
        if self._proofread.cells is None:
            raise EditError("There are no cells yet. Segment the image first.")
        return self._proofread.cells

    # --------------------------------------------------------------------- following
    def _on_opened(self) -> None:
        self.task.abandon()
        self.pick = None
        self.changed.emit()

    def _on_edited(self, edit: Edit) -> None:
        """Let the parents follow undo, redo, new numbers and runs."""
        cells = self._proofread.cells
        if cells is not None and follow_parents(cells, edit):
            self._tell_parents()

    def _tell_parents(self) -> None:
        self.parents_changed.emit()
        self.changed.emit()

    def with_parents(self, table: MeasurementTable) -> MeasurementTable:
        """Return a table that names track and parent where there is time."""
        cells = self._proofread.cells
        if cells is None or "frame" not in table.cells:
            return table
        return replace(table, parents=cells.parents)


def _link_job(
    cells: CellLabels, options: TrackOptions, z_to_y: float, linker: Linker
) -> Job[_Linked]:
    """Find the links of all cells; those of cells that were put right by hand stay."""
    yield Progress(0, 0, "finding the cells of each frame")
    detections = find_detections(cells.labels)
    by_hand = [cell for cell, source in cells.sources.items() if source != "model"]
    known = known_links(detections, by_hand, cells.parents)
    links = yield from linker(detections, options, known, z_to_y)
    yield Progress(0, 0, "numbering the tracks")
    lineage = lineage_of(detections, links, known)
    found = link_all(cells.labels, detections, lineage, cells.sources)
    return _Linked(cells.labels, found, detections, lineage.tracks)


def _joined_states(
    detections: Detections, tracks: list[int], states: dict[int, Any]
) -> dict[int, ReviewState]:
    """Return the tracks all of whose cells were looked at."""
    joined: dict[int, ReviewState] = {}
    unseen: set[int] = set()
    for cell, track in zip(detections.cells.tolist(), tracks, strict=True):
        state = states.get(cell, "unseen")
        if state == "unseen":
            unseen.add(track)
        else:
            joined[track] = state
    return {track: state for track, state in joined.items() if track not in unseen}
