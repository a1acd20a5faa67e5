"""Spread, branched and rounded cells in phase contrast and in relief."""

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
from napari_cellseg.core.synthetic.fluorescence import inner_nuclei, radius_px
from napari_cellseg.core.synthetic.options import CellOptions
from napari_cellseg.core.synthetic.shapes import (
    Outline,
    Stamp,
    arm_outline,
    blob_outline,
    spread_outline,
    stamp_of,
)
from napari_cellseg.core.synthetic.textures import Field, smooth_noise, spots, wide_blur
from napari_cellseg.core.types import Labels

#: Share of scenes that show a closed sheet, and of those lit from one side.
SHEET_SHARE = 0.15
RELIEF_SHARE = 0.15
#: Height of flat cells over that of the others; chosen by eye on fibroblasts and glia.
FLAT_HEIGHTS = (0.22, 0.6)


def spread_labels(
    layout: Layout, cells: CellOptions, rng: np.random.Generator
) -> Labels:
    """Return labels of spread, spindle-shaped, branched and few rounded cells."""
    if rng.random() < SHEET_SHARE:
        return tessellate(layout, 0.0, rng)
    share_round = rng.uniform(0, 0.2)
    share_branched = rng.choice([0.05, 0.6])

    def next_stamp() -> Stamp:
        size = radius_px(cells, rng)
        if rng.random() < share_round:
            return stamp_of([blob_outline(0.6 * size, 1.1, 0.1, rng)])
        n_arms = int(rng.integers(2, 7))
        stretch = 1 + (cells.elongation - 1) * rng.gamma(2.0, 0.5)
        is_branched = rng.random() < share_branched
        body_px = size * (0.7 if is_branched else 1.0)
        outlines = [spread_outline(body_px, n_arms, stretch, cells.irregularity, rng)]
        if is_branched:
            outlines += _arms(size, int(rng.integers(1, 4)), rng)
        return stamp_of(outlines)

    return scatter(layout, next_stamp, rng)


def _arms(size_px: float, n_arms: int, rng: np.random.Generator) -> list[Outline]:
    """Return thin arms of a neuron-like cell."""
    arms = []
    for _ in range(n_arms):
        length = size_px * rng.uniform(1.2, 3.5)
        width = max(2.5, size_px * rng.uniform(0.1, 0.25))
        arms.append(arm_outline(length, width, rng.uniform(0, 2 * math.pi), rng))
    return arms


def phase_light(labels: Labels, cells: CellOptions, rng: np.random.Generator) -> Field:
    """Return transmitted light of cells on a ground of 0.5.

    Mostly phase contrast: the light follows the optical thickness less its own blurred
    copy, which is what the phase ring makes of it and gives the halo (Yin et al. 2012,
    doi:10.1016/j.media.2011.12.006). Thick cells go through the sine and turn bright.
    Sometimes relief as in differential interference contrast: the slope of the
    thickness.
    """
    thickness = _thickness(labels, cells, rng)
    if rng.random() < RELIEF_SHARE:
        signal = _relief(thickness, rng)
    else:
        halo_px = max(2.0, 0.5 * cells.diameter_px * rng.uniform(0.12, 0.4))
        phase = thickness - rng.uniform(0.6, 1.0) * wide_blur(thickness, halo_px)
        fine = thickness - ndimage.gaussian_filter(thickness, rng.uniform(1.2, 2.5))
        sign = 1.0 if rng.random() < 0.8 else -1.0
        rings = -0.13 * sign * np.sin(rng.uniform(0.7, 1.3) * phase)
        edges = rng.uniform(0.1, 0.25) * np.tanh(fine)
        signal = np.asarray(rings - edges, np.float32)
    light = 0.5 + rng.uniform(0.6, 1.5) * signal + dirt(labels, cells, rng)
    return np.asarray(light, np.float32)


def _relief(thickness: Field, rng: np.random.Generator) -> Field:
    """Return the slope of the thickness along one direction."""
    angle = rng.uniform(0, 2 * math.pi)
    smooth = ndimage.gaussian_filter(thickness, rng.uniform(0.7, 1.5))
    slope_y, slope_x = np.gradient(smooth)
    slope = math.sin(angle) * slope_y + math.cos(angle) * slope_x
    return np.asarray(0.3 * np.tanh(rng.uniform(1, 3) * slope), np.float32)


