"""What a project knows beside its images and cells: values by their name, on disk."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from napari_cellseg.project.database.database import told, transaction

CLASSES = "classes"


class Note:
    """One value of a project; each change is on disk at once.

    Every method raises `ProjectError` if the project cannot be read or written.

    Parameters
    ----------
    connection : sqlite3.Connection
        Of the project.
    folder : Path
        Of the project, for messages.
    name : str
        Of the value.
    """

    def __init__(self, connection: sqlite3.Connection, folder: Path, name: str) -> None:
        self._connection = connection
        self._folder = folder
        self._name = name

    def read(self) -> Any:
        """Return the value as JSON knows it, None where there is none."""
        with told(self._folder):
            row = self._connection.execute(
                "SELECT value FROM meta WHERE name = ?", (self._name,)
            ).fetchone()
        return None if row is None else json.loads(row["value"])

    def write(self, value: Any) -> None:
        """Replace the value."""
        with told(self._folder), transaction(self._connection):
            self.put(value)

    def put(self, value: Any) -> None:
        """Replace the value, inside a transaction of the caller."""
        self._connection.execute(
            "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)",
            (self._name, json.dumps(value)),
        )


class ClassNotes:
    """The classes that a project offers for cells."""

    def __init__(self, note: Note) -> None:
        self._note = note

    def names(self) -> list[str]:
        """Return the list, empty where there is none."""
        return [str(name) for name in self._note.read() or []]

    def set_names(self, names: list[str]) -> None:
        """Replace the list."""
        self._note.write(names)
