"""Links cells from frame to frame with laptrack.

laptrack (Fukai and Kawaguchi 2023, doi:10.1093/bioinformatics/btac799) solves the linear
assignment of Jaqaman et al. 2008 (doi:10.1038/nmeth.1237) with gaps and divisions. Taken
because it is BSD-3, pure python and maintained; btrack needs a compiled optimiser, trackpy
knows no divisions, trackastra needs weights and torch. It is imported when it is used.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.errors import TrackingError
from napari_cellseg.core.labels.arrays import relabel_sequential
from napari_cellseg.core.track_options import TrackOptions
from napari_cellseg.core.tracking.track_edits import joined_confidence
from napari_cellseg.core.tracking.tracks import (
    Detections,
    Parents,
    find_detections,
    lineage_of,
    relabelled,
    usual_step_px,
)
from napari_cellseg.core.types import CellImage, SegmentationResult

MISSING = (
    "Linking cells through time needs laptrack, which is not installed. Run "
    "'python -m pip install napari-cellseg[tracks]' and start again."
)


def link_cells(
    detections: Detections,
    options: TrackOptions,
    *,
    known: NDArray[np.int64] | None = None,
    z_to_y: float = 1.0,
) -> NDArray[np.int64]:
    """Return which detection follows which.

    Parameters
    ----------
    detections : Detections
        Of all frames, their frames rising.
    options : TrackOptions
        How far cells go, how long they may be missed, whether they divide.
    known : (m, 2) int or None
        Links that stay, as places in the detections.
    z_to_y : float
        Distance of planes over the height of a pixel, for stacks.

    Returns
    -------
    (k, 2) int64
        Earlier and later place; two links out of one place are a division.

    Raises
    ------
    TrackingError
        If laptrack is not installed.
    """
    try:
        import laptrack
    except ImportError as error:
        raise TrackingError(MISSING) from error
    first, n_frames = _frames_of(detections)
    if n_frames < 2:
        return np.zeros((0, 2), np.int64)
    step = options.max_step_px or usual_step_px(detections)
    places = _scaled(detections.places, z_to_y)
    # It describes its arguments at run time only.
    make: Any = laptrack.LapTrack
    reach = step**2
    # By itself it takes the costs of ending from the links that it finds, and leaves out
    # the longest of them; where there are two divisions, that is one of the two.
    costs = ("track_start", "track_end", "segment_start", "segment_end", "no_splitting")
    tracker = make(
        cutoff=reach,
        gap_closing_cutoff=reach if options.max_gap_frames else False,
        # It counts from one frame to the next, not what lies between.
        gap_closing_max_frame_count=options.max_gap_frames + 1,
        splitting_cutoff=reach if options.divisions else False,
        **{f"{cost}_cost": reach for cost in costs},
    )
    starts = np.searchsorted(detections.frames, np.arange(n_frames + 1) + first)
    by_frame = [places[a:b] for a, b in pairwise(starts)]
    frames = detections.frames - first
    nodes = list(zip(frames, np.arange(len(frames)) - starts[frames], strict=True))
    kept = [] if known is None else known.tolist()
    certain = {early for early, _ in kept}
    fixed = [(nodes[early], nodes[late]) for early, late in kept]
    graph = tracker.predict(by_frame, connected_edges=fixed or None)
    links = [
        [int(starts[frame] + place) for frame, place in sorted(edge)]
        for edge in graph.edges
    ]
    # What is certain of a cell is all of it: nothing else is looked for to follow it.
    links = [link for link in links if link[0] not in certain] + kept
    return np.array(sorted(links), np.int64).reshape(-1, 2)


def track_result(
    result: SegmentationResult, image: CellImage, options: TrackOptions
) -> tuple[SegmentationResult, Parents]:
    """Return a result with one id along each track, 1 to n, and the mother of each daughter.

    The confidence of a track is the mean of its cells. An image without time is returned
    as it is, with no parents.

    Raises
    ------
    TrackingError
        If laptrack is not installed.
    """
    if image.n_along("T") < 2:
        return result, {}
    detections = find_detections(result.labels)
    links = link_cells(detections, options, z_to_y=z_to_y_of(image))
    lineage = lineage_of(detections, links)
    labels, numbers = relabel_sequential(relabelled(result.labels, detections, lineage))
    known = dict(enumerate(result.confidence.tolist(), start=1))
    sure = joined_confidence(detections, lineage.tracks.tolist(), known)
    confidence = np.zeros(len(numbers), np.float32)
    for track, number in numbers.items():
        confidence[number - 1] = sure[track]
    parents = {numbers[c]: numbers[m] for c, m in lineage.parents.items()}
    return replace(result, labels=labels, confidence=confidence, maps=()), parents


def z_to_y_of(image: CellImage) -> float:
    """Return the distance of planes over the height of a pixel, 1 where not known."""
    size = image.pixel_size
    return size.z_um / size.y_um if size is not None and size.z_um else 1.0


def _frames_of(detections: Detections) -> tuple[int, int]:
    """Return the first frame with a cell, and how many there are up to the last."""
    frames = detections.frames
    return (int(frames[0]), int(frames[-1] - frames[0]) + 1) if len(frames) else (0, 0)


def _scaled(places: NDArray[np.float64], z_to_y: float) -> NDArray[np.float64]:
    """Return places in units of a pixel's height."""
    return places * [z_to_y, 1, 1] if places.shape[1] == 3 else places
