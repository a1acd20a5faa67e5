"""Bright cells on a dark ground: nuclei, and cytoplasm with its neighbours."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.synthetic.arrangement import (
    Layout,
    depth_px,
    per_cell,
    scatter,
    tessellate,
)
from napari_cellseg.core.synthetic.options import CellOptions
from napari_cellseg.core.synthetic.shapes import (
    Stamp,
    blob_outline,
    spread_outline,
    stamp_of,
)
from napari_cellseg.core.synthetic.textures import (
    Field,
    fibre_noise,
    smooth_noise,
    spots,
)
from napari_cellseg.core.types import Labels

#: Smaller cells are never drawn with tips: there is no room for them.
LEAST_SPREAD_PX = 22.0


def radius_px(cells: CellOptions, rng: np.random.Generator) -> float:
    """Return the radius of the next cell, log-normal around the mean."""
    return 0.5 * cells.diameter_px * math.exp(cells.size_spread * rng.normal())


def blob_stamp(cells: CellOptions, rng: np.random.Generator) -> Stamp:
    """Return a round or oval cell as the options ask for."""
    elongation = 1 + (cells.elongation - 1) * rng.gamma(4.0, 0.25)
    outline = blob_outline(radius_px(cells, rng), elongation, cells.irregularity, rng)
    return stamp_of([outline])


def nuclei_labels(
    layout: Layout, cells: CellOptions, rng: np.random.Generator
) -> Labels:
    """Return labels of scattered nuclei on the canvas."""

    def next_stamp() -> Stamp:
        return blob_stamp(cells, rng)

    return scatter(layout, next_stamp, rng)


def brightness(
    n_cells: int, variation: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return one brightness a cell, 0.2 to 1.3, about 0.6 on average."""
    values = 0.6 * np.exp(variation * rng.normal(size=n_cells))
    return np.clip(values, 0.2, 1.3)


def nuclei_light(labels: Labels, cells: CellOptions, rng: np.random.Generator) -> Field:
    """Return the light of stained nuclei, 0 outside and about 0.6 inside.

    A nucleus is brighter in its middle (it is thicker), mottled by chromatin, with
    bright chromocentres or dark nucleoli.
    """
    n_cells = int(labels.max(initial=0))
    radius = 0.5 * cells.diameter_px
    depth = depth_px(labels)
    roundness = rng.uniform(0.1, 0.9)
    light = 1 - roundness * np.exp(-depth / (0.35 * radius))
    mottle = smooth_noise(labels.shape, max(0.6, 0.10 * radius), rng)
    coarse = smooth_noise(labels.shape, max(0.8, 0.35 * radius), rng)
    light *= np.clip(1 + cells.texture * (0.3 * mottle + 0.25 * coarse), 0.15, 2.5)
    inside = depth > 0.25 * radius
    n_spots = int(n_cells * rng.uniform(0, 6) * cells.texture)
    sign = rng.choice([-0.7, 0.8])
    knots = spots(inside, n_spots, max(0.6, 0.12 * radius), rng)
    light *= np.clip(1 + sign * knots, 0.2, 2.5)
    light *= per_cell(labels, brightness(n_cells, cells.variation, rng))
    return np.asarray(np.where(labels > 0, light, 0), np.float32)


def dim_some(light: Field, labels: Labels, rng: np.random.Generator) -> Field:
    """Return the light with some cells out of focus: blurred on their own."""
    n_cells = int(labels.max(initial=0))
    is_far = per_cell(labels, (rng.random(n_cells) < rng.uniform(0, 0.3)).astype(float))
    far = ndimage.gaussian_filter(light * is_far, rng.uniform(1, 4))
    return np.asarray(light * (1 - is_far) + far, np.float32)


def dirt_light(
    shape_yx: tuple[int, int], cells: CellOptions, rng: np.random.Generator
) -> Field:
    """Return faint smears and small specks that are no cells."""
    smears = np.maximum(smooth_noise(shape_yx, cells.diameter_px, rng) - 0.5, 0)
    everywhere = np.ones(shape_yx, bool)
    n_specks = int(cells.debris * 0.0006 * everywhere.size * rng.random())
    specks = spots(everywhere, n_specks, rng.uniform(0.5, 1.5), rng)
    smear_height = np.float32(0.12 * cells.debris * rng.random())
    return np.asarray(smear_height * smears + 0.3 * specks, np.float32)


def sheet_labels(
    layout: Layout, cells: CellOptions, rng: np.random.Generator
) -> Labels:
    """Return labels of whole cells: a sheet with few gaps, or single spread cells."""
    if cells.diameter_px < LEAST_SPREAD_PX or rng.random() < 0.65:
        gap = 0.0 if rng.random() < 0.7 else rng.uniform(0.5, 2.5)
        return tessellate(layout, gap, rng)

    def next_stamp() -> Stamp:
        size = radius_px(cells, rng)
        n_arms = int(rng.integers(2, 6))
        return stamp_of(
            [spread_outline(size, n_arms, cells.elongation, cells.irregularity, rng)]
        )

    return scatter(layout, next_stamp, rng)


def inner_nuclei(labels: Labels, share: float, rng: np.random.Generator) -> Labels:
    """Return one oval nucleus a cell, in its deepest place, with the id of its cell.

    Parameters
    ----------
    labels : (y, x) int32
        Cells; a cell may be too thin to hold a nucleus.
    share : float
        Width of the nucleus over that of the cell there, 0 to 1.
    rng : numpy.random.Generator
        Where the randomness comes from.
    """
    nuclei = np.zeros_like(labels)
    ids = np.unique(labels[labels > 0])
    if ids.size == 0:
        return nuclei
    depth = ndimage.gaussian_filter(depth_px(labels), 1.0)
    centres = ndimage.maximum_position(depth, labels, ids)
    for cell, (y, x) in zip(ids, centres, strict=True):
        radius = share * float(depth[y, x])
        stamp = stamp_of([blob_outline(radius, rng.uniform(1, 1.5), 0.15, rng)])
        rows = np.clip(stamp.rows + y, 0, labels.shape[0] - 1)
        columns = np.clip(stamp.columns + x, 0, labels.shape[1] - 1)
        is_own = labels[rows, columns] == cell
        nuclei[rows[is_own], columns[is_own]] = cell
    return nuclei


def cytoplasm_light(
    labels: Labels, nuclei: Labels, cells: CellOptions, rng: np.random.Generator
) -> Field:
    """Return the light of a stained cytoplasm or, sometimes, of stained membranes."""
    n_cells = int(labels.max(initial=0))
    radius = 0.5 * cells.diameter_px
    depth = depth_px(labels)
    wall = np.exp(-((depth / rng.uniform(1.2, 2.5)) ** 2))
    if rng.random() < 0.3:
        light = rng.uniform(0.1, 0.5) + 1.3 * wall
    else:
        light = 0.35 + 0.65 * (1 - np.exp(-depth / (rng.uniform(0.2, 0.8) * radius)))
        light += rng.uniform(-0.15, 0.3) * wall
    light *= 1 + np.where(nuclei > 0, rng.uniform(-0.7, 0.2), 0)
    fibres = fibre_noise(labels.shape, 0.6 * radius, max(0.8, 0.06 * radius), rng)
    grains = smooth_noise(labels.shape, max(0.6, 0.07 * radius), rng)
    light *= np.clip(1 + cells.texture * (0.35 * fibres + 0.3 * grains), 0.15, 2.5)
    light *= per_cell(labels, brightness(n_cells, cells.variation, rng))
    return np.asarray(np.where(labels > 0, light, 0), np.float32)
