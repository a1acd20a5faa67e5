"""Where the marks of cells with a class stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.controllers.labels.cell_labels import CellLabels

#: More marks cover the image and slow it down; the table has them all.
MAX_MARKS = 20_000
#: A mark's width as a share of the usual cell's.
MARK_SHARE = 0.35
SMALLEST_PX = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class ClassMarks:
    """Marks of cells.

    Attributes
    ----------
    places : (n, ndim) float
        The middle of each cell's box, on each of its planes, in pixels of the labels.
    kinds : list of int
        Place of each mark's class in the list of names.
    size_px : float
        Width of all marks.
    """

    places: NDArray[np.float64]
    kinds: list[int]
    size_px: float


def class_marks(cells: CellLabels, names: Sequence[str]) -> ClassMarks:
    """Return the marks of the cells that have a class, at most `MAX_MARKS`.

    Parameters
    ----------
    cells : CellLabels
        Whose classes are marked.
    names : sequence of str
        The list of classes.
    """
    place_of = {name: place for place, name in enumerate(names)}
    wanted = sorted(cells.classes)[:MAX_MARKS]
    places: list[tuple[float, ...]] = []
    kinds: list[int] = []
    widths: list[int] = []
    for cell, (box, _) in cells.index.boxes(wanted).items():
        middle = tuple((part.start + part.stop - 1) / 2 for part in box[-2:])
        widths.append(min(part.stop - part.start for part in box[-2:]))
        for offset in np.ndindex(*(part.stop - part.start for part in box[:-2])):
            plane = (low.start + at for low, at in zip(box, offset, strict=False))
            places.append((*plane, *middle))
            kinds.append(place_of[cells.classes[cell]])
    usual = float(np.median(widths)) if widths else 0.0
    where = np.array(places[:MAX_MARKS], float).reshape(-1, cells.labels.ndim)
    size_px = max(SMALLEST_PX, MARK_SHARE * usual)
    return ClassMarks(where, kinds[:MAX_MARKS], size_px)
