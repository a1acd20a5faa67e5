"""What a new run changed: cells that are new, gone or changed, and taking them back.

Cells of both sides that lie on each other belong to one change, so that a choice is
whole: one cell that became two is one change, not one gone and two new.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from skimage.measure import find_contours

from napari_cellseg.core.editing.cell_index import CellIndex, IndexedLabels, labels_of
from napari_cellseg.core.editing.edits import Edit, Source, edit_on_labels
from napari_cellseg.core.editing.numbering import check_free_ids
from napari_cellseg.core.errors import EditError, LabelsError
from napari_cellseg.core.labels.boxes import (
    Box,
    cell_boxes,
    shifted,
    start_of,
    union_of,
)
from napari_cellseg.core.labels.overlaps import areas, dense, shared_pixels
from napari_cellseg.core.types import Labels

ChangeKind: TypeAlias = Literal["new", "gone", "changed"]
#: Two outlines of this intersection over union are one cell that did not change: a disc of
#: 20 px whose edge moved by one pixel has 0.81.
SAME_IOU = 0.8
#: Cells that share this much of the smaller one belong to one change.
LINKED_SHARE = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Cells before a run and what became of them.

    Attributes
    ----------
    old_ids, new_ids : tuple of int
        Numbers before and after; one number on both sides need not be one cell.
    box : Box
        Around all of them, in the labels.
    """

    old_ids: tuple[int, ...]
    new_ids: tuple[int, ...]
    box: Box

    @property
    def kind(self) -> ChangeKind:
        """Whether there was nothing before, is nothing now, or something else is."""
        if not self.old_ids:
            return "new"
        return "changed" if self.new_ids else "gone"


@dataclass(frozen=True, slots=True, eq=False)
class ChangeView:
    """How a change is looked at.

    Attributes
    ----------
    centre : tuple of float
        In pixels of the labels, on the plane where the cells are largest.
    size_px : float
        Height or width of the box, the larger one.
    outlines : tuple of (n, ndim) float arrays
        Of the old cells on that plane, closed.
    """

    centre: tuple[float, ...]
    size_px: float
    outlines: tuple[NDArray[np.float64], ...]


