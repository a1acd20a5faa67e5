"""The parts of a slide that a person asked for: which tiles they meet, which cells lie inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import points_in_poly

from napari_cellseg.core.errors import ImageError
from napari_cellseg.core.labels.rings import Polygon, Ring
from napari_cellseg.core.measuring.measure import UM2_PER_MM2
from napari_cellseg.core.segmentation.zoom import Window
from napari_cellseg.core.types import PixelSize
from napari_cellseg.io.exchange.geojson import Annotation
from napari_cellseg.slides.joining import JoinedSlide, Numbers


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """An annotation in pixels of the level that is read.

    Attributes
    ----------
    name, kind : str
        What it is called, and its class; may be "".
    polygons : list of polygons
        Rings of corners (y, x).
    """

    name: str
    kind: str
    polygons: list[Polygon]

    @property
    def rings(self) -> list[Ring]:
        """Return the rings of all polygons, holes among them."""
        return [ring for rings in self.polygons for ring in rings]

    @property
    def area_px(self) -> float:
        """Return its area without the holes."""
        return sum(
            abs(_signed_area(rings[0]))
            - sum(abs(_signed_area(each)) for each in rings[1:])
            for rings in self.polygons
        )

    def holds(self, middles: Numbers) -> NDArray[np.bool_]:
        """Say which of (n, 2) middles of pixels (y, x) lie inside."""
        inside = np.zeros(len(middles), bool)
        # A corner is one of pixels: the middle of pixel 0 is at 0.5.
        points = middles + 0.5
        for ring in self.rings:
            near = ((points >= ring.min(axis=0)) & (points <= ring.max(axis=0))).all(
                axis=1
            )
            inside[near] ^= points_in_poly(points[near], ring)
        return inside

    def meets(self, box: Window) -> bool:
        """Say whether it has a part in a box of pixels."""
        low, high = (
            np.array([span.start for span in box], float),
            np.array([span.stop for span in box], float),
        )
        return any(_crosses(ring, low, high) for ring in self.rings) or bool(
            self.holds(np.stack([low, high]).mean(axis=0)[None] - 0.5)[0]
        )


def regions_of(
    annotations: Sequence[Annotation], pixels_a_level_pixel: Sequence[float]
) -> list[Region]:
    """Return annotations in pixels of a level.

    Parameters
    ----------
    annotations : sequence of Annotation
        In pixels of the full resolution.
    pixels_a_level_pixel : (y, x)
        How many pixels of the full resolution one of the level is.
    """
    factor = np.asarray(pixels_a_level_pixel, float)
    return [
        Region(
            each.name,
            each.kind,
            [[ring / factor for ring in rings] for rings in each.polygons],
        )
        for each in annotations
    ]


def in_any(regions: Sequence[Region], middles: Numbers) -> NDArray[np.bool_]:
    """Say which of (n, 2) middles of pixels lie in one of the regions."""
    inside = np.zeros(len(middles), bool)
    for region in regions:
        inside |= region.holds(middles)
    return inside


def tiles_met(regions: Sequence[Region], cores: Sequence[Window]) -> list[int]:
    """Return the numbers of the tiles that may have cells inside.

    Raises
    ------
    ImageError
        If there is none.
    """
    met = [
        number
        for number, core in enumerate(cores)
        if any(region.meets(core) for region in regions)
    ]
    if not met:
        height, width = cores[-1][0].stop, cores[-1][1].stop
        raise ImageError(
            f"No annotation lies on the slide, which has {height} x {width} pixels. Choose "
            "the annotations of this slide."
        )
    return met


def counts(
    regions: Sequence[Region], joined: JoinedSlide, pixel_size: PixelSize | None
) -> list[dict[str, Any]]:
    """Return a row for each region: its name, class and area, and the cells in it.

    A cell that lies in several regions counts in each.
    """
    rows = []
    for number, region in enumerate(regions, start=1):
        inside = region.holds(joined.middles_yx)
        n_cells = int(inside.sum())
        mean_px = float(joined.areas_px[inside].mean()) if n_cells else None
        row = {
            "annotation": number,
            "name": region.name,
            "class": region.kind,
            "n_cells": n_cells,
            "area_px": region.area_px,
            "mean_cell_area_px": mean_px,
        }
        if pixel_size is not None:
            area_mm2 = region.area_px * pixel_size.area_um2 / UM2_PER_MM2
            row |= {
                "area_mm2": area_mm2,
                "density_per_mm2": n_cells / area_mm2 if area_mm2 else None,
                "mean_cell_area_um2": mean_px and mean_px * pixel_size.area_um2,
            }
        rows.append(row)
    return rows


def _signed_area(ring: Ring) -> float:
    """Return the area of a ring, negative if it runs the other way."""
    # From a corner of its own: far from the origin, products of places lose digits.
    y, x = (ring - ring[0]).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2


def _crosses(ring: Ring, low: Numbers, high: Numbers) -> bool:
    """Say whether a side of a ring has a point in the box from `low` to `high`."""
    start, end = ring, np.roll(ring, -1, axis=0)
    is_near = (np.minimum(start, end) <= high) & (np.maximum(start, end) >= low)
    start, way = start[is_near.all(axis=1)], (end - start)[is_near.all(axis=1)]
    corners = np.array([low, (low[0], high[1]), high, (high[0], low[1])])
    away = corners[:, None] - start
    # On which side of the line each corner of the box lies.
    sides = np.sign(away[..., 0] * way[:, 1] - away[..., 1] * way[:, 0])
    return bool((np.abs(sides.sum(axis=0)) < len(corners)).any())
