"""Bacteria: rods, bent rods and threads, in colonies, dark in phase or glowing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy import ndimage, spatial

from napari_cellseg.core.synthetic.arrangement import (
    Layout,
    depth_px,
    per_cell,
    scatter,
)
from napari_cellseg.core.synthetic.fluorescence import radius_px
from napari_cellseg.core.synthetic.options import CellOptions
from napari_cellseg.core.synthetic.phase import dirt
from napari_cellseg.core.synthetic.shapes import (
    Outline,
    Stamp,
    ribbon_outline,
    rounded_outline,
    stamp_of,
    turned,
)
from napari_cellseg.core.synthetic.textures import Field, smooth_noise, wide_blur
from napari_cellseg.core.types import Labels

#: Thinner ones are a line that no camera shows as a body.
LEAST_WIDTH_PX = 3.0
#: Shares of the cells that grew on without dividing; a scene has one of them.
THREAD_SHARES = (0.0, 0.15, 0.7)
#: Share of scenes in which the colony has grown until no room is left between the rods.
PACKED_SHARE = 0.4
#: Cells of a packed colony are superellipses of this power: bricks with round corners.
BRICK_POWER = 4.0


def rod_width_px(cells: CellOptions) -> float:
    """Return the typical width of a rod whose area is that of the cell's diameter."""
    return cells.diameter_px * math.sqrt(math.pi / 4 / max(cells.elongation, 1.0))


def rods_labels(layout: Layout, cells: CellOptions, rng: np.random.Generator) -> Labels:
    """Return labels of rods side by side in colonies; some bent, some long threads."""
    if rng.random() < PACKED_SHARE:
        return packed_labels(layout, cells, rng)
    main = rng.uniform(0, math.pi)
    disorder = rng.uniform(0.05, 1.2)
    bend = rng.choice([0.05, rng.uniform(0.2, 1.2)])
    thread_share = rng.choice(THREAD_SHARES)
    width_px = rod_width_px(cells)
    layout = replace(
        layout, spacing_px=1.02 * width_px, reach=0.6 + 0.8 * cells.elongation
    )

    def next_stamp() -> Stamp:
        scale = 2 * radius_px(cells, rng) / cells.diameter_px
        # Rods of one strain differ in length far more than in width.
        width = max(LEAST_WIDTH_PX, width_px * scale**0.3)
        length = width * max(1.1, cells.elongation * scale * rng.uniform(0.65, 1.35))
        if rng.random() < thread_share:
            length *= rng.uniform(2, 8)
        outline = bent_rod(length, width, bend * rng.normal(), rng)
        return stamp_of([turned(outline, main + disorder * rng.normal())])

    return scatter(layout, next_stamp, rng)


def packed_labels(
    layout: Layout, cells: CellOptions, rng: np.random.Generator
) -> Labels:
    """Return labels of a colony without room between its rods, which follow each other."""
    length_px = rod_width_px(cells) * cells.elongation
    places = _flow_lines(layout.canvas_yx, length_px, rod_width_px(cells), rng)
    low, high = places.reshape(2, -1).min(1), places.reshape(2, -1).max(1)
    rows = np.arange(math.floor(low[0]), math.ceil(high[0]) + 1)
    columns = np.arange(math.floor(low[1]), math.ceil(high[1]) + 1)
    grid = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).astype(float)
    grid[..., 1] += rng.uniform(0, 1, (len(rows), 1))
    grid[..., 1] += rng.normal(0, 0.16, grid.shape[:2])
    grid[..., 0] += rng.normal(0, 0.05, grid.shape[:2])
    centres = grid.reshape(-1, 2)
    distance, nearest = spatial.cKDTree(centres).query(
        places.reshape(2, -1).T, k=2, p=BRICK_POWER, workers=1
    )  # (y * x, 2)
    is_free = distance[:, 0] > rng.uniform(0.52, 0.6)
    is_free |= distance[:, 1] - distance[:, 0] < rng.uniform(0, 0.12)
    numbers = np.where(is_free, 0, nearest[:, 0] + 1).reshape(layout.canvas_yx)
    return _first_cells(numbers, _away(layout.canvas_yx, rng), layout.n_cells)


def _first_cells(numbers: Labels, away: Field, n_cells: int) -> Labels:
    """Return the cells that lie nearest to where the colony began, numbered from 1."""
    ids = np.unique(numbers[numbers > 0])
    nearest = np.asarray(ndimage.minimum(away, numbers, ids))
    kept = ids[np.argsort(nearest)[:n_cells]]
    renumbered = np.zeros(int(ids.max(initial=0)) + 1, np.int32)
    renumbered[kept] = np.arange(1, len(kept) + 1)
    return renumbered[numbers]


