"""Where the cells lie: labels of a field and of the margin around it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, spatial
from skimage.measure import label

from napari_cellseg.core.synthetic.shapes import Stamp
from napari_cellseg.core.synthetic.textures import Field, smooth_noise
from napari_cellseg.core.types import Labels

#: Cells with fewer pixels in the field are not drawn.
MIN_VISIBLE_PX = 12
#: Places tried for one cell before it is left out.
N_TRIES = 12


@dataclass(frozen=True, slots=True)
class Layout:
    """How many cells are to lie where.

    Attributes
    ----------
    shape_yx : tuple of int
        Size of the field in pixels.
    margin_px : int
        Width of the band around the field that is drawn and then cut off.
    n_cells : int
        How many are tried; fewer if they do not fit.
    spacing_px : float
        Distance of the centres of cells that just touch.
    clustering : float
        0 for cells all over the field, 1 for all of them in clumps.
    reach : float
        Greatest distance of a cell from the one it joins, in units of the spacing.
    max_hidden : float
        A cell is left out if neighbours would hide more of it than this share.
    """

    shape_yx: tuple[int, int]
    margin_px: int
    n_cells: int
    spacing_px: float
    clustering: float
    reach: float = 1.25
    max_hidden: float = 0.25

    @property
    def canvas_yx(self) -> tuple[int, int]:
        """Size of field and margin together."""
        return (
            self.shape_yx[0] + 2 * self.margin_px,
            self.shape_yx[1] + 2 * self.margin_px,
        )

    @property
    def field(self) -> tuple[slice, slice]:
        """The field as a part of the canvas."""
        rows, columns = self.shape_yx
        margin = self.margin_px
        return slice(margin, margin + rows), slice(margin, margin + columns)


def scatter(
    layout: Layout, next_stamp: Callable[[], Stamp], rng: np.random.Generator
) -> Labels:
    """Return labels of the canvas with stamped cells that touch but never overlap.

    Parameters
    ----------
    layout : Layout
        How many cells lie where.
    next_stamp : callable
        Gives the next cell; called once a cell.
    rng : numpy.random.Generator
        Where the randomness comes from.

    Returns
    -------
    (y, x) int32
    """
    labels = np.zeros(layout.canvas_yx, np.int32)
    centres: list[tuple[float, float]] = []
    for _ in range(layout.n_cells):
        stamp = next_stamp()
        for _ in range(N_TRIES):
            centre = _next_centre(layout, centres, rng)
            if _press(labels, stamp, centre, len(centres) + 1, layout.max_hidden):
                centres.append(centre)
                break
    return labels


def _next_centre(
    layout: Layout, centres: list[tuple[float, float]], rng: np.random.Generator
) -> tuple[float, float]:
    """Return a place in the field, or beside a cell where cells are clustered."""
    margin = layout.margin_px
    rows, columns = layout.shape_yx
    if centres and rng.random() < layout.clustering:
        y, x = centres[rng.integers(len(centres))]
        angle = rng.uniform(0, 2 * math.pi)
        distance = layout.spacing_px * rng.uniform(0.85, layout.reach)
        y, x = y + distance * math.sin(angle), x + distance * math.cos(angle)
        if margin <= y < margin + rows and margin <= x < margin + columns:
            return y, x
    return margin + rng.uniform(0, rows), margin + rng.uniform(0, columns)


def _press(
    labels: Labels,
    stamp: Stamp,
    centre: tuple[float, float],
    number: int,
    max_hidden: float,
) -> bool:
    """Write a cell where nothing lies yet; False if too much of it would be hidden."""
    rows = stamp.rows + round(centre[0])
    columns = stamp.columns + round(centre[1])
    inside = (rows >= 0) & (rows < labels.shape[0])
    inside &= (columns >= 0) & (columns < labels.shape[1])
    rows, columns = rows[inside], columns[inside]
    free = labels[rows, columns] == 0
    # A cell whose middle is taken would lie around its neighbour like a ring.
    middle_px2 = stamp.rows.size / (4 * math.pi)
    from_centre = (rows - round(centre[0])) ** 2 + (columns - round(centre[1])) ** 2
    if not free[from_centre < middle_px2].all():
        return False
    if free.sum() < max(1, (1 - max_hidden) * rows.size):
        return False
    labels[rows[free], columns[free]] = number
    return True


def tessellate(layout: Layout, gap_px: float, rng: np.random.Generator) -> Labels:
    """Return labels of a sheet of cells that meet along curved lines.

    A pixel belongs to the nearest centre, after its place was shifted by smooth noise,
    so that the walls are not straight; it is free where that is farther than 0.55 to
    0.95 of the spacing.

    Parameters
    ----------
    layout : Layout
        How many cells lie where; centres keep a distance of about the spacing.
    gap_px : float
        Free space between neighbours, 0 for none.
    rng : numpy.random.Generator
        Where the randomness comes from.
    """
    centres = _spaced_centres(layout, rng)
    if len(centres) == 0:
        return np.zeros(layout.canvas_yx, np.int32)
    places = np.indices(layout.canvas_yx, dtype=np.float32)
    for axis in range(2):
        for scale, height in ((0.5, 0.14), (0.14, 0.035)):
            shift = smooth_noise(layout.canvas_yx, scale * layout.spacing_px, rng)
            places[axis] += shift * np.float32(height * layout.spacing_px)
    n_nearest = 2 if len(centres) > 1 else 1
    distance, nearest = spatial.cKDTree(centres).query(
        places.reshape(2, -1).T, k=[1, n_nearest], workers=1
    )  # (y * x, 2)
    reach = rng.uniform(0.55, 0.95, len(centres)) * layout.spacing_px
    belongs = distance[:, 0] < reach[nearest[:, 0]]
    if gap_px > 0 and n_nearest == 2:
        belongs &= distance[:, 1] - distance[:, 0] > gap_px
    numbers = np.where(belongs, nearest[:, 0] + 1, 0)
    return numbers.astype(np.int32).reshape(layout.canvas_yx)


def _spaced_centres(layout: Layout, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return up to `n_cells` points in the field that are not too near each other."""
    kept: list[tuple[float, float]] = []
    least = 0.7 * layout.spacing_px
    for _ in range(layout.n_cells * 4):
        if len(kept) == layout.n_cells:
            break
        centre = _next_centre(layout, kept, rng)
        away = np.array(kept).reshape(-1, 2) - centre
        if not np.any(np.hypot(away[:, 0], away[:, 1]) < least):
            kept.append(centre)
    return np.array(kept, float).reshape(-1, 2)


