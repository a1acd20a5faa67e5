"""What files of cells share: names, planes, outlines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

import numpy as np

from napari_cellseg.core.errors import CellsegError, LabelsError
from napari_cellseg.core.labels.rings import Polygon, outlines_on_plane
from napari_cellseg.io.exchange.cells import Cells

#: What cells are called in files that have a name for each.
CELL_NAME = "cell {}"
NUMBERED = re.compile(r"cell (\d{1,10})\b")


def cell_number(name: object) -> int | None:
    """Return the id in a name that we gave, such as ``"cell 7"``, or None."""
    match = NUMBERED.match(name) if isinstance(name, str) else None
    return int(match[1]) if match else None


def check_plane(shape: tuple[int, ...]) -> None:
    """Raise `LabelsError` unless labels of a shape are one plane, as COCO needs it."""
    if len(shape) != 2:
        raise LabelsError(
            f"COCO holds one plane (y, x); labels of shape {shape} were given. "
            "Choose TIFF, GeoJSON or ImageJ ROIs for stacks and time series."
        )


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Image = TypeVar("Image", bound=_Named)


def cells_for_coco(
    images: Iterable[Image], cells_of: Callable[[Image], Cells], failed: list[str]
) -> Iterator[Cells]:
    """Yield the cells of each image in turn; add a sentence for each that cannot be."""
    for image in images:
        try:
            cells = cells_of(image)
            check_plane(cells.labels.shape)
        except CellsegError as error:
            failed.append(f"{image.name}: {error}")
        else:
            yield cells


def outlines_of(cells: Cells) -> Iterator[tuple[int, tuple[int, ...], list[Polygon]]]:
    """Yield the id, the plane and the polygons of each cell on each plane."""
    for plane in cells.planes():
        for cell, polygons in outlines_on_plane(cells.labels[plane]):
            yield cell, plane, polygons


def plane_places(
    plane: tuple[int, ...], shape: tuple[int, ...], what: str
) -> tuple[int, tuple[int, int]]:
    """Return where a plane begins in the flat labels, and its size (y, x).

    Raises
    ------
    LabelsError
        If there is no such plane.
    """
    lead, (height, width) = shape[:-2], shape[-2:]
    if len(plane) != len(lead) or any(
        not 0 <= index < size for index, size in zip(plane, lead, strict=True)
    ):
        raise LabelsError(
            f"{what} lies on plane {plane}, which labels of shape {shape} do not have. "
            "Choose the image that the cells were made on."
        )
    place = int(np.ravel_multi_index(plane, lead)) if lead else 0
    return place * height * width, (height, width)
