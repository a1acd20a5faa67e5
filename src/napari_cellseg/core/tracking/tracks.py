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

from napari_cellseg.core.editing.edits import Edit
from napari_cellseg.core.editing.numbering import check_free_ids, moved_numbers
from napari_cellseg.core.types import LABELS_DTYPE, Labels

Parents: TypeAlias = dict[int, int]
#: The column of a table that names the mother of a cell.
PARENT = "parent_id"
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


def known_links(
    detections: Detections, cells: Iterable[int], parents: Mapping[int, int]
) -> NDArray[np.int64]:
    """Return the links, (m, 2) places in the detections, that ids and parents make.

    Parameters
    ----------
    detections : Detections
        Of all frames.
    cells : iterable of int
        Only links of these, and to daughters among these.
    parents : mapping of int to int
        The mother of each daughter.
    """
    chosen = set(cells)
    ends: dict[int, tuple[int, int]] = {}
    links = []
    # Frames rise, so each cell is met in the order of its frames.
    for place, cell in enumerate(detections.cells.tolist()):
        first, last = ends.get(cell, (place, place))
        if cell in chosen and last != place:
            links.append((last, place))
        ends[cell] = (first, place)
    for child, mother in parents.items():
        if child in chosen and child in ends and mother in ends:
            early, late = ends[mother][1], ends[child][0]
            if detections.frames[early] < detections.frames[late]:
                links.append((early, late))
    return np.array(sorted(links), np.int64).reshape(-1, 2)


def lineage_of(
    detections: Detections,
    links: NDArray[np.int64],
    known: NDArray[np.int64] | None = None,
) -> Lineage:
    """Return tracks and parents from links between detections.

    A track keeps the id of its first detection where no other track has it. A detection
    that two follow has divided; where they are too large to be its daughters, the one
    more like it goes on as the same cell.

    Parameters
    ----------
    detections : Detections
        Of all frames.
    links : (m, 2) int
        Earlier and later detection; at most one into each.
    known : (k, 2) int or None
        Those that are certain: two out of one detection are a division of any size.
    """
    certain = [] if known is None else known[:, 0].tolist()
    following: dict[int, list[int]] = {}
    for early, late in links.tolist():
        following.setdefault(early, []).append(late)
    before: dict[int, int] = {}
    mothers: dict[int, int] = {}
    for early, late in following.items():
        is_known = certain.count(early) > 1
        if is_known or _is_division(detections, early, late):
            mothers.update(dict.fromkeys(late, early))
        else:
            before[_likest(detections, early, late)] = early
    tracks = _track_ids(detections, before)
    parents = {
        int(tracks[child]): int(tracks[mother]) for child, mother in mothers.items()
    }
    return Lineage(tracks, parents)


def _is_division(detections: Detections, mother: int, late: list[int]) -> bool:
    """Say whether two cells are of the size of daughters."""
    shares = detections.sizes[late] / detections.sizes[mother]
    is_small = shares.max() <= LARGEST_DAUGHTER and shares.sum() <= LARGEST_DAUGHTERS
    return len(late) == 2 and bool(is_small)


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


def parents_after(edit: Edit, parents: Mapping[int, int]) -> Parents:
    """Return the parents after an edit that gives numbers to other cells.

    Cells that are numbered anew keep their mothers. Of a cell that a model or a file puts
    in the place of another, or takes away, no mother or daughter is known. A person's own
    corrections change no parents here.
    """
    if not parents:
        return {}  # which cells a run changes takes long to find
    if moved := moved_numbers(edit):
        former = set(moved.values()) - moved.keys()
        return {
            moved.get(c, c): moved.get(m, m)
            for c, m in parents.items()
            if c not in former and m not in former
        }
    if edit.author != "model":
        return dict(parents)
    other = {*edit.sources_before, *edit.sources_after, *edit.changed_ids}
    return {c: m for c, m in parents.items() if c not in other and m not in other}


def with_lineage(cells: pd.DataFrame, parents: Mapping[int, int]) -> pd.DataFrame:
    """Return rows with ``track_id`` and ``parent_id`` after the label.

    The track is the label, which is the same on all frames; a cell without a known
    mother has None for a parent. Without a ``frame`` a copy is returned.
    """
    if "frame" not in cells:
        return cells.copy()
    known = sound_parents(parents, spans(cells))
    result = cells.copy()
    result.insert(1, "track_id", cells["label"])
    mothers = [known.get(cell) for cell in cells["label"].tolist()]
    result.insert(2, PARENT, pd.Series(mothers, cells.index, dtype=object))
    return result
