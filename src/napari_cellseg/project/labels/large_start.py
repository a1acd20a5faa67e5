"""Labels that may be larger than memory go into a project, block by block."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

import numpy as np

from napari_cellseg.core.editing.edits import Edit, Source
from napari_cellseg.core.errors import ProjectError
from napari_cellseg.core.jobs import Job
from napari_cellseg.core.types import LABELS_DTYPE
from napari_cellseg.project.cells.cell_facts import read_last_step
from napari_cellseg.project.database.database import open_database, told, transaction
from napari_cellseg.project.database.packing import row_of
from napari_cellseg.project.labels.exchanges import Exchange, Exchanges
from napari_cellseg.project.labels.journal import INSERT_EDIT, INSERT_STEP
from napari_cellseg.project.labels.labels_store import LabelsStore, labels_folder
from napari_cellseg.project.labels.new_labels import LargeLabels
from napari_cellseg.project.labels.unfinished import being_written

SET_LABELS = "UPDATE images SET labels_shape = ?, labels_axes = ? WHERE id = ?"
DROP_UNDONE = "UPDATE edits SET state = 'dropped' WHERE image = ? AND state = 'undone'"


def start_large(
    folder: Path, image_id: int, new: LargeLabels, edit_id: int
) -> Job[None]:
    """Give an image labels on disk; on any thread, with a connection of its own.

    Labels with cells are an edit that can be undone: before it the image has none.

    Parameters
    ----------
    folder : Path
        Of the project.
    image_id : int
        Of the image, which has no labels, or labels without a cell.
    new : LargeLabels
        What it gets.
    edit_id : int
        Number of the edit; ids rise with time.

    Raises
    ------
    LabelsError
        If they are no labels.
    ProjectError
        If nothing can be written, or other steps were made meanwhile.
    """
    connection = open_database(folder, writable=True)
    try:
        exchanges = Exchanges(connection, folder, image_id)
        with told(folder):
            steps = read_last_step(connection, image_id)
            is_first = not _has_labels(connection, image_id)
            if is_first:
                _empty(new, LabelsStore(exchanges.labels_folder))
        if new.labels is None:
            with told(folder), transaction(connection):
                _set_shape(connection, image_id, new)
            return
        exchange = Exchange(exchanges.current, exchanges.next_number())
        store = LabelsStore(labels_folder(folder, image_id, exchange.after))
        # Until the database says that they are there: who opens the project leaves them.
        with told(folder), being_written(store.folder):
            highest = yield from _written(new, store)
            with transaction(connection):
                if is_first:
                    _set_shape(connection, image_id, new)
                if read_last_step(connection, image_id) != steps:
                    raise ProjectError(
                        "Cells were made on the image while others were imported, so "
                        "these were not taken. Undo what was made, and import again."
                    )
                _note(connection, image_id, edit_id, _edit_of(new, highest))
                exchanges.note(edit_id, exchange)
                exchanges.show(exchange.after)
    finally:
        connection.close()


def _empty(new: LargeLabels, store: LabelsStore) -> None:
    store.create_empty(new.shape, new.axes, new.pixel_size)


def _written(new: LargeLabels, store: LabelsStore) -> Job[int]:
    """Write the cells; return the highest id."""
    with told(store.folder):
        return (yield from store.create_by_blocks(new.labels, new.axes, new.pixel_size))


def _set_shape(connection: sqlite3.Connection, image_id: int, new: LargeLabels) -> None:
    values = (json.dumps(list(new.shape)), new.axes, image_id)
    connection.execute(SET_LABELS, values)


def _has_labels(connection: sqlite3.Connection, image_id: int) -> bool:
    query = "SELECT labels_shape FROM images WHERE id = ?"
    return bool(connection.execute(query, (image_id,)).fetchone()["labels_shape"])


def _edit_of(new: LargeLabels, highest: int) -> Edit:
    """Return the edit that stands for an import; its pixels are in the labels' folders."""
    none = np.zeros((0,) * len(new.shape), LABELS_DTYPE)
    # The highest id says which ids are given; every cell counts as a model's anyway.
    after: dict[int, Source] = {highest: "model"} if highest else {}
    return Edit(
        new.name or "import cells",
        (0,) * len(new.shape),
        none,
        none,
        sources_after=after,
        author="model",
    )


def _note(
    connection: sqlite3.Connection, image_id: int, edit_id: int, edit: Edit
) -> None:
    """Write an edit that was made, inside a transaction."""
    connection.execute(DROP_UNDONE, (image_id,))
    row = {"id": edit_id, "image": image_id, **row_of(edit)}
    connection.execute(INSERT_EDIT, row)
    connection.execute(INSERT_STEP, (image_id, edit_id, "do", time.time()))
