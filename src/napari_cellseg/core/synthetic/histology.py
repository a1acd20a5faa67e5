"""Stained tissue in colour: purple nuclei on pink, violet or white ground."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.synthetic.arrangement import depth_px, per_cell
from napari_cellseg.core.synthetic.options import CellOptions
from napari_cellseg.core.synthetic.textures import (
    Field,
    fibre_noise,
    smooth_noise,
    wide_blur,
)
from napari_cellseg.core.types import Labels

#: Optical density of the stains in red, green, blue (Ruifrok and Johnston 2001,
#: Analytical and Quantitative Cytology and Histology 23:291).
HAEMATOXYLIN = (0.65, 0.70, 0.29)
EOSIN = (0.07, 0.99, 0.11)
#: A single violet stain, by eye from Giemsa- and toluidine-stained sections.
VIOLET = (0.55, 0.78, 0.12)


def tissue_light(
    labels: Labels, cells: CellOptions, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the (3, y, x) light through a stained section, 0 to 1.

    Light falls exponentially with the amount of each stain (Beer-Lambert).
    """
    look = rng.choice(["pink", "violet", "white"], p=[0.5, 0.25, 0.25])
    nuclei = _nuclei_stain(labels, cells, rng)
    ground = _ground_stain(labels, cells, rng)
    ground *= {"pink": 1.0, "violet": 0.6, "white": 0.2}[str(look)]
    first = stain_elsewhere(HAEMATOXYLIN if look == "pink" else VIOLET, rng)
    second = stain_elsewhere(VIOLET if look == "violet" else EOSIN, rng)
    density = (
        first[:, None, None] * nuclei + second[:, None, None] * ground
    )  # (3, y, x)
    lamp = rng.uniform(0.88, 1.0, 3)[:, None, None]
    return np.asarray(lamp * np.exp(-density), np.float32)


def stain_elsewhere(
    stain: tuple[float, ...], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the colour of a stain as another laboratory would have it."""
    colour = np.array(stain) * rng.uniform(0.8, 1.2, 3) + rng.uniform(0, 0.08, 3)
    return np.asarray(colour / np.linalg.norm(colour))


def _nuclei_stain(
    labels: Labels, cells: CellOptions, rng: np.random.Generator
) -> Field:
    """Return the amount of the nuclear stain, about 1.2 in a nucleus."""
    n_cells = int(labels.max(initial=0))
    radius = 0.5 * cells.diameter_px
    depth = depth_px(labels)
    rim = np.exp(-depth / max(1.0, 0.15 * radius))
    mottle = smooth_noise(labels.shape, max(0.7, 0.12 * radius), rng)
    coarse = smooth_noise(labels.shape, max(1.0, 0.4 * radius), rng)
    amount = 1 + rng.uniform(-0.3, 0.6) * rim
    amount *= np.clip(1 + cells.texture * (0.45 * mottle + 0.3 * coarse), 0.2, 2.2)
    heights = rng.uniform(0.7, 1.8) * np.exp(cells.variation * rng.normal(size=n_cells))
    amount *= per_cell(labels, np.clip(heights, 0.35, 2.6))
    amount = np.where(labels > 0, amount, 0)
    ghosts = np.maximum(smooth_noise(labels.shape, 0.6 * radius, rng) - 1.6, 0)
    return np.asarray(amount + 0.5 * cells.debris * ghosts, np.float32)


def _ground_stain(
    labels: Labels, cells: CellOptions, rng: np.random.Generator
) -> Field:
    """Return the amount of the counterstain: fibres, cytoplasm and empty spaces."""
    diameter = cells.diameter_px
    fibres = fibre_noise(labels.shape, 3 * diameter, max(1.5, 0.15 * diameter), rng)
    clouds = smooth_noise(labels.shape, 1.5 * diameter, rng)
    grains = smooth_noise(labels.shape, 1.0, rng)
    amount = np.clip(0.45 + 0.15 * fibres + 0.12 * clouds + 0.03 * grains, 0.05, 1.5)
    near = wide_blur((labels > 0).astype(np.float32), 0.4 * diameter)
    amount += 0.3 * near
    # Spaces open where no nucleus lies: there is nothing to hold one.
    openness = smooth_noise(labels.shape, 1.2 * diameter, rng) - 3 * near
    openness -= rng.uniform(0.3, 2.0)
    empty = ndimage.gaussian_filter((openness > 0).astype(np.float32), 1.0)
    return np.asarray(amount * (1 - 0.9 * empty) * rng.uniform(0.5, 1.3), np.float32)
