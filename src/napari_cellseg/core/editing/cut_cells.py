"""Cells that a window on the labels cuts off.

Tools never see the window: they take a cell's box from the index, so that a deletion, a
merge or a new number acts on the whole cell. Only what is painted into the window ends at
its edge. For a stroke that is right, a fill has to go on beyond it.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_cellseg.core.editing.cell_index import CellIndex
from napari_cellseg.core.labels.boxes import (
    Box,
    pixel_counts,
    shifted,
    start_of,
    union_of,
)
from napari_cellseg.core.types import Labels


def carried_on(
    index: CellIndex, start: tuple[int, ...], after: Labels
) -> tuple[tuple[int, ...], Labels]:
    """Return a fill of a crop carried on into the rest of the cells that it changes.

    What is connected with a pixel that was filled gets the same number. Background is
    not followed: it would fill the image.

    Parameters
    ----------
    index : CellIndex
        Of all labels, before the fill.
    start : tuple of int
        Corner of the crop in the labels.
    after : int32 array
        The crop after the fill.

    Returns
    -------
    start, after
        Of a larger crop where cells go on beyond this one.
    """
    crop = tuple(slice(low, low + n) for low, n in zip(start, after.shape, strict=True))
    before = index.labels[crop]
    cells = pixel_counts(before[before != after])
    boxes = {cell: box for cell, (box, _) in index.boxes(cells).items()}
    cut = {cell: box for cell, box in boxes.items() if union_of([crop, box]) != crop}
    if not cut:
        return start, after
    whole = union_of([crop, *cut.values()])
    wide = index.labels[whole]
    inner = shifted(crop, start_of(whole))
    filled = wide.copy()
    filled[inner] = after
    for cell in cut:
        _go_on(wide == cell, filled, inner, cell)
    return start_of(whole), filled


def _go_on(
    mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    filled: Labels,
    inner: Box,
    cell: int,
) -> None:
    """Fill the rest of the bodies of a cell that were filled in the inner part."""
    bodies, _ = ndimage.label(mask)
    changed = mask[inner] & (filled[inner] != cell)
    numbers = bodies[inner][changed]
    values = filled[inner][changed]
    for body in np.unique(numbers).tolist():
        rest = (bodies == body) & (filled == cell)
        outside = rest.copy()
        outside[inner] = False
        filled[outside] = values[numbers == body][0]
