"""Places where a run may have missed a cell.

What the network saw is read once more with lower thresholds; cells of that reading that lie
on no cell of the run are offered. On validation images 26 to 70 % of such places held a cell
that the run had missed (`docs/measured/review.md`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from skimage.measure import find_contours

from napari_cellseg.core.labels.boxes import Box, cell_boxes
from napari_cellseg.core.labels.overlaps import areas, dense
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.decode import labels_from_maps
from napari_cellseg.core.types import Labels, PlaneMaps

#: The second reading takes foreground above it, or above this share of what was taken, and
#: seeds above it. Chosen on validation images among 0.2, 0.3 and 0.38.
FOREGROUND, FOREGROUND_SHARE, SEED = 0.3, 0.8, 0.25
#: A place may lie on cells by this share of it at most.
COVERED_SHARE = 0.1
#: It is at least this share of the usual cell; smaller ones are specks.
LEAST_SHARE = 0.15
#: More are not offered, the least likely are left out.
MAX_PLACES = 200


@dataclass(frozen=True, slots=True, eq=False)
class MissingPlace:
    """Where a cell may be missing.

    Attributes
    ----------
    plane : tuple of int
        Position on the axes before y and x.
    corner_yx : (y, x)
        Where the mask begins on the plane.
    mask : (y, x) bool
        The cell that would be added.
    score : float
        How sure the model is of it, 0 to 1.
    """

    plane: tuple[int, ...]
    corner_yx: tuple[int, int]
    mask: NDArray[np.bool_]
    score: float

    @property
    def box(self) -> Box:
        """Where it lies in the labels."""
        spans = zip(self.corner_yx, self.mask.shape, strict=True)
        lead = (slice(at, at + 1) for at in self.plane)
        return (*lead, *(slice(low, low + n) for low, n in spans))

    @property
    def centre(self) -> tuple[float, ...]:
        """The middle of its box, in pixels of the labels."""
        return tuple((part.start + part.stop - 1) / 2 for part in self.box)

    def moved(self, start: tuple[int, ...]) -> MissingPlace:
        """Return the place as seen from labels of which a part begins at `start`."""
        plane = tuple(at + low for at, low in zip(self.plane, start[:-2], strict=True))
        y, x = self.corner_yx
        return replace(self, plane=plane, corner_yx=(y + start[-2], x + start[-1]))

    def is_free(self, labels: Labels) -> bool:
        """Say whether its place is still as good as free."""
        n_taken = np.count_nonzero(labels[self.box].reshape(self.mask.shape)[self.mask])
        return bool(n_taken <= COVERED_SHARE * np.count_nonzero(self.mask))


def missing_places(
    taken: Labels, maps: tuple[PlaneMaps, ...], options: SegmentOptions
) -> list[MissingPlace]:
    """Return where cells may be missing, the likeliest first, `MAX_PLACES` at most.

    Parameters
    ----------
    taken : (..., y, x) int32
        The cells, and -1 where none may be added.
    maps : tuple of PlaneMaps
        One a plane.
    options : SegmentOptions
        Of the run, settled.
    """
    own = options.foreground_threshold or FOREGROUND
    seed = options.seed_threshold or SEED
    lower = replace(
        options,
        foreground_threshold=min(FOREGROUND, FOREGROUND_SHARE * own),
        seed_threshold=min(SEED, seed),
        min_confidence=0.0,
    )
    found: list[MissingPlace] = []
    for index, seen in zip(np.ndindex(taken.shape[:-2]), maps, strict=True):
        found += _on_plane(index, taken[index], seen, lower)
    found.sort(key=lambda place: -place.score)
    return found[:MAX_PLACES]


def _on_plane(
    plane: tuple[int, ...], taken: Labels, seen: PlaneMaps, lower: SegmentOptions
) -> Iterator[MissingPlace]:
    """Yield the places of one plane."""
    labels, scores = labels_from_maps(seen, lower)
    if not len(scores):
        return
    n_pixels = areas(labels, len(scores) + 1)
    n_covered = np.bincount(labels[taken != 0], minlength=len(scores) + 1)
    is_free = n_covered <= COVERED_SHARE * n_pixels
    is_free &= n_pixels >= LEAST_SHARE * _usual_area(np.maximum(taken, 0))
    is_free[0] = False
    for cell, (box, _) in cell_boxes(labels, np.flatnonzero(is_free).tolist()).items():
        corner = box[0].start, box[1].start
        score = float(scores[cell - 1])
        yield MissingPlace(tuple(plane), corner, labels[box] == cell, score)


def _usual_area(labels: Labels) -> float:
    """Return the median area of the cells of a plane, 0 where there is none."""
    ids, places = dense(labels)
    sizes = areas(places, len(ids))
    return float(np.median(sizes[sizes > 0])) if sizes.any() else 0.0


def outlines_of(place: MissingPlace) -> list[NDArray[np.float64]]:
    """Return the outlines of what would be added, (n, ndim) each, closed."""
    lead = [float(at) for at in place.plane]
    corner = np.array(place.corner_yx, float) - 1
    paths = find_contours(np.pad(place.mask, 1), 0.5)
    return [np.insert(path + corner, [0] * len(lead), lead, axis=1) for path in paths]
