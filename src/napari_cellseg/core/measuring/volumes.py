"""Cells of stacks in 3-D: their numbers, from those of their sections."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from napari_cellseg.core.measuring.table_columns import CLASS
from napari_cellseg.core.types import PixelSize

#: What every section of a cell says of the whole cell.
CELL_COLUMNS = ("n_planes", "volume_px", "volume_um3")
INTENSITY = re.compile(r"(mean|min|max|sd|sum)_intensity_(.*)", re.DOTALL)


def cell_keys(cells: pd.DataFrame) -> list[str]:
    """Return the columns that name a cell: its label, and its frame where there is time."""
    return [name for name in ("label", "frame") if name in cells]


def with_volumes(
    cells: pd.DataFrame, axes: str, pixel_size: PixelSize | None
) -> pd.DataFrame:
    """Return rows of sections with the number of planes and the volume of their cell.

    Parameters
    ----------
    cells : DataFrame
        One row a section, see `core.measuring.measure.MeasurementTable`.
    axes : str
        Of the labels; without a Z the rows are returned as they are.
    pixel_size : PixelSize or None
        The volume is in cubic micrometres too where the distance of planes is known.

    Returns
    -------
    DataFrame
        With ``n_planes``, ``volume_px`` (voxels) and maybe ``volume_um3`` at the end.
    """
    if "Z" not in axes:
        return cells
    bare = cells.drop(columns=[name for name in CELL_COLUMNS if name in cells])
    grouped = bare.groupby(cell_keys(bare), sort=False)["area_px"]
    volume = grouped.transform("sum").astype(np.int64)
    columns: dict[str, pd.Series[Any]] = {
        "n_planes": grouped.transform("size").astype(np.int64),
        "volume_px": volume,
    }
    voxel = voxel_um3(pixel_size)
    if voxel is not None:
        columns["volume_um3"] = volume * voxel
    return bare.assign(**columns)


def voxel_um3(pixel_size: PixelSize | None) -> float | None:
    """Return the volume of a voxel in cubic micrometres, None where it is not known."""
    if pixel_size is None or pixel_size.z_um is None:
        return None
    return pixel_size.area_um2 * pixel_size.z_um


def cells_in_3d(
    cells: pd.DataFrame, pixel_size: PixelSize | None, n_planes: int
) -> pd.DataFrame:
    """Return one row a cell (and frame), made of the rows of its sections.

    Parameters
    ----------
    cells : DataFrame
        One row a section, with a ``z_plane``; see `with_volumes`.
    pixel_size : PixelSize or None
        As in `with_volumes`.
    n_planes : int
        Planes of the stack: a cell on the first or last one is cut by its border.

    Returns
    -------
    DataFrame
        ``label``, ``frame`` where there is time, ``source``, ``confidence``, ``class``
        where it is used, planes, volume, diameter of the sphere of that volume, centre,
        area of the largest section, ``touches_border``, and intensities over all voxels.
    """
    keys = cell_keys(cells)
    grouped = cells.groupby(keys, sort=True)
    first = grouped["z_plane"].min()
    last = grouped["z_plane"].max()
    volume = grouped["area_px"].sum()
    columns: dict[str, pd.Series[Any]] = {
        "source": grouped["source"].first(),
        "confidence": grouped["confidence"].first(),
        **({CLASS: grouped[CLASS].first()} if CLASS in cells else {}),
        "n_planes": grouped.size(),
        "first_plane": first,
        "last_plane": last,
        "volume_px": volume,
    }
    voxel = voxel_um3(pixel_size)
    if voxel is not None:
        columns["volume_um3"] = volume * voxel
        columns["equivalent_diameter_um"] = np.cbrt(6 * volume * voxel / np.pi)
    for axis, name in (
        ("z", "z_plane"),
        ("y", "centroid_y_px"),
        ("x", "centroid_x_px"),
    ):
        centre = _over(cells[name] * cells["area_px"], cells, keys, "sum") / volume
        columns[f"centroid_{axis}_px"] = centre
        step = None if pixel_size is None else getattr(pixel_size, f"{axis}_um")
        if step is not None:
            columns[f"centroid_{axis}_um"] = centre * step
    columns["largest_area_px"] = grouped["area_px"].max()
    if "area_um2" in cells:
        columns["largest_area_um2"] = grouped["area_um2"].max()
    is_cut = grouped["touches_border"].any() | (first == 0) | (last == n_planes - 1)
    columns["touches_border"] = is_cut
    columns.update(_intensities(cells, keys))
    return pd.DataFrame(columns).reset_index()


def _intensities(cells: pd.DataFrame, keys: list[str]) -> dict[str, pd.Series[Any]]:
    """Return the intensities over all voxels of each cell, from those of its sections."""
    columns: dict[str, pd.Series[Any]] = {}
    area = cells["area_px"].astype(float)
    volume = _over(area, cells, keys, "sum")
    for name in map(str, cells.columns):
        found = INTENSITY.fullmatch(name)
        if found is None:
            continue
        kind, channel = found.groups()
        if kind in ("min", "max", "sum"):
            columns[name] = _over(cells[name], cells, keys, kind)
            continue
        section_mean = cells[f"mean_intensity_{channel}"]
        mean = _over(section_mean * area, cells, keys, "sum") / volume
        if kind == "mean":
            columns[name] = mean
            continue
        # Differences first: a small spread on a large offset would be lost in squares.
        by_key = [cells[key] for key in keys]
        whole = (section_mean * area).groupby(by_key).transform("sum")
        off = section_mean - whole / area.groupby(by_key).transform("sum")
        squares = _over((cells[name] ** 2 + off**2) * area, cells, keys, "sum")
        columns[name] = (squares / volume) ** 0.5
    return columns


def _over(
    values: pd.Series[Any], cells: pd.DataFrame, keys: list[str], kind: str
) -> pd.Series[Any]:
    """Return the sum, min or max over the sections of each cell; NaN in one is kept."""
    by_key = [cells[name] for name in keys]
    whole = values.groupby(by_key).agg(kind)
    return whole.mask(values.isna().groupby(by_key).any())
