"""A run with what lies around it, for who compares the cells before and after."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from napari_cellseg.core.editing.cell_index import CellIndex
from napari_cellseg.core.editing.difference import Former
from napari_cellseg.core.editing.edits import Edit
from napari_cellseg.core.labels.boxes import (
    Box,
    shifted,
    slabs_around,
    start_of,
    union_of,
)
from napari_cellseg.core.labels.on_disk import MAX_BOX_PX, is_on_disk
from napari_cellseg.core.types import Labels


@dataclass(frozen=True, slots=True, eq=False)
class Around:
    """An edit with what lies around it, so that a job can look at every cell it changed.

    Attributes
    ----------
    edit : Edit
        Of a run.
    box : Box
        Around the cells that it changed.
    margins : list of (Box, int32 array)
        What of the box the edit leaves out, as seen from there.
    """

    edit: Edit
    box: Box
    margins: list[tuple[Box, Labels]]

    def before(self) -> Former:
        """Return what there was before the edit."""
        return Former(self._with_margins(self.edit.before), start_of(self.box))

    def after(self) -> Labels:
        """Return what there was right after it, of the same part."""
        return self._with_margins(self.edit.after)

    def _with_margins(self, inner: Labels) -> Labels:
        if not self.margins:
            return inner
        whole = np.empty([part.stop - part.start for part in self.box], inner.dtype)
        whole[shifted(self.edit.box, start_of(self.box))] = inner
        for box, margin in self.margins:
            whole[box] = margin
        return whole


def around(index: CellIndex, edit: Edit) -> Around | None:
    """Return an edit with what lies around it, or None if that is too large to be held.

    Parameters
    ----------
    index : CellIndex
        Of the labels with the edit written into them. Of labels on disk only the planes
        that the edit changes are looked at, as a run there goes over one plane.
    edit : Edit
        Of a run.
    """
    there, cells = index.box_around(edit.changed_ids)
    if is_on_disk(index.labels):
        cells = (*edit.box[:-2], *cells[-2:])
    box = union_of([edit.box, cells]) if there else edit.box
    n_pixels = math.prod(part.stop - part.start for part in box)
    if is_on_disk(index.labels) and n_pixels > MAX_BOX_PX:
        return None
    labels = index.labels[box]
    slabs = slabs_around(shifted(edit.box, start_of(box)))
    margins = [(slab, labels[slab].copy()) for slab in slabs if labels[slab].size]
    return Around(edit, box, margins)
