"""The cells of one image, as they go to a file of another program and come from one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.editing.edits import Source
from napari_cellseg.core.errors import LabelsError
from napari_cellseg.core.labels.arrays import MAX_ID
from napari_cellseg.core.labels.placing import place_cells
from napari_cellseg.core.measuring.measure import MeasurementTable
from napari_cellseg.core.measuring.table_columns import PLANE_COLUMNS
from napari_cellseg.core.types import Labels, PixelSize
from napari_cellseg.io.limits import sizes_in_words

#: A cell on one plane: its id, and the position of the plane in T and Z.
CellOnPlane: TypeAlias = tuple[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The cells of one image, with all that a file can say of them.

    Attributes
    ----------
    labels : (Y, X) int32, with T and Z before it where there are any
        0 is background.
    axes : str
        One letter an axis of the labels, such as ``"ZYX"``.
    image_name : str
        File name of the image.
    pixel_size : PixelSize or None
        None if unknown.
    sources : mapping of int to Source
        Who made each cell, where it is known.
    confidence : mapping of int to float
        The model's confidence, from 0 to 1, where there is one.
    classes : mapping of int to str
        What kind each cell is, where it was said.
    measurements : mapping of (id, plane) to (name to value)
        Numbers of each cell on each plane.
    """

    labels: Labels
    axes: str = "YX"
    image_name: str = ""
    pixel_size: PixelSize | None = None
    sources: Mapping[int, Source] = field(default_factory=dict)
    confidence: Mapping[int, float] = field(default_factory=dict)
    classes: Mapping[int, str] = field(default_factory=dict)
    measurements: Mapping[CellOnPlane, Mapping[str, float]] = field(
        default_factory=dict
    )

    def planes(self) -> Iterator[tuple[int, ...]]:
        """Yield the position of every (Y, X) plane, in the order of the labels."""
        return iter(np.ndindex(self.labels.shape[:-2]))


@dataclass(frozen=True, slots=True, eq=False)
class FoundLabels:
    """Labels from a file.

    Attributes
    ----------
    labels : (Y, X) int32, with T and Z before it where there are any
        0 is background.
    notes : tuple of str
        What could not be kept as it was; the person is told.
    sources : mapping of int to Source
        Who made each cell, where the file says so.
    classes : mapping of int to str
        What kind each cell is, where the file says so.
    unknown : bool array or None
        With the shape of the labels: true where the file says that there are cells it does
        not tell apart. None: nowhere.
    """

    labels: Labels
    notes: tuple[str, ...] = ()
    sources: Mapping[int, Source] = field(default_factory=dict)
    classes: Mapping[int, str] = field(default_factory=dict)
    unknown: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FoundCell:
    """A cell, or a part of one, from a file of outlines or runs.

    Attributes
    ----------
    places : (n,) int64
        Rising places of its pixels in the flat labels.
    number : int or None
        Its id in the file; parts with one id are one cell. None if it has none.
    source : Source or None
        Who made it, None if the file does not say.
    kind : str
        Its class, "" if the file does not say.
    """

    places: NDArray[np.int64]
    number: int | None = None
    source: Source | None = None
    kind: str = ""


def labels_of_cells(
    cells: Sequence[FoundCell], shape: tuple[int, ...], notes: tuple[str, ...] = ()
) -> FoundLabels:
    """Return cells of a file as labels.

    Their ids are those of the file if every cell has one, else 1, 2, 3... in the order of
    the file. Where cells overlap, smaller ones lie on larger ones, and a note says so.

    Parameters
    ----------
    cells : sequence of FoundCell
        May be empty.
    shape : tuple of int
        Of the labels.
    notes : tuple of str
        What the reader has to say already.
    """
    numbers = _numbers(cells)
    if any(cell.number is not None for cell in cells) and not all(
        cell.number == number for cell, number in zip(cells, numbers, strict=True)
    ):
        notes = (*notes, "Not every cell has a number in the file; all were numbered.")
    parts: dict[int, list[FoundCell]] = {}
    for number, cell in zip(numbers, cells, strict=True):
        parts.setdefault(number, []).append(cell)
    merged = [
        found[0].places
        if len(found) == 1
        else np.unique(np.concatenate([cell.places for cell in found]))
        for found in parts.values()
    ]
    placed = place_cells(merged, shape, list(parts))
    firsts = {number: found[0] for number, found in parts.items()}
    return FoundLabels(
        placed.labels,
        (*notes, *placed.notes),
        sources={n: cell.source for n, cell in firsts.items() if cell.source},
        classes={n: cell.kind for n, cell in firsts.items() if cell.kind},
    )


def _numbers(cells: Sequence[FoundCell]) -> list[int]:
    """Return the id that each cell gets."""
    given = [cell.number for cell in cells]
    known = [number for number in given if number and 1 <= number <= MAX_ID]
    return known if len(known) == len(cells) else list(range(1, len(cells) + 1))


def fitted(found: FoundLabels, shape: tuple[int, ...], image_name: str) -> FoundLabels:
    """Return labels with the shape that an image asks for; axes of one place may differ.

    Raises
    ------
    LabelsError
        If they are of another size.
    """
    if found.labels.shape == shape:
        return found
    own = [size for size in found.labels.shape[:-2] if size != 1]
    wanted = [size for size in shape[:-2] if size != 1]
    if own != wanted or found.labels.shape[-2:] != shape[-2:]:
        raise LabelsError(
            f"The cells in the file have the size {sizes_in_words(found.labels.shape)}, but "
            f"'{image_name or 'the image'}' has {sizes_in_words(shape)}. Choose the file that "
            "was made of this image."
        )
    return replace(found, labels=found.labels.reshape(shape))


def measurements_of(table: MeasurementTable) -> dict[CellOnPlane, dict[str, float]]:
    """Return the numbers of a table by cell and plane; what is unknown is left out."""
    rows = table.cells.to_dict("records")
    columns = [PLANE_COLUMNS[axis] for axis in table.axes[:-2]]
    skipped = {"label", *columns}
    return {
        (int(row["label"]), tuple(int(row[name]) for name in columns)): {
            str(name): float(value)
            for name, value in row.items()
            if name not in skipped and _is_number(value)
        }
        for row in rows
    }


def _is_number(value: object) -> bool:
    """Say whether a value is a number that a file can hold."""
    return isinstance(value, int | float | np.number) and math.isfinite(float(value))


def what_is_lost(cells: Cells, what: str, kept: Iterable[str] = ()) -> tuple[str, ...]:
    """Return a sentence on what a format cannot hold of cells, or nothing.

    Measurements are not missed: they have a table of their own.

    Parameters
    ----------
    cells : Cells
        What is written.
    what : str
        The format, such as ``"A TIFF"``.
    kept : iterable of str
        Fields of `Cells` that it holds.
    """
    words = {
        "sources": "who made each cell",
        "confidence": "the confidence",
        "classes": "the classes",
    }
    lost = [
        text
        for name, text in words.items()
        if name not in set(kept) and getattr(cells, name)
    ]
    return (f"{what} does not hold {' and '.join(lost)}.",) if lost else ()
