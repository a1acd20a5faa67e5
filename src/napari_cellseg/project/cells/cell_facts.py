"""What the database of a project says of the cells of one image, beside their pixels.

Of large labels it is hundreds of thousands of rows: they are read in parts, so that it can
be done off the main thread and be stopped. Errors of SQLite are told by the callers.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from napari_cellseg.core.editing.edits import Source
from napari_cellseg.core.editing.rerun import Footprint, deleted_footprints
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.project.database.packing import edit_of

READ_CELLS = "SELECT label, source, confidence, class FROM cells WHERE image = ?"
#: A row of another author cannot delete by hand.
READ_BY_HAND = (
    "SELECT * FROM edits WHERE image = ? AND state = 'done' AND author = 'hand' "
    "ORDER BY id"
)
LAST_ID = """
SELECT max(id) FROM (
SELECT max(CAST(side.key AS INTEGER)) AS id FROM edits, json_each(edits.sources) AS both,
json_each(both.value) AS side WHERE edits.image = :image
UNION SELECT max(label) FROM cells WHERE image = :image)
"""
LAST_STEP = """
SELECT ifnull((SELECT max(id) FROM steps WHERE image = :image), 0) AS last_step,
(SELECT written_step FROM images WHERE id = :image) AS written_step
"""
N_AT_ONCE = 20_000
N_EDITS_AT_ONCE = 100


@dataclass(frozen=True, slots=True, eq=False)
class CellFacts:
    """Who made each cell, the model's confidence, and the class, where there are any."""

    sources: dict[int, Source]
    confidence: dict[int, float]
    classes: dict[int, str]


def read_cells(connection: sqlite3.Connection, image_id: int) -> Job[CellFacts]:
    """Read what is known of each cell, as of the labels that were written last."""
    facts = CellFacts({}, {}, {})
    found = connection.execute(READ_CELLS, (image_id,))
    n_read = 0
    while rows := found.fetchmany(N_AT_ONCE):
        yield Progress(n_read, 0, "reading what is known of the cells")
        n_read += len(rows)
        for label, source, confidence, kind in rows:
            if source:
                facts.sources[label] = source
                if kind:
                    facts.classes[label] = kind
            if confidence is not None:
                facts.confidence[label] = float(confidence)
    return facts


def read_deleted(connection: sqlite3.Connection, image_id: int) -> Job[list[Footprint]]:
    """Read where cells were deleted by hand, as the journal has it."""
    found = connection.execute(READ_BY_HAND, (image_id,))
    deleted: list[Footprint] = []
    while rows := found.fetchmany(N_EDITS_AT_ONCE):
        yield Progress(0, 0, "reading what was deleted")
        for row in rows:
            deleted += deleted_footprints(edit_of(row))
    return deleted


def read_last_id(connection: sqlite3.Connection, image_id: int) -> int:
    """Return the highest id that the journal has seen, 0 for none."""
    (found,) = connection.execute(LAST_ID, {"image": image_id}).fetchone()
    return int(found or 0)


def read_last_step(connection: sqlite3.Connection, image_id: int) -> tuple[int, int]:
    """Return the last step of an image, and the last that its labels on disk hold."""
    last, written = connection.execute(LAST_STEP, {"image": image_id}).fetchone()
    return int(last), int(written)
