"""Shape and intensity of every cell of one plane, as columns.

The definitions are those of scikit-image's `regionprops` (van der Walt et al. 2014,
https://doi.org/10.7717/peerj.453), which the tests compare with.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.labels.arrays import present_values
from napari_cellseg.core.measuring import feature_loops as loops
from napari_cellseg.core.types import Labels

Columns: TypeAlias = dict[str, NDArray[Any]]

# Ids beyond it are numbered anew before they are used as places in a table.
MAX_TABLE = 1 << 24
# Rows that are turned into float64 at a time, so that memory stays small.
BLOCK_ROWS = 256
# Weights of a border pixel by its neighbours on the border: straight, diagonal, corner.
# Benkrid and Crookes, "Design and FPGA implementation of a perimeter estimator", as in
# `skimage.measure.perimeter`.
STEP_LENGTHS = np.array([1.0, np.sqrt(2.0), (1.0 + np.sqrt(2.0)) / 2.0])


@dataclass(frozen=True, slots=True, eq=False)
class PlaneCells:
    """The cells of a plane that are measured.

    Attributes
    ----------
    plane : (Y, X) int32
        Labels; numbered anew if the ids are very large.
    ids : (n,) int32
        Ids of the cells, rising.
    places : (m,) int32
        For each value in `plane` the place of its cell in `ids`, or -1.
    """

    plane: Labels
    ids: NDArray[np.int32]
    places: NDArray[np.int32]


def find_cells(plane: Labels, ids: Iterable[int] | None = None) -> PlaneCells:
    """Return the cells of a plane, or those of `ids` that are in it.

    Parameters
    ----------
    plane : (Y, X) int32
        Labels.
    ids : iterable of int, optional
        Which cells; None means all.
    """
    highest = int(plane.max()) if plane.size else 0
    if highest > MAX_TABLE:
        found, inverse = np.unique(plane, return_inverse=True)
        present = found.astype(np.int64)
        compact = inverse.reshape(plane.shape).astype(np.int32)
        values = np.arange(present.size, dtype=np.int32)
    else:
        compact = np.ascontiguousarray(plane)
        seen = present_values(compact, highest)
        present = np.flatnonzero(seen).astype(np.int64)
        values = present.astype(np.int32)
    wanted = present > 0
    if ids is not None:
        wanted &= np.isin(present, np.array(sorted(set(ids)), np.int64))
    places = np.full(int(values[-1]) + 1 if values.size else 1, -1, np.int32)
    places[values[wanted]] = np.arange(int(wanted.sum()), dtype=np.int32)
    return PlaneCells(compact, present[wanted].astype(np.int32), places)


def shape_columns(cells: PlaneCells, *, y_to_x: float = 1.0) -> Columns:
    """Return area, perimeter, centroid, box and form of cells, in pixels of the plane.

    The orientation is the angle between the y axis (rows, downwards) and the long axis
    of the ellipse with the same second moments, in degrees from -90 to 90, turning from
    y towards x: 0 is upright, 90 lies flat, 45 runs from the upper left to the lower
    right. The box includes its lowest and excludes its highest coordinates.

    Parameters
    ----------
    cells : PlaneCells
        The cells.
    y_to_x : float
        Height of a pixel over its width. Eccentricity and orientation are those of the
        cell, not of its picture in square pixels.
    """
    n = cells.ids.size
    sums, boxes = loops.moments(cells.plane, cells.places, n)
    extents, first_rows = _row_extents(cells, boxes)
    steps = loops.border_steps(cells.plane, cells.places, n)
    hull_areas = loops.hull_areas(extents, first_rows, boxes)
    area = sums[:, 0].astype(np.float64)
    centre = boxes[:, 4:6] + sums[:, 1:3] / np.maximum(area, 1)[:, None]
    columns: Columns = {
        "area_px": sums[:, 0],
        "perimeter_px": steps @ STEP_LENGTHS,
        "equivalent_diameter_px": np.sqrt(4.0 * area / np.pi),
        "centroid_y_px": centre[:, 0],
        "centroid_x_px": centre[:, 1],
    }
    columns.update(_ellipse_columns(sums, y_to_x))
    columns["solidity"] = area / np.maximum(hull_areas, 1)
    for index, name in enumerate(("min_y", "min_x", "max_y", "max_x")):
        columns[f"bbox_{name}_px"] = boxes[:, index]
    return columns


def _row_extents(
    cells: PlaneCells, boxes: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and last x of each row of each cell, and where a cell begins."""
    heights = boxes[:, 2] - boxes[:, 0]
    first_rows = np.concatenate([[0], np.cumsum(heights)]).astype(np.int64)
    extents = loops.row_extents(cells.plane, cells.places, boxes, first_rows)
    return extents, first_rows


def _ellipse_columns(sums: NDArray[np.int64], y_to_x: float) -> Columns:
    """Return eccentricity and orientation from the sums of `loops.moments`."""
    area, sum_y, sum_x, sum_yy, sum_xx, sum_xy = sums.astype(np.float64).T
    weight = np.maximum(area, 1) ** 2
    var_y = (area * sum_yy - sum_y * sum_y) / weight * y_to_x**2
    var_x = (area * sum_xx - sum_x * sum_x) / weight
    cov = (area * sum_xy - sum_y * sum_x) / weight * y_to_x
    mean = (var_y + var_x) / 2
    spread = np.hypot((var_y - var_x) / 2, cov)
    long, short = mean + spread, np.maximum(mean - spread, 0)
    ratio = np.divide(short, long, out=np.ones_like(long), where=long > 0)
    angle = 0.5 * np.arctan2(2 * cov, var_y - var_x)
    # No long axis along y or x more than the other: scikit-image's convention.
    even = np.where(cov > 0, np.pi / 4, -np.pi / 4)
    return {
        "eccentricity": np.sqrt(1 - ratio),
        "orientation_deg": np.degrees(np.where(var_y == var_x, even, angle)),
    }


def intensity_columns(cells: PlaneCells, values: NDArray[Any]) -> Columns:
    """Return mean, min, max, sd and sum of the values in each cell, in float64.

    The standard deviation is that of the pixels of the cell (divided by n). NaN in a
    cell makes all five NaN, an infinite value all but min and max: nothing is passed
    over in silence.

    Parameters
    ----------
    cells : PlaneCells
        The cells.
    values : (Y, X) real array
        One channel, of the size of the plane.
    """
    state = loops.empty_intensities(cells.ids.size)
    for top in range(0, values.shape[0], BLOCK_ROWS):
        rows = slice(top, top + BLOCK_ROWS)
        block = np.ascontiguousarray(values[rows], np.float64)
        loops.add_intensities(cells.plane[rows], cells.places, block, state)
    count, reference, total, squares, low, high = state
    count = np.maximum(count, 1)
    with np.errstate(invalid="ignore"):
        mean = reference + total / count
        all_summed = reference * count + total
        # np.maximum keeps NaN.
        spread = np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0))
    return {"mean": mean, "min": low, "max": high, "sd": spread, "sum": all_summed}
