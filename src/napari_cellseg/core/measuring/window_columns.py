"""Shape and intensity of the cells in a window of a plane, in coordinates of the plane."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from napari_cellseg.core.labels.boxes import Box
from napari_cellseg.core.measuring.cell_features import (
    Columns,
    find_cells,
    intensity_columns,
    shape_columns,
)
from napari_cellseg.core.measuring.table_columns import with_micrometres, with_origin
from napari_cellseg.core.types import Labels, PixelSize


@dataclass(frozen=True, slots=True, eq=False)
class LabelledWindow:
    """A window of labels.

    Attributes
    ----------
    labels : (y, x) int32
        What lies in it.
    box_yx : (rows, columns)
        Where it lies in the plane.
    plane_yx : (y, x)
        Size of the plane.
    """

    labels: Labels
    box_yx: Box
    plane_yx: tuple[int, ...]


def window_columns(
    window: LabelledWindow,
    channels: Iterable[tuple[str, NDArray[Any]]],
    pixel_size: PixelSize | None,
    ids: Iterable[int] | None = None,
) -> Columns:
    """Return the columns of the measurement table that the pixels of a window give.

    Parameters
    ----------
    window : LabelledWindow
        Labels; a cell that the window cuts off is measured as far as it is in it.
    channels : iterable of (name, (y, x) array)
        Names as in the columns, and the values in the window; taken one at a time.
    pixel_size : PixelSize or None
        None: no column in micrometres.
    ids : iterable of int, optional
        Which cells; None: all.
    """
    cells = find_cells(window.labels, ids)
    y_to_x = pixel_size.y_um / pixel_size.x_um if pixel_size else 1.0
    shapes = shape_columns(cells, y_to_x=y_to_x)
    columns: Columns = {"label": cells.ids}
    columns.update(with_origin(shapes, window.box_yx, window.plane_yx))
    for name, values in channels:
        for kind, column in intensity_columns(cells, values).items():
            columns[f"{kind}_intensity_{name}"] = column
    return with_micrometres(columns, pixel_size)
