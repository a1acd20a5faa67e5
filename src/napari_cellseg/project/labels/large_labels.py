"""What the database keeps of labels that are too large for memory: where each cell lies.

With it nothing has to look through all labels: opening a project reads rows, a tool the
boxes of its cells. The rows and ``written_step`` are committed together, so that the rows
say where the cells lie in the labels on disk; steps behind them are replayed on both.
The tables are made when a project first holds such labels; older programs pass over them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np

from napari_cellseg.core.editing.cell_index import CellIndex
from napari_cellseg.core.editing.edits import Edit
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.labels.boxes import Box
from napari_cellseg.core.labels.on_disk import is_on_disk
from napari_cellseg.core.labels.rows import CellRows, find_rows, joined_rows
from napari_cellseg.core.types import Labels
from napari_cellseg.project.database.database import told, transaction
from napari_cellseg.project.labels.labels_store import LabelsStore, Place, blocks_of
from napari_cellseg.project.labels.pyramid import Pyramid

TABLES = (
    # The image is here once its cells were found and its pyramid was made.
    "CREATE TABLE IF NOT EXISTS large_labels{end} ("
    "image INTEGER PRIMARY KEY REFERENCES images(id))",
    "CREATE TABLE IF NOT EXISTS cell_places{end} ("
    "image INTEGER NOT NULL REFERENCES images(id), label INTEGER NOT NULL, "
    "n_pixels INTEGER NOT NULL, t0, z0, y0, x0, t1, z1, y1, x1, "
    "PRIMARY KEY (image, label)) WITHOUT ROWID",
    # Chunks that are written, but not yet seen in the levels above them.
    "CREATE TABLE IF NOT EXISTS stale_chunks{end} ("
    "image INTEGER NOT NULL REFERENCES images(id), place TEXT NOT NULL, "
    "PRIMARY KEY (image, place)) WITHOUT ROWID",
)
SAVE_PLACE = (
    "INSERT OR REPLACE INTO cell_places{end} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
READ_PLACES = (
    "SELECT label, n_pixels, t0, z0, y0, x0, t1, z1, y1, x1 FROM cell_places{end} "
    "WHERE image = ? ORDER BY label"
)
FORGET_ALL = (
    "DELETE FROM large_labels{end} WHERE image = ?",
    "DELETE FROM cell_places{end} WHERE image = ?",
    "DELETE FROM stale_chunks{end} WHERE image = ?",
)
#: So many cells are written in one transaction: another write waits 0.1 s for it.
N_AT_ONCE = 20_000

#: Box and number of pixels of each cell, None for one that is gone.
CellPlaces: TypeAlias = Mapping[int, tuple[Box, int] | None]


class LargeNotes:
    """Places of the cells of one image, and what its pyramid does not show yet.

    Labels of another number (`project.labels.exchanges`) have tables of their own. Every method
    raises `ProjectError` if the project cannot be read or written.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        folder: Path,
        image_id: int,
        number: int,
    ) -> None:
        self._connection = connection
        self._folder = folder
        self._image_id = image_id
        self._end = f"_{number}" if number else ""

    @property
    def is_ready(self) -> bool:
        """True if the cells were found and the pyramid was made."""
        with told(self._folder):
            table = self._connection.execute(
                "SELECT 1 FROM sqlite_master WHERE name = ?",
                (f"large_labels{self._end}",),
            ).fetchone()
            return table is not None and bool(
                self._connection.execute(
                    self._named("SELECT 1 FROM large_labels{end} WHERE image = ?"),
                    (self._image_id,),
                ).fetchone()
            )

    def _named(self, statement: str) -> str:
        """Return a statement with the tables of these labels."""
        return statement.format(end=self._end)

    @property
    def has_cells(self) -> bool:
        """True unless it is known that there is no cell."""
        if not self.is_ready:
            return True
        with told(self._folder):
            found = self._connection.execute(
                self._named("SELECT 1 FROM cell_places{end} WHERE image = ? LIMIT 1"),
                (self._image_id,),
            ).fetchone()
        return found is not None

    def read_rows(self, ndim: int) -> Job[CellRows]:
        """Read where every cell lies, in rising order."""
        with told(self._folder):
            found = self._connection.execute(
                self._named(READ_PLACES),
                (self._image_id,),
            )
            found.row_factory = None
            parts = [np.zeros((0, 10), np.int64)]
            while rows := found.fetchmany(N_AT_ONCE):
                parts.append(np.array(rows, np.int64))
                n_read = N_AT_ONCE * (len(parts) - 1)
                yield Progress(n_read, 0, f"reading the cells, {n_read:,}")
        table = np.concatenate(parts)
        lead = 4 - ndim
        lows, highs = table[:, 2 + lead : 6], table[:, 6 + lead : 10]
        ids, counts = table[:, 0].copy(), table[:, 1].copy()
        return CellRows(ids, counts, lows.copy(), highs.copy())

    def begin(self, stale: Iterable[Place] = ()) -> None:
        """Make the tables, and forget what is known of the image but stale chunks."""
        run = self._connection.execute
        with told(self._folder), transaction(self._connection):
            for table in TABLES:
                run(self._named(table))
            for statement in FORGET_ALL:
                run(self._named(statement), (self._image_id,))
            self._note_stale(stale)

    def save_all(self, rows: CellRows) -> Job[None]:
        """Write where every cell lies, after `begin`; then the image is ready."""
        lead = 4 - rows.lows.shape[1]
        ends = np.ones((len(rows.ids), lead), np.int64)
        owner = np.full((len(rows.ids), 1), self._image_id, np.int64)
        numbers = np.stack([rows.ids, rows.counts], axis=1)
        table = np.hstack([owner, numbers, ends - 1, rows.lows, ends, rows.highs])
        for start in range(0, len(table), N_AT_ONCE):
            yield Progress(start, len(table), "noting where the cells lie")
            part = table[start : start + N_AT_ONCE].tolist()
            with told(self._folder), transaction(self._connection):
                self._connection.executemany(self._named(SAVE_PLACE), part)
        with told(self._folder):
            self._connection.execute(
                self._named("INSERT INTO large_labels{end} VALUES (?)"),
                (self._image_id,),
            )

    def save(self, cells: CellPlaces, places: Iterable[Place]) -> None:
        """Write where some cells are, and which chunks were written.

        Inside a transaction of the caller, which also notes the step.
        """
        rows, gone = [], []
        for cell, found in cells.items():
            if found is None:
                gone.append((self._image_id, cell))
                continue
            box, n_pixels = found
            lead = 4 - len(box)
            lows = (0,) * lead + tuple(part.start for part in box)
            highs = (1,) * lead + tuple(part.stop for part in box)
            rows.append((self._image_id, cell, n_pixels, *lows, *highs))
        run = self._connection.executemany
        run(self._named(SAVE_PLACE), rows)
        run(
            self._named("DELETE FROM cell_places{end} WHERE image = ? AND label = ?"),
            gone,
        )
        self._note_stale(places)

    def _note_stale(self, places: Iterable[Place]) -> None:
        self._connection.executemany(
            self._named("INSERT OR IGNORE INTO stale_chunks{end} VALUES (?, ?)"),
            [(self._image_id, json.dumps(place)) for place in places],
        )

    @property
    def is_behind(self) -> bool:
        """True if the pyramid does not show every chunk, or was not made yet."""
        return not self.is_ready or bool(self.stale())

    def stale(self) -> set[Place]:
        """Return the chunks that the pyramid does not show yet."""
        with told(self._folder):
            rows = self._connection.execute(
                self._named("SELECT place FROM stale_chunks{end} WHERE image = ?"),
                (self._image_id,),
            ).fetchall()
        return {tuple(json.loads(row["place"])) for row in rows}

    def forget_stale(self) -> None:
        """Note that the pyramid shows every chunk."""
        with told(self._folder):
            self._connection.execute(
                self._named("DELETE FROM stale_chunks{end} WHERE image = ?"),
                (self._image_id,),
            )


