"""The columns of the measurement table: names, order, units."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from napari_cellseg.core.labels.boxes import Box
from napari_cellseg.core.measuring.cell_features import Columns
from napari_cellseg.core.types import CellImage, PixelSize

# The column that names the place on an axis before y and x.
PLANE_COLUMNS = {"T": "frame", "Z": "z_plane", "?": "plane"}
#: There only where a cell has a class.
CLASS = "class"
# Signs that cannot stand in a column name: they end a cell or a line in some reader.
_BREAKS = re.compile(r"[\x00-\x1f\x7f;,\"]+")


def intensity_names(image: CellImage) -> list[str]:
    """Return the names of the channels as parts of column names, each one once."""
    names: list[str] = []
    for channel, name in enumerate(image.channel_names):
        clean = _BREAKS.sub(" ", name).strip() or f"channel {channel + 1}"
        while clean in names:
            clean = f"{clean} ({channel + 1})"
        names.append(clean)
    return names


def with_origin(shapes: Columns, box_yx: Box, shape_yx: tuple[int, ...]) -> Columns:
    """Return the shapes measured in a box in coordinates of the plane, and the border.

    ``touches_border`` is true for a cell with a pixel at the edge of the plane.
    """
    columns = dict(shapes)
    for axis, part in zip("yx", box_yx, strict=True):
        for name in (
            f"centroid_{axis}_px",
            f"bbox_min_{axis}_px",
            f"bbox_max_{axis}_px",
        ):
            columns[name] = columns[name] + part.start
    touches = np.zeros(len(columns["area_px"]), bool)
    for axis, size in zip("yx", shape_yx, strict=True):
        touches |= columns[f"bbox_min_{axis}_px"] == 0
        touches |= columns[f"bbox_max_{axis}_px"] == size
    columns["touches_border"] = touches
    return columns


def with_micrometres(columns: Columns, pixel_size: PixelSize | None) -> Columns:
    """Return the columns with those in micrometres, each after the one in pixels.

    Where pixels are not square, the perimeter is scaled by the geometric mean of their
    sides.
    """
    if pixel_size is None:
        return columns
    side = pixel_size.area_um2**0.5
    factors = {
        "area_px": ("area_um2", pixel_size.area_um2),
        "perimeter_px": ("perimeter_um", side),
        "equivalent_diameter_px": ("equivalent_diameter_um", side),
        "centroid_y_px": ("centroid_y_um", pixel_size.y_um),
        "centroid_x_px": ("centroid_x_um", pixel_size.x_um),
    }
    result: Columns = {}
    for name, column in columns.items():
        result[name] = column
        if name in factors:
            new_name, factor = factors[name]
            result[new_name] = column * factor
    return result


def ordered_frame(cells: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return rows numbered from 0, with the keys, source, confidence and class in front."""
    first = [*keys, "source", "confidence", *([CLASS] if CLASS in cells else [])]
    rest = [name for name in cells.columns if name not in first]
    return cells[[*first, *rest]].reset_index(drop=True)
