"""Cell bodies that lie on each other: only their outlines tell them apart."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from napari_cellseg.core.synthetic.arrangement import Layout, per_cell, scatter
from napari_cellseg.core.synthetic.fluorescence import radius_px
from napari_cellseg.core.synthetic.options import CellOptions
from napari_cellseg.core.synthetic.shapes import (
    Stamp,
    blob_outline,
    cornered_outline,
    stamp_of,
)
from napari_cellseg.core.synthetic.textures import Field, smooth_noise
from napari_cellseg.core.types import Labels

#: How much of a body others may hide; half of it and nobody could tell.
MAX_HIDDEN = 0.4
#: Share of scenes whose bodies have corners; the others are round.
CORNERED_SHARE = 0.65


def bodies_labels(
    layout: Layout, cells: CellOptions, rng: np.random.Generator
) -> Labels:
    """Return labels of bodies in clumps, those above hiding parts of those below."""
    is_cornered = rng.random() < CORNERED_SHARE
    layout = replace(layout, max_hidden=rng.uniform(0.1, MAX_HIDDEN), reach=1.15)

    def next_stamp() -> Stamp:
        radius = radius_px(cells, rng)
        if is_cornered:
            outline = cornered_outline(radius, cells.irregularity, rng)
        else:
            outline = blob_outline(radius, cells.elongation, cells.irregularity, rng)
        return stamp_of([outline])

    return scatter(layout, next_stamp, rng)


def bodies_light(labels: Labels, cells: CellOptions, rng: np.random.Generator) -> Field:
    """Return the light of evenly stained bodies, 0 outside and about 0.6 inside.

    Neighbours differ little in brightness. Texture is drawn for each of three groups, so
    that it often breaks off where one body ends.
    """
    n_cells = int(labels.max(initial=0))
    radius = 0.5 * cells.diameter_px
    scale = radius * math.exp(rng.uniform(math.log(0.03), math.log(0.25)))
    groups = per_cell(labels, rng.integers(0, 3, n_cells).astype(float))
    texture = np.zeros(labels.shape, np.float32)
    for group in range(3):
        grains = smooth_noise(labels.shape, scale, rng)
        clouds = smooth_noise(labels.shape, 0.4 * radius, rng)
        texture = np.where(groups == group, 0.7 * grains + 0.5 * clouds, texture)
    light = np.clip(1 + 0.3 * cells.texture * texture, 0.15, 2.5)
    own = 0.6 * np.exp(0.25 * cells.variation * rng.normal(size=n_cells))
    light *= per_cell(labels, np.clip(own, 0.2, 1.2))
    return np.asarray(np.where(labels > 0, light, 0), np.float32)
