"""What speaks for a cell being wrong, beside its own confidence, size and shape.

Cells that lie on each other may be one cell, or be parted in the wrong place. Where the
network's maps are at hand, a second way to read them says which cells hang on the way they
were read. A run that saw a part only leaves cells cut off at its edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from napari_cellseg.core.compiled import compiled
from napari_cellseg.core.editing.cell_index import CellIndex
from napari_cellseg.core.editing.numbering import moved_keys
from napari_cellseg.core.labels.overlaps import areas, best_agreement, dense
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.review.missing_cells import MissingPlace
from napari_cellseg.core.segmentation.decode import labels_from_maps
from napari_cellseg.core.segmentation.tiling import plan_tiles
from napari_cellseg.core.types import Labels, PlaneMaps


@dataclass(frozen=True, slots=True, eq=False)
class Signs:
    """What was seen of cells; one that is missing from a mapping is not known.

    Attributes
    ----------
    touching : mapping of int to float
        Share of the cell's outline that lies on other cells, 0 to 1.
    disagreement : mapping of int to float
        1 less the IoU with the cell that the other decoder finds there, 0 to 1.
    cut_off : frozenset of int
        Cells that end where the region of a run ended.
    on_seam : frozenset of int
        Cells that lie across the line where two tiles of a run meet.
    other_model : mapping of int to float
        1 less the IoU with what another model had drawn there, 0 to 1.
    missing : tuple of MissingPlace or None
        Where a cell may be missing, the likeliest first; None where nobody looked.
    """

    touching: Mapping[int, float] = field(default_factory=dict)
    disagreement: Mapping[int, float] = field(default_factory=dict)
    cut_off: frozenset[int] = frozenset()
    on_seam: frozenset[int] = frozenset()
    missing: tuple[MissingPlace, ...] | None = None
    other_model: Mapping[int, float] = field(default_factory=dict)

    def updated(self, later: Signs) -> Signs:
        """Return these with what was seen later; ids are never given to other cells."""
        return Signs(
            {**self.touching, **later.touching},
            {**self.disagreement, **later.disagreement},
            self.cut_off | later.cut_off,
            self.on_seam | later.on_seam,
            self.missing if later.missing is None else later.missing,
            {**self.other_model, **later.other_model},
        )

    def moved(self, moved: Mapping[int, int]) -> Signs:
        """Return what was seen of the cells under their new ids."""
        return Signs(
            moved_keys(self.touching, moved),
            moved_keys(self.disagreement, moved),
            frozenset(moved_keys(dict.fromkeys(self.cut_off, 1), moved)),
            frozenset(moved_keys(dict.fromkeys(self.on_seam, 1), moved)),
            self.missing,
            moved_keys(self.other_model, moved),
        )


NO_SIGNS = Signs()


def touching_shares(labels: Labels) -> dict[int, float]:
    """Return the share of each cell's outline that lies on other cells, 0 to 1.

    Parameters
    ----------
    labels : (..., y, x) int32
        Outlines are those of planes, added up; what lies on the edge of the image is none.
    """
    ids, places = dense(labels)
    n_outline = np.zeros(len(ids), np.int64)
    n_touching = np.zeros(len(ids), np.int64)
    for index in np.ndindex(labels.shape[:-2]):
        _count_outline(np.ascontiguousarray(places[index]), n_outline, n_touching)
    share = n_touching / np.maximum(n_outline, 1)
    is_there = areas(places, len(ids)) > 0
    return dict(zip(ids[is_there].tolist(), share[is_there].tolist(), strict=True))


@compiled
def _count_outline(labels, n_outline, n_touching):  # type: ignore[no-untyped-def]
    """Add the pixels of a plane beside another id, and those beside another cell."""
    n_rows, n_columns = labels.shape
    for y in range(n_rows):
        for x in range(n_columns):
            cell = labels[y, x]
            if cell == 0:
                continue
            is_outline, is_touching = False, False
            for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                row, column = y + dy, x + dx
                if row < 0 or column < 0 or row >= n_rows or column >= n_columns:
                    continue
                other = labels[row, column]
                if other != cell:
                    is_outline = True
                    is_touching = is_touching or other > 0
            n_outline[cell] += is_outline
            n_touching[cell] += is_touching


def neighbours_of(index: CellIndex, cell: int) -> list[int]:
    """Return the cells that a cell touches on any of its planes, in rising order."""
    found = index.boxes([cell])
    if cell not in found:
        return []
    box = list(found[cell][0])
    for axis in (-2, -1):
        low, high = box[axis].start, box[axis].stop
        box[axis] = slice(max(low - 1, 0), min(high + 1, index.labels.shape[axis]))
    part = index.labels[tuple(box)]
    is_cell = np.pad(part == cell, [(0, 0)] * (part.ndim - 2) + [(1, 1)] * 2)
    is_beside = (
        is_cell[..., :-2, 1:-1]
        | is_cell[..., 2:, 1:-1]
        | is_cell[..., 1:-1, :-2]
        | is_cell[..., 1:-1, 2:]
    )
    return [one for one in np.unique(part[is_beside]).tolist() if one not in (0, cell)]


def disagreements(
    labels: Labels, maps: tuple[PlaneMaps, ...], options: SegmentOptions
) -> dict[int, float]:
    """Return how far the other decoder disagrees with each cell, 0 to 1.

    Parameters
    ----------
    labels : (..., y, x) int32
        What was found, whatever was done to it since.
    maps : tuple of PlaneMaps
        One a plane.
    options : SegmentOptions
        Of the run, settled.
    """
    other = "watershed" if options.decoder == "flow" else "flow"
    settled = replace(options, decoder=other, min_confidence=0.0)
    return _disagreements(labels, (labels_from_maps(seen, settled)[0] for seen in maps))


def disagreements_between(labels: Labels, others: Labels) -> dict[int, float]:
    """Return how far other labels disagree with each cell of some, 0 to 1.

    Parameters
    ----------
    labels, others : (..., y, x) int32
        Of one shape, such as those of one model and of another.
    """
    planes = np.ndindex(others.shape[:-2])
    return _disagreements(labels, (others[index] for index in planes))


def _disagreements(labels: Labels, others: Iterable[Labels]) -> dict[int, float]:
    """Return how far other planes disagree with each cell."""
    found: dict[int, float] = {}
    n_seen: dict[int, int] = {}
    for index, other in zip(np.ndindex(labels.shape[:-2]), others, strict=True):
        plane = labels[index]
        ids, places = dense(plane)
        n_pixels = dict(
            zip(ids.tolist(), areas(places, len(ids)).tolist(), strict=True)
        )
        agreed = best_agreement(plane, other)
        # Of a cell on several planes its largest section counts.
        for cell, iou in agreed.items():
            if n_pixels[cell] > n_seen.get(cell, 0):
                n_seen[cell], found[cell] = n_pixels[cell], 1 - iou
    return found


def cells_on_seams(labels: Labels, maps: tuple[PlaneMaps, ...]) -> frozenset[int]:
    """Return the cells that lie across a line where two tiles of the run meet."""
    found: set[int] = set()
    for index, seen in zip(np.ndindex(labels.shape[:-2]), maps, strict=True):
        plane = labels[index]
        seen_yx = seen.maps.shape[1], seen.maps.shape[2]
        tiles = plan_tiles(seen_yx)
        for axis, starts in enumerate(
            ({tile.core_y[0] for tile in tiles}, {tile.core_x[0] for tile in tiles})
        ):
            for start in starts - {0}:
                line = round(start * plane.shape[axis] / seen_yx[axis])
                found |= _across(_lines(plane, axis, line - 1, line))
    return frozenset(found)


def cells_cut_off(
    labels: Labels, plane: tuple[int, ...], box_yx_yx: tuple[int, int, int, int]
) -> frozenset[int]:
    """Return the cells that end where a region ended, inside the image.

    Parameters
    ----------
    labels : (..., y, x) int32
        With the cells of the run.
    plane : tuple of int
        Which was segmented.
    box_yx_yx : (top, left, bottom, right)
        Of the region.
    """
    seen = np.asarray(labels[plane])
    top, left, bottom, right = box_yx_yx
    found: set[int] = set()
    for axis, (inner, outer), span in (
        (0, (top, top - 1), slice(left, right)),
        (0, (bottom - 1, bottom), slice(left, right)),
        (1, (left, left - 1), slice(top, bottom)),
        (1, (right - 1, right), slice(top, bottom)),
    ):
        if not 0 <= outer < seen.shape[axis]:
            continue
        lines = _lines(seen, axis, inner, outer)[:, span]
        found |= set(np.unique(lines[0]).tolist()) - _across(lines)
    return frozenset(found - {0})


def _lines(plane: Labels, axis: int, *places: int) -> Labels:
    """Return rows (axis 0) or columns of a plane, one below the other."""
    return np.stack([plane[at] if axis == 0 else plane[:, at] for at in places])


def _across(lines: Labels) -> set[int]:
    """Return the cells that go on from the first of two lines to the second."""
    one, other = lines
    return set(np.unique(one[(one == other) & (one > 0)]).tolist())
