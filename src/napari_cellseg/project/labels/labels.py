"""The labels of one image of a project: in memory, in the journal, on disk.

The journal is the truth: the array on disk may lag behind it and is brought up from it.
Replaying is safe however far a write had come: every pixel that differs gets the value of
the last step that touched it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from napari_cellseg.core.editing.cell_index import CellIndex
from napari_cellseg.core.editing.cell_notes import CellNotes, updated_notes
from napari_cellseg.core.editing.classes import updated_classes
from napari_cellseg.core.editing.edits import Edit, apply_edit, update_sources
from napari_cellseg.core.editing.rerun import Footprint
from napari_cellseg.core.errors import ProjectError
from napari_cellseg.core.jobs import Job, Progress, run
from napari_cellseg.core.labels.on_disk import LabelsOnDisk, as_labels, is_on_disk
from napari_cellseg.core.types import Labels
from napari_cellseg.project.cells.cell_facts import (
    CellFacts,
    read_cells,
    read_deleted,
    read_last_id,
    read_last_step,
)
from napari_cellseg.project.database.database import check_place, told, transaction
from napari_cellseg.project.database.packing import edit_of_step
from napari_cellseg.project.labels.exchanges import Exchanges
from napari_cellseg.project.labels.journal import Journal
from napari_cellseg.project.labels.known_chunks import FormerChunk, KnownChunks
from napari_cellseg.project.labels.labels_store import LabelsStore, Place
from napari_cellseg.project.labels.large_labels import (
    CellPlaces,
    LargeNotes,
    places_of,
    renewing,
)
from napari_cellseg.project.labels.large_opening import ReadAhead
from napari_cellseg.project.labels.latest import Latest, latest_of
from napari_cellseg.project.labels.outside import outside_edits, put_back
from napari_cellseg.project.labels.pyramid import Pyramid

STEPS_SINCE = """
SELECT steps.id AS step, steps.kind AS kind, edits.* FROM steps
JOIN edits ON edits.id = steps.edit
WHERE steps.image = ? AND steps.id > ? ORDER BY steps.id
"""
SAVE_CELL = """
INSERT INTO cells (image, label, source, confidence, class) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (image, label) DO UPDATE SET source = excluded.source,
confidence = excluded.confidence, class = excluded.class
"""
SET_WRITTEN = "UPDATE images SET written_step = ? WHERE id = ?"
#: What is known of a cell stays: undo brings it back, in any later session.
FORGET_CELL = "UPDATE cells SET source = '' WHERE image = ? AND label = ?"


class ProjectLabels:
    """Labels with their journal.

    Attributes
    ----------
    labels : int32 array
        As the last step left them.
    sources : dict of int to Source
        Who made each cell.
    confidence : mapping of int to float
        The model's confidence where there is one.
    classes : dict of int to str
        What kind each cell is, where it was said.
    journal : Journal
        What can be undone and redone; push each edit to it before it is shown.
    index : CellIndex or None
        Where each cell of large labels lies; who applies an edit lets it follow. None
        for labels in memory.
    n_outside : int
        Steps that other programs made on the disk since the labels were last open.
    outside : callable
        Takes an edit that another program made on the disk while the labels are open.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        store: LabelsStore,
        journal: Journal,
        image_id: int,
        ahead: ReadAhead | None = None,
    ) -> None:
        """Open labels; with what was read `ahead` of them, they are left on disk."""
        self._connection = connection
        self._store = store
        self._image_id = image_id
        self._ahead = ahead
        self.journal = journal
        # Before the chunks: a window that saves in between makes no step go missing.
        with told(self._folder):
            _, written = read_last_step(connection, image_id)
        #: None once the labels differ from what was read.
        self.pixels = store.read_all() if ahead is None else None
        self.labels: Labels = (
            as_labels(LabelsOnDisk(store.array()))
            if self.pixels is None
            else self.pixels.labels
        )
        self.index = None if ahead is None else CellIndex(self.labels, ahead.rows)
        known = self.pixels if ahead is None else ahead
        facts = (known and known.facts) or self._read_cells()
        self.sources, self.classes = facts.sources, facts.classes
        self.confidence: Mapping[int, float] = facts.confidence
        self._saved_sources = dict(self.sources)
        self._saved_classes = dict(self.classes)
        self._saved_confidence: Mapping[int, float] = self.confidence
        journal.settle = self.settle
        self._known: KnownChunks | None = None
        self.outside: Callable[[Edit], None] = self.take
        #: Chunks that were, or may half have been, written here and are not noted yet.
        self._unnoted: set[Place] = set()
        self._n_writes = 0
        self.n_outside = 0
        self._replay(written)

    @property
    def _folder(self) -> Path:
        return self._store.folder.parent.parent

    def _read_cells(self) -> CellFacts:
        with told(self._folder):
            return run(read_cells(self._connection, self._image_id))

    @property
    def _read_now(self) -> ReadAhead | None:
        """What was read ahead, as long as no step was made since."""
        if self._ahead is not None and self._ahead.steps[0] != self.last_step:
            self._ahead = None
        return self._ahead

    @property
    def last_step(self) -> int:
        """The last step that the journal holds of the image, 0 for none."""
        with told(self._folder):
            return read_last_step(self._connection, self._image_id)[0]

    def deleted(self) -> list[Footprint]:
        """Return where cells were deleted by hand, as the journal has it."""
        if (ahead := self._read_now) is not None:
            return list(ahead.deleted)
        with told(self._folder):
            return run(read_deleted(self._connection, self._image_id))

    def share(self, labels: Labels, index: CellIndex) -> None:
        """Go on with an array, and an index of it, that somebody else edits."""
        self.labels = labels
        if self.index is not None:
            self.index = index

    def take(self, edit: Edit) -> None:
        """Make an edit: in the journal first, then in all that is held here."""
        self.journal.push(edit)
        self._apply(edit)

    def _apply(self, edit: Edit) -> None:
        self.pixels = None
        apply_edit(self.labels, edit)
        if self.index is not None:
            self.index.follow(edit)
        update_sources(self.sources, edit)
        self.classes = updated_classes(self.classes, edit)
        if edit.notes_after is not None:
            notes = updated_notes(CellNotes(self.confidence), edit)
            self.confidence = dict(notes.confidence)

    def last_id(self) -> int:
        """Return the highest id that the journal has seen, 0 for none."""
        if (ahead := self._read_now) is not None:
            return ahead.last_id
        with told(self._folder):
            return read_last_id(self._connection, self._image_id)

    def _replay(self, written: int) -> None:
        """Bring labels and cells up to the last step."""
        for row in self._steps_since(written):
            edit = edit_of_step(row)
            self._apply(edit)
            self._unnoted.update(self._store.chunks_of([edit.box]))

    def take_outside(self) -> None:
        """Record what other programs changed on the disk, as steps.

        Labels that are opened for the first time are taken as they are. A chunk that a
        killed session may have written itself counts as its own.

        Raises
        ------
        ProjectError
            If they cannot be read or written, or are no labels any more.
        """
        with told(self._folder):
            self._known = KnownChunks(self._connection, self._image_id, self._store)
            self._known.note_once()
            former = self._former(set(self._known.changed()) - self._unnoted)
        self.pixels = None if former else self.pixels
        put_back(self.labels, former)
        edits = self._outside_edits(former)
        for edit in edits:
            self.take(edit)
        self.n_outside = len(edits)

    def _former(self, places: Iterable[Place]) -> list[FormerChunk]:
        known, shape = self._known, self.labels.shape
        return [] if known is None else [known.former(one, shape) for one in places]

    def _outside_edits(self, former: list[FormerChunk]) -> list[Edit]:
        indexed, array = (self.labels, self.index), self._store.array()
        return outside_edits(indexed, self.sources, array, former)

    def _take_what_came(self, written: int) -> None:
        """Record what others changed in chunks that are to be written."""
        if self._known is None:
            return
        rows = self._steps_since(written)
        boxes = [edit_of_step(row, has_pixels=False).box for row in rows]
        places = set(self._store.chunks_of(boxes)) - self._unnoted
        former = self._former(self._known.changed(places))
        if is_on_disk(self.labels):
            put_back(as_labels(self.labels), former, self._store.array())
        for edit in self._outside_edits(former):
            self.outside(edit)

    def _steps_since(self, written: int) -> list[sqlite3.Row]:
        with told(self._folder):
            return self._connection.execute(
                STEPS_SINCE, (self._image_id, written)
            ).fetchall()

    def write(self, confidence: Mapping[int, float] | None = None) -> None:
        """Bring the labels on disk up to the journal; see `writing`."""
        run(self.writing(confidence))

    def writing(self, confidence: Mapping[int, float] | None = None) -> Job[None]:
        """Bring the labels on disk up to the journal: only the chunks that changed.

        Labels in memory may be edited between two steps; that is written the next time. Of
        a job that is overtaken by another the rest is not done.

        Parameters
        ----------
        confidence : mapping of int to float, optional
            What is known now, never changed in place: the same object again says that
            nothing has changed. None keeps what was.

        Raises
        ------
        ProjectError
            If it cannot be written, or the project looks at other labels by now; the
            journal still holds every step.
        """
        self._n_writes += 1
        turn = self._n_writes
        if not self.journal.retry():
            return
        with told(self._folder):
            check_place(self._connection)  # a chunk would make the old folder anew
            _, written = read_last_step(self._connection, self._image_id)
        self._check_current()
        with told(self._folder):
            self._take_what_came(written)
        rows = self._steps_since(written)
        # To unpack a step takes long of labels that are in memory whatever their size.
        is_here = not is_on_disk(self.labels)
        edits = [edit_of_step(row, has_pixels=not is_here) for row in rows]
        # Now: a step that is made meanwhile is replayed on what is noted here.
        cells = {} if self.index is None else places_of(self.index, edits)
        if confidence is not None:
            self.confidence = confidence
        boxes = [edit.box for edit in edits]
        self._unnoted.update(self._store.chunks_of(boxes))
        job = self._store.writing(self.labels, boxes)
        while (places := self._next(job)) is None:
            # What was edited of labels on disk is in memory until it counts as written.
            if is_here:
                yield Progress(0, 0, "writing the cells")
            if turn != self._n_writes:
                return
        step = rows[-1]["step"] if rows else None
        self._note_written(latest_of(edits), places, cells, step)

    def _next(self, job: Job[set[Place]]) -> set[Place] | None:
        """Write a chunk more; return all once they are on the disk."""
        with told(self._folder):
            try:
                next(job)
            except StopIteration as stop:
                places: set[Place] = stop.value
                return places
        return None

    def _note_written(
        self, latest: Latest, places: set[Place], cells: CellPlaces, step: int | None
    ) -> None:
        """Note that the labels on disk hold what edits made, up to a step."""
        with told(self._folder), transaction(self._connection):
            self._save_cells(latest)
            if self._known is not None:
                self._known.note(places)
            if self.index is not None:
                self._notes.save(cells, places)
            if step is not None:
                self._connection.execute(SET_WRITTEN, (step, self._image_id))
        self._unnoted.clear()
        latest.apply(self._saved_sources, self._saved_classes)
        self._saved_confidence = self.confidence
        if is_on_disk(self.labels) and places:
            self.labels.written(places)
            self.renew_pyramid()

    def settle(self) -> None:
        """Bring the labels on disk up to the journal before others take their place.

        Raises
        ------
        ProjectError
            If there are steps that cannot be written.
        """
        if not self.journal.retry():
            raise ProjectError(self.journal.problem)
        self.write()

    def _check_current(self) -> None:
        """Raise `ProjectError` if the project looks at other labels by now."""
        current = Exchanges(self._connection, self._folder, self._image_id).current
        if current != self._store.number:
            raise ProjectError(
                "The project has other cells of this image by now, from an import. What "
                "was done here is kept as steps; open the image again to see both."
            )

    @property
    def _notes(self) -> LargeNotes:
        number = self._store.number
        return LargeNotes(self._connection, self._folder, self._image_id, number)

    def levels(self) -> list[Any]:
        """Return large labels as they were written, full resolution first, then halved.

        The first alone where the others are behind, as of what a crash left.
        """
        levels = Pyramid(self._store.folder).levels()
        return levels[:1] if self._notes.is_behind else levels

    def renew_pyramid(self) -> None:
        """Show in the pyramid the chunks that were written since it was."""
        run(renewing(self._notes, self._store, self.labels))

    def _save_cells(self, latest: Latest) -> None:
        """Write the cells that are new, changed or gone."""
        saved, known = self._saved_confidence, self.confidence
        changed = {*latest.sources, *latest.classes}
        if known is not saved:
            both = known.keys() | saved.keys()
            changed |= {cell for cell in both if known.get(cell) != saved.get(cell)}
        sources = {
            cell: latest.sources.get(cell, self._saved_sources.get(cell))
            for cell in changed
        }
        self._connection.executemany(
            FORGET_CELL,
            [
                (self._image_id, cell)
                for cell, source in latest.sources.items()
                if source is None
            ],
        )
        self._connection.executemany(
            SAVE_CELL,
            [
                (
                    self._image_id,
                    cell,
                    source or "",  # gone before it was written: undo brings it back
                    known.get(cell),
                    self._kind(cell, latest),
                )
                for cell, source in sources.items()
                if source is not None or known.get(cell) != saved.get(cell)
            ],
        )

    def _kind(self, cell: int, latest: Latest) -> str:
        """Return the class of a cell after the latest edits, "" for none."""
        return latest.classes.get(cell, self._saved_classes.get(cell)) or ""
