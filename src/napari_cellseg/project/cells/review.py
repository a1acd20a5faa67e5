"""What a person has checked on one image, on disk."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

from napari_cellseg.core.editing.checked import (
    CheckedArea,
    ReviewState,
    area_from_json,
    area_to_json,
)
from napari_cellseg.core.editing.edits import Edit
from napari_cellseg.project.database.database import told, transaction

SET_STATE = """
INSERT INTO cells (image, label, review, source) VALUES (?, ?, ?, '')
ON CONFLICT (image, label) DO UPDATE SET review = excluded.review
"""


class ReviewNotes:
    """Review states and checked areas of an image; each change is on disk at once.

    Every method raises `ProjectError` if the project cannot be read or written.
    """

    def __init__(
        self, connection: sqlite3.Connection, folder: Path, image_id: int
    ) -> None:
        self._connection = connection
        self._folder = folder
        self._image_id = image_id

    def states(self) -> dict[int, ReviewState]:
        """Return the state of each cell that was reviewed."""
        with told(self._folder):
            rows = self._connection.execute(
                "SELECT label, review FROM cells WHERE image = ? AND review != 'unseen'",
                (self._image_id,),
            ).fetchall()
        return {row["label"]: row["review"] for row in rows}

    def save(
        self, states: Mapping[int, ReviewState], areas: Iterable[CheckedArea]
    ) -> None:
        """Set the state of some cells and replace all checked areas, both or neither."""
        with told(self._folder), transaction(self._connection):
            self.put(states, areas)

    def put(
        self, states: Mapping[int, ReviewState], areas: Iterable[CheckedArea]
    ) -> None:
        """Do what `save` does, inside a transaction of the caller."""
        self._write_states(states)
        self._write_areas(areas)

    def follow(self, edit: Edit) -> None:
        """Bring states and areas up to an edit, inside a transaction of the caller."""
        old, new = edit.notes_before, edit.notes_after
        if old is None or new is None:
            return
        gone: dict[int, ReviewState] = dict.fromkeys(old.states, "unseen")
        self._write_states({**gone, **new.states})
        if new.areas is not None:
            self._write_areas(new.areas)

    def _write_states(self, states: Mapping[int, ReviewState]) -> None:
        rows = [(self._image_id, int(cell), state) for cell, state in states.items()]
        self._connection.executemany(SET_STATE, rows)

    def areas(self) -> list[CheckedArea]:
        """Return the checked areas in the order in which they were drawn."""
        with told(self._folder):
            rows = self._connection.execute(
                "SELECT plane, outline_yx FROM checked_areas WHERE image = ? ORDER BY id",
                (self._image_id,),
            ).fetchall()
        return [
            area_from_json(
                {
                    "plane": json.loads(row["plane"]),
                    "outline_yx": json.loads(row["outline_yx"]),
                }
            )
            for row in rows
        ]

    def _write_areas(self, areas: Iterable[CheckedArea]) -> None:
        values = [area_to_json(area) for area in areas]
        rows = [
            (self._image_id, json.dumps(one["plane"]), json.dumps(one["outline_yx"]))
            for one in values
        ]
        self._connection.execute(
            "DELETE FROM checked_areas WHERE image = ?", (self._image_id,)
        )
        self._connection.executemany(
            "INSERT INTO checked_areas (image, plane, outline_yx) VALUES (?, ?, ?)",
            rows,
        )
