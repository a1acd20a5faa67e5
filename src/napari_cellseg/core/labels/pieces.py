"""Parts of a cell as pieces that are numbered from 1, the largest first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import reconstruction

from napari_cellseg.core.types import LABELS_DTYPE, Labels

# Crumbs are no cells: smaller than this, or than one in so many pixels of the cell.
MIN_PIECE_PX = 3
CRUMB_SHARE = 200


def smallest_piece(mask: NDArray[np.bool_]) -> int:
    """Return from how many pixels on a part of a cell is a piece."""
    return max(MIN_PIECE_PX, int(mask.sum()) // CRUMB_SHARE)


def by_size(pieces: Labels) -> Labels:
    """Return pieces numbered anew, 1 the largest; the order of equal ones stays."""
    sizes = np.bincount(pieces.ravel())[1:]
    numbers = np.zeros(sizes.size + 1, LABELS_DTYPE)
    numbers[1 + np.argsort(-sizes, kind="stable")] = np.arange(1, sizes.size + 1)
    ordered: Labels = numbers[pieces]
    return ordered


def spread(pieces: Labels, mask: NDArray[np.bool_], bodies: NDArray[Any]) -> Labels:
    """Give every pixel of `mask` to the nearest piece.

    Parameters
    ----------
    pieces : int32 array
        From 1; 0 where no piece is yet.
    mask : bool array
        The cell.
    bodies : int array
        Connected parts of the cell; one without a piece goes to the nearest as a whole.
    """
    distance, nearest = ndimage.distance_transform_edt(pieces == 0, return_indices=True)
    owner = np.where(mask, pieces[tuple(nearest)], 0).astype(LABELS_DTYPE)
    for body in np.setdiff1d(np.unique(bodies[mask]), np.unique(bodies[pieces > 0])):
        where = np.flatnonzero(bodies == body)
        closest = where[np.argmin(distance.flat[where])]
        owner.flat[where] = owner.flat[closest]
    return owner


def standing_peaks(
    values: NDArray[np.floating], lowered: NDArray[np.floating]
) -> Labels:
    """Return the peaks that stand out from the passes between them, each with a number.

    h-maxima (Soille 2003, doi:10.1007/978-3-662-05088-0) with a depth that may differ from
    place to place.

    Parameters
    ----------
    values : float array
        Heights from 0 on.
    lowered : float array
        How low a pass must be for the peaks beside it to count as two; below 0 is 0.
    """
    low = np.clip(lowered, 0, values)
    flooded = reconstruction(low, values)
    domes, n_domes = ndimage.label(flooded < values, np.ones((3,) * values.ndim))
    # A lesser bump is flooded from elsewhere, above its own lowered top.
    stands_out = np.zeros(n_domes + 1, bool)
    stands_out[domes[flooded <= low]] = True
    stands_out[0] = False
    return np.where(stands_out[domes], domes, 0).astype(LABELS_DTYPE)
