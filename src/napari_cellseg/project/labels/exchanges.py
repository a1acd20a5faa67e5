"""Large labels that are exchanged as a whole, so that an import can be undone.

Labels too large for memory are never rewritten by an import: the imported ones get a folder
of their own, with a number, and the database says which number is looked at. Undo and redo
say another number, in one transaction; who holds the labels opens them again.
"""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import NamedTuple

from napari_cellseg.project.cells.lineage import lineage_names
from napari_cellseg.project.database.database import told
from napari_cellseg.project.database.notes import Note
from napari_cellseg.project.labels.known_chunks import forget_chunks
from napari_cellseg.project.labels.labels_store import labels_folder, number_of

#: Made when labels are first exchanged; older programs pass over it.
TABLE = (
    "CREATE TABLE IF NOT EXISTS exchanges ("
    "edit INTEGER PRIMARY KEY, image INTEGER NOT NULL, "
    "before INTEGER NOT NULL, after INTEGER NOT NULL)"
)
IS_THERE = "SELECT 1 FROM sqlite_master WHERE name = 'exchanges'"
#: Also of edits that were purged: what is known of their labels goes by the number.
EVERY = "SELECT before, after FROM exchanges WHERE image = ?"
#: What an edit that was purged needed is needed no more.
NEEDED = (
    "SELECT before, after FROM exchanges JOIN edits ON edits.id = exchanges.edit "
    "WHERE exchanges.image = ? AND edits.state != 'dropped'"
)
AREAS = "SELECT plane, outline_yx FROM checked_areas WHERE image = ? ORDER BY id"
#: What is known of the cells of labels that are not looked at.
OTHER_CELLS = (
    "CREATE TABLE IF NOT EXISTS other_cells ("
    "image INTEGER NOT NULL, number INTEGER NOT NULL, label INTEGER NOT NULL, "
    "source TEXT NOT NULL, confidence REAL, review TEXT NOT NULL, class TEXT NOT NULL, "
    "PRIMARY KEY (image, number, label)) WITHOUT ROWID"
)
PUT_ASIDE = (
    "INSERT OR REPLACE INTO other_cells SELECT image, :number, label, source, "
    "confidence, review, class FROM cells WHERE image = :image"
)
BRING_BACK = (
    "INSERT INTO cells SELECT image, label, source, confidence, review, class "
    "FROM other_cells WHERE image = :image AND number = :number"
)
FORGET_ASIDE = "DELETE FROM other_cells WHERE image = :image AND number = :number"
SET_WRITTEN = (
    "UPDATE images SET written_step = (SELECT max(id) FROM steps WHERE image = :image) "
    "WHERE id = :image"
)


class Exchange(NamedTuple):
    """Numbers of the labels before and after an edit that exchanges them."""

    before: int
    after: int


