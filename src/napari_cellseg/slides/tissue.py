"""Where on a stained slide tissue lies, so that density is that of tissue, not of glass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.types import PixelSize

#: Tissue is told from glass in squares of this edge, so that gaps between cells count as
#: tissue and holes do not; in pixels where their size is not known.
SQUARE_UM = 8.0
SQUARE_PX = 16
#: A square is tissue if its darkest colour, on the mean, is below this share of white;
#: chosen by eye on CMU-1.
TISSUE_LEVEL = 0.85
#: So many squares a side are put down as one block.
SQUARES_A_BLOCK = 8

NO_TISSUE: NDArray[np.float32] = np.zeros((0, 3), np.float32)


def tissue_blocks(
    darkest: NDArray[np.float32],
    origin_yx: tuple[int, int],
    pixel_size: PixelSize | None,
) -> NDArray[np.float32]:
    """Return the blocks of a part of a slide that hold tissue.

    Parameters
    ----------
    darkest : (y, x) float32
        The darkest of the three colours, scaled so that white is 1.
    origin_yx : (y, x)
        Where the part begins, in pixels of the slide.
    pixel_size : PixelSize or None
        None if unknown.

    Returns
    -------
    (k, 3) float32
        Middle (y, x) of each block in pixels of the slide, and how many of its pixels are
        tissue.
    """
    side = pixel_size.area_um2**0.5 if pixel_size else SQUARE_UM / SQUARE_PX
    edge = max(1, round(SQUARE_UM / side))
    starts = [np.arange(0, size, edge) for size in darkest.shape]
    sizes = [
        np.diff([*each, size]) for each, size in zip(starts, darkest.shape, strict=True)
    ]
    n_pixels = np.outer(*sizes)
    is_tissue = _summed(darkest, *starts) < TISSUE_LEVEL * n_pixels
    groups = [np.arange(0, len(each), SQUARES_A_BLOCK) for each in starts]
    tissue = _summed(is_tissue * n_pixels, *groups)
    middles = [
        origin + (each[group] + np.append(each[group][1:], size) - 1) / 2
        for origin, each, group, size in zip(
            origin_yx, starts, groups, darkest.shape, strict=True
        )
    ]
    rows, columns = np.nonzero(tissue)
    found = [middles[0][rows], middles[1][columns], tissue[rows, columns]]
    return np.stack(found, axis=1).astype(np.float32)


def _summed(
    values: NDArray[np.generic], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the sums of the boxes that begin at rows and columns."""
    by_row = np.add.reduceat(values, rows, axis=0, dtype=np.float64)
    result: NDArray[np.float64] = np.add.reduceat(by_row, columns, axis=1)
    return result
