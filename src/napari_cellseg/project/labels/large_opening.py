"""Large labels are read off the main thread before they are opened.

A job with a connection of its own finds their cells where that was never done, and reads
all that is known of them; of labels that fit into memory it reads the pixels. Opening
them is then a matter of taking it, if no step was made meanwhile.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from napari_cellseg.core.editing.rerun import Footprint
from napari_cellseg.core.jobs import Job, Progress, run
from napari_cellseg.core.labels.on_disk import is_large
from napari_cellseg.core.labels.rows import CellRows, find_rows
from napari_cellseg.project.cells.cell_facts import (
    CellFacts,
    read_cells,
    read_deleted,
    read_last_id,
    read_last_step,
)
from napari_cellseg.project.database.database import open_database, told
from napari_cellseg.project.labels.known_chunks import KnownChunks
from napari_cellseg.project.labels.labels_store import LabelsStore, PixelsAhead
from napari_cellseg.project.labels.large_labels import (
    LargeNotes,
    look_through,
    prepare_large,
    renewing,
)
from napari_cellseg.project.labels.new_labels import NewLabels


@dataclass(frozen=True, slots=True, eq=False)
class ReadAhead:
    """What a project knows of the cells of large labels.

    Attributes
    ----------
    steps : (int, int)
        The last step of the image, and the last that the labels on disk hold.
    rows : CellRows
        Where each cell lies in the labels on disk.
    facts : CellFacts
        What is known of each of them.
    deleted : list of Footprint
        Where cells were deleted by hand.
    last_id : int
        The highest id that the journal has seen, 0 for none.
    """

    steps: tuple[int, int]
    rows: CellRows
    facts: CellFacts
    deleted: list[Footprint]
    last_id: int


class LargeOpening:
    """Reads large labels of a project ahead, and gives out what was read.

    Parameters
    ----------
    folder : Path
        Of the project.
    is_read_only : bool
        Whether what is found counts for this session only.
    """

    def __init__(self, folder: Path, *, is_read_only: bool) -> None:
        self._folder = folder
        self._is_read_only = is_read_only
        self._ahead: dict[int, ReadAhead] = {}
        self._looked_up: dict[Path, CellRows] = {}
        self._pixels: dict[int, tuple[Path, int, PixelsAhead]] = {}

    def has(self, image_id: int) -> bool:
        """Say whether an image was read ahead."""
        return image_id in self._ahead or image_id in self._pixels

    def hand_over(
        self,
        connection: sqlite3.Connection,
        image_id: int,
        store: LabelsStore,
        new: NewLabels,
    ) -> None:
        """Let labels that were just written count as read, where they are ours to take."""
        with told(self._folder):
            _, written = read_last_step(connection, image_id)
            if new.is_handed_over and not is_large(new.labels.shape):
                self._pixels[image_id] = (
                    store.folder,
                    written,
                    PixelsAhead(new.labels, facts=new.facts()),
                )
            elif new.is_handed_over and new.rows is not None:
                reading = self._read(connection, image_id, store)
                self._ahead[image_id] = run(reading)

    def give_pixels(
        self, connection: sqlite3.Connection, image_id: int, store: LabelsStore
    ) -> None:
        """Let labels in memory be those that were read ahead, if they still hold.

        Raises
        ------
        ProjectError
            If the project cannot be read.
        """
        if (known := self._pixels.pop(image_id, None)) is None:
            return
        folder, written, ahead = known
        with told(self._folder):
            is_now = read_last_step(connection, image_id)[1] == written
        if is_now and folder == store.folder:
            store.ahead = ahead

    def take(
        self, connection: sqlite3.Connection, image_id: int, store: LabelsStore
    ) -> ReadAhead:
        """Return what was read, once; it is read now where that is not what holds any more.

        Parameters
        ----------
        connection : sqlite3.Connection
            Of the project, to see whether a step was made meanwhile.
        image_id, store
            As of `job`.

        Raises
        ------
        ProjectError
            If it cannot be read.
        """
        ahead = self._ahead.pop(image_id, None)
        with told(self._folder):
            steps = read_last_step(connection, image_id)
        if ahead is None or ahead.steps != steps:
            run(self.job(image_id, store))
            ahead = self._ahead.pop(image_id)
        return ahead

    def job(self, image_id: int, store: LabelsStore) -> Job[None]:
        """Read the cells of an image; runs off the main thread.

        Parameters
        ----------
        image_id : int
            Of the image.
        store : LabelsStore
            Its labels; never written here, but for the pyramid that is made once.

        Raises
        ------
        ProjectError
            If they cannot be read or written.
        """
        connection = open_database(self._folder, writable=not self._is_read_only)
        try:
            if not is_large(store.array().shape):
                yield Progress(0, 0, "reading the cells")
                with told(self._folder):
                    _, written = read_last_step(connection, image_id)
                labels = store.read()
                ahead = PixelsAhead(labels, labels.copy(), find_rows(labels))
                self._pixels[image_id] = store.folder, written, ahead
                return
            notes = LargeNotes(connection, self._folder, image_id, store.number)
            if not notes.is_ready and store.folder not in self._looked_up:
                if self._is_read_only:
                    self._looked_up[store.folder] = yield from look_through(store, None)
                else:
                    yield from prepare_large(notes, store)
            if not self._is_read_only:
                yield from renewing(notes, store, store.array())
                yield Progress(0, 0, "noting what lies on the disk")
                with told(self._folder):
                    KnownChunks(connection, image_id, store).note_once()
            with told(self._folder), _snapshot(connection):
                self._ahead[image_id] = yield from self._read(
                    connection, image_id, store
                )
        finally:
            connection.close()

    def _read(
        self, connection: sqlite3.Connection, image_id: int, store: LabelsStore
    ) -> Job[ReadAhead]:
        """Read all that is known, as of one moment."""
        steps = read_last_step(connection, image_id)
        rows = self._looked_up.get(store.folder)
        if rows is None:
            notes = LargeNotes(connection, self._folder, image_id, store.number)
            rows = yield from notes.read_rows(len(store.array().shape))
        facts = yield from read_cells(connection, image_id)
        deleted = yield from read_deleted(connection, image_id)
        last_id = read_last_id(connection, image_id)
        return ReadAhead(steps, rows, facts, deleted, last_id)


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Let all that is read be of one moment, whatever is written meanwhile."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
