"""One plane as the network sees it: at which zoom, and what it says there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.errors import SegmentationError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.decode import keep_good, labels_from_maps
from napari_cellseg.core.segmentation.intensity import intensity_bounds, scale_to_bounds
from napari_cellseg.core.segmentation.resize import ReadWindow, resized, resized_reader
from napari_cellseg.core.segmentation.zoom import (
    NEARER_ZOOM,
    Look,
    Window,
    finest_window,
    is_too_far,
    is_too_near,
    look_at,
    may_be_too_near,
    middle_window,
    zoom_for,
    zoom_for_width,
)
from napari_cellseg.core.types import Labels, PlaneMaps
from napari_cellseg.nn.inference.predict import Predictor

#: Looks from afar that tell whether cells are too large to be seen whole from near.
FARTHER_ZOOM = 0.5
FARTHEST_ZOOM = 0.25
BEYOND_ZOOM = 0.125
#: Cells above this many plane pixels fall to pieces at `FARTHER_ZOOM` as well: synthetic
#: nuclei of 250 px came out as 9 of 6, of 380 px not at all; from beyond, 6 of 6, 5 of 5.
HUGE_PX = 220.0
#: A look is decoded with these thresholds or lower ones. A model that was trained on has
#: higher ones where they tell its cells best; they would join cells that look alike from
#: afar, and the clumps would pass for large cells: electron microscopy, seeds at 0.8, made
#: cells of 84, 78, 154 and 97 px out of 70, 71, 85 and 84 px (true: 68, 71, 124 and 88).
LOOK_FOREGROUND = 0.5
LOOK_SEED = 0.6


class Looker:
    """Shows one plane to the network.

    Parameters
    ----------
    predictor : Predictor
        The network.
    spec : ModelSpec
        How intensities are scaled, and which size of cells is best.
    plane : (1 or 3, y, x) array
        The pixels.
    options : SegmentOptions
        Settled, see `settled_options`.
    bounds : (low, high), optional
        Values that become 0 and 1; taken from the plane if not given.
    """

    def __init__(
        self,
        predictor: Predictor,
        spec: ModelSpec,
        plane: NDArray[np.generic],
        options: SegmentOptions,
        bounds: tuple[float, float] | None = None,
    ) -> None:
        self._predictor = predictor
        self._spec = spec
        self._plane = plane
        self._options = options
        self._bounds = bounds or intensity_bounds(
            plane, spec.low_percentile, spec.high_percentile
        )
        self._seen: dict[float, PlaneMaps] = {}
        self._found: tuple[Labels, NDArray[np.float32]] | None = None

    @property
    def _shape_yx(self) -> tuple[int, int]:
        """Size of the plane."""
        return int(self._plane.shape[1]), int(self._plane.shape[2])

    def find_zoom(self) -> Job[tuple[float, float | None]]:
        """Return the zoom for this plane and the diameter, in plane pixels, behind it."""
        wanted = self._options.diameter_px
        if wanted is not None:
            return zoom_for(wanted, self._spec.diameter_px), wanted
        if self._options.preset == "fast":
            return 1.0, None
        yield Progress(0, 0, "looking for the size of the cells")
        window = middle_window(self._shape_yx)
        look = self._look(window, 1.0)
        if (nearer := self._look_nearer(window)) is not None:
            return zoom_for_width(nearer.width_px), nearer.diameter_px
        farthest = self._look(window, FARTHEST_ZOOM)
        # One more look is only needed where cells may be large.
        if may_be_too_near(look, farthest, self._spec.diameter_px):
            if farthest.diameter_px > HUGE_PX:
                farther, farthest = farthest, self._look(window, BEYOND_ZOOM)
            else:
                farther = self._look(window, FARTHER_ZOOM)
            look = farther if is_too_near(look, farther, farthest) else look
        return zoom_for(
            look.diameter_px, self._spec.diameter_px
        ), look.diameter_px or None

    def _look_nearer(self, window: Window) -> Look | None:
        """Look closely where thin cells may have run together; None if they have not."""
        part = finest_window(self._read(window))
        if part is None:
            return None
        inside = tuple(
            slice(outer.start + inner.start, outer.start + inner.stop)
            for outer, inner in zip(window, part, strict=True)
        )
        near = self._look((inside[0], inside[1]), 1.0, with_width=True)
        nearer = self._look((inside[0], inside[1]), NEARER_ZOOM, with_width=True)
        area_px = (part[0].stop - part[0].start) * (part[1].stop - part[1].start)
        return nearer if is_too_far(near, nearer, area_px) else None

    def _look(self, window: Window, zoom: float, *, with_width: bool = False) -> Look:
        """Segment a window at a zoom and measure what is found."""
        shape_yx = window[0].stop - window[0].start, window[1].stop - window[1].start
        pixels = resized(self._read(window), zoom)
        *_, (_, _, maps) = self._predictor.predict_tiles(
            reader_of(pixels), _size(pixels)
        )
        seen = PlaneMaps(maps, shape_yx)
        settled = _look_options(self._options)
        labels, confidence = labels_from_maps(PlaneMaps(maps, _size(pixels)), settled)
        if zoom == 1.0 and shape_yx == self._shape_yx:
            self._seen[zoom] = seen
            # Tiny planes are seen larger than they are.
            is_own = _size(pixels) == shape_yx and _thresholds(settled) == _thresholds(
                self._options
            )
            self._found = (labels, confidence) if is_own else None
        return look_at(labels, confidence, zoom, with_width=with_width)

    def labels_of(
        self, maps: PlaneMaps, options: SegmentOptions
    ) -> tuple[Labels, NDArray[np.float32]]:
        """Return the labels of what `maps_at` gave; a look that found them is used again.

        Parameters
        ----------
        maps : PlaneMaps
            From `maps_at`.
        options : SegmentOptions
            Those of this looker, the diameter settled.
        """
        if self._found is not None and maps is self._seen.get(1.0):
            return keep_good(*self._found, options)
        return labels_from_maps(maps, options)

    def maps_at(self, zoom: float) -> Job[PlaneMaps]:
        """Return what the network says of the whole plane, shown at `zoom`."""
        augmented = self._options.preset == "accurate"
        if zoom in self._seen and not augmented:
            yield Progress(1, 1, "tile 1 of 1")
            return self._seen[zoom]
        read: ReadWindow = self._read
        seen_yx = self._shape_yx
        if zoom != 1.0:
            read, seen_yx = resized_reader(self._read, self._shape_yx, zoom)
        maps: NDArray[np.uint8] | None = None
        steps = self._predictor.predict_tiles(read, seen_yx, augmented=augmented)
        for done, total, seen in steps:
            maps = seen
            yield Progress(done, total, f"tile {done} of {total}")
        if maps is None:
            raise SegmentationError("The plane was cut into no tiles.")
        return PlaneMaps(maps, self._shape_yx)

    def _read(self, window: Window) -> NDArray[np.float32]:
        """Return the (3, y, x) normalised pixels of a window."""
        return scale_to_bounds(self._plane[(slice(None), *window)], self._bounds)


def _look_options(options: SegmentOptions) -> SegmentOptions:
    """Return the options that a look is decoded with: all cells, and none joined."""
    foreground, seed = _thresholds(options)
    return replace(
        options,
        min_area_px=0,
        min_confidence=0.0,
        foreground_threshold=min(foreground, LOOK_FOREGROUND),
        seed_threshold=min(seed, LOOK_SEED),
    )


def _thresholds(options: SegmentOptions) -> tuple[float, float]:
    """Return the settled thresholds of foreground and seeds."""
    foreground, seed = options.foreground_threshold, options.seed_threshold
    return (
        LOOK_FOREGROUND if foreground is None else foreground,
        LOOK_SEED if seed is None else seed,
    )


def reader_of(pixels: NDArray[np.float32]) -> ReadWindow:
    """Return a function that reads windows of (3, y, x) pixels."""

    def read(window: Window) -> NDArray[np.float32]:
        return pixels[(slice(None), *window)]

    return read


def _size(pixels: NDArray[np.float32]) -> tuple[int, int]:
    """Return the (y, x) size of (3, y, x) pixels."""
    return int(pixels.shape[1]), int(pixels.shape[2])
