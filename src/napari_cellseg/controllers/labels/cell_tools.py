"""The correction tools at a place of the image: on the plane that is shown, or on all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.core.editing import corrections
from napari_cellseg.core.editing.auto_split import split_automatically
from napari_cellseg.core.editing.grow import cut_hole, grow_cells, shrink_cells
from napari_cellseg.core.editing.numbering import give_new_id, renumber_cells
from napari_cellseg.core.editing.planes import copy_to_plane, interpolate_cell
from napari_cellseg.core.editing.reshape import cell_around, fill_holes, smooth_cells
from napari_cellseg.core.editing.split import add_cell, split_cell

Plane = tuple[int, ...]
Points = NDArray[Any]


class CellTools:
    """Makes one correction a call; `EditError` says why it cannot be made.

    Parameters
    ----------
    proofread : ProofreadController
        Takes the corrections.

    Attributes
    ----------
    all_planes : bool
        Whether a cell is changed on all its planes, or on the one that is shown only.
    stepped : Signal(tuple)
        A plane that is to be shown, as the cell was copied there.
    """

    changed = Signal()
    stepped = Signal(tuple)

    def __init__(self, proofread: ProofreadController) -> None:
        self.proofread = proofread
        self.all_planes = True

    def use_all_planes(self, *, is_on: bool) -> None:
        """Choose whether tools go through all planes."""
        self.all_planes = is_on
        self.changed.emit()

    @property
    def has_planes(self) -> bool:
        """True if the labels have more than one plane."""
        labels = self.proofread.labels
        return labels is not None and labels.ndim > 2

    def _on(self, plane: Plane) -> Plane | None:
        """Return the plane that is changed, None for all."""
        return None if self.all_planes else plane

    def delete(self, cell: int, plane: Plane) -> None:
        """Delete a cell."""
        self.proofread.make(corrections.delete_cells, [cell], plane=self._on(plane))

    def delete_region(self, outline_yx: Points, plane: Plane) -> None:
        """Delete the cells that lie in an outline, (n, 2)."""
        self.proofread.make(
            corrections.delete_in_region, outline_yx, plane, everywhere=self.all_planes
        )

    def merge(self, ids: Sequence[int], plane: Plane) -> None:
        """Merge cells into the first."""
        self.proofread.make(corrections.merge_cells, ids, plane=self._on(plane))

    def split(self, line_yx: Points, plane: Plane) -> None:
        """Split the cells that a line, (n, 2), crosses."""
        through = self.all_planes and self.has_planes
        self.proofread.make(split_cell, line_yx, plane, through_planes=through)

    def split_automatically(self, cell: int, plane: Plane) -> None:
        """Split a cell at its waists."""
        self.proofread.make(split_automatically, cell, plane=self._on(plane))

    def fill_holes(self, cell: int, plane: Plane) -> None:
        """Fill the holes of a cell."""
        self.proofread.make(fill_holes, [cell], plane=self._on(plane))

    def cell_around(self, position: tuple[float, ...]) -> int:
        """Return the cell in whose hole a position of the labels lies, 0 for none."""
        cells = self.proofread.cells
        if cells is None:
            return 0
        place = tuple(int(np.floor(at + 0.5)) for at in position)
        inside = zip(place, cells.labels.shape, strict=True)
        if not all(0 <= at < size for at, size in inside):
            return 0
        return cell_around(cells.index, place)

    def smooth(self, cell: int, plane: Plane) -> None:
        """Smooth the edge of a cell."""
        self.proofread.make(smooth_cells, [cell], plane=self._on(plane))

    def grow(self, cell: int, plane: Plane) -> None:
        """Grow a cell by a pixel."""
        self.proofread.make(grow_cells, [cell], plane=self._on(plane))

    def shrink(self, cell: int, plane: Plane) -> None:
        """Shrink a cell by a pixel."""
        self.proofread.make(shrink_cells, [cell], plane=self._on(plane))

    def cut_hole(self, outline_yx: Points, plane: Plane) -> None:
        """Cut the inside of an outline, (n, 2), out of the cell there."""
        self.proofread.make(cut_hole, outline_yx, plane)

    def copy_to_next(self, cell: int, plane: Plane) -> None:
        """Copy a cell to the next plane, and ask for that plane to be shown."""
        target = (*plane[:-1], plane[-1] + 1) if plane else ()
        self.proofread.make(copy_to_plane, cell, plane, target)
        self.stepped.emit(target)

    def lacks_planes(self, cell: int) -> bool:
        """Say whether a cell is missing on a plane between two of its own."""
        cells = self.proofread.cells
        if cells is None or not self.has_planes:
            return False
        (box, _) = cells.index.boxes([cell])[cell]
        planes = (cells.labels[box] == cell).any(axis=(-2, -1))
        return bool((~planes.any(axis=tuple(range(planes.ndim - 1)))).any())

    def interpolate(self, ids: Sequence[int], plane: Plane) -> None:
        """Fill the planes that a cell lacks; a second cell becomes part of it."""
        self.proofread.make(interpolate_cell, ids, time=plane[:-1])

    def remove_small(self, min_area_px: int) -> None:
        """Delete all cells below an area."""
        self.proofread.make(corrections.remove_small, min_area_px)

    def check_area(self, outline_yx: Points, plane: Plane) -> None:
        """Note that everything in an outline, (n, 2), is right now."""
        self.proofread.check_area(outline_yx, plane)

    def check_plane(self, plane: Plane) -> None:
        """Note that everything on a plane is right now."""
        self.proofread.check_plane(plane)

    def add(self, outline_yx: Points, plane: Plane) -> None:
        """Add a cell inside an outline, (n, 2)."""
        self.proofread.make(add_cell, outline_yx, plane)

    def new_number(self, cell: int, plane: Plane) -> None:
        """Give a cell, or what of it is on the plane, a number of its own."""
        self.proofread.make(give_new_id, cell, plane=self._on(plane))

    def number_anew(self) -> None:
        """Give all cells the numbers from 1 on."""
        self.proofread.make(renumber_cells)
