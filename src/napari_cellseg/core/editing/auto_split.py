"""One cell into the cells it looks like: a watershed on the distance from its edge."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from napari_cellseg.core.editing.cell_index import IndexedLabels, boxes_on, labels_of
from napari_cellseg.core.editing.edits import Edit, Source, edit_on_labels
from napari_cellseg.core.editing.numbering import check_free_ids, next_id
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.labels.boxes import start_of
from napari_cellseg.core.labels.pieces import (
    by_size,
    smallest_piece,
    spread,
    standing_peaks,
)
from napari_cellseg.core.types import LABELS_DTYPE, Labels

#: A waist must be so much narrower than the thinner of the two sides, as a share of it,
#: and at least so many pixels. Measured: discs of 3 to 25 px radius that overlap by a tenth
#: of their diameter are split, ellipses up to 4 : 1 are left whole.
WAIST_SHARE = 0.1
WAIST_PX = 0.35


def split_automatically(
    indexed: IndexedLabels,
    cell: int,
    sources: Mapping[int, Source],
    *,
    plane: tuple[int, ...] | None = None,
) -> Edit:
    """Return the edit that splits a cell at its waists, and into parts that are apart.

    No pixel is lost; the largest piece keeps the id, the others get new ones. Crumbs go
    to the nearest piece.

    Parameters
    ----------
    indexed, cell, sources
        As in `core.editing.corrections`.
    plane : tuple of int or None
        On this plane only; None: as a body, on all planes.

    Raises
    ------
    EditError
        If the cell is not there, has no waist, or lies at several times.
    """
    labels = labels_of(indexed)
    ((box, _),) = boxes_on(indexed, [cell], plane).values()
    if len(box) == 4 and box[0].stop - box[0].start > 1:
        raise EditError(
            f"Cell {cell} lies at several times. Switch 'all planes' off to split it on "
            "one plane."
        )
    after = labels[box].copy()
    mask = after == cell
    pieces = pieces_at_waists(np.squeeze(mask, _thin_axes(mask))).reshape(mask.shape)
    n_pieces = int(pieces.max())
    if n_pieces < 2:
        raise EditError(
            f"Cell {cell} has no waist to split it at. Draw a line across it instead."
        )
    first_new = next_id(indexed)
    check_free_ids(first_new, n_pieces - 1)
    for piece in range(2, n_pieces + 1):
        after[pieces == piece] = first_new + piece - 2
    return edit_on_labels(indexed, after, start_of(box), "split automatically", sources)


def _thin_axes(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the leading axes of one plane."""
    return tuple(axis for axis in range(mask.ndim - 2) if mask.shape[axis] == 1)


def pieces_at_waists(mask: NDArray[np.bool_]) -> Labels:
    """Return the pieces of a cell, numbered from 1, the largest; 1 all over if it is one.

    Parameters
    ----------
    mask : 2-D or 3-D bool array
        The cell; there must be a pixel.
    """
    bodies, n_bodies = ndimage.label(mask)
    sizes = np.bincount(bodies.ravel(), minlength=n_bodies + 1)
    is_real = sizes >= smallest_piece(mask)
    is_real[0] = False
    if not is_real.any():
        return mask.astype(LABELS_DTYPE)
    real = is_real[bodies]
    distance = ndimage.distance_transform_edt(np.pad(mask, 1))
    inner = tuple(slice(1, -1) for _ in range(mask.ndim))
    distance = ndimage.gaussian_filter(distance, 1.0)[inner] * real
    lowered = np.minimum(distance * (1 - WAIST_SHARE), distance - WAIST_PX)
    seeds = standing_peaks(distance, lowered)
    if len(np.unique(seeds)) <= 2:
        return mask.astype(LABELS_DTYPE)
    grown = watershed(-distance, seeds, mask=real).astype(LABELS_DTYPE)
    return by_size(spread(grown, mask, bodies))