def places_of(index: CellIndex, edits: Iterable[Edit]) -> CellPlaces:
    """Return where large labels have the cells of edits, and maybe others near them.

    Edits of labels in memory need no pixels for it: the cells near them are soon found.
    """
    ids: set[int] = set()
    for edit in edits:
        is_there = is_on_disk(index.labels)
        changed = edit.changed_ids if is_there else index.touching(edit.box)
        ids |= {*changed, *edit.sources_before, *edit.sources_after}
    found = index.boxes(ids)
    return {cell: found.get(cell) for cell in ids}


def note_found(notes: LargeNotes, store: LabelsStore, rows: CellRows) -> Job[None]:
    """Note cells that are known already; the pyramid waits until they are opened again.

    Raises
    ------
    ProjectError
        If it cannot be written.
    """
    with told(store.folder):
        whole = tuple(slice(0, size) for size in store.array().shape)
        notes.begin(store.chunks_of([whole]))
        Pyramid(store.folder).create()
    yield from notes.save_all(rows)


def prepare_large(notes: LargeNotes, store: LabelsStore) -> Job[None]:
    """Find every cell of large labels and make their pyramid, block by block.

    Once for each image. Stopped half-way, it begins anew.

    Parameters
    ----------
    notes : LargeNotes
        Of the image, writable on the thread that it runs on.
    store : LabelsStore
        The labels.

    Raises
    ------
    ProjectError
        If they cannot be read or written.
    """
    notes.begin()
    with told(store.folder):
        pyramid = Pyramid(store.folder)
        pyramid.create()
        rows = yield from look_through(store, pyramid)
    yield from notes.save_all(rows)


def renewing(notes: LargeNotes, store: LabelsStore, labels: Labels) -> Job[None]:
    """Show in the pyramid the chunks that were written since it was.

    Killed before its end, it is done when the labels are opened again.
    """
    with told(store.folder):
        yield from Pyramid(store.folder).renew(labels, notes.stale())
    notes.forget_stale()


def look_through(store: LabelsStore, pyramid: Pyramid | None) -> Job[CellRows]:
    """Go through all blocks in which there may be a cell; `pyramid` shows them, too."""
    array = store.array()
    blocks = blocks_of(array.shape)
    parts = []
    for n_done, box in enumerate(blocks):
        yield Progress(n_done, len(blocks), "looking through the cells")
        if store.is_blank(box):
            continue
        block = np.asarray(array[box])
        rows = find_rows(block)
        start = np.array([part.start for part in box])
        parts.append(
            CellRows(rows.ids, rows.counts, rows.lows + start, rows.highs + start)
        )
        if pyramid is not None:
            pyramid.take_block(block, box)
    return joined_rows(parts, len(array.shape))
