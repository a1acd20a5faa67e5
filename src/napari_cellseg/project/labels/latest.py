"""What a run of edits makes of the cells that they change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from napari_cellseg.core.editing.edits import Edit, Source


@dataclass(frozen=True, slots=True)
class Latest:
    """Source and class of the cells that edits changed; None: gone, or no class."""

    sources: dict[int, Source | None]
    classes: dict[int, str | None]

    def apply(self, sources: dict[int, Source], classes: dict[int, str]) -> None:
        """Bring what is known of all cells up to it, in place."""
        for cell, source in self.sources.items():
            sources.pop(cell, None)
            if source is not None:
                sources[cell] = source
        for cell, kind in self.classes.items():
            classes.pop(cell, None)
            if kind is not None:
                classes[cell] = kind


def latest_of(edits: Iterable[Edit]) -> Latest:
    """Return what edits, in their order, make of the cells that they change."""
    found = Latest({}, {})
    for edit in edits:
        for cell in edit.sources_before.keys() | edit.sources_after.keys():
            found.sources[cell] = edit.sources_after.get(cell)
        for cell in edit.classes_before.keys() | edit.classes_after.keys():
            found.classes[cell] = edit.classes_after.get(cell)
    return found
