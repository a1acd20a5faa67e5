"""Where every cell lies, kept up to date edit by edit.

A tool that looks for its cells in all labels takes longer the larger the image is; one that
asks the index takes as long as its cells are large.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.errors import EditError
from napari_cellseg.core.labels.boxes import (
    Box,
    cell_boxes,
    changed_box,
    changed_counts,
    plane_box,
    shifted,
    start_of,
    union_of,
)
from napari_cellseg.core.labels.on_disk import is_on_disk
from napari_cellseg.core.labels.rows import FAR, CellRows, find_rows
from napari_cellseg.core.types import LABELS_DTYPE, Labels

if TYPE_CHECKING:
    from napari_cellseg.core.editing.edits import Edit

#: An edit of a larger box, such as a run over all, is not followed: all is looked through.
MAX_FOLLOWED_PX = 2**24
#: So many cells take as long to follow as all are looked through.
MAX_FOLLOWED_CELLS = 5_000
ONE_PIXEL = np.zeros(1, LABELS_DTYPE)


class CellIndex:
    """The box and the number of pixels of every cell of some labels.

    Whoever writes an edit into the labels calls `follow` with it right after.

    Parameters
    ----------
    labels : int32 array
        2-D to 4-D; looked through once, unless
    rows : CellRows, optional
        says already where every cell lies.

    Attributes
    ----------
    labels : int32 array
        The array itself, not a copy.
    n_edits : int
        Edits that were followed: as long as it stays, so do the labels.
    """

    def __init__(self, labels: Labels, rows: CellRows | None = None) -> None:
        self.labels = labels
        self.n_edits = 0
        self._last_id = 0
        self._take_rows(find_rows(labels) if rows is None else rows)
        # Compiled code is read from the disk at its first use: not at the first stroke.
        changed_counts(ONE_PIXEL, ONE_PIXEL)
        changed_box(ONE_PIXEL, ONE_PIXEL)

    def _take_rows(self, rows: CellRows) -> None:
        self._ids, self._counts = rows.ids, rows.counts
        self._lows, self._highs = rows.lows, rows.highs
        self._is_loose = np.zeros(len(rows.ids), bool)
        self._rows = {cell: row for row, cell in enumerate(rows.ids.tolist())}
        self._free: list[int] = []
        self.reserve(int(rows.ids.max(initial=0)))

    def __contains__(self, cell: int) -> bool:
        """Say whether a cell is there."""
        return cell in self._rows

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self._rows)

    @property
    def highest(self) -> int:
        """The highest id, 0 if there is no cell."""
        return int(self._ids.max(initial=0))

    @property
    def last_id(self) -> int:
        """The highest id that any cell had so far, 0 for none.

        A cell that is gone may come back by undo, with all that is known of it: its id is
        never given to another.
        """
        return self._last_id

    def reserve(self, last_id: int) -> None:
        """Note that ids up to this one were given, as in an earlier session."""
        self._last_id = max(self._last_id, last_id)

    @property
    def ids(self) -> list[int]:
        """All ids, in no order."""
        return list(self._rows)

    def n_pixels(self, cell: int) -> int:
        """Return the number of pixels of a cell, 0 if it is not there."""
        row = self._rows.get(cell)
        return 0 if row is None else int(self._counts[row])

    def pixels_of(self, ids: Iterable[int]) -> dict[int, int]:
        """Return the number of pixels of cells; those that are not there are left out."""
        known = [cell for cell in ids if cell in self._rows]
        rows = [self._rows[cell] for cell in known]
        counts = self._counts[np.array(rows, np.int64)].tolist()
        return dict(zip(known, counts, strict=True))

    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the ids, rising, and the number of pixels of each."""
        is_there = self._ids > 0
        ids, counts = self._ids[is_there], self._counts[is_there]
        order = np.argsort(ids)
        return ids[order], counts[order]

    def boxes(self, ids: Iterable[int]) -> dict[int, tuple[Box, int]]:
        """Return box and number of pixels of cells, as `cell_boxes` does."""
        found = {}
        for cell in sorted({int(one) for one in ids}):
            row = self._rows.get(cell)
            if row is None:
                continue
            if self._is_loose[row]:
                self._tighten(cell, row)
            found[cell] = (self._box(row), int(self._counts[row]))
        return found

    def box_around(self, ids: Iterable[int]) -> tuple[list[int], Box]:
        """Return which of `ids` are there, and a box that holds all of them.

        It is larger than the smallest one where a cell has lost pixels.
        """
        found = {int(cell): self._rows.get(int(cell)) for cell in ids}
        rows = [row for row in found.values() if row is not None]
        if not rows:
            return [], (slice(0, 0),) * self.labels.ndim
        lows = self._lows[rows].min(axis=0).tolist()
        highs = self._highs[rows].max(axis=0).tolist()
        there = [cell for cell, row in found.items() if row is not None]
        return there, tuple(slice(a, b) for a, b in zip(lows, highs, strict=True))

    def rows(self) -> CellRows:
        """Return all cells in rising order."""
        for row in np.flatnonzero(self._is_loose & (self._ids > 0)).tolist():
            self._tighten(int(self._ids[row]), row)
        order = np.argsort(self._ids)
        order = order[self._ids[order] > 0]
        return CellRows(
            self._ids[order], self._counts[order], self._lows[order], self._highs[order]
        )

    def touching(self, box: Box) -> list[int]:
        """Return the cells whose boxes reach into a box, in rising order."""
        low = np.array([part.start for part in box])
        high = np.array([part.stop for part in box])
        reach = (self._lows < high).all(axis=1) & (self._highs > low).all(axis=1)
        return sorted(self._ids[reach & (self._ids > 0)].tolist())

    def follow(self, edit: Edit, rows: CellRows | None = None) -> None:
        """Take over what an edit, just written into the labels, has changed.

        `rows` says where every cell lies now, if that is known.
        """
        self.n_edits += 1
        if rows is not None:
            self._take_rows(rows)
            return
        is_here = not is_on_disk(self.labels)
        if is_here and edit.before.size > MAX_FOLLOWED_PX:
            self._take_rows(find_rows(self.labels))
            return
        lost, gained = changed_counts(edit.before, edit.after)
        if is_here and len(gained) > MAX_FOLLOWED_CELLS:
            self._take_rows(find_rows(self.labels))
            return
        self._take(lost)
        if not gained:
            return
        where = edit.before != edit.after
        boxes = cell_boxes(np.where(where, edit.after, 0), gained)
        back = tuple(-low for low in edit.start)
        for cell, (box, count) in boxes.items():
            self._give(cell, count, shifted(box, back))

    def _take(self, lost: Mapping[int, int]) -> None:
        """Take pixels away from cells."""
        known = [cell for cell in lost if cell in self._rows]
        rows = np.array([self._rows[cell] for cell in known], np.int64)
        self._counts[rows] -= np.array([lost[cell] for cell in known], np.int64)
        self._is_loose[rows] = True
        is_gone = self._counts[rows] <= 0
        gone = rows[is_gone]
        for cell in self._ids[gone].tolist():
            del self._rows[cell]
        self._free.extend(gone.tolist())
        self._ids[gone] = self._counts[gone] = 0
        self._lows[gone], self._highs[gone] = FAR, -1

    def _give(self, cell: int, count: int, box: Box) -> None:
        """Give pixels to a cell, that may be new."""
        row = self._rows.get(cell)
        if row is None:
            row = self._free.pop() if self._free else self._grown()
            self._rows[cell] = row
            self._ids[row], self._counts[row] = cell, 0
            self._lows[row], self._highs[row] = FAR, -1
            self._is_loose[row] = False
            self.reserve(cell)
        self._counts[row] += count
        low = [part.start for part in box]
        high = [part.stop for part in box]
        self._lows[row] = np.minimum(self._lows[row], low)
        self._highs[row] = np.maximum(self._highs[row], high)

    def _grown(self) -> int:
        """Make room for more cells; return a row that is free."""
        n_old = len(self._ids)
        n_more = max(64, n_old // 4)
        axes = self.labels.ndim
        self._ids = np.concatenate([self._ids, np.zeros(n_more, np.int64)])
        self._counts = np.concatenate([self._counts, np.zeros(n_more, np.int64)])
        self._lows = np.concatenate([self._lows, np.full((n_more, axes), FAR)])
        self._highs = np.concatenate([self._highs, np.full((n_more, axes), -1)])
        self._is_loose = np.concatenate([self._is_loose, np.zeros(n_more, bool)])
        self._free.extend(range(n_old + n_more - 1, n_old, -1))
        return n_old

    def _tighten(self, cell: int, row: int) -> None:
        """Find the box of a cell that has lost pixels."""
        box = self._box(row)
        found = cell_boxes(self.labels[box], [cell])
        if cell in found:
            tight = shifted(found[cell][0], tuple(-low for low in start_of(box)))
            self._lows[row] = [part.start for part in tight]
            self._highs[row] = [part.stop for part in tight]
        self._is_loose[row] = False

    def _box(self, row: int) -> Box:
        corners = zip(self._lows[row].tolist(), self._highs[row].tolist(), strict=True)
        return tuple(slice(low, high) for low, high in corners)


#: What the corrections take: labels, or an index of them that saves looking for cells.
IndexedLabels: TypeAlias = Labels | CellIndex


def labels_of(indexed: IndexedLabels) -> Labels:
    """Return the array."""
    return indexed.labels if isinstance(indexed, CellIndex) else indexed


def boxes_on(
    indexed: IndexedLabels, ids: Iterable[int], plane: tuple[int, ...] | None
) -> dict[int, tuple[Box, int]]:
    """Return boxes (as seen from the labels) and pixel counts, on one plane or all.

    Raises
    ------
    EditError
        If none of the cells is there, or no such plane.
    """
    labels = labels_of(indexed)
    wanted = sorted({int(cell) for cell in ids if cell > 0})
    part = plane_box(labels, plane)
    if isinstance(indexed, CellIndex):
        found = _boxes_in(indexed, wanted, part, whole=not plane)
    else:
        back = tuple(-low for low in start_of(part))
        found = {
            cell: (shifted(box, back), count)
            for cell, (box, count) in cell_boxes(labels[part], wanted).items()
        }
    _check_found(found, wanted)
    return found


def _check_found(found: Collection[int], wanted: Sequence[int]) -> None:
    """Raise `EditError` where none of the cells that were asked for is there."""
    if not found:
        named = ", ".join(str(cell) for cell in wanted[:5]) or "none"
        raise EditError(
            f"The cells asked for ({named}) are not here. Pick a cell first."
        )


def box_around(
    indexed: IndexedLabels, ids: Iterable[int], plane: tuple[int, ...] | None
) -> tuple[list[int], Box]:
    """Return which cells are there, on one plane or all, and a box that holds them.

    Raises
    ------
    EditError
        If none of the cells is there, or no such plane.
    """
    wanted = sorted({int(cell) for cell in ids if cell > 0})
    if isinstance(indexed, CellIndex) and not plane:
        found, box = indexed.box_around(wanted)
        _check_found(found, wanted)
        return found, box
    boxes = boxes_on(indexed, wanted, plane)
    return list(boxes), union_of(box for box, _ in boxes.values())


def pixels_on(
    indexed: IndexedLabels, ids: Iterable[int], plane: tuple[int, ...] | None
) -> dict[int, int]:
    """Return the pixels of each cell on one plane or all; raises as `boxes_on`."""
    wanted = sorted({int(cell) for cell in ids if cell > 0})
    if isinstance(indexed, CellIndex) and not plane:
        found = indexed.pixels_of(wanted)
        _check_found(found, wanted)
        return found
    boxes = boxes_on(indexed, wanted, plane)
    return {cell: n_pixels for cell, (_, n_pixels) in boxes.items()}


def _boxes_in(
    index: CellIndex, wanted: Sequence[int], part: Box, *, whole: bool
) -> dict[int, tuple[Box, int]]:
    """Return what of the cells lies in a part of the labels."""
    everywhere = index.boxes(wanted)
    if whole:
        return everywhere
    found = {}
    for cell, (box, n_pixels) in everywhere.items():
        common = overlap(box, part)
        if common == box:
            found[cell] = (box, n_pixels)
            continue
        if common is None:
            continue
        here = cell_boxes(index.labels[common], [cell])
        if cell in here:
            tight, count = here[cell]
            back = tuple(-low for low in start_of(common))
            found[cell] = (shifted(tight, back), count)
    return found


def overlap(one: Box, other: Box) -> Box | None:
    """Return what two boxes have in common, or None."""
    common = tuple(
        slice(max(a.start, b.start), min(a.stop, b.stop))
        for a, b in zip(one, other, strict=True)
    )
    return None if any(part.start >= part.stop for part in common) else common