class Exchanges:
    """Which of its labels an image shows.

    Parameters
    ----------
    connection : sqlite3.Connection
        Of the project.
    folder : Path
        Of the project.
    image_id : int
        Of the image.
    """

    def __init__(
        self, connection: sqlite3.Connection, folder: Path, image_id: int
    ) -> None:
        self._connection = connection
        self._folder = folder
        self._image_id = image_id

    @property
    def current(self) -> int:
        """The number of the labels that are looked at; 0 where none were exchanged."""
        return int(self._number.read() or 0)

    @property
    def _number(self) -> Note:
        return self._note(f"labels of image {self._image_id}")

    @property
    def labels_folder(self) -> Path:
        """The folder of the labels that are looked at."""
        return labels_folder(self._folder, self._image_id, self.current)

    def of_edit(self, edit_id: int) -> Exchange | None:
        """Return what an edit exchanges, None for most."""
        with told(self._folder):
            if not self._connection.execute(IS_THERE).fetchone():
                return None
            row = self._connection.execute(
                "SELECT before, after FROM exchanges WHERE edit = ?", (edit_id,)
            ).fetchone()
        return None if row is None else Exchange(row["before"], row["after"])

    def next_number(self) -> int:
        """Return a number that no labels of the image ever had."""
        with told(self._folder):
            if not self._connection.execute(IS_THERE).fetchone():
                return self.current + 1
            rows = self._connection.execute(EVERY, (self._image_id,)).fetchall()
        known: list[int] = [number for row in rows for number in row]
        return max(self.current, *known, 0) + 1

    @property
    def needed(self) -> set[int]:
        """Numbers of the labels that are looked at, or may be again by undo or redo."""
        with told(self._folder):
            if not self._connection.execute(IS_THERE).fetchone():
                return {self.current}
            rows = self._connection.execute(NEEDED, (self._image_id,)).fetchall()
        return {self.current, *(number for row in rows for number in row)}

    def note(self, edit_id: int, exchange: Exchange) -> None:
        """Note what an edit exchanges; inside a transaction of the caller."""
        self._connection.execute(TABLE)
        self._connection.execute(
            "INSERT INTO exchanges VALUES (?, ?, ?, ?)",
            (edit_id, self._image_id, *exchange),
        )

    def show(self, number: int) -> None:
        """Look at other labels, which hold every step so far.

        Inside a transaction of the caller, after the step was written. What is known of
        the cells of before, and the areas that were checked on them, wait with them: the
        numbers of the cells may be the same.
        """
        self._exchange_areas(number)
        self._exchange_cells(number)
        for name in lineage_names(self._image_id):
            self._exchange_note(name, number)
        self._number.put(number)
        self._connection.execute(SET_WRITTEN, {"image": self._image_id})

    def _exchange_areas(self, number: int) -> None:
        run, image = self._connection.execute, self._image_id
        areas = [tuple(row) for row in run(AREAS, (image,))]
        self._areas_of(self.current).put(areas)
        run("DELETE FROM checked_areas WHERE image = ?", (image,))
        waiting = self._areas_of(number).read() or []
        self._connection.executemany(
            "INSERT INTO checked_areas (image, plane, outline_yx) VALUES (?, ?, ?)",
            [(image, *area) for area in waiting],
        )

    def _exchange_cells(self, number: int) -> None:
        run = self._connection.execute
        here = {"image": self._image_id, "number": self.current}
        there = {"image": self._image_id, "number": number}
        run(OTHER_CELLS)
        run(FORGET_ASIDE, here)
        run(PUT_ASIDE, here)
        run("DELETE FROM cells WHERE image = ?", (self._image_id,))
        run(BRING_BACK, there)
        run(FORGET_ASIDE, there)

    def _exchange_note(self, name: str, number: int) -> None:
        """Put a note about the cells aside, and bring back that about the others."""
        known = self._note(name).read()
        waiting = self._note(f"{name}, labels {number}").read()
        if known is not None or waiting is not None:
            aside = self._note(f"{name}, labels {self.current}")
            aside.put([] if known is None else known)
            self._note(name).put([] if waiting is None else waiting)

    def remove_unneeded(self) -> None:
        """Delete the labels that no undo or redo brings back."""
        needed = self.needed
        with told(self._folder):
            for path in labels_folder(self._folder, self._image_id).parent.glob(
                f"{self._image_id}.*"
            ):
                if number_of(path) not in needed:
                    shutil.rmtree(path, ignore_errors=True)
                    forget_chunks(self._connection, self._image_id, number_of(path))

    def _areas_of(self, number: int) -> Note:
        return self._note(f"areas of labels {number} of image {self._image_id}")

    def _note(self, name: str) -> Note:
        return Note(self._connection, self._folder, name)


def remove_unneeded(connection: sqlite3.Connection, folder: Path) -> None:
    """Delete the labels of all images that no undo or redo brings back."""
    with told(folder):
        if not connection.execute(IS_THERE).fetchone():
            return
        rows = connection.execute("SELECT DISTINCT image FROM exchanges").fetchall()
    for row in rows:
        Exchanges(connection, folder, row["image"]).remove_unneeded()
