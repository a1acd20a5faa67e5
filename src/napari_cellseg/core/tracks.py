"""Cells through time: one id along a track, and which cell came of which.

Labels with a time axis first, (T, Y, X) or (T, Z, Y, X), hold the tracks themselves: the
same id on two frames is the same cell. What they cannot hold is kept beside them: the
`parents`, by the id of each daughter that of its mother.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.core.label_arrays import check_free_ids
from napari_cellseg.core.types import LABELS_DTYPE, Labels

Parents: TypeAlias = dict[int, int]
#: Two cells are daughters of a cell of the frame before if each is at most this times as
#: large, and both together at most that. Halves of a ball have 0.63 of its area each; a cell
#: that stays as it is while a neighbour appears has not divided. By reasoning, not measured.
LARGEST_DAUGHTER = 0.9
LARGEST_DAUGHTERS = 1.6


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Every cell on every frame.

    Attributes
    ----------
    frames : (n,) int64
        From 0, rising.
    cells : (n,) int32
        Its id on that frame.
    places : (n, 2) or (n, 3) float64
        Centre (z, y, x) or (y, x) in pixels.
    sizes : (n,) int64
        Pixels or voxels.
    """

    frames: NDArray[np.int64]
    cells: NDArray[np.int32]
    places: NDArray[np.float64]
    sizes: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Lineage:
    """The track of each detection, and who came of whom.

    Attributes
    ----------
    tracks : (n,) int32
        New id of each detection.
    parents : Parents
        In new ids.
    """

    tracks: NDArray[np.int32]
    parents: Parents


def find_detections(labels: Labels) -> Detections:
    """Return where each cell is on each frame of labels, (T, [Z,] Y, X)."""
    parts = []
    for frame, volume in enumerate(labels):
        where = np.nonzero(volume)
        ids, place, sizes = np.unique(
            volume[where], return_inverse=True, return_counts=True
        )
        centre = [np.bincount(place, axis, len(ids)) / sizes for axis in where]
        frames = np.full(len(ids), frame, np.int64)
        parts.append((frames, ids, np.stack(centre, axis=1), sizes))
    frames, ids, places, sizes = (
        np.concatenate(one) for one in zip(*parts, strict=True)
    )
    return Detections(frames, ids.astype(LABELS_DTYPE), places, sizes.astype(np.int64))


def usual_step_px(detections: Detections) -> float:
    """Return how far a cell may go from frame to frame: its own diameter, at least 1 px.

    Farther than that, its place alone does not tell it from its neighbours.
    """
    if not len(detections.sizes):
        return 1.0
    n_axes = detections.places.shape[1]
    size = float(np.median(detections.sizes))
    circle, ball = np.sqrt(4 * size / np.pi), np.cbrt(6 * size / np.pi)
    return max(1.0, float(circle if n_axes == 2 else ball))


def shared_ids(detections: Detections, cells: Iterable[int]) -> NDArray[np.int64]:
    """Return the links, (m, 2) places in the detections, that one id already makes.

    Parameters
    ----------
    detections : Detections
        Of all frames.
    cells : iterable of int
        Only of these.
    """
    kept = np.flatnonzero(
        np.isin(detections.cells, np.array(list(cells), LABELS_DTYPE))
    )
    order = kept[np.lexsort((detections.frames[kept], detections.cells[kept]))]
    same = detections.cells[order[:-1]] == detections.cells[order[1:]]
    return np.stack([order[:-1][same], order[1:][same]], axis=1).astype(np.int64)


