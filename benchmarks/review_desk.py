"""The person of the simulations: sets cells right from the truth, as one would in the dock.

What is segmented anew keeps cells that were set right and keeps deleted cells away, and what
is learned from is what the program itself would take: locked cells with their rings, and
checked areas. Nothing is known of cells that the model missed, unless an area is checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.editing.checked import CheckedArea
from napari_cellseg.core.editing.rerun import Footprint, merge_run
from napari_cellseg.core.measuring.measure import measure_cells
from napari_cellseg.core.review.doubt_signs import Signs, disagreements, touching_shares
from napari_cellseg.core.review.queue import doubts
from napari_cellseg.core.training.item import TrainingItem, items_of
from napari_cellseg.core.types import CellImage, SegmentationResult
from napari_cellseg.io.datasets.dataset import Sample
from napari_cellseg.io.datasets.samples import read_sample, split_pieces

QUEUE, RANDOM = "queue", "random"
#: A cell of the model that overlaps the true one so much (IoU) is accepted as it is.
GOOD_IOU = 0.75
#: A cell stands for the true cells that lie in it by so much of theirs, and for the one it
#: lies in by so much of its own; one that stands for none is deleted.
IN_IT, IN_ONE = 0.5, 0.25


@dataclass
class Desk:
    """An image that the person works on.

    Attributes
    ----------
    name, group : str
        Of the image, and of images of the same field.
    image : CellImage
        Its pixels.
    truth, labels : (y, x) int32
        Its true cells; what the model gave and the person changed.
    confidence : dict of int to float
        Of the cells of the model.
    signs : Signs
        What was seen of them, as in the dock.
    locked : set of int
        Cells of `labels` that were accepted or corrected.
    painted : dict of int to int
        True cells that were set right, and their ids in `labels`.
    """

    name: str
    group: str
    image: CellImage
    truth: NDArray[np.int32]
    labels: NDArray[np.int32] = field(init=False)
    confidence: dict[int, float] = field(default_factory=dict)
    signs: Signs = field(default_factory=Signs)
    locked: set[int] = field(default_factory=set)
    painted: dict[int, int] = field(default_factory=dict)
    deleted: list[Footprint] = field(default_factory=list)
    areas: list[CheckedArea] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.labels = np.zeros(self.truth.shape, np.int32)

    def take(self, result: SegmentationResult) -> None:
        """Take what a model found; what was set right stays."""
        merged = merge_run(
            self.labels,
            result,
            keep=self.locked,
            deleted=self.deleted,
        )
        self.labels = merged.labels
        self.confidence = {int(c): float(v) for c, v in merged.confidence.items()}
        maps, options = result.maps, result.options
        self.signs = Signs(
            touching_shares(self.labels),
            disagreements(self.labels, maps, options) if maps else {},
        )

    def left(self) -> list[int]:
        """Return the cells that nobody has looked at, in rising order."""
        return [
            c for c in np.unique(self.labels).tolist() if c and c not in self.locked
        ]

    def doubts(self) -> dict[int, float]:
        """Return the doubt of each cell, the most doubtful first, as the review has it."""
        rows = measure_cells(None, self.labels, confidence=self.confidence).cells
        found = doubts(rows, self.confidence, self.signs)
        return {int(cell): float(doubt) for cell, doubt in found.items()}

    def set_right(self, cell: int) -> bool:
        """Look at a cell and set it right; return whether anything was wrong."""
        mask = self.labels == cell
        wanted = self._stands_for(mask)
        if len(wanted) == 1 and _iou(mask, self.truth == wanted[0]) >= GOOD_IOU:
            self.locked.add(cell)
            self.painted[wanted[0]] = cell
            return False
        self.labels[mask] = 0
        if not wanted:
            box = _box_of(mask)
            start = tuple(part.start for part in box)
            self.deleted.append(Footprint(start, mask[box]))
        for true_id in wanted:
            self.paint(true_id)
        return True

    def paint(self, true_id: int) -> None:
        """Draw a true cell; pieces of the model that lie mostly in it go."""
        rows, columns = np.nonzero(self.truth == true_id)
        here = self.labels[rows, columns]
        is_free = ~np.isin(here, list(self.locked))
        rows, columns, here = rows[is_free], columns[is_free], here[is_free]
        for other in np.unique(here[here > 0]).tolist():
            is_other = self.labels == other
            if 2 * int((here == other).sum()) >= int(is_other.sum()):
                self.labels[is_other] = 0
        new_id = int(max(self.labels.max(), max(self.locked, default=0))) + 1
        self.labels[rows, columns] = new_id
        self.locked.add(new_id)
        self.painted[true_id] = new_id

    def check_area(self, middle_yx: tuple[int, int], edge_px: int) -> tuple[int, int]:
        """Set right everything in an area; return cells looked at, and wrong ones."""
        low = [max(0, place - edge_px // 2) for place in middle_yx]
        high = [
            min(size, place + edge_px // 2)
            for place, size in zip(middle_yx, self.truth.shape, strict=True)
        ]
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        n_seen = n_wrong = 0
        for cell in np.unique(self.labels[box]).tolist():
            if cell and cell not in self.locked and (self.labels == cell).any():
                n_seen, n_wrong = n_seen + 1, n_wrong + self.set_right(cell)
        missed = set(np.unique(self.truth[box]).tolist()) - set(self.painted) - {0}
        for true_id in missed:
            self.paint(true_id)
        (top, left), (bottom, right) = low, high
        corners = [(top, left), (top, right), (bottom, right), (bottom, left)]
        self.areas.append(CheckedArea((), np.array(corners, float) - 0.5))
        return n_seen + len(missed), n_wrong + len(missed)

    def items(self) -> list[TrainingItem]:
        """Return what can be learned from it; empty before anything was set right."""
        return items_of(self.image, self.labels, self.areas, self.locked)

    def _stands_for(self, mask: NDArray[np.bool_]) -> list[int]:
        """Return the true cells, not set right before, that a cell stands for."""
        sizes = np.bincount(self.truth.ravel())
        overlaps = np.bincount(self.truth[mask], minlength=len(sizes))
        overlaps[[0, *self.painted]] = 0
        found = overlaps >= IN_IT * np.maximum(sizes, 1)
        found |= (overlaps == overlaps.max()) & (overlaps >= IN_ONE * mask.sum())
        return np.flatnonzero(found & (overlaps > 0)).tolist()


def desk_of(sample: Sample) -> Desk:
    """Return an image nobody has worked on."""
    plane, labels = read_sample(sample)
    image = CellImage(plane, is_rgb=len(plane) == 3, name=sample.name)
    return Desk(sample.name, sample.group or sample.name, image, split_pieces(labels))


def by_name(samples: Sequence[Sample], seed: int = 0) -> list[Sample]:
    """Return samples in an order that names and the seed alone decide."""

    def place(sample: Sample) -> bytes:
        return hashlib.sha256(f"{seed}/{sample.name}".encode()).digest()

    return sorted(samples, key=place)


def order_of(desk: Desk, order: str, rng: np.random.Generator) -> list[int]:
    """Return the cells that nobody has looked at, in the order of the queue or at random."""
    left = desk.left()
    if order == RANDOM:
        return [left[place] for place in rng.permutation(len(left))]
    waits = set(left)
    return [cell for cell in desk.doubts() if cell in waits]


def looked_through(
    desk: Desk, order: Sequence[int]
) -> Iterator[tuple[int, bool, float]]:
    """Set cells right one after the other; yield looks so far, was it wrong, and AP50.

    A cell that went with another one costs no look.
    """
    n_looks, score = 0, ap50(desk)
    for cell in order:
        if cell in desk.locked or not (desk.labels == cell).any():
            continue
        was_wrong = desk.set_right(cell)
        n_looks += 1
        score = ap50(desk) if was_wrong else score
        yield n_looks, was_wrong, score


def ap50(desk: Desk) -> float:
    """Return AP at IoU 0.5 of the labels as they are.

    Pairs above 0.5 are never of two cells, so counting them is enough, and quick.
    """
    n_true, n_labels = int(desk.truth.max()) + 1, int(desk.labels.max()) + 1
    pairs = desk.truth.ravel().astype(np.int64) * n_labels + desk.labels.ravel()
    overlaps = np.bincount(pairs, minlength=n_true * n_labels).reshape(n_true, n_labels)
    true_areas, areas = overlaps.sum(1), overlaps.sum(0)
    both = overlaps[1:, 1:]
    unions = true_areas[1:, None] + areas[None, 1:] - both
    n_matched = int((2 * both > unions).sum())
    n_all = np.count_nonzero(true_areas[1:]) + np.count_nonzero(areas[1:]) - n_matched
    return n_matched / n_all if n_all else 1.0


def _iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / max(int((one | other).sum()), 1))


def _box_of(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return where the True pixels lie."""
    places = np.nonzero(mask)
    return tuple(slice(int(at.min()), int(at.max()) + 1) for at in places)
