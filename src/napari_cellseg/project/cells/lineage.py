"""Which cell came of which on one image, on disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from napari_cellseg.core.editing.lineage_steps import Lineage, ParentsDifference
from napari_cellseg.core.tracking.tracks import Parents
from napari_cellseg.project.database.notes import Note


def lineage_names(image_id: int) -> tuple[str, str]:
    """Return what a project calls the parents of an image, and what steps did to them."""
    name = f"parents of image {image_id}"
    return name, f"{name} by step"


class LineageNotes:
    """The parents of the cells of an image; each change is on disk at once.

    Every method raises `ProjectError` if the project cannot be read or written.
    """

    def __init__(self, note: Note, steps: Note) -> None:
        self._note = note
        self._steps = steps

    def parents(self) -> Parents:
        """Return the mother of each daughter."""
        pairs = self._note.read() or []
        return {int(child): int(parent) for child, parent in pairs}

    def set_parents(self, parents: Parents) -> None:
        """Replace all parents of the image."""
        self._note.write(sorted(parents.items()))

    def steps(self) -> dict[float, ParentsDifference]:
        """Return, by the time of an edit, what differs in the parents on its other side."""
        return {
            float(made_at): {int(child): mother for child, mother in pairs}
            for made_at, pairs in self._steps.read() or []
        }

    def set_steps(self, steps: Mapping[float, ParentsDifference]) -> None:
        """Replace what is known of all edits of the image."""
        self._steps.write(_plain_steps(steps))

    def put(self, lineage: Lineage) -> None:
        """Replace both, inside a transaction of the caller."""
        self._note.put(sorted(lineage.parents.items()))
        self._steps.put(_plain_steps(lineage.steps))


def lineage_notes(
    connection: sqlite3.Connection, folder: Path, image_id: int
) -> LineageNotes:
    """Return which cell of an image came of which."""
    names = lineage_names(image_id)
    return LineageNotes(*(Note(connection, folder, name) for name in names))


def _plain_steps(steps: Mapping[float, ParentsDifference]) -> list[list[object]]:
    return [[at, sorted(one.items())] for at, one in steps.items()]
