"""How many cells a square millimetre holds, as a small image that lies over the slide."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.measuring.measure import UM2_PER_MM2
from napari_cellseg.core.types import PixelSize

#: Edge of a square of the density: a few cells of dense tissue.
SQUARE_UM = 50.0


def density_map(
    middles_yx: NDArray[np.float64], plane_yx: tuple[int, int], pixel_size: PixelSize
) -> tuple[NDArray[np.float32], PixelSize]:
    """Return cells per square millimetre in squares, and the size of these.

    The middle of the first square is that of the first pixel of the slide, so that the
    density lies right in a viewer that knows the size of its pixels and no shift. What of
    a square is outside the slide does not count.

    Parameters
    ----------
    middles_yx : (n, 2) float64
        Of the cells, in pixels.
    plane_yx : (y, x)
        Size of the slide in pixels.
    pixel_size : PixelSize
        Of the slide.

    Returns
    -------
    (y, x) float32, PixelSize
    """
    steps = [
        max(1, round(SQUARE_UM / side)) for side in (pixel_size.y_um, pixel_size.x_um)
    ]
    edges = [_edges(n, step) for n, step in zip(plane_yx, steps, strict=True)]
    counts, _, _ = np.histogram2d(middles_yx[:, 0], middles_yx[:, 1], bins=edges)
    inside = [
        np.diff(np.clip(each, -0.5, n - 0.5))
        for each, n in zip(edges, plane_yx, strict=True)
    ]
    area_mm2 = np.outer(*inside) * pixel_size.area_um2 / UM2_PER_MM2
    size = PixelSize(pixel_size.y_um * steps[0], pixel_size.x_um * steps[1])
    return (counts / area_mm2).astype(np.float32), size


def _edges(n_pixels: int, step: int) -> NDArray[np.float64]:
    """Return where squares begin and end along an axis."""
    n_squares = math.ceil((n_pixels - 0.5) / step + 0.5)
    return step * (np.arange(n_squares + 1, dtype=np.float64) - 0.5)
