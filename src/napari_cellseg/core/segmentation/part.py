"""A window of a plane that is looked at elsewhere, as if the whole plane were there.

A plane that is too large to be sent at once is sent in parts. Intensities and zoom are
settled for the whole plane, and every part says where it lies: what the network says of
the parts is then, bit for bit, what it says of the plane in one piece.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.errors import ImageError
from napari_cellseg.core.jobs import Job
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.intensity import scale_to_bounds
from napari_cellseg.core.segmentation.resize import (
    resized_reader,
    seen_size,
    source_window,
)
from napari_cellseg.core.segmentation.tiling import Tile
from napari_cellseg.core.segmentation.zoom import ZOOM_LIMITS, Window
from napari_cellseg.core.segmenter import Segmenter

#: Longest edge of a plane whose parts are looked at, and of one window, in pixels.
MAX_PLANE_PX = 2**18
MAX_WINDOW_PX = 4096


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a part lies, and how it is shown.

    Attributes
    ----------
    plane_yx, origin_yx : (y, x)
        Size of the plane, and where the part begins in it, in pixels.
    bounds : (low, high)
        Values that become 0 and 1.
    zoom : float
        Pixels that the network sees a pixel of the plane.
    tile : Tile
        What is seen and what is kept, in the pixels that the network sees.
    """

    plane_yx: tuple[int, int]
    origin_yx: tuple[int, int]
    bounds: tuple[float, float]
    zoom: float
    tile: Tile


@dataclass(frozen=True, slots=True, eq=False)
class PlanePart:
    """The pixels of a part and its frame.

    Attributes
    ----------
    pixels : (1 or 3, y, x) array
        As in the image.
    frame : Frame
        Where they lie.
    """

    pixels: NDArray[Any]
    frame: Frame

    def __post_init__(self) -> None:
        frame, tile = self.frame, self.frame.tile
        plane_fits = all(0 < edge <= MAX_PLANE_PX for edge in frame.plane_yx)
        if not plane_fits or not ZOOM_LIMITS[0] <= frame.zoom <= ZOOM_LIMITS[1]:
            raise ImageError(
                f"A part of a plane of {frame.plane_yx} pixels at zoom {frame.zoom} was "
                f"given; planes have at most {MAX_PLANE_PX} pixels an edge, and zooms go "
                f"from {ZOOM_LIMITS[0]} to {ZOOM_LIMITS[1]}."
            )
        seen_yx = seen_size(frame.plane_yx, frame.zoom)
        spans = (
            (tile.window_y, tile.core_y, seen_yx[0]),
            (tile.window_x, tile.core_x, seen_yx[1]),
        )
        for window, core, size in spans:
            is_inside = 0 <= window[0] <= core[0] < core[1] <= window[1] <= size
            if not is_inside or window[1] - window[0] > MAX_WINDOW_PX:
                raise ImageError(
                    f"A part answers for {core} within {window}, of {size} pixels that "
                    f"are seen; at most {MAX_WINDOW_PX} lie in one part."
                )
        needed = source_window(frame.plane_yx, frame.zoom, tile.window)
        here = self.pixels.shape[1:]
        starts = (span.start for span in needed)
        sizes = tuple(span.stop - span.start for span in needed)
        if tuple(starts) != frame.origin_yx or sizes != here:
            raise ImageError(
                f"A part holds {here} pixels from {frame.origin_yx} on; {needed} are "
                "needed."
            )

    def seen(self) -> NDArray[np.float32]:
        """Return the (3, y, x) pixels of the tile's window as the network sees them."""
        frame = self.frame
        top, left = frame.origin_yx

        def read(window: Window) -> NDArray[np.float32]:
            rows, columns = window
            place = (
                slice(None),
                slice(rows.start - top, rows.stop - top),
                slice(columns.start - left, columns.stop - left),
            )
            return scale_to_bounds(self.pixels[place], frame.bounds)

        read_seen, _ = resized_reader(read, frame.plane_yx, frame.zoom)
        return read_seen(frame.tile.window)


def cut_part(
    plane: NDArray[Any], bounds: tuple[float, float], zoom: float, tile: Tile
) -> PlanePart:
    """Return the part of a (1 or 3, y, x) plane that a tile needs."""
    plane_yx = int(plane.shape[1]), int(plane.shape[2])
    window = source_window(plane_yx, zoom, tile.window)
    origin_yx = int(window[0].start), int(window[1].start)
    frame = Frame(plane_yx, origin_yx, bounds, zoom, tile)
    return PlanePart(plane[(slice(None), *window)], frame)


class PartSegmenter(Segmenter, Protocol):
    """A segmenter that can be asked for less than a whole image."""

    def find_zoom(
        self, plane: NDArray[Any], bounds: tuple[float, float], options: SegmentOptions
    ) -> Job[tuple[float, float | None]]:
        """Return zoom and diameter, in pixels, from the middle of a plane.

        Parameters
        ----------
        plane : (1 or 3, y, x) array
            At least the `core.segmentation.zoom.middle_window` of it.
        bounds : (low, high)
            Values that become 0 and 1.
        options : SegmentOptions
            A diameter or the preset "fast" need no look.
        """
        ...

    def maps_of_part(
        self, part: PlanePart, options: SegmentOptions
    ) -> Job[NDArray[np.uint8]]:
        """Return the (5, y, x) maps of a part's core; see `core.segmentation.decode.MAP_NAMES`."""
        ...
