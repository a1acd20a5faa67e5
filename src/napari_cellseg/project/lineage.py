"""Which cell came of which on one image, on disk."""

from __future__ import annotations

from napari_cellseg.core.tracks import Parents
from napari_cellseg.project.notes import Note


class LineageNotes:
    """The parents of the cells of an image; each change is on disk at once.

    Every method raises `ProjectError` if the project cannot be read or written.
    """

    def __init__(self, note: Note) -> None:
        self._note = note

    def parents(self) -> Parents:
        """Return the mother of each daughter."""
        pairs = self._note.read() or []
        return {int(child): int(parent) for child, parent in pairs}

    def set_parents(self, parents: Parents) -> None:
        """Replace all parents of the image."""
        self._note.write(sorted(parents.items()))
