"""From the network's maps to labels.

Two decoders on the same maps. `watershed`: where the distance map is high and no border
is seen a cell begins, and it grows downhill over the foreground. `flow`: every foreground
pixel walks along the flow, and the pixels that end in one place are one cell (Stringer et
al. 2021, doi:10.1038/s41592-020-01018-x); ours walks by pointer jumping.
"""

from __future__ import annotations

import time
from dataclasses import replace

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from napari_cellseg.core.errors import SegmentationError
from napari_cellseg.core.labels.arrays import areas, renumbered
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.flooding import (
    flood,
    follow_flow,
    high_passes,
    hole_owners,
    peak_heights,
    sums_in_cells,
)
from napari_cellseg.core.segmentation.join_planes import PlanesInOne
from napari_cellseg.core.types import Labels, PlaneMaps, SegmentationResult

MAP_NAMES = ("foreground", "distance", "border", "flow_y", "flow_x")
#: These constants and the thresholds of the shipped model were chosen on validation images
#: (`io.datasets.base_sets`), not on the benchmark.
#: How much of a seen border is taken off the distance before seeds are looked for.
BORDER_SHARE = 0.2
#: Seeds below this many pixels are noise on the distance map.
MIN_SEED_PX = 2
#: A piece of foreground without a seed is a cell if it rises this high (0..255).
MIN_PEAK = 80
#: Neighbours are one cell if the pass between them is this share of the lower peak.
JOIN_SHARE = 0.7
#: From what the maps say of a cell to the chance that it is right (IoU 0.5 with a true
#: one): a logistic curve (Platt 1999), fitted on the validation images.
CONFIDENCE_SLOPE = 2.26
CONFIDENCE_OFFSET = -1.45
#: What the maps say is taken to lie this far from 0 and 1.
CONFIDENCE_EDGE = 0.01
#: Length of one step along the flow, in pixels, and how often the walk is doubled.
FLOW_STEP_PX = 2.0
FLOW_DOUBLINGS = 7
#: Ends of walks within this many pixels belong to one cell.
SINK_REACH_PX = 2


def labels_from_maps(
    plane_maps: PlaneMaps, options: SegmentOptions
) -> tuple[Labels, NDArray[np.float32]]:
    """Return the labels of one plane, (y, x) int32 with ids 1..n, and n confidences.

    Parameters
    ----------
    plane_maps : PlaneMaps
        What the network says.
    options : SegmentOptions
        Thresholds and decoder must be settled, see `model_spec.settled_options`.
    """
    maps = _at_decoding_size(plane_maps)
    foreground = maps[0] >= _level(options.foreground_threshold)
    if options.decoder == "flow":
        labels = _decode_flow(maps, foreground)
    else:
        labels = _decode_watershed(maps, foreground, _level(options.seed_threshold))
    if options.fill_holes:
        labels = fill_enclosed(labels)
    confidence = _confidence(labels, maps)
    if labels.shape != plane_maps.shape_yx:
        labels = _nearest(labels, plane_maps.shape_yx)
    return keep_good(labels, confidence, options)


def decode_result(
    result: SegmentationResult, options: SegmentOptions
) -> SegmentationResult:
    """Return the result that other thresholds give on the maps that were kept.

    Neither network nor torch is needed. Options that are None are taken from `result`.

    Raises
    ------
    SegmentationError
        If the maps were not kept.
    """
    if not result.maps:
        raise SegmentationError(
            "The network's maps of this result were not kept; segment again with "
            "'keep maps' on to move the thresholds."
        )
    started = time.perf_counter()
    settled = replace(
        options,
        foreground_threshold=_or(
            options.foreground_threshold, result.options.foreground_threshold
        ),
        seed_threshold=_or(options.seed_threshold, result.options.seed_threshold),
        min_confidence=_or(options.min_confidence, result.options.min_confidence),
        diameter_px=_or(options.diameter_px, result.options.diameter_px),
        decoder=result.options.decoder
        if options.decoder == "auto"
        else options.decoder,
    )
    found = PlanesInOne(result.labels.shape)
    for maps in result.maps:
        found.add(*labels_from_maps(maps, settled))
    labels, confidence = found.joined(result.axes, settled)
    seconds = time.perf_counter() - started
    return replace(
        result, labels=labels, confidence=confidence, options=settled, seconds=seconds
    )


def _or(value: float | None, other: float | None) -> float | None:
    """Return `value`, or `other` where it is None."""
    return other if value is None else value


def _level(threshold: float | None) -> int:
    """Return a threshold of 0..1 on the 0..255 of the maps."""
    if threshold is None:
        raise SegmentationError(
            "The thresholds are not settled; take them from the model first."
        )
    return max(1, round(255 * threshold))


def _at_decoding_size(plane_maps: PlaneMaps) -> NDArray[np.uint8]:
    """Return the maps at the plane's size, or larger where the network saw it enlarged.

    Enlarged maps stay as they are: small cells that touch are told apart only there.
    """
    maps = plane_maps.maps
    if (
        maps.shape[1] >= plane_maps.shape_yx[0]
        and maps.shape[2] >= plane_maps.shape_yx[1]
    ):
        return maps
    size = (len(maps), *plane_maps.shape_yx)
    factors = [to / here for to, here in zip(size, maps.shape, strict=True)]
    return np.asarray(
        ndimage.zoom(maps, factors, order=1, grid_mode=True, mode="nearest")
    )


