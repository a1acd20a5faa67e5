"""From the light of a specimen to the numbers of a camera."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.synthetic.options import OpticsOptions
from napari_cellseg.core.synthetic.textures import Field, smooth_noise, wide_blur


def focus(light: Field, optics: OpticsOptions) -> Field:
    """Return the (y, x) light after the lens: blurred, with haze near bright parts."""
    sharp = light
    if optics.blur_px > 0.05:
        sharp = ndimage.gaussian_filter(light, optics.blur_px, mode="nearest")
    if optics.haze == 0:
        return np.asarray(sharp, np.float32)
    glow = wide_blur(light, 8 * optics.blur_px + 0.04 * min(light.shape))
    return np.asarray(sharp + np.float32(optics.haze) * glow, np.float32)


def light_field(
    shape_yx: tuple[int, int], optics: OpticsOptions, rng: np.random.Generator
) -> Field:
    """Return how much light reaches each pixel, 1 on average where it is even."""
    rows, columns = shape_yx
    lamp = np.ones(shape_yx, np.float32)
    if optics.uneven_light > 0:
        drift = smooth_noise(shape_yx, 0.3 * min(shape_yx), rng)
        lamp += np.float32(0.5 * optics.uneven_light) * np.clip(drift, -1.5, 1.5)
    if optics.vignetting > 0:
        y = (np.arange(rows, dtype=np.float32) / rows - rng.uniform(0.4, 0.6)) * 2
        x = (np.arange(columns, dtype=np.float32) / columns - rng.uniform(0.4, 0.6)) * 2
        lamp *= 1 - np.float32(0.5 * optics.vignetting) * (
            y[:, None] ** 2 + x[None] ** 2
        )
    return np.maximum(lamp, np.float32(0.05))


def expose(light: Field, optics: OpticsOptions, rng: np.random.Generator) -> Field:
    """Return the light with the noise of photons and of the camera.

    Half of the variance at light 1 is Poisson noise, half is Gaussian.

    Parameters
    ----------
    light : (..., y, x) float32
        About 0 to 1; negative light counts as none.
    optics : OpticsOptions
        `noise` is the standard deviation at light 1.
    rng : numpy.random.Generator
        Where the randomness comes from.
    """
    seen = np.maximum(light, 0)
    if optics.noise > 0:
        photons = 2 / optics.noise**2
        seen = rng.poisson(seen * photons).astype(np.float32) / np.float32(photons)
        dark = rng.standard_normal(light.shape, dtype=np.float32)
        seen = seen + np.float32(optics.noise / math.sqrt(2)) * dark
    if optics.grain_px > 0.1:
        sigmas = (0.0,) * (light.ndim - 2) + (optics.grain_px,) * 2
        seen = ndimage.gaussian_filter(seen, sigmas, mode="nearest")
    return np.asarray(seen, np.float32)


def digitize(values: Field, optics: OpticsOptions, offset: float = 0.0) -> NDArray[Any]:
    """Return whole numbers: 0 to 1 times the contrast fills the range of the camera.

    Parameters
    ----------
    values : (..., y, x) float32
        What lies above the range is clipped, as a camera does.
    optics : OpticsOptions
        `bit_depth` and `contrast`.
    offset : float
        Part of the range that stands for no light.

    Returns
    -------
    array of the same shape; uint8 for 8 bit, else uint16
    """
    full = 2**optics.bit_depth - 1
    numbers = np.rint((offset + values * optics.contrast) * full)
    dtype = np.uint8 if optics.bit_depth == 8 else np.uint16
    return np.asarray(np.clip(numbers, 0, full).astype(dtype))
