"""What a network says of each pixel: how likely it is of a cell, and a mask of that.

The mask is what a U-Net for semantic segmentation answers: cell or not, without telling
one cell from its neighbour. Both come from the maps that the labels were made of.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.errors import SegmentationError
from napari_cellseg.core.types import PlaneMaps, SegmentationResult

#: Where neither the person nor the model says what counts as cell.
USUAL_THRESHOLD = 0.5
#: In a mask, what is of a cell; 0 is the rest.
IN_CELL = 255


def probability_map(result: SegmentationResult) -> NDArray[np.uint8]:
    """Return how likely each pixel is of a cell, with the shape of the labels.

    Returns
    -------
    uint8 array
        0..255 for 0..1, as the network says it.

    Raises
    ------
    SegmentationError
        If the maps were not kept.
    """
    if not result.maps:
        raise SegmentationError(
            f"{result.device or 'The server'} gave cells alone and not what the network "
            "sees; an endpoint that works through S3 cannot. Run it elsewhere."
        )
    planes = [_at_plane_size(maps) for maps in result.maps]
    return np.stack(planes).reshape(result.labels.shape)


def semantic_mask(result: SegmentationResult) -> NDArray[np.uint8]:
    """Return a mask of the pixels that count as cell, with the shape of the labels.

    Returns
    -------
    uint8 array
        `IN_CELL` where the probability reaches the threshold of the run, else 0.

    Raises
    ------
    SegmentationError
        If the maps were not kept.
    """
    threshold = result.options.foreground_threshold
    level = (USUAL_THRESHOLD if threshold is None else threshold) * 255
    return np.where(probability_map(result) >= level, np.uint8(IN_CELL), np.uint8(0))


def _at_plane_size(plane_maps: PlaneMaps) -> NDArray[np.uint8]:
    """Return the probability at the size of the plane, (y, x)."""
    seen: NDArray[np.uint8] = plane_maps.maps[0]
    if seen.shape == plane_maps.shape_yx:
        return seen
    factors = [
        to / here for to, here in zip(plane_maps.shape_yx, seen.shape, strict=True)
    ]
    zoomed: NDArray[np.uint8] = ndimage.zoom(
        seen, factors, order=1, grid_mode=True, mode="nearest"
    )
    return zoomed