def _nearest(labels: Labels, shape_yx: tuple[int, int]) -> Labels:
    """Return labels at another size, each pixel from the nearest one."""
    rows, columns = (
        np.minimum(((np.arange(to) + 0.5) * size / to).astype(np.intp), size - 1)
        for to, size in zip(shape_yx, labels.shape, strict=True)
    )
    return np.ascontiguousarray(labels[np.ix_(rows, columns)])


def _decode_watershed(
    maps: NDArray[np.uint8], foreground: NDArray[np.bool_], seed_level: int
) -> Labels:
    """Return labels grown from the middles of the distance map."""
    border = (np.arange(256) * BORDER_SHARE).astype(np.uint8)[maps[2]]
    height = np.maximum(maps[1], border) - border
    labels = _components((height >= seed_level) & foreground)
    is_noise = areas(labels, int(labels.max(initial=0)) + 1) < MIN_SEED_PX
    if is_noise[1:].any():
        ids = np.arange(len(is_noise), dtype=np.int32)
        labels = renumbered(labels, np.where(is_noise, 0, ids))
    labels = _add_unseeded(labels, foreground, height)
    return _merge_weakly_split(flood(labels, height, foreground), height)


def _add_unseeded(
    labels: Labels, foreground: NDArray[np.bool_], height: NDArray[np.uint8]
) -> Labels:
    """Make every piece of foreground without a seed, but with some height, a seed."""
    pieces = _components(foreground)
    is_new = peak_heights(pieces, height) >= MIN_PEAK
    is_new &= peak_heights(pieces, (labels > 0).view(np.uint8)) == 0
    is_new[0] = False
    if not is_new.any():
        return labels
    ids = np.zeros(len(is_new), dtype=np.int32)
    ids[is_new] = np.arange(1, int(is_new.sum()) + 1) + labels.max(initial=0)
    return np.where(labels > 0, labels, renumbered(pieces, ids))


def _merge_weakly_split(labels: Labels, height: NDArray[np.uint8]) -> Labels:
    """Join neighbours whose pass is nearly as high as the lower of their peaks.

    A long cell has several peaks with high passes between them; between two cells the
    distance map falls to zero.
    """
    peaks = peak_heights(labels, height)
    low, high = high_passes(labels, height, peaks, JOIN_SHARE).T
    if not len(low):
        return labels
    links = coo_matrix((np.ones(len(low), bool), (low, high)), (len(peaks),) * 2)
    _, groups = connected_components(links, directed=False)
    return renumbered(labels, (groups - groups[0]).astype(np.int32))


def _components(mask: NDArray[np.bool_]) -> Labels:
    """Return the 4-connected pieces of a mask as int32 labels."""
    pieces = cc3d.connected_components(mask, connectivity=4, out_dtype=np.uint32)
    return np.asarray(pieces).view(np.int32)


def _decode_flow(maps: NDArray[np.uint8], foreground: NDArray[np.bool_]) -> Labels:
    """Return labels of the pixels whose walks along the flow end in one place."""
    flow = (maps[3:5].astype(np.float32) - 127.5) * (FLOW_STEP_PX / 127.5)
    ends = follow_flow(flow[0], flow[1], foreground, FLOW_DOUBLINGS)
    is_walker = ends >= 0
    n_ending = np.bincount(ends[is_walker], minlength=ends.size).reshape(
        foreground.shape
    )
    reach = np.ones((2 * SINK_REACH_PX + 1,) * 2, dtype=bool)
    sinks = _components(ndimage.binary_dilation(n_ending > 0, reach))
    labels = np.zeros(ends.size, dtype=np.int32)
    labels[is_walker] = sinks.ravel()[ends[is_walker]]
    return labels.reshape(foreground.shape)


def fill_enclosed(labels: Labels) -> Labels:
    """Return (y, x) labels in which background enclosed by one cell belongs to it."""
    gaps = _components(labels == 0)
    owners = hole_owners(gaps, labels)
    if not owners.any():
        return labels
    return np.where(gaps > 0, renumbered(gaps, owners), labels)


def _confidence(labels: Labels, maps: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return for ids 1..max the chance, 0 to 1, that it is a cell of this shape."""
    n_pixels, total = sums_in_cells(labels, maps[0])
    mean_foreground = total[1:] / np.maximum(n_pixels[1:], 1) / 255
    said = mean_foreground * np.sqrt(peak_heights(labels, maps[1])[1:] / 255)
    said = np.clip(said, CONFIDENCE_EDGE, 1 - CONFIDENCE_EDGE)
    odds = CONFIDENCE_SLOPE * np.log(said / (1 - said)) + CONFIDENCE_OFFSET
    return np.asarray(1 / (1 + np.exp(-odds)), dtype=np.float32)


def keep_good(
    labels: Labels, confidence: NDArray[np.float32], options: SegmentOptions
) -> tuple[Labels, NDArray[np.float32]]:
    """Drop small and doubtful cells and number the rest from 1.

    Parameters
    ----------
    labels : (y, x) int32
        Ids 1..n; some may have no pixels.
    confidence : (n,) float32
        Of id i at place i - 1.
    options : SegmentOptions
        Least area and confidence.
    """
    n_pixels = areas(labels, len(confidence) + 1)[1:]
    is_kept = (n_pixels >= max(1, options.min_area_px)) & (
        confidence >= (options.min_confidence or 0.0)
    )
    new_ids = np.zeros(len(confidence) + 1, dtype=np.int32)
    new_ids[1:][is_kept] = np.arange(1, int(is_kept.sum()) + 1, dtype=np.int32)
    return renumbered(labels, new_ids), confidence[is_kept]
