"""Grey cells in transmitted light: phase contrast, rounded cells and rods."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from napari_cellseg.core.synthetic.arrangement import Layout, depth_px, per_cell, scatter
from napari_cellseg.core.synthetic.fluorescence import blob_stamp, inner_nuclei, radius_px
from napari_cellseg.core.synthetic.options import CellOptions
from napari_cellseg.core.synthetic.shapes import (
    Outline,
    Stamp,
    arm_outline,
    blob_outline,
    rod_outline,
    spread_outline,
    stamp_of,
)
from napari_cellseg.core.synthetic.textures import Field, smooth_noise, spots, wide_blur
from napari_cellseg.core.types import Labels


def spread_labels(layout: Layout, cells: CellOptions, rng: np.random.Generator) -> Labels:
    """Return labels of spread, spindle-shaped, branched and few rounded cells."""
    share_round = rng.uniform(0, 0.2)
    share_branched = rng.choice([0.05, 0.6])
    most_arms = 3 + round(2 * rng.random() + 3 / cells.elongation)

    def next_stamp() -> Stamp:
        size = radius_px(cells, rng)
        if rng.random() < share_round:
            return stamp_of([blob_outline(0.6 * size, 1.1, 0.1, rng)])
        n_arms = int(rng.integers(2, most_arms))
        is_branched = rng.random() < share_branched
        body_radius = size * (0.7 if is_branched else 1.0)
        outlines = [spread_outline(body_radius, n_arms, cells.irregularity, rng)]
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
    """Return phase contrast of cells: grey 0.5 on average, dark bodies, bright halos.

    The light follows the optical thickness less its own blurred copy, which is what the
    phase ring makes of it and gives the halo (Yin et al. 2012,
    doi:10.1016/j.media.2011.12.006).
    """
    thickness = _thickness(labels, cells, rng)
    halo_px = max(2.0, 0.5 * cells.diameter_px * rng.uniform(0.15, 0.5))
    phase = thickness - wide_blur(thickness, halo_px)
    fine = thickness - ndimage.gaussian_filter(thickness, rng.uniform(1.5, 3))
    sign = 1.0 if rng.random() < 0.8 else -0.7
    light = 0.5 - 0.11 * sign * phase - rng.uniform(0.05, 0.16) * fine
    light += _dirt(labels, cells, rng)
    light += np.float32(0.01) * smooth_noise(labels.shape, 1.0, rng)
    return np.asarray(light, np.float32)


def _thickness(labels: Labels, cells: CellOptions, rng: np.random.Generator) -> Field:
    """Return the optical thickness of spread cells: edge, body, nucleus, granules."""
    n_cells = int(labels.max(initial=0))
    radius = 0.5 * cells.diameter_px
    depth = depth_px(labels)
    rise = rng.uniform(0.08, 0.35)
    body = 1 - np.exp(-depth / (rise * radius))
    edge = np.exp(-((depth - 1.5) ** 2) / 4.0) * (labels > 0)
    nuclei = inner_nuclei(labels, rng.uniform(0.4, 0.7))
    nucleus_depth = depth_px(nuclei)
    rim = np.exp(-((nucleus_depth - 1.5) ** 2) / 3.0) * (nuclei > 0)
    n_granules = int(n_cells * rng.uniform(5, 40) * cells.texture)
    granules = spots(depth > 2, n_granules, max(0.7, rng.uniform(0.03, 0.07) * radius), rng)
    nucleoli = spots(nucleus_depth > 2, 3 * n_cells, max(0.9, 0.07 * radius), rng)
    mottle = smooth_noise(labels.shape, max(0.7, 0.05 * radius), rng)
    coarse = smooth_noise(labels.shape, max(1.5, 0.25 * radius), rng)
    thickness = body * (1 + cells.texture * (0.35 * mottle + 0.3 * coarse))
    thickness += rng.uniform(0.2, 0.9) * edge + rng.uniform(0, 0.4) * rim
    thickness += rng.uniform(0.3, 1.5) * granules + rng.uniform(0.5, 1.5) * nucleoli
    heights = np.clip(np.exp(cells.variation * rng.normal(size=n_cells)), 0.35, 2.5)
    heights *= _roundness_boost(labels)
    thickness *= per_cell(labels, heights)
    return np.asarray(np.where(labels > 0, thickness, 0), np.float32)


def _roundness_boost(labels: Labels) -> np.ndarray:
    """Return the factor by which rounded cells are thicker than spread ones."""
    n_cells = int(labels.max(initial=0))
    if n_cells == 0:
        return np.zeros(0)
    ids = np.arange(1, n_cells + 1)
    area = np.bincount(labels.reshape(-1), minlength=n_cells + 1)[1:]
    deepest = np.asarray(ndimage.maximum(depth_px(labels), labels, ids))
    fill = math.pi * deepest**2 / np.maximum(area, 1)
    return 1 + 2.5 * np.clip((fill - 0.8) / 0.1, 0, 1)


def _dirt(labels: Labels, cells: CellOptions, rng: np.random.Generator) -> Field:
    """Return dark flecks, small rings and ripples of the background."""
    shape = (labels.shape[0], labels.shape[1])
    flecks = np.maximum(smooth_noise(shape, rng.uniform(1, 2.5), rng) - 2.2, 0)
    flecks *= smooth_noise(shape, 25, rng) > 0.3
    ripples = smooth_noise(shape, rng.uniform(4, 15), rng)
    n_rings = int(cells.debris * rng.uniform(0, 12))
    radius = rng.uniform(1.5, 4)
    everywhere = np.ones(shape, bool)
    points = spots(everywhere, n_rings, radius, rng)
    rings = points - 1.6 * ndimage.gaussian_filter(points, radius)
    height = np.float32(cells.debris)
    dirt = -0.12 * height * flecks + 0.01 * height * ripples
    return np.asarray(dirt - 0.4 * rng.choice([-1, 1]) * rings, np.float32)


def round_labels(layout: Layout, cells: CellOptions, rng: np.random.Generator) -> Labels:
    """Return labels of rounded cells."""
    def next_stamp() -> Stamp:
        return blob_stamp(cells, rng)

    return scatter(layout, next_stamp, rng)


def rod_labels(layout: Layout, cells: CellOptions, rng: np.random.Generator) -> Labels:
    """Return labels of rods that lie side by side in colonies."""
    main = rng.uniform(0, math.pi)
    disorder = rng.uniform(0.05, 0.8)
    elongation = max(cells.elongation, 1.5)

    def next_stamp() -> Stamp:
        area_px = math.pi * radius_px(cells, rng) ** 2
        width = max(3.0, math.sqrt(area_px / elongation))
        length = max(width * 1.2, area_px / width * rng.uniform(0.7, 1.3))
        return stamp_of([rod_outline(length, width, main + disorder * rng.normal(), rng)])

    return scatter(layout, next_stamp, rng)


def round_light(labels: Labels, cells: CellOptions, rng: np.random.Generator) -> Field:
    """Return bright-field of rounded cells: dark rim, lighter middle, bright fringe."""
    n_cells = int(labels.max(initial=0))
    radius = 0.5 * cells.diameter_px
    depth = depth_px(labels)
    rim_px = max(1.0, radius * rng.uniform(0.08, 0.25))
    rim = np.exp(-(((depth - rim_px) / rim_px) ** 2)) * (labels > 0)
    middle = 1 - np.exp(-depth / (0.5 * radius))
    mottle = smooth_noise(labels.shape, max(0.6, 0.1 * radius), rng)
    body = rng.uniform(-0.4, 0.5) * middle - rng.uniform(0.4, 1.0) * rim
    body = body * (1 + 0.4 * cells.texture * mottle) + 0.15 * cells.texture * mottle
    n_granules = int(n_cells * rng.uniform(0, 8) * cells.texture)
    body -= 0.5 * spots(depth > 0.3 * radius, n_granules, max(0.7, 0.08 * radius), rng)
    body = np.where(labels > 0, body, 0)
    body *= per_cell(labels, np.clip(1 + cells.variation * rng.normal(size=n_cells), 0.3, 2))
    fringe = wide_blur((labels > 0).astype(np.float32), rim_px) * (labels == 0)
    light = 0.5 + rng.uniform(0.15, 0.4) * body + rng.uniform(0, 0.35) * fringe
    return np.asarray(light + _dirt(labels, cells, rng), np.float32)


def rod_light(labels: Labels, cells: CellOptions, rng: np.random.Generator) -> Field:
    """Return phase contrast of rods: dark bodies, bright light around the colony."""
    n_cells = int(labels.max(initial=0))
    depth = depth_px(labels)
    body = 1 - np.exp(-depth / rng.uniform(0.8, 2.5))
    body = body * per_cell(labels, np.clip(1 + 0.4 * cells.variation * rng.normal(size=n_cells), 0.4, 1.6))
    mottle = smooth_noise(labels.shape, 1.2, rng)
    body *= 1 + 0.2 * cells.texture * mottle
    halo = wide_blur(np.asarray(body, np.float32), max(2.0, 0.3 * cells.diameter_px))
    light = 0.5 - rng.uniform(0.25, 0.55) * (body - rng.uniform(0.4, 0.9) * halo)
    return np.asarray(light + 0.5 * _dirt(labels, cells, rng), np.float32)
