"""What all tiles of a slide share, settled once before the first."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.errors import ImageError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.model_spec import settled_options
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.intensity import choose_channels, intensity_bounds
from napari_cellseg.core.segmentation.part import PartSegmenter
from napari_cellseg.core.segmentation.resize import seen_size
from napari_cellseg.core.segmentation.tiling import Tile, plan_tiles
from napari_cellseg.core.segmentation.window_labels import plane_span
from napari_cellseg.core.segmentation.zoom import LOOK_PX, Window, zoom_for
from napari_cellseg.core.types import CellImage
from napari_cellseg.io.atomic import replacing
from napari_cellseg.io.plain_files import known_json

#: What a tile answers for and what is read around it, in pixels that the network sees:
#: a cell reaches at most 96 px beyond its middle, and the window is 2048 px.
CORE_PX = 1856
HALO_PX = 96
#: Seen smaller than this, a window of that size would be too large a part of the slide.
FAR_ZOOM = 0.5
FAR_CORE_PX = 832
#: Intensities are taken from windows of this edge, so many along each side of the slide.
SAMPLE_PX = 256
SAMPLES_A_SIDE = 8
#: Windows whose values spread by less than this share of the widest are empty ground.
EMPTY_SHARE = 0.3
#: In colour, nuclei smaller than the model is best at are shown larger, up to this. On
#: CMU-1 (0.5 µm a pixel) fibres taken for nuclei fell from 7 to 2 of 100, and a few more
#: nuclei were found; on labelled H&E images F1 stayed within 0.01.
LARGEST_IN_COLOUR = 1.5
#: The size of cells is looked for in so many windows, those with most in them.
N_LOOKS = 3


@dataclass(frozen=True, slots=True)
class SlidePlan:
    """How each tile of a slide is segmented.

    Attributes
    ----------
    plane_yx : (y, x)
        Size of the slide at the level that is read, in pixels.
    channels : tuple of int
        What the network is shown: one, or the three of a colour image.
    bounds : (low, high)
        Values that become 0 and 1, the same for all tiles.
    zoom : float
        Pixels that the network sees a pixel of the slide.
    options : SegmentOptions
        Settled, the diameter that was found or given among them.
    """

    plane_yx: tuple[int, int]
    channels: tuple[int, ...]
    bounds: tuple[float, float]
    zoom: float
    options: SegmentOptions

    @property
    def seen_yx(self) -> tuple[int, int]:
        """Size of the slide as the network sees it."""
        return seen_size(self.plane_yx, self.zoom)

    @property
    def tiles(self) -> list[Tile]:
        """The tiles, row by row, in pixels that the network sees."""
        core_px = CORE_PX if self.zoom >= FAR_ZOOM else FAR_CORE_PX
        whole_px = core_px + 2 * HALO_PX
        return plan_tiles(self.seen_yx, core_px, HALO_PX, whole_px)

    @property
    def cores(self) -> list[Window]:
        """What each tile answers for, in pixels of the slide."""
        (seen_y, seen_x), (n_y, n_x) = self.seen_yx, self.plane_yx
        return [
            (
                plane_span(tile.core_y, seen_y, n_y),
                plane_span(tile.core_x, seen_x, n_x),
            )
            for tile in self.tiles
        ]

    def write(self, path: Path, request: dict[str, Any]) -> None:
        """Write the plan, with what was asked for."""
        values = {"request": request, "plan": asdict(self)}
        with replacing(path) as new:
            new.write_text(json.dumps(values, indent=1), encoding="utf-8")


def read_plan(path: Path) -> tuple[SlidePlan, dict[str, Any]] | None:
    """Return a plan and what was asked for then; None if there is none, or a damaged one."""
    try:
        values = known_json(path)
        plan = values["plan"]
        read = SlidePlan(
            tuple(plan["plane_yx"]),
            tuple(plan["channels"]),
            tuple(plan["bounds"]),
            float(plan["zoom"]),
            SegmentOptions(**plan["options"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
    return read, values.get("request", {})


def make_plan(
    image: CellImage, segmenter: PartSegmenter, options: SegmentOptions
) -> Job[SlidePlan]:
    """Return the plan for a slide, from some windows spread over it.

    Values are scaled by those windows that show something: on a slide most of the area is
    empty glass, which would decide what is dark.

    Parameters
    ----------
    image : CellImage
        One plane; may be lazy.
    segmenter : PartSegmenter
        Asked for the size of the cells, unless it is given.
    options : SegmentOptions
        As the person set them.

    Raises
    ------
    ImageError
        If the image has several planes, or no channel is chosen.
    """
    if image.axes != "CYX":
        raise ImageError(
            f"'{image.name}' has the axes {image.axes} ({image.shape}); a slide has one "
            "plane. Segment stacks and time series with `cellseg segment`."
        )
    channels = choose_channels(image, options.channel)
    settled = settled_options(options, segmenter.spec)
    yield Progress(0, 0, "looking at the slide")
    windows = _fullest(image, channels)
    pixels = [_read(image, channels, window).reshape(-1) for window in windows]
    low, high = segmenter.spec.low_percentile, segmenter.spec.high_percentile
    bounds = intensity_bounds(np.concatenate(pixels), low, high)
    zoom, diameter_px = 1.0, settled.diameter_px
    if diameter_px is not None:
        zoom = zoom_for(diameter_px, segmenter.spec.diameter_px)
    elif settled.looks_for_size:
        looks = [_around(window, image) for window in windows[:N_LOOKS]]
        found: list[tuple[float, float | None]] = []
        for window in looks:
            yield Progress(len(found), len(looks), "looking for the size of the cells")
            plane = _read(image, channels, window)
            found.append((yield from segmenter.find_zoom(plane, bounds, settled)))
        zoom, diameter_px = _middle(found)
    if len(channels) > 1 and diameter_px is not None:
        best = segmenter.spec.diameter_px / diameter_px
        zoom = max(zoom, min(best, LARGEST_IN_COLOUR))
    plane_yx = int(image.shape[1]), int(image.shape[2])
    options = replace(settled, diameter_px=diameter_px)
    return SlidePlan(plane_yx, channels, bounds, zoom, options)


def _fullest(image: CellImage, channels: tuple[int, ...]) -> list[Window]:
    """Return windows that show something, those in which values differ most first.

    A slide of the size of one tile is looked at as a whole, as `cellseg segment` does.
    """
    plane_yx = image.shape[1:]
    if max(plane_yx) <= CORE_PX:
        return [(slice(0, plane_yx[0]), slice(0, plane_yx[1]))]
    windows = list(itertools.product(_spread(plane_yx[0]), _spread(plane_yx[1])))
    spreads = []
    for window in windows:
        low, high = np.percentile(_read(image, channels, window), (1, 99))
        spreads.append(float(high - low))
    order = np.argsort(spreads)[::-1]
    least = EMPTY_SHARE * max(spreads)
    return [windows[place] for place in order if spreads[place] >= least]


def _spread(size: int) -> list[slice]:
    """Return spans of `SAMPLE_PX` spread evenly over an axis."""
    starts = np.linspace(0, max(size - SAMPLE_PX, 0), SAMPLES_A_SIDE).astype(int)
    return [
        slice(start, min(start + SAMPLE_PX, size)) for start in set(starts.tolist())
    ]


def _around(window: Window, image: CellImage) -> Window:
    """Return the window of `LOOK_PX` around another one, inside the slide."""
    rows, columns = (
        slice(start, min(start + LOOK_PX, size))
        for span, size in zip(window, image.shape[1:], strict=True)
        for start in [
            max(0, min((span.start + span.stop - LOOK_PX) // 2, size - LOOK_PX))
        ]
    )
    return rows, columns


def _middle(
    found: list[tuple[float, float | None]],
) -> tuple[float, float | None]:
    """Return zoom and diameter of the look in the middle of those that saw cells."""
    known = sorted((size, zoom) for zoom, size in found if size is not None)
    if not known:
        return 1.0, None
    diameter_px, zoom = known[len(known) // 2]
    return zoom, diameter_px


def _read(image: CellImage, channels: tuple[int, ...], window: Window) -> NDArray[Any]:
    """Return the (1 or 3, y, x) pixels of a window."""
    span = slice(channels[0], channels[-1] + 1)
    return np.asarray(image.data[(span, *window)])
