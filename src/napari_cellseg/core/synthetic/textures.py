"""Random fields that stand for chromatin, fibres, grain and uneven light."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Field = NDArray[np.float32]

#: Standard deviation in coarse pixels at which linear enlargement shows no facets.
COARSE_SIGMA_PX = 2.0


def smooth_noise(
    shape_yx: tuple[int, int], scale_px: float, rng: np.random.Generator
) -> Field:
    """Return smooth Gaussian noise of mean 0 and standard deviation about 1.

    Parameters
    ----------
    shape_yx : tuple of int
        Size of the field in pixels.
    scale_px : float
        Standard deviation of the smoothing Gaussian; below 0.3 the noise is white.
    rng : numpy.random.Generator
        Where the randomness comes from.

    Returns
    -------
    (y, x) float32
    """
    if scale_px < 0.3:
        return rng.standard_normal(shape_yx, dtype=np.float32)
    factor = max(1, int(scale_px / COARSE_SIGMA_PX))
    coarse_yx = tuple(math.ceil(size / factor) + 2 for size in shape_yx)
    noise = rng.standard_normal(coarse_yx, dtype=np.float32)
    sigma = scale_px / factor
    noise = ndimage.gaussian_filter(noise, sigma, mode="wrap")
    # White noise smoothed by a Gaussian keeps 1 / (4 pi sigma^2) of its variance.
    noise *= np.float32(math.sqrt(4 * math.pi) * max(sigma, 0.4))
    return enlarge(noise, factor, shape_yx)


def enlarge(field: Field, factor: int, shape_yx: tuple[int, int]) -> Field:
    """Return `field` enlarged linearly by a whole `factor` and cut to `shape_yx`."""
    if factor > 1:
        field = ndimage.zoom(field, factor, order=1, mode="nearest", grid_mode=True)
    return np.ascontiguousarray(field[: shape_yx[0], : shape_yx[1]], dtype=np.float32)


def wide_blur(field: Field, sigma_px: float) -> Field:
    """Return `field` blurred by a Gaussian, on a coarser grid where it is wide."""
    factor = max(1, int(sigma_px / 3))
    if factor == 1:
        return np.asarray(
            ndimage.gaussian_filter(field, sigma_px, mode="nearest"), np.float32
        )
    padding = [(0, -size % factor) for size in field.shape]
    padded = np.pad(field, padding, mode="edge")
    rows, columns = (size // factor for size in padded.shape)
    coarse = padded.reshape(rows, factor, columns, factor).mean(axis=(1, 3))
    coarse = ndimage.gaussian_filter(coarse, sigma_px / factor, mode="nearest")
    return enlarge(coarse, factor, (field.shape[0], field.shape[1]))


def fibre_noise(
    shape_yx: tuple[int, int],
    length_px: float,
    width_px: float,
    rng: np.random.Generator,
) -> Field:
    """Return noise drawn out along curved lines, mean 0, standard deviation about 1.

    Parameters
    ----------
    shape_yx : tuple of int
        Size of the field in pixels.
    length_px, width_px : float
        Correlation along and across the lines.
    rng : numpy.random.Generator
        Where the randomness comes from.
    """
    angle = rng.uniform(0, math.pi)
    y, x = np.indices(shape_yx, dtype=np.float32)
    bend = smooth_noise(shape_yx, 2 * length_px, rng) * np.float32(0.3 * length_px)
    along = (x * math.cos(angle) + y * math.sin(angle)) * (1.2 / length_px)
    across = (y * math.cos(angle) - x * math.sin(angle) + bend) * (1.2 / width_px)
    side = 64
    # Smooth enough that linear interpolation leaves no weave.
    tile = ndimage.gaussian_filter(rng.standard_normal((side, side)), 1.2, mode="wrap")
    tile /= tile.std()
    field = ndimage.map_coordinates(
        tile, [across % side, along % side], order=1, mode="grid-wrap"
    )
    return np.asarray(field, np.float32)


def spots(
    where: NDArray[np.bool_], n_spots: int, radius_px: float, rng: np.random.Generator
) -> Field:
    """Return Gaussian spots of height about 1, their centres inside `where`.

    Parameters
    ----------
    where : (y, x) bool
        Pixels that may be a centre; the field is all 0 where there is none.
    n_spots : int
        Number of spots; two on one pixel add up.
    radius_px : float
        Standard deviation of a spot.
    rng : numpy.random.Generator
        Where the randomness comes from.
    """
    points = np.zeros(where.shape, np.float32)
    places = np.flatnonzero(where)
    if places.size == 0 or n_spots == 0:
        return points
    chosen = rng.choice(places, n_spots)
    heights = rng.uniform(0.4, 1.0, n_spots) * 2 * math.pi * max(radius_px, 0.4) ** 2
    np.add.at(points.reshape(-1), chosen, heights.astype(np.float32))
    return np.asarray(ndimage.gaussian_filter(points, max(radius_px, 0.4)), np.float32)
