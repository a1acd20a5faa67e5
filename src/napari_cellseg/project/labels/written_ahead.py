"""Labels come into a project: written while they may be edited, then noted at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from napari_cellseg.core.editing.edits import Edit
from napari_cellseg.core.jobs import Job, run
from napari_cellseg.project.cells.lineage import lineage_notes
from napari_cellseg.project.cells.review import ReviewNotes
from napari_cellseg.project.database.database import told, transaction
from napari_cellseg.project.labels.journal import adopt_history
from napari_cellseg.project.labels.known_chunks import KnownChunks, forget_chunks
from napari_cellseg.project.labels.labels import SAVE_CELL
from napari_cellseg.project.labels.labels_store import Box, LabelsStore
from napari_cellseg.project.labels.large_labels import LargeNotes, note_found
from napari_cellseg.project.labels.large_start import SET_LABELS
from napari_cellseg.project.labels.new_labels import NewLabels


def written_ahead(store: LabelsStore, new: NewLabels) -> Job[None]:
    """Write labels whole, for the thread that edits them.

    What is edited between two steps is written again: as the job ends, they are on the
    disk as they are.

    Parameters
    ----------
    store : LabelsStore
        Where to.
    new : NewLabels
        Its history has every edit of its labels.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    job: Job[Any] = store.create_by_blocks(new.labels, new.axes, new.pixel_size)
    done = new.history.edits()[0]
    while True:
        changed: list[Box] = []
        for progress in job:
            yield progress
            # A step at a time: what was made and undone since left no chunk behind.
            before, done = done, new.history.edits()[0]
            changed += [edit.box for edit in _differing(before, done)]
        if not changed:
            return
        job = store.writing(new.labels, changed)


def put_labels(
    connection: sqlite3.Connection,
    store: LabelsStore,
    image_id: int,
    new: NewLabels,
    new_id: Callable[[], int],
) -> None:
    """Say in the database of a project what labels an image has now, all or nothing.

    Nothing has to be written any more when they are opened.

    Raises
    ------
    ProjectError
        If it cannot be written.
    """
    folder = store.folder.parent.parent
    with told(folder):
        forget_chunks(connection, image_id, store.number)
        KnownChunks(connection, image_id, store).note_once()
    if new.rows is not None:
        notes = LargeNotes(connection, folder, image_id, store.number)
        run(note_found(notes, store, new.rows))
    with told(folder), transaction(connection):
        connection.executemany(SAVE_CELL, new.cell_rows(image_id))
        adopt_history(connection, image_id, new.history, new_id)
        # All or nothing: killed in between, it would be lost.
        ReviewNotes(connection, folder, image_id).put(new.states, new.areas)
        lineage_notes(connection, folder, image_id).put(new.lineage)
        connection.execute(SET_LABELS, new.frame_row(image_id))


def _differing(one: list[Edit], other: list[Edit]) -> list[Edit]:
    """Return the edits that one of two piles has above what both have."""
    n_same = 0
    for mine, yours in zip(one, other, strict=False):
        if mine is not yours:
            break
        n_same += 1
    return one[n_same:] + other[n_same:]