def whole_in_field(labels: Labels, layout: Layout) -> Labels:
    """Return labels whose every cell is one piece within the field.

    Of a cell that leaves the field and comes back only the largest piece stays; it is
    taken off the canvas before anything is drawn, so that the truth remains exact. Ids
    are kept and may have gaps.
    """
    cleaned = labels.copy()
    inner = cleaned[layout.field]
    pieces = label(inner, connectivity=1)  # type: ignore[no-untyped-call]
    n_pieces = int(pieces.max())
    if n_pieces == 0:
        return cleaned
    sizes = np.bincount(pieces.reshape(-1), minlength=n_pieces + 1)
    sizes[0] = 0
    owners = np.zeros(n_pieces + 1, np.int32)
    owners[pieces.reshape(-1)] = inner.reshape(-1)
    order = np.lexsort((sizes, owners))
    is_largest = np.zeros(n_pieces + 1, bool)
    last_of_owner = np.append(owners[order][1:] != owners[order][:-1], True)
    is_largest[order[last_of_owner]] = True
    keeps = is_largest & (sizes >= MIN_VISIBLE_PX)
    inner[~keeps[pieces]] = 0
    return cleaned


def depth_px(labels: Labels) -> Field:
    """Return how deep each pixel lies in its own cell: 0 outside, 1 on its edge."""
    walls = labels == 0
    differs = np.diff(labels, axis=0) != 0
    walls[1:] |= differs
    walls[:-1] |= differs
    differs = np.diff(labels, axis=1) != 0
    walls[:, 1:] |= differs
    walls[:, :-1] |= differs
    depth = ndimage.distance_transform_edt(~walls)
    return np.where(labels > 0, depth + 1, 0).astype(np.float32)


def per_cell(labels: Labels, values: NDArray[np.float64]) -> Field:
    """Return the value of each pixel's cell, 0 outside; `values` has one for each id."""
    table = np.concatenate([[0.0], values]).astype(np.float32)
    return table[labels]
