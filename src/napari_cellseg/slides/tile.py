"""The cells of one tile, with all that is needed to put the slide together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.jobs import run
from napari_cellseg.core.measuring.cell_features import Columns
from napari_cellseg.core.measuring.table_columns import intensity_names
from napari_cellseg.core.measuring.window_columns import LabelledWindow, window_columns
from napari_cellseg.core.segmentation.intensity import scale_to_bounds
from napari_cellseg.core.segmentation.part import Frame, PartSegmenter, PlanePart
from napari_cellseg.core.segmentation.resize import source_window
from napari_cellseg.core.segmentation.tiling import Tile
from napari_cellseg.core.segmentation.window_labels import (
    WindowLabels,
    labels_of_window,
    plane_span,
)
from napari_cellseg.core.segmentation.zoom import Window
from napari_cellseg.core.types import CellImage
from napari_cellseg.slides.plan import SlidePlan
from napari_cellseg.slides.tissue import NO_TISSUE, tissue_blocks

#: Neighbouring tiles place the middle of a cell alike to within this many pixels; cells so
#: near to a border are kept by both and compared.
BAND_PX = 4
#: Glass: fewer pixels than this, less than any cell has, are darker than so much of white.
GLASS_PIXELS = 100
GLASS_LEVEL = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class TileCells:
    """Cells of one tile, in pixels of the slide; n of them.

    Attributes
    ----------
    boxes : (n, 4) int64
        Top, left, bottom, right.
    confidence : (n,) float32
        0 to 1.
    is_owned : (n,) bool
        The middle lies in the core of the tile.
    is_near : (n,) bool
        It reaches into the core of another tile, or its middle lies so near to one that both
        may keep the cell.
    is_cut : (n,) bool
        The cell touches the edge of what was read, inside the slide.
    masks : tuple of (y, x) bool arrays
        What of each box is the cell.
    columns : mapping of str to (n,) arrays
        Of the measurement table, but its label, source and confidence.
    tissue : (k, 3) float32
        Where tissue lies in the core of the tile, see `tissue_blocks`; of colour images.
    is_glass : bool
        Nothing on the tile is stained, and no network has seen it.
    """

    boxes: NDArray[np.int64]
    confidence: NDArray[np.float32]
    is_owned: NDArray[np.bool_]
    is_near: NDArray[np.bool_]
    is_cut: NDArray[np.bool_]
    masks: tuple[NDArray[np.bool_], ...]
    columns: Columns
    tissue: NDArray[np.float32] = field(default_factory=lambda: NO_TISSUE)
    is_glass: bool = False

    def __len__(self) -> int:
        return len(self.confidence)


BARE_GLASS = TileCells(
    np.zeros((0, 4), np.int64),
    np.zeros(0, np.float32),
    np.zeros(0, bool),
    np.zeros(0, bool),
    np.zeros(0, bool),
    (),
    {},
    is_glass=True,
)


def segment_tile(
    image: CellImage, plan: SlidePlan, tile: Tile, segmenter: PartSegmenter
) -> TileCells:
    """Return the cells whose middle lies in a tile or close to it.

    Parameters
    ----------
    image : CellImage
        The slide; may be lazy.
    plan : SlidePlan
        How.
    tile : Tile
        One of `SlidePlan.tiles`.
    segmenter : PartSegmenter
        Whose model the plan was made for.
    """
    window = source_window(plan.plane_yx, plan.zoom, tile.window)
    # Read once, for the network and for what is measured.
    read = np.asarray(image.data[(slice(None), *window)])
    pixels = read[plan.channels[0] : plan.channels[-1] + 1]
    if image.is_rgb and _is_glass(pixels, plan.bounds):
        return BARE_GLASS
    # All of the window is asked for: cells of the core reach into what lies around it.
    whole = Tile(tile.window_y, tile.window_x, tile.window_y, tile.window_x)
    origin_yx = int(window[0].start), int(window[1].start)
    frame = Frame(plan.plane_yx, origin_yx, plan.bounds, plan.zoom, whole)
    maps = run(segmenter.maps_of_part(PlanePart(pixels, frame), plan.options))
    shapes = plan.seen_yx, plan.plane_yx
    found = labels_of_window(maps, (tile.window_y, tile.window_x), shapes, plan.options)
    seen = (
        slice(a.start - b, a.stop - b)
        for a, b in zip(found.place, origin_yx, strict=True)
    )
    channels = zip(intensity_names(image), read[(slice(None), *seen)], strict=True)
    columns = window_columns(
        LabelledWindow(found.labels, found.place, plan.plane_yx),
        channels,
        image.pixel_size,
    )
    cells = _kept(found, columns, plan, tile)
    return replace(cells, tissue=_tissue(image, plan, tile, (pixels, origin_yx)))


def _tissue(
    image: CellImage,
    plan: SlidePlan,
    tile: Tile,
    part: tuple[NDArray[Any], tuple[int, int]],
) -> NDArray[np.float32]:
    """Return the tissue in the core of a tile, from pixels and where they begin."""
    pixels, origin_yx = part
    if not image.is_rgb:
        return NO_TISSUE
    core = [
        plane_span(*each)
        for each in zip(
            (tile.core_y, tile.core_x), plan.seen_yx, plan.plane_yx, strict=True
        )
    ]
    inside = (
        slice(a.start - b, a.stop - b) for a, b in zip(core, origin_yx, strict=True)
    )
    scaled = scale_to_bounds(
        pixels[(slice(None), *inside)].min(axis=0, keepdims=True), plan.bounds
    )
    return tissue_blocks(scaled[0], (core[0].start, core[1].start), image.pixel_size)


def _is_glass(pixels: NDArray[Any], bounds: tuple[float, float]) -> bool:
    """Return True if nothing stained lies in (3, y, x) pixels."""
    darkest = pixels.min(axis=0, keepdims=True)
    light = scale_to_bounds(darkest, bounds)[0]
    return int((light < GLASS_LEVEL).sum()) < GLASS_PIXELS


def _kept(
    found: WindowLabels, columns: Columns, plan: SlidePlan, tile: Tile
) -> TileCells:
    """Return the cells that a tile answers for, or that lie near to its border."""
    middle = np.stack([columns["centroid_y_px"], columns["centroid_x_px"]], axis=1)
    distance = _depth(middle, plan, tile)
    kept = np.flatnonzero(distance > -BAND_PX)
    columns = {name: column[kept] for name, column in columns.items()}
    ids = columns.pop("label")
    boxes = np.stack(
        [
            columns[f"bbox_{end}_{axis}_px"]
            for end in ("min", "max")
            for axis in ("y", "x")
        ],
        axis=1,
    ).astype(np.int64)
    objects = ndimage.find_objects(found.labels)
    return TileCells(
        boxes,
        found.confidence[ids - 1],
        distance[kept] >= 0,
        (distance[kept] < 2 * BAND_PX) | _reaches_out(boxes, plan, tile),
        _is_cut(boxes, found.place, plan.plane_yx),
        tuple(found.labels[objects[cell - 1]] == cell for cell in ids),
        columns,
    )


def _reaches_out(
    boxes: NDArray[np.int64], plan: SlidePlan, tile: Tile
) -> NDArray[np.bool_]:
    """Say which (n, 4) boxes reach out of the core of a tile, into another one."""
    reaches = np.zeros(len(boxes), bool)
    for axis, core in enumerate((tile.core_y, tile.core_x)):
        span = plane_span(core, plan.seen_yx[axis], plan.plane_yx[axis])
        reaches |= boxes[:, axis] < span.start
        reaches |= boxes[:, axis + 2] > span.stop
    return reaches


def _depth(
    middle: NDArray[np.float64], plan: SlidePlan, tile: Tile
) -> NDArray[np.float64]:
    """Return how far middles lie inside the core; infinite if no other tile is near.

    Parameters
    ----------
    middle : (n, 2) float64
        In pixels of the slide, y and x; a pixel's middle is a whole number.
    plan, tile
        Whose core.
    """
    depth = np.full(len(middle), np.inf)
    cores = (tile.core_y, tile.core_x)
    for axis, core in enumerate(cores):
        n_seen, n_plane = plan.seen_yx[axis], plan.plane_yx[axis]
        span = plane_span(core, n_seen, n_plane)
        if span.start > 0:
            depth = np.minimum(depth, middle[:, axis] - (span.start - 0.5))
        if span.stop < n_plane:
            # A middle right on the border belongs to the tile behind it.
            after = np.nextafter(span.stop - 0.5, -np.inf) - middle[:, axis]
            depth = np.minimum(depth, after)
    return depth


def _is_cut(
    boxes: NDArray[np.int64], place: Window, plane_yx: tuple[int, int]
) -> NDArray[np.bool_]:
    """Say which cells touch an edge of the window that is not one of the slide."""
    is_cut = np.zeros(len(boxes), bool)
    for axis, (span, size) in enumerate(zip(place, plane_yx, strict=True)):
        if span.start > 0:
            is_cut |= boxes[:, axis] <= span.start
        if span.stop < size:
            is_cut |= boxes[:, axis + 2] >= span.stop
    return is_cut