def lineage_of(detections: Detections, links: NDArray[np.int64]) -> Lineage:
    """Return tracks and parents from links between detections.

    A track keeps the id of its first detection where no other track has it. A detection
    that two follow has divided; where they are too large to be its daughters, the one
    more like it goes on as the same cell.

    Parameters
    ----------
    detections : Detections
        Of all frames.
    links : (m, 2) int
        Earlier and later detection; at most one into each, at most two out of each.
    """
    following: dict[int, list[int]] = {}
    for early, late in links.tolist():
        following.setdefault(early, []).append(late)
    before: dict[int, int] = {}
    mothers: dict[int, int] = {}
    for early, late in following.items():
        daughters = _daughters(detections, early, late)
        if daughters:
            mothers.update(dict.fromkeys(daughters, early))
        else:
            before[_likest(detections, early, late)] = early
    tracks = _track_ids(detections, before)
    parents = {
        int(tracks[child]): int(tracks[mother]) for child, mother in mothers.items()
    }
    return Lineage(tracks, parents)


def _daughters(detections: Detections, mother: int, late: list[int]) -> list[int]:
    """Return the two cells of a division, or nothing."""
    shares = detections.sizes[late] / detections.sizes[mother]
    is_division = shares.max() <= LARGEST_DAUGHTER and shares.sum() <= LARGEST_DAUGHTERS
    return late if len(late) == 2 and is_division else []


def _likest(detections: Detections, early: int, late: list[int]) -> int:
    """Return the one of the later cells that is nearest in place and size."""
    moved = np.linalg.norm(detections.places[late] - detections.places[early], axis=1)
    grown = detections.sizes[late] ** 0.5 - detections.sizes[early] ** 0.5
    return late[int(np.argmin(np.hypot(moved, grown)))]


def _track_ids(detections: Detections, before: Mapping[int, int]) -> NDArray[np.int32]:
    """Return the id of each detection: that of its track's first one, or a free one."""
    tracks = np.zeros(len(detections.cells), LABELS_DTYPE)
    taken: set[int] = set()
    free = int(detections.cells.max(initial=0)) + 1
    check_free_ids(free, len(tracks))
    for place, cell in enumerate(detections.cells.tolist()):
        if place in before:
            tracks[place] = tracks[before[place]]
        elif cell not in taken:
            tracks[place] = cell
            taken.add(cell)
        else:
            tracks[place] = free
            free += 1
    return tracks


def relabelled(labels: Labels, detections: Detections, lineage: Lineage) -> Labels:
    """Return a copy of labels, (T, [Z,] Y, X), with the id of its track on each cell."""
    after = np.empty_like(labels)
    starts = np.searchsorted(detections.frames, np.arange(len(labels) + 1))
    for frame, (low, high) in enumerate(pairwise(starts)):
        # The cells of a frame rise, see `find_detections`.
        ids = np.append(0, detections.cells[low:high])
        new = np.append(0, lineage.tracks[low:high]).astype(LABELS_DTYPE)
        after[frame] = new[np.searchsorted(ids, labels[frame])]
    return after


def spans(cells: pd.DataFrame) -> dict[int, tuple[int, int]]:
    """Return the first and last frame of each cell of a table with ``frame``."""
    frames = cells.groupby("label")["frame"].agg(["min", "max"]).reset_index()
    return {
        int(cell): (int(first), int(last))
        for cell, first, last in frames.itertuples(index=False, name=None)
    }


def sound_parents(
    parents: Mapping[int, int], life: Mapping[int, tuple[int, int]]
) -> Parents:
    """Return the parents that are there and end before their daughter begins."""
    return {
        child: parent
        for child, parent in parents.items()
        if child in life and parent in life and life[parent][1] < life[child][0]
    }


def with_lineage(cells: pd.DataFrame, parents: Mapping[int, int]) -> pd.DataFrame:
    """Return rows with ``track_id`` and ``parent_id`` after the label.

    The track is the label, which is the same on all frames; a cell without a known
    mother has no parent (empty). Without a ``frame`` the rows are returned as they are.
    """
    if "frame" not in cells or "track_id" in cells:
        return cells
    known = sound_parents(parents, spans(cells))
    result = cells.copy()
    result.insert(1, "track_id", cells["label"])
    mothers = cells["label"].map(known).astype("Int64")
    result.insert(2, "parent_id", mothers)
    return result
