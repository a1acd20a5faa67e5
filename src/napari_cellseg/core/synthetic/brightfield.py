"""Grey cells in bright field: rounded cells with a dark rim, and rods."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from napari_cellseg.core.synthetic.arrangement import (
    Layout,
    depth_px,
    per_cell,
    scatter,
)
from napari_cellseg.core.synthetic.fluorescence import blob_stamp, radius_px
from napari_cellseg.core.synthetic.options import CellOptions
from napari_cellseg.core.synthetic.phase import dirt
from napari_cellseg.core.synthetic.shapes import Stamp, rod_outline, stamp_of
from napari_cellseg.core.synthetic.textures import Field, smooth_noise, spots, wide_blur
from napari_cellseg.core.types import Labels


def round_labels(
    layout: Layout, cells: CellOptions, rng: np.random.Generator
) -> Labels:
    """Return labels of rounded cells."""

    def next_stamp() -> Stamp:
        return blob_stamp(cells, rng)

    return scatter(layout, next_stamp, rng)


def rod_labels(layout: Layout, cells: CellOptions, rng: np.random.Generator) -> Labels:
    """Return labels of rods that lie side by side in colonies."""
    main = rng.uniform(0, math.pi)
    disorder = rng.uniform(0.05, 0.8)
    elongation = max(cells.elongation, 1.5)
    typical_width = cells.diameter_px * math.sqrt(math.pi / 4 / elongation)
    layout = replace(
        layout, spacing_px=1.05 * typical_width, reach=0.6 + 0.8 * elongation
    )

    def next_stamp() -> Stamp:
        area_px = math.pi * radius_px(cells, rng) ** 2
        width = max(3.0, math.sqrt(area_px / elongation))
        length = max(width * 1.2, area_px / width * rng.uniform(0.7, 1.3))
        return stamp_of(
            [rod_outline(length, width, main + disorder * rng.normal(), rng)]
        )

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
    body *= per_cell(
        labels, np.clip(1 + cells.variation * rng.normal(size=n_cells), 0.3, 2)
    )
    fringe = wide_blur((labels > 0).astype(np.float32), rim_px) * (labels == 0)
    light = 0.5 + rng.uniform(0.15, 0.4) * body + rng.uniform(0, 0.35) * fringe
    return np.asarray(light + dirt(labels, cells, rng), np.float32)


def rod_light(labels: Labels, cells: CellOptions, rng: np.random.Generator) -> Field:
    """Return phase contrast of rods: dark bodies, bright light around the colony."""
    n_cells = int(labels.max(initial=0))
    depth = depth_px(labels)
    body = 1 - np.exp(-depth / rng.uniform(0.8, 2.5))
    heights = 1 + 0.4 * cells.variation * rng.normal(size=n_cells)
    body = body * per_cell(labels, np.clip(heights, 0.4, 1.6))
    mottle = smooth_noise(labels.shape, 1.2, rng)
    body *= 1 + 0.2 * cells.texture * mottle
    halo = wide_blur(np.asarray(body, np.float32), max(2.0, 0.3 * cells.diameter_px))
    light = 0.5 - rng.uniform(0.25, 0.55) * (body - rng.uniform(0.4, 0.9) * halo)
    return np.asarray(light + 0.5 * dirt(labels, cells, rng), np.float32)
