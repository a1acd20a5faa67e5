"""The labels of one image of a project: in memory, in the journal, on disk.

The journal is the truth: the array on disk may lag behind it and is brought up from it.
Replaying is safe however far a write had come: every pixel that differs gets the value of
the last step that touched it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from napari_cellseg.core.cell_notes import CellNotes, updated_notes
from napari_cellseg.core.classes import updated_classes
from napari_cellseg.core.edits import Edit, Source, apply_edit, updated_sources
from napari_cellseg.core.rerun import Footprint, deleted_footprints
from napari_cellseg.core.types import Labels
from napari_cellseg.project.database import check_place, told, transaction
from napari_cellseg.project.journal import Journal
from napari_cellseg.project.labels_store import Box, LabelsStore
from napari_cellseg.project.packing import edit_of

STEPS_SINCE = """
SELECT steps.id AS step, steps.kind AS kind, edits.* FROM steps
JOIN edits ON edits.id = steps.edit
WHERE steps.image = ? AND steps.id > ? ORDER BY steps.id
"""
LAST_ID = """
SELECT max(id) FROM (
SELECT max(CAST(side.key AS INTEGER)) AS id FROM edits, json_each(edits.sources) AS both,
json_each(both.value) AS side WHERE edits.image = :image
UNION SELECT max(label) FROM cells WHERE image = :image)
"""
SAVE_CELL = """
INSERT INTO cells (image, label, source, confidence, class) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (image, label) DO UPDATE SET source = excluded.source,
confidence = excluded.confidence, class = excluded.class
"""
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
    confidence : dict of int to float
        The model's confidence where there is one.
    classes : dict of int to str
        What kind each cell is, where it was said.
    journal : Journal
        What can be undone and redone; push each edit to it before it is shown.
    n_recovered : int
        Steps that were in the journal but not yet in the labels on disk.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        store: LabelsStore,
        journal: Journal,
        image_id: int,
    ) -> None:
        self._connection = connection
        self._store = store
        self._image_id = image_id
        self.journal = journal
        # Before the chunks: a window that saves in between makes no step go missing.
        written = self._written_step()
        self.labels: Labels = store.read()
        self.sources, self.confidence, self.classes = self._read_cells()
        self._saved_sources = dict(self.sources)
        self._saved_classes = dict(self.classes)
        self._saved_confidence = dict(self.confidence)
        self.n_recovered = self._replay(written)

    @property
    def _folder(self) -> Path:
        return self._store.folder.parent.parent

    def _read_cells(
        self,
    ) -> tuple[dict[int, Source], dict[int, float], dict[int, str]]:
        with told(self._folder):
            rows = self._connection.execute(
                "SELECT label, source, confidence, class FROM cells WHERE image = ?",
                (self._image_id,),
            ).fetchall()
        sources: dict[int, Source] = {
            row["label"]: row["source"] for row in rows if row["source"]
        }
        confidence = {
            row["label"]: float(row["confidence"])
            for row in rows
            if row["confidence"] is not None
        }
        classes = {
            row["label"]: row["class"] for row in rows if row["class"] and row["source"]
        }
        return sources, confidence, classes

    def deleted(self) -> list[Footprint]:
        """Return where cells were deleted by hand, as the journal has it."""
        with told(self._folder):
            rows = self._connection.execute(
                "SELECT * FROM edits WHERE image = ? AND state = 'done' "
                "AND author = 'hand' ORDER BY id",
                (self._image_id,),
            ).fetchall()
        return [found for row in rows for found in deleted_footprints(edit_of(row))]

    def take(self, edit: Edit) -> None:
        """Make an edit: in the journal first, then in all that is held here."""
        self.journal.push(edit)
        self._apply(edit)

    def _apply(self, edit: Edit) -> None:
        apply_edit(self.labels, edit)
        self.sources = updated_sources(self.sources, edit)
        self.classes = updated_classes(self.classes, edit)
        if edit.notes_after is not None:
            notes = updated_notes(CellNotes(self.confidence), edit)
            self.confidence = dict(notes.confidence)

    def last_id(self) -> int:
        """Return the highest id that the journal has seen, 0 for none."""
        with told(self._folder):
            (found,) = self._connection.execute(
                LAST_ID, {"image": self._image_id}
            ).fetchone()
        return int(found or 0)

    def _replay(self, written: int) -> int:
        """Bring labels and cells up to the last step; return how many there were."""
        rows = self._steps_since(written)
        for row in rows:
            self._apply(_edit_of_step(row))
        return len(rows)

    def _written_step(self) -> int:
        with told(self._folder):
            row = self._connection.execute(
                "SELECT written_step FROM images WHERE id = ?", (self._image_id,)
            ).fetchone()
        return int(row["written_step"])

    def _steps_since(self, written: int) -> list[sqlite3.Row]:
        with told(self._folder):
            return self._connection.execute(
                STEPS_SINCE, (self._image_id, written)
            ).fetchall()

    def write(self, confidence: Mapping[int, float] | None = None) -> None:
        """Bring the labels on disk up to the journal: only the chunks that changed.

        Parameters
        ----------
        confidence : mapping of int to float, optional
            What is known now; None keeps what was.

        Raises
        ------
        ProjectError
            If it cannot be written; the journal still holds every step.
        """
        if not self.journal.retry():
            return
        rows = self._steps_since(self._written_step())
        boxes: list[Box] = []
        sources, classes = self._saved_sources, self._saved_classes
        for row in rows:
            edit = _edit_of_step(row)
            boxes.append(edit.box)
            sources = updated_sources(sources, edit)
            classes = updated_classes(classes, edit)
        if confidence is not None:
            self.confidence = dict(confidence)
        with told(self._folder):
            check_place(self._connection)  # a chunk would make the old folder anew
            self._store.write(self.labels, boxes)
            with transaction(self._connection):
                self._save_cells(sources, classes)
                if rows:
                    self._connection.execute(
                        "UPDATE images SET written_step = ? WHERE id = ?",
                        (rows[-1]["step"], self._image_id),
                    )
        self._saved_sources, self._saved_classes = sources, classes
        self._saved_confidence = dict(self.confidence)

    def _save_cells(
        self, sources: Mapping[int, Source], classes: Mapping[int, str]
    ) -> None:
        """Write the cells that are new, changed or gone."""
        gone = self._saved_sources.keys() - sources.keys()
        changed = {
            cell
            for cell, source in sources.items()
            if self._saved_sources.get(cell) != source
            or self._saved_confidence.get(cell) != self.confidence.get(cell)
            or self._saved_classes.get(cell) != classes.get(cell)
        }
        self._connection.executemany(
            FORGET_CELL,
            [(self._image_id, cell) for cell in gone],
        )
        self._connection.executemany(
            SAVE_CELL,
            [
                (
                    self._image_id,
                    cell,
                    sources[cell],
                    self.confidence.get(cell),
                    classes.get(cell, ""),
                )
                for cell in changed
            ],
        )


def _edit_of_step(row: sqlite3.Row) -> Edit:
    """Return what a step wrote: the edit, or its inverse for an undo."""
    edit = edit_of(row)
    return edit.inverted() if row["kind"] == "undo" else edit


def shape_text(labels: Labels) -> str:
    """Return the shape of labels as the database keeps it."""
    return json.dumps(list(labels.shape))
