"""One cell that the network has seen but that is not in the labels: by a click or a box.

The network's maps say where foreground is and how far from the edge of a cell; the person
says that there is a cell. So the threshold is taken from the place itself, not from the
run.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.editing.cell_index import IndexedLabels, labels_of
from napari_cellseg.core.editing.edits import Edit, Source, edit_on_labels
from napari_cellseg.core.editing.numbering import next_id
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.labels.boxes import Box, box_of, plane_box, start_of
from napari_cellseg.core.labels.pieces import standing_peaks
from napari_cellseg.core.segmentation.decode import BORDER_SHARE, JOIN_SHARE
from napari_cellseg.core.segmentation.flooding import flood
from napari_cellseg.core.types import PlaneMaps

#: Where the network sees less foreground than this, 0 to 1, it sees nothing.
FAINTEST = 0.08
#: A cell ends where the foreground is this share of what it is around the pointer.
EDGE_SHARE = 0.5
#: The pointer may be so far from the brightest place of the foreground, in pixels.
AROUND_PX = 4
#: A pass this much lower than the peaks beside it, 0 to 1, parts two cells.
DEPTH = 0.05
SMALLEST_PX = 9
NOTHING = (
    "The model sees no cell there. Draw around it instead ('Add cell'), or click nearer to "
    "its middle."
)


def maps_on(plane_maps: PlaneMaps, box: Box) -> NDArray[np.float32]:
    """Return foreground, distance and border on a box of the plane, (3, y, x), 0 to 1.

    Parameters
    ----------
    plane_maps : PlaneMaps
        Of the plane, at any zoom.
    box : (slice, slice)
        In pixels of the plane.
    """
    if plane_maps.maps.shape[1:] == plane_maps.shape_yx:
        whole = plane_maps.maps[(slice(3), *box)].astype(np.float32)
        return np.asarray(whole / 255, np.float32)
    grid = []
    for part, n_map, n_plane in zip(
        box, plane_maps.maps.shape[1:], plane_maps.shape_yx, strict=True
    ):
        centres = np.arange(part.start, part.stop) + 0.5
        grid.append(centres * (n_map / n_plane) - 0.5)
    low = [max(int(np.floor(axis[0])), 0) for axis in grid]
    high = [int(np.ceil(axis[-1])) + 1 for axis in grid]
    crop = plane_maps.maps[:3, low[0] : high[0] + 1, low[1] : high[1] + 1]
    places = np.meshgrid(grid[0] - low[0], grid[1] - low[1], indexing="ij")
    return np.stack(
        [
            ndimage.map_coordinates(
                one.astype(np.float32) / 255, places, order=1, mode="nearest"
            )
            for one in crop
        ]
    )


def cell_at_point(
    maps: NDArray[np.float32], is_free: NDArray[np.bool_], point_yx: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return the cell around a point: its basin of the distance map, on free pixels.

    Parameters
    ----------
    maps : (3, y, x) float32
        From `maps_on`.
    is_free : (y, x) bool
        Where there is no cell yet.
    point_yx : (y, x)
        The pixel that was clicked.

    Raises
    ------
    EditError
        If a cell is there already, or the network sees none.
    """
    y, x = point_yx
    if not is_free[y, x]:
        raise EditError("There is a cell already. Click where one is missing.")
    foreground, height = maps[0], np.maximum(maps[1] - BORDER_SHARE * maps[2], 0)
    near = tuple(slice(max(at - AROUND_PX, 0), at + AROUND_PX + 1) for at in point_yx)
    peak = float(np.where(is_free, foreground, 0)[near].max())
    allowed = is_free & (foreground >= EDGE_SHARE * peak)
    if peak < FAINTEST or not allowed[near].any():
        raise EditError(NOTHING)
    at = _nearest(allowed, point_yx)
    bodies, _ = ndimage.label(allowed)
    body = bodies == bodies[at]
    box = box_of(body)
    body[box] &= _basin(np.where(body, height, 0)[box], body[box], start_of(box), at)
    return _whole(body, at, is_free)


def _basin(
    height: NDArray[np.float32],
    body: NDArray[np.bool_],
    start: tuple[int, ...],
    at: tuple[int, int],
) -> NDArray[np.bool_]:
    """Return what of a body belongs to the peak at a pixel; all of it without peaks."""
    lowered = np.minimum(height * JOIN_SHARE, height - DEPTH)
    seeds = standing_peaks(height, lowered)
    if not seeds.any():
        return body
    basins = flood(seeds, np.round(height * 255).astype(np.uint8), body)
    inner = tuple(place - low for place, low in zip(at, start, strict=True))
    return np.asarray(basins == basins[inner])


def cell_in_box(
    maps: NDArray[np.float32], is_free: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return the one cell that maps hold; both are cut to the box that was drawn.

    Raises
    ------
    EditError
        If nothing in the box is free, or the network sees no cell.
    """
    if not is_free.any():
        raise EditError(
            "Other cells fill the whole box. Drag it where a cell is missing."
        )
    foreground = np.where(is_free, maps[0], 0)
    peak = float(np.percentile(foreground[is_free], 95))
    if peak < FAINTEST:
        raise EditError(NOTHING)
    bodies, n_bodies = ndimage.label(foreground >= EDGE_SHARE * peak)
    weights = ndimage.sum_labels(foreground, bodies, np.arange(1, n_bodies + 1))
    body = bodies == 1 + int(np.argmax(weights))
    at = np.argwhere(body)[0]
    return _whole(body, (int(at[0]), int(at[1])), is_free)


def _nearest(mask: NDArray[np.bool_], point_yx: tuple[int, int]) -> tuple[int, int]:
    """Return the pixel of a mask that is nearest to a point."""
    places = np.argwhere(mask)
    away = ((places - np.array(point_yx)) ** 2).sum(axis=1)
    y, x = places[int(np.argmin(away))]
    return int(y), int(x)


def _whole(
    mask: NDArray[np.bool_], at: tuple[int, int], is_free: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return the connected part of a mask at a pixel, its holes filled where free."""
    parts, _ = ndimage.label(mask)
    cell: NDArray[np.bool_] = parts == parts[at]
    box = box_of(cell)
    cell[box] = ndimage.binary_fill_holes(cell[box]) & is_free[box]
    if cell.sum() < SMALLEST_PX:
        raise EditError(NOTHING)
    return cell


def add_found(
    indexed: IndexedLabels,
    mask: NDArray[np.bool_],
    start_yx: tuple[int, int],
    plane: tuple[int, ...],
    sources: Mapping[int, Source],
) -> Edit:
    """Return the edit that adds a cell where a mask is true and nothing else is.

    Parameters
    ----------
    indexed, sources, plane
        As in `core.editing.corrections`.
    mask : (y, x) bool
        The cell.
    start_yx : (y, x)
        Where the mask lies on the plane.

    Raises
    ------
    EditError
        If nothing is free there.
    """
    labels = labels_of(indexed)
    plane_box(labels, plane)  # says so if there is no such plane
    spans = zip(start_yx, mask.shape, strict=True)
    box = (
        *(slice(at, at + 1) for at in plane),
        *(slice(low, low + n) for low, n in spans),
    )
    after = labels[box].copy()
    free = mask.reshape(after.shape) & (after == 0)
    if not free.any():
        raise EditError("Other cells are there already.")
    after[free] = next_id(indexed)
    return edit_on_labels(indexed, after, (*plane, *start_yx), "find cell", sources)
