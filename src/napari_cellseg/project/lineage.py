"""Which cell came of which on one image, on disk."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from napari_cellseg.core.tracks import Parents
from napari_cellseg.project.database import told, transaction


class LineageNotes:
    """The parents of the cells of an image; each change is on disk at once.

    Every method raises `ProjectError` if the project cannot be read or written.
    """

    def __init__(
        self, connection: sqlite3.Connection, folder: Path, image_id: int
    ) -> None:
        self._connection = connection
        self._folder = folder
        self._name = f"parents of image {image_id}"

    def parents(self) -> Parents:
        """Return the mother of each daughter."""
        with told(self._folder):
            row = self._connection.execute(
                "SELECT value FROM meta WHERE name = ?", (self._name,)
            ).fetchone()
        pairs = [] if row is None else json.loads(row["value"])
        return {int(child): int(parent) for child, parent in pairs}

    def set_parents(self, parents: Parents) -> None:
        """Replace all parents of the image."""
        value = json.dumps(sorted(parents.items()))
        with told(self._folder), transaction(self._connection):
            self._connection.execute(
                "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)",
                (self._name, value),
            )
