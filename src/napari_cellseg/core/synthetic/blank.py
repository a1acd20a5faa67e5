"""Fields without a cell: noise that lenses, cameras and programs have smoothed."""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

from napari_cellseg.core.synthetic.textures import Field, enlarge

#: Edge of the blocks in which JPEG rounds its cosines.
BLOCK_PX = 8


def blank_light(shape_yx: tuple[int, int], rng: np.random.Generator) -> Field:
    """Return the light of a field without a cell, about 0.3, with correlated noise.

    White noise alone would not do: once smoothed, enlarged or compressed it has grains
    that look like very small cells.
    """
    noise = _grain(shape_yx, rng)
    change = rng.choice(["none", "median", "mean", "gauss", "enlarged", "jpeg"])
    if change == "median":
        noise = ndimage.median_filter(noise, int(rng.integers(2, 6)))
    elif change == "mean":
        noise = ndimage.uniform_filter(noise, int(rng.integers(2, 6)))
    elif change == "gauss":
        noise = ndimage.gaussian_filter(noise, rng.uniform(0.4, 3.0))
    elif change == "enlarged":
        factor = int(rng.integers(2, 5))
        coarse_yx = (shape_yx[0] // factor + 2, shape_yx[1] // factor + 2)
        noise = enlarge(_grain(coarse_yx, rng), factor, shape_yx)
    elif change == "jpeg":
        noise = _compressed(noise, rng.uniform(0.5, 4.0))
    height = np.float32(rng.uniform(0.005, 0.08))
    light = 0.3 + height * noise / max(float(noise.std()), 1e-6)
    if rng.random() < 0.3:  # lines of the camera
        light = light + height * rng.normal(0, 0.5, (shape_yx[0], 1))
    return np.asarray(light, np.float32)


def _grain(shape_yx: tuple[int, int], rng: np.random.Generator) -> Field:
    """Return white noise of mean 0 and deviation 1: a camera's, or few photons'."""
    if rng.random() < 0.6:
        return rng.standard_normal(shape_yx, dtype=np.float32)
    photons = rng.uniform(0.3, 10)
    counted = (rng.poisson(photons, shape_yx) - photons) / np.sqrt(photons)
    psf = rng.uniform(0, 1.2)
    return np.asarray(
        ndimage.gaussian_filter(counted, psf) if psf > 0.3 else counted, np.float32
    )


def _compressed(noise: Field, step: float) -> Field:
    """Return the noise with the cosines of its blocks rounded to multiples of `step`."""
    rows, columns = (size // BLOCK_PX * BLOCK_PX for size in noise.shape)
    blocks = noise[:rows, :columns].reshape(
        rows // BLOCK_PX, BLOCK_PX, columns // BLOCK_PX, BLOCK_PX
    )
    cosines = fft.dctn(blocks, axes=(1, 3), norm="ortho")
    finer = np.add.outer(np.arange(BLOCK_PX), np.arange(BLOCK_PX))
    steps = np.float32(step) * (0.4 + finer[:, None, :] / 5)
    rounded = np.rint(cosines / steps) * steps
    result = noise.copy()
    result[:rows, :columns] = fft.idctn(rounded, axes=(1, 3), norm="ortho").reshape(
        rows, columns
    )
    return result
