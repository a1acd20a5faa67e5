"""Sections of tissue in colour: nuclei of several kinds among much that is no nucleus."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.synthetic.arrangement import (
    Layout,
    depth_px,
    per_cell,
    scatter,
)
from napari_cellseg.core.synthetic.fluorescence import radius_px
from napari_cellseg.core.synthetic.ground import ground_stain
from napari_cellseg.core.synthetic.histology import (
    EOSIN,
    HAEMATOXYLIN,
    VIOLET,
    stain_elsewhere,
)
from napari_cellseg.core.synthetic.options import CellOptions
from napari_cellseg.core.synthetic.shapes import Stamp, blob_outline, stamp_of
from napari_cellseg.core.synthetic.textures import Field, smooth_noise, spots
from napari_cellseg.core.types import Labels

#: Optical density of diaminobenzidine in red, green, blue (Ruifrok and Johnston 2001).
BROWN = (0.27, 0.57, 0.78)
#: Share of sections stained by antibodies, with brown instead of eosin.
BROWN_SHARE = 0.2


def section_labels(
    layout: Layout, cells: CellOptions, rng: np.random.Generator
) -> Labels:
    """Return labels of nuclei: ordinary ones, spindles, small round and large ones."""
    shares = rng.dirichlet((1.5, 0.6, 0.6, 0.3))

    def next_stamp() -> Stamp:
        kind = rng.choice(4, p=shares)
        size = radius_px(cells, rng) * (1.0, 0.9, 0.65, 1.5)[kind]
        elongation = (cells.elongation, rng.uniform(2, 5), 1.1, 1.25)[kind]
        ragged = cells.irregularity * (1.0, 0.7, 0.3, 1.0)[kind]
        return stamp_of([blob_outline(size, elongation, ragged, rng)])

    return scatter(layout, next_stamp, rng)


def section_light(
    labels: Labels, cells: CellOptions, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the (3, y, x) light through a section, 0 to 1 (Beer-Lambert)."""
    nuclei = _chromatin(labels, cells, rng)
    ground = ground_stain(labels, cells.diameter_px, rng)
    blue = stain_elsewhere(HAEMATOXYLIN if rng.random() < 0.8 else VIOLET, rng)
    # What binds eosin binds some of the blue stain too, more of it in busy cells.
    basic = rng.uniform(0, 0.5) * rng.random()
    if rng.random() < BROWN_SHARE:
        second = stain_elsewhere(BROWN, rng)
        nuclei, ground, brown = _antibody(labels, nuclei, ground, rng)
        density = second[:, None, None] * brown
        density += _eosin(rng)[:, None, None] * 0.1 * ground
    else:
        # A nucleus is in the way of most of what lies there.
        ground = np.where(labels > 0, rng.uniform(0.2, 1) * ground, ground)
        density = _eosin(rng)[:, None, None] * ground
    density += blue[:, None, None] * (nuclei + basic * ground)
    lamp = rng.uniform(0.85, 1.0, 3)[:, None, None]
    return _sharpened(np.asarray(lamp * np.exp(-density), np.float32), rng)


def _sharpened(
    light: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the light as many slide scanners give it, edges raised, or as it is."""
    if rng.random() < 0.6:
        return light
    width = rng.uniform(0.8, 2.5)
    soft = ndimage.gaussian_filter(light, (0, width, width))
    raised = light + rng.uniform(0.3, 1.5) * (light - soft)
    return np.asarray(np.clip(raised, 0, 1), np.float32)


def _eosin(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the colour of eosin, from magenta to the salmon of many scanners."""
    yellow = rng.uniform(0, 0.5)
    return stain_elsewhere((EOSIN[0] + 0.3 * yellow, EOSIN[1], EOSIN[2] + yellow), rng)


def _antibody(
    labels: Labels, nuclei: Field, ground: Field, rng: np.random.Generator
) -> tuple[Field, Field, Field]:
    """Return nuclei, ground and brown: brown takes some nuclei or what is around them."""
    n_cells = int(labels.max(initial=0))
    pale = rng.uniform(0.3, 0.8) * nuclei
    haze = rng.uniform(0, 0.15) * ground
    if rng.random() < 0.5:
        is_brown = rng.random(n_cells) < rng.uniform(0.1, 0.9)
        share = per_cell(labels, is_brown * rng.uniform(0.5, 1, n_cells))
        return pale * (1 - 0.8 * share), ground, 1.3 * nuclei * share + haze
    patch = smooth_noise((labels.shape[0], labels.shape[1]), 60.0, rng)
    where = 1 / (1 + np.exp(-rng.uniform(3, 10) * (patch + rng.normal(0, 0.6))))
    around = np.where(labels > 0, rng.uniform(0, 0.6), 1.0) * ground * where
    return pale, ground, np.asarray(rng.uniform(0.5, 2) * around + haze, np.float32)


def _chromatin(labels: Labels, cells: CellOptions, rng: np.random.Generator) -> Field:
    """Return the amount of the blue stain: dense dark nuclei and open ones with a rim."""
    n_cells = int(labels.max(initial=0))
    shape = (labels.shape[0], labels.shape[1])
    radius = 0.5 * cells.diameter_px
    is_open = rng.random(n_cells) < rng.uniform(0, 1) ** 1.5
    spread = np.exp(cells.variation * rng.normal(size=n_cells))
    height = (
        rng.uniform(0.8, 2.0) * np.where(is_open, rng.uniform(0.3, 0.8), 1.0) * spread
    )
    openness = per_cell(labels, is_open.astype(float))
    rim = np.exp(-(depth_px(labels) - 1) / max(0.8, rng.uniform(0.06, 0.2) * radius))
    fine = smooth_noise(shape, max(0.6, 0.1 * radius), rng)
    coarse = smooth_noise(shape, max(1.0, 0.3 * radius), rng)
    mottle = cells.texture * (0.2 + 0.35 * openness) * (fine + 0.7 * coarse)
    amount = np.clip(1 + mottle, 0.2, 2.5) + rng.uniform(0.2, 1.4) * openness * rim
    inside = depth_px(labels) > 0.3 * radius
    knots = spots(
        inside, int(n_cells * rng.uniform(0, 2)), max(0.7, 0.15 * radius), rng
    )
    amount += rng.uniform(0.3, 1.5) * openness * knots
    amount *= per_cell(labels, np.clip(height, 0.3, 3.0))
    return _out_of_focus(
        np.asarray(np.where(labels > 0, amount, 0), np.float32), labels, cells, rng
    )


def _out_of_focus(
    amount: Field, labels: Labels, cells: CellOptions, rng: np.random.Generator
) -> Field:
    """Return the stain with some nuclei blurred, and with faint ghosts of deeper ones."""
    n_cells = int(labels.max(initial=0))
    is_deep = (rng.random(n_cells) < 0.7 * rng.random()).astype(float)
    deep = per_cell(labels, is_deep)
    sigma = max(0.7, rng.uniform(0.03, 0.16) * cells.diameter_px)
    amount = amount * (1 - deep) + ndimage.gaussian_filter(amount * deep, sigma)
    noise = smooth_noise(
        (labels.shape[0], labels.shape[1]), 0.3 * cells.diameter_px, rng
    )
    ghosts = np.maximum(noise - 1.8, 0) * (labels == 0)
    return np.asarray(amount + 0.4 * cells.debris * ghosts, np.float32)
