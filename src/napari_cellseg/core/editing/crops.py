"""A copy of the labels around some cells, in which each has its own part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from napari_cellseg.core.editing.cell_index import IndexedLabels, boxes_on, labels_of
from napari_cellseg.core.editing.edits import Edit, Source, edit_on_labels, is_empty
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.labels.boxes import Box, grown, shifted, start_of, union_of
from napari_cellseg.core.types import Labels


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """Made by `crops_around`; what is written into `after` becomes an edit.

    Attributes
    ----------
    indexed : int32 array or CellIndex
        All labels; they do not change.
    box : Box
        Where the copy lies in them.
    after : int32 array
        The copy.
    parts : mapping of int to Box
        The part of the copy around each cell, in rising order of the ids.
    """

    indexed: IndexedLabels
    box: Box
    after: Labels
    parts: Mapping[int, Box]

    @property
    def before(self) -> Labels:
        """The labels as they are, of the size of the copy; not to be written to."""
        return labels_of(self.indexed)[self.box]

    def __iter__(self) -> Iterator[tuple[int, Labels]]:
        """Yield each cell with the part of the copy around it, to be written to."""
        for cell, part in self.parts.items():
            yield cell, self.after[part]

    def edit(self, name: str, sources: Mapping[int, Source], refusal: str) -> Edit:
        """Return what was written as an edit.

        Parameters
        ----------
        name : str
            What was done.
        sources : mapping of int to Source
            The sources of all cells.
        refusal : str
            Why nothing has changed, and what to do.

        Raises
        ------
        EditError
            With the refusal, if nothing has changed.
        """
        edit = edit_on_labels(
            self.indexed, self.after, start_of(self.box), name, sources
        )
        if is_empty(edit):
            raise EditError(refusal)
        return edit


def crops_around(
    indexed: IndexedLabels,
    ids: Iterable[int],
    plane: tuple[int, ...] | None,
    margin_px: int = 0,
) -> Crops:
    """Return a copy of the labels around cells.

    Parameters
    ----------
    indexed : int32 array or CellIndex
        2-D to 4-D.
    ids : iterable of int
        Which cells.
    plane : tuple of int or None
        On this plane only; None: on all.
    margin_px : int
        Around each cell, in y and x; less at the edge of the labels.

    Raises
    ------
    EditError
        If none of the cells is there, or no such plane.
    """
    labels = labels_of(indexed)
    boxes = {
        cell: grown(box, margin_px, labels.shape)
        for cell, (box, _) in boxes_on(indexed, ids, plane).items()
    }
    box = union_of(boxes.values())
    parts = {cell: shifted(part, start_of(box)) for cell, part in boxes.items()}
    return Crops(indexed, box, labels[box].copy(), parts)