def _thickness(labels: Labels, cells: CellOptions, rng: np.random.Generator) -> Field:
    """Return the optical thickness of spread cells: body, edge, nucleus, granules."""
    n_cells = int(labels.max(initial=0))
    radius = 0.5 * cells.diameter_px
    depth = depth_px(labels)
    body = 1 - np.exp(-depth / (rng.uniform(0.05, 0.3) * radius))
    edge = np.exp(-((depth - 1.5) ** 2) / 4.0)
    patches = smooth_noise(labels.shape, max(1.5, 0.25 * radius), rng)
    mottle = smooth_noise(labels.shape, max(0.7, 0.04 * radius), rng)
    thickness = body * (0.7 + cells.texture * (0.2 * mottle + 0.25 * patches))
    thickness += rng.uniform(0.3, 1.0) * edge * np.clip(0.7 + 0.6 * patches, 0, 2)
    thickness += _organelles(labels, depth, cells, rng)
    heights = np.clip(np.exp(cells.variation * rng.normal(size=n_cells)), 0.5, 2.5)
    heights *= _roundness_boost(labels, depth)
    if cells.flatness > 0:
        heights *= _thinning(labels, cells.flatness, rng)
    thickness *= per_cell(labels, heights)
    return np.asarray(np.where(labels > 0, thickness, 0), np.float32)


def _organelles(
    labels: Labels, depth: Field, cells: CellOptions, rng: np.random.Generator
) -> Field:
    """Return the thickness of nuclei with nucleoli, and of granules around them."""
    n_cells = int(labels.max(initial=0))
    radius = 0.5 * cells.diameter_px
    nuclei = inner_nuclei(labels, rng.uniform(0.5, 0.75), rng)
    nucleus_depth = depth_px(nuclei)
    rim = np.exp(-((nucleus_depth - 1.5) ** 2) / 3.0) * (nuclei > 0)
    nucleoli = spots(nucleus_depth > 2, 3 * n_cells, max(0.9, 0.07 * radius), rng)
    near = wide_blur((nuclei > 0).astype(np.float32), 0.2 * radius)
    around = (depth > 2) & (near > 0.15)
    n_granules = int(n_cells * rng.uniform(3, 30) * cells.texture)
    granule_px = max(0.7, rng.uniform(0.02, 0.05) * radius)
    granules = spots(around, n_granules, granule_px, rng)
    light = rng.uniform(0, 0.5) * rim - rng.uniform(0, 0.3) * (nuclei > 0)
    light += rng.uniform(0.4, 1.5) * granules + rng.uniform(0.5, 1.5) * nucleoli
    return np.asarray(light, np.float32)


def _roundness_boost(labels: Labels, depth: Field) -> NDArray[np.float64]:
    """Return the factor by which rounded cells are thicker than spread ones."""
    n_cells = int(labels.max(initial=0))
    if n_cells == 0:
        return np.zeros(0)
    area = np.bincount(labels.reshape(-1), minlength=n_cells + 1)[1:]
    deepest = np.asarray(ndimage.maximum(depth, labels, np.arange(1, n_cells + 1)))
    fill = math.pi * deepest**2 / np.maximum(area, 1)
    return np.asarray(1 + 2.5 * np.clip((fill - 0.8) / 0.1, 0, 1))


def _thinning(
    labels: Labels, flatness: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the factor by which flat cells, mostly the larger ones, are thinner."""
    n_cells = int(labels.max(initial=0))
    if n_cells == 0:
        return np.ones(0)
    area = np.bincount(labels.reshape(-1), minlength=n_cells + 1)[1:]
    spread = area * np.exp(0.7 * rng.normal(size=n_cells))
    is_flat = spread >= np.quantile(spread, 1 - flatness)
    thinner = FLAT_HEIGHTS[0] * (FLAT_HEIGHTS[1] / FLAT_HEIGHTS[0]) ** rng.random()
    return np.where(is_flat, thinner * rng.uniform(0.7, 1.4, n_cells), 1.0)


def dirt(labels: Labels, cells: CellOptions, rng: np.random.Generator) -> Field:
    """Return dark flecks, small rings, ripples and a slight grain of the ground."""
    shape = (labels.shape[0], labels.shape[1])
    flecks = np.maximum(smooth_noise(shape, rng.uniform(1, 2.5), rng) - 1.8, 0)
    flecks *= (smooth_noise(shape, 25, rng) > 0.5) & (labels == 0)
    ripples = smooth_noise(shape, rng.uniform(4, 15), rng)
    radius = rng.uniform(1.5, 4)
    n_rings = int(cells.debris * rng.uniform(0, 1.5e-4) * labels.size)
    points = spots(labels == 0, n_rings, radius, rng)
    rings = points - 1.6 * ndimage.gaussian_filter(points, radius)
    height = np.float32(cells.debris)
    soil = -0.12 * height * flecks + 0.004 * height * ripples
    soil += 0.003 * smooth_noise(shape, 1.0, rng)
    return np.asarray(soil - 0.3 * rng.choice([-1, 1]) * rings, np.float32)
