"""Labels of one window of a plane, placed as in a run on the whole plane.

What the network says of a window becomes cells there and then; nothing of the size of the
plane is ever held. Cells at the edge of the window are cut off: who asks for windows that
overlap takes each cell from the one that holds its middle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.decode import keep_good, labels_from_maps
from napari_cellseg.core.segmentation.tiling import Span
from napari_cellseg.core.segmentation.zoom import Window
from napari_cellseg.core.types import Labels, PlaneMaps


@dataclass(frozen=True, slots=True, eq=False)
class WindowLabels:
    """Cells of a window.

    Attributes
    ----------
    labels : (y, x) int32
        Ids 1..n.
    confidence : (n,) float32
        0 to 1.
    place : (rows, columns)
        Where the window lies, in pixels of the plane.
    """

    labels: Labels
    confidence: NDArray[np.float32]
    place: Window


def plane_span(span: Span, n_seen: int, n_plane: int) -> slice:
    """Return the pixels of the plane whose nearest seen pixel lies in a span.

    Spans that follow each other give parts of the plane that follow each other.

    Parameters
    ----------
    span : (start, stop)
        Seen pixels along one axis.
    n_seen, n_plane : int
        Seen pixels and pixels of the plane along it.
    """
    # The nearest of pixel i is floor((i + 1/2) * n_seen / n_plane).
    start, stop = (-((n_seen - 2 * edge * n_plane) // (2 * n_seen)) for edge in span)
    return slice(max(0, start), min(n_plane, stop))


def labels_of_window(
    maps: NDArray[np.uint8],
    window: tuple[Span, Span],
    shapes_yx: tuple[tuple[int, int], tuple[int, int]],
    options: SegmentOptions,
) -> WindowLabels:
    """Return the cells that the maps of a window show, in pixels of the plane.

    Parameters
    ----------
    maps : (5, y, x) uint8
        What the network says of the window, see `core.segmentation.decode.MAP_NAMES`.
    window : (rows, columns)
        Where it lies, in the pixels that the network sees.
    shapes_yx : (seen, plane)
        Size of the plane as it is seen, and as it is.
    options : SegmentOptions
        Settled.
    """
    spans = list(zip(window, *shapes_yx, strict=True))
    rows, columns = (plane_span(*each) for each in spans)
    if shapes_yx[0][0] < shapes_yx[1][0]:
        # Seen smaller, the maps are decoded at the size of the plane, as `decode` does.
        for axis, (each, place) in enumerate(zip(spans, (rows, columns), strict=True)):
            maps = _stretched(maps, axis + 1, each, place)
        labels, confidence = labels_from_maps(_as_they_are(maps), options)
        return WindowLabels(labels, confidence, (rows, columns))
    # Sizes count in pixels of the plane.
    everything = replace(options, min_area_px=0, min_confidence=0.0)
    labels, confidence = labels_from_maps(_as_they_are(maps), everything)
    nearest = (
        _nearest(each, place)
        for each, place in zip(spans, (rows, columns), strict=True)
    )
    labels, confidence = keep_good(labels[np.ix_(*nearest)], confidence, options)
    return WindowLabels(labels, confidence, (rows, columns))


def _as_they_are(maps: NDArray[np.uint8]) -> PlaneMaps:
    """Return maps that are decoded at their own size."""
    return PlaneMaps(maps, (int(maps.shape[1]), int(maps.shape[2])))


def _nearest(axis: tuple[Span, int, int], place: slice) -> NDArray[np.intp]:
    """Return for each pixel of the plane the seen one, counted from the window's edge."""
    span, n_seen, n_plane = axis
    pixels = np.arange(place.start, place.stop)
    return ((pixels + 0.5) * n_seen / n_plane).astype(np.intp) - span[0]


def _stretched(
    maps: NDArray[np.uint8], along: int, axis: tuple[Span, int, int], place: slice
) -> NDArray[np.uint8]:
    """Return maps enlarged along an axis, linearly between the middles of pixels."""
    span, n_seen, n_plane = axis
    pixels = np.arange(place.start, place.stop)
    at = (pixels + 0.5) * n_seen / n_plane - 0.5 - span[0]
    at = np.clip(at, 0, maps.shape[along] - 1).astype(np.float32)
    low = np.minimum(at.astype(np.intp), max(maps.shape[along] - 2, 0))
    high = np.minimum(low + 1, maps.shape[along] - 1)
    shape = [1, 1, 1]
    shape[along] = len(at)
    share = (at - low).reshape(shape)
    result = [
        np.rint(
            np.take(one, low, along) * (1 - share) + np.take(one, high, along) * share
        )
        for one in maps[:, None]
    ]
    return np.concatenate(result).astype(np.uint8)