@dataclass(frozen=True, slots=True, eq=False)
class KeptOld:
    """An edit that takes changes back.

    Attributes
    ----------
    edit : Edit
        By hand.
    ids : mapping of int to int
        The number that each old cell has now.
    """

    edit: Edit
    ids: dict[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Former:
    """The labels before a run, of the part that holds every cell that it changed.

    Attributes
    ----------
    labels : int32 array
        Of the part.
    start : tuple of int
        Where the part begins in the labels; () if it is all of them.
    """

    labels: Labels
    start: tuple[int, ...] = ()

    @property
    def box(self) -> Box:
        """Where the part lies in the labels."""
        corner = self.start or (0,) * self.labels.ndim
        spans = zip(corner, self.labels.shape, strict=True)
        return tuple(slice(low, low + n) for low, n in spans)

    def __getitem__(self, box: Box) -> Labels:
        """Return what was in a box of the labels that lies in the part."""
        return self.labels[shifted(box, start_of(self.box))]


def find_changes(
    before: Labels, after: Labels, start: tuple[int, ...] = ()
) -> list[Change]:
    """Return the changes between labels of one shape, by their place.

    Cells whose outlines agree by `SAME_IOU` have not changed.

    Parameters
    ----------
    before, after : int32 array
        Labels, or the same part of them.
    start : tuple of int
        Where the part begins; () if there is no other.

    Raises
    ------
    LabelsError
        If the shapes differ.
    """
    if before.shape != after.shape:
        raise LabelsError(
            f"Labels of shape {before.shape} and {after.shape} cannot be compared."
        )
    (old_ids, old), (new_ids, new) = dense(before), dense(after)
    old_area, new_area = areas(old, len(old_ids)), areas(new, len(new_ids))
    pairs = shared_pixels(old, new).tocoo()
    a, b, n = pairs.row, pairs.col, pairs.data
    is_same = _is_same(pairs, old_area, new_area)
    old_left, new_left = old_area > 0, new_area > 0
    old_left[a[is_same]] = new_left[b[is_same]] = False
    is_linked = n >= LINKED_SHARE * np.minimum(old_area[a], new_area[b])
    is_linked &= old_left[a] & new_left[b]
    groups = [
        (old_ids[olds].tolist(), new_ids[news].tolist())
        for olds, news in _groups(a[is_linked], b[is_linked], old_left, new_left)
    ]
    found = _with_boxes(before, after, groups)
    if not any(start):
        return found
    back = tuple(-low for low in start)
    return [replace(one, box=shifted(one.box, back)) for one in found]


def same_cells(before: Labels, after: Labels) -> dict[int, int]:
    """Return by the cells of `after` the one of `before` whose outline hardly differs.

    Outlines that agree by `SAME_IOU`; of two labels of one shape.
    """
    (old_ids, old), (new_ids, new) = dense(before), dense(after)
    pairs = shared_pixels(old, new).tocoo()
    is_same = _is_same(pairs, areas(old, len(old_ids)), areas(new, len(new_ids)))
    found = new_ids[pairs.col[is_same]].tolist()
    return dict(zip(found, old_ids[pairs.row[is_same]].tolist(), strict=True))


def _is_same(
    pairs: coo_matrix, old_area: NDArray[np.int64], new_area: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Say of each pair of cells whether their outlines agree by `SAME_IOU`."""
    n = pairs.data
    union = old_area[pairs.row] + new_area[pairs.col] - n
    is_same: NDArray[np.bool_] = n >= SAME_IOU * union
    return is_same


def _groups(
    old: NDArray[np.int32],
    new: NDArray[np.int32],
    old_left: NDArray[np.bool_],
    new_left: NDArray[np.bool_],
) -> Iterator[tuple[list[int], list[int]]]:
    """Yield old and new ids of each change."""
    n_old, n_new = len(old_left), len(new_left)
    size = n_old + n_new
    links = coo_matrix((np.ones(len(old), bool), (old, new + n_old)), (size, size))
    _, group = connected_components(links, directed=False)
    members: dict[int, tuple[list[int], list[int]]] = {}
    for cell in np.flatnonzero(old_left).tolist():
        members.setdefault(int(group[cell]), ([], []))[0].append(cell)
    for cell in np.flatnonzero(new_left).tolist():
        members.setdefault(int(group[cell + n_old]), ([], []))[1].append(cell)
    yield from members.values()


def _with_boxes(
    before: Labels, after: Labels, groups: Iterable[tuple[list[int], list[int]]]
) -> list[Change]:
    """Return the changes with their boxes, from the first row of the labels on."""
    found = list(groups)
    old_boxes = cell_boxes(before, (cell for old, _ in found for cell in old))
    new_boxes = cell_boxes(after, (cell for _, new in found for cell in new))
    changes = []
    for old, new in found:
        boxes = [old_boxes[cell][0] for cell in old] + [
            new_boxes[cell][0] for cell in new
        ]
        changes.append(Change(tuple(old), tuple(new), union_of(boxes)))
    return sorted(changes, key=_start)


def _start(change: Change) -> tuple[int, ...]:
    return start_of(change.box)


def view_of(change: Change, before: Former, labels: Labels) -> ChangeView:
    """Return where to look at a change of labels, and the outlines of the old cells.

    Parameters
    ----------
    change : Change
        From `find_changes`.
    before : Former
        Before the run.
    labels : int32 array
        All of them, now.
    """
    start, part = start_of(change.box), change.box
    former = before[part]
    old = np.isin(former, change.old_ids)
    both = old | np.isin(labels[part], change.new_ids)
    n_pixels = both.sum(axis=(-2, -1))
    plane = np.unravel_index(int(np.argmax(n_pixels)), n_pixels.shape)
    lead = [float(low + at) for low, at in zip(start, plane, strict=False)]
    size = both.shape[-2:]
    centre = [low + (n - 1) / 2 for low, n in zip(start[-2:], size, strict=True)]
    outlines = []
    for cell in change.old_ids:
        mask = np.pad(former[plane] == cell, 1)
        for path in find_contours(mask, 0.5):
            points = path - 1 + np.array(start[-2:], float)
            outlines.append(np.insert(points, [0] * len(lead), lead, axis=1))
    return ChangeView((*lead, *centre), float(max(size)), tuple(outlines))


def counts_of(changes: Iterable[Change]) -> dict[ChangeKind, int]:
    """Return how many changes there are of each kind."""
    counts: dict[ChangeKind, int] = {"new": 0, "gone": 0, "changed": 0}
    for change in changes:
        counts[change.kind] += 1
    return counts


def keep_old(
    indexed: IndexedLabels,
    before: Former,
    changes: Sequence[Change],
    sources: Mapping[int, Source],
    old_sources: Mapping[int, Source],
) -> KeptOld:
    """Return the edit that brings old cells back in the place of new ones.

    Old cells get the pixels that no other cell has by now, and their old number where
    that is free.

    Parameters
    ----------
    indexed : int32 array or CellIndex
        As they are now; not changed.
    before : Former
        As they were before the run.
    changes : sequence of Change
        What is taken back.
    sources, old_sources : mapping of int to Source
        Of all cells now, and before the run.

    Raises
    ------
    EditError
        If nothing is to be taken back, or other cells lie there now.
    """
    if not changes:
        raise EditError("There is nothing left to take back.")
    box = union_of(change.box for change in changes)
    after = labels_of(indexed)[box].copy()
    new_ids = [cell for change in changes for cell in change.new_ids]
    after[np.isin(after, new_ids)] = 0
    ids = _numbers(changes, sources.keys() - set(new_ids), indexed)
    old = before[box]
    for cell, number in ids.items():
        part = (old == cell) & (after == 0)
        if not part.any():
            raise EditError(
                f"Other cells lie where cell {cell} was. Delete them first, or leave it."
            )
        after[part] = number
    name = "keep old cell" if len(changes) == 1 else f"keep old cells ({len(changes)})"
    edit = edit_on_labels(indexed, after, start_of(box), name, sources)
    kept = {number: old_sources.get(cell, "model") for cell, number in ids.items()}
    known = {cell: source for cell, source in sources.items() if cell in kept}
    return KeptOld(
        replace(
            edit,
            sources_before={**edit.sources_before, **known},
            sources_after={**edit.sources_after, **kept},
        ),
        ids,
    )


def _numbers(
    changes: Sequence[Change], taken: set[int], indexed: IndexedLabels
) -> dict[int, int]:
    """Return the number that each old cell gets: its own where that is free."""
    wanted = [cell for change in changes for cell in change.old_ids]
    highest = max([last_number(indexed), *taken, *wanted])
    check_free_ids(highest + 1, len(wanted))
    used = set(taken)
    ids = {}
    for cell in wanted:
        if cell in used:
            highest += 1
        ids[cell] = highest if cell in used else cell
        used.add(ids[cell])
    return ids


def last_number(indexed: IndexedLabels) -> int:
    """Return the highest number that any cell had so far, as far as that is known."""
    if isinstance(indexed, CellIndex):
        return indexed.last_id
    return int(indexed.max(initial=0))