def _flow_lines(
    shape_yx: tuple[int, int],
    length_px: float,
    width_px: float,
    rng: np.random.Generator,
) -> Field:
    """Return (2, y, x) places across and along winding lines, in widths and lengths."""
    angle = rng.uniform(0, math.pi)
    y, x = np.indices(shape_yx, dtype=np.float32)
    scale = 3 * length_px
    winding = rng.uniform(0.1, 0.6) * scale * smooth_noise(shape_yx, scale, rng)
    across = y * math.cos(angle) - x * math.sin(angle) + winding
    along = x * math.cos(angle) + y * math.sin(angle)
    return np.stack([across / width_px, along / length_px]).astype(np.float32)


def _away(shape_yx: tuple[int, int], rng: np.random.Generator) -> Field:
    """Return how far a pixel is from where a colony began, in sides of the image."""
    y, x = (np.indices(shape_yx, dtype=np.float32).T / np.array(shape_yx)).T - 0.5
    middle = rng.uniform(-0.25, 0.25, 2)
    stretch = math.exp(rng.normal(0, 0.3))
    away = np.hypot((y - middle[0]) * stretch, (x - middle[1]) / stretch)
    away += 0.06 * smooth_noise(shape_yx, 0.12 * min(shape_yx), rng)
    return np.asarray(away, np.float32)


def bent_rod(
    length_px: float, width_px: float, bend: float, rng: np.random.Generator
) -> Outline:
    """Return a rod with round ends along an arc, slightly winding.

    Parameters
    ----------
    length_px, width_px : float
        Size of the rod.
    bend : float
        Radians by which it turns from one end to the other.
    rng : numpy.random.Generator
        Where the randomness comes from.
    """
    reach = max(length_px - width_px, 1.0)
    n_points = max(8, int(reach / 2))
    winding = np.cumsum(rng.normal(0, 0.15 / math.sqrt(n_points), n_points))
    heading = np.linspace(-bend / 2, bend / 2, n_points) + winding
    steps = np.stack([np.sin(heading), np.cos(heading)], axis=1) * (reach / n_points)
    line = np.cumsum(steps, axis=0)
    line -= line.mean(axis=0)
    narrowing = 1 + 0.06 * rng.normal() * np.linspace(-1, 1, n_points)
    return rounded_outline(ribbon_outline(line, width_px * narrowing), line, width_px)


def dark_light(labels: Labels, cells: CellOptions, rng: np.random.Generator) -> Field:
    """Return phase contrast of rods on a ground of 0.5.

    Dark bodies with a bright rim around the colony; between neighbours the rims meet in a
    thin bright line, and in the middle of a colony the ground is brighter than outside.
    """
    n_cells = int(labels.max(initial=0))
    width_px = rod_width_px(cells)
    depth = depth_px(labels)
    body = 1 - np.exp(-depth / (width_px * rng.uniform(0.08, 0.35)))
    heights = 1 + 0.5 * cells.variation * rng.normal(size=n_cells)
    body = body * per_cell(labels, np.clip(heights, 0.3, 1.7))
    mottle = smooth_noise(labels.shape, max(0.8, 0.2 * width_px), rng)
    body = np.asarray(body * (1 + 0.3 * cells.texture * mottle), np.float32)
    near = wide_blur(body, max(1.0, width_px * rng.uniform(0.2, 0.6)))
    far = wide_blur(body, max(3.0, width_px * rng.uniform(1.0, 3.0)))
    halo = rng.uniform(0.2, 0.7) * near + rng.uniform(0.1, 0.6) * far
    light = 0.5 - rng.uniform(0.2, 0.6) * (body - halo)
    return np.asarray(light + 0.5 * dirt(labels, cells, rng), np.float32)


def glow(labels: Labels, cells: CellOptions, rng: np.random.Generator) -> Field:
    """Return the light of rods that glow as a whole, at the wall, or in patches."""
    n_cells = int(labels.max(initial=0))
    width_px = rod_width_px(cells)
    depth = depth_px(labels)
    wall = np.exp(-(((depth - 1) / max(1.0, 0.2 * width_px)) ** 2))
    light = rng.uniform(0.3, 1.0) * (1 - np.exp(-depth / (0.3 * width_px)))
    light = light + rng.choice([0.0, rng.uniform(0.2, 1.0)]) * wall
    patches = smooth_noise(labels.shape, max(0.8, 0.5 * width_px), rng)
    light *= np.clip(1 + 0.5 * cells.texture * patches, 0.15, 2.5)
    heights = np.clip(
        0.6 * np.exp(cells.variation * rng.normal(size=n_cells)), 0.15, 1.4
    )
    light *= per_cell(labels, heights)
    return np.asarray(np.where(labels > 0, light, 0), np.float32)
