"""Numbers of a table in words and bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.core.counted import counted
from napari_cellseg.core.measuring.measure import MeasurementTable
from napari_cellseg.core.measuring.volumes import CELL_COLUMNS, cell_keys

N_BINS = 24
#: Colours run between these percentiles, so that a few odd cells do not take them all.
TONE_ENDS = (1, 99)
#: Columns that are numbers but nothing to make a histogram of.
NO_QUANTITIES = ("label", "frame", "z_plane", "plane", "touches_border")


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bars of one column.

    Attributes
    ----------
    shares : tuple of float
        Height of each bar, the highest is 1.
    ends : (str, str)
        The smallest and largest value in words.
    words : str
        Median, mean and spread in words.
    tones : tuple of float
        The colour of each bar where cells are coloured by the column, see
        `tones_of_cells`.
    """

    shares: tuple[float, ...]
    ends: tuple[str, str]
    words: str
    tones: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TableWords:
    """What stands in large type, and below it."""

    count: str
    density: str = ""
    density_tip: str = ""
    sources: str = ""


def histogram_of(table: MeasurementTable | None, column: str) -> Histogram | None:
    """Return the bars of a column, or None if there are no values."""
    if table is None or column not in table.cells:
        return None
    rows = table.cells
    if column in CELL_COLUMNS:
        rows = rows.drop_duplicates(cell_keys(rows))
    values = rows[column].to_numpy(float)
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    counts, edges = np.histogram(values, N_BINS)
    low, high = values.min(), values.max()
    words = (
        f"{column}: median {number_text(np.median(values))}, "
        f"mean {number_text(values.mean())}, "
        f"standard deviation {number_text(values.std())}, n = {values.size}"
    )
    shares = tuple((counts / counts.max()).tolist())
    tones = _tones((edges[1:] + edges[:-1]) / 2, values_of_cells(table, column))
    return Histogram(
        shares, (number_text(low), number_text(high)), words, tuple(tones.tolist())
    )


def values_of_cells(table: MeasurementTable | None, column: str) -> pd.Series[Any]:
    """Return the finite values of a column by cell; of several sections or frames their mean."""
    if table is None or column not in table.cells:
        return pd.Series([], index=pd.Index([], dtype=np.int64), dtype=float)
    rows = table.cells[["label", column]].astype({column: float})
    rows = rows[np.isfinite(rows[column].to_numpy())]
    means: pd.Series[Any] = rows.groupby("label")[column].mean()
    return means


def tones_of_cells(table: MeasurementTable | None, column: str) -> pd.Series[Any]:
    """Return where each cell lies between small and large values of a column, 0 to 1."""
    values = values_of_cells(table, column)
    return pd.Series(_tones(values.to_numpy(), values), index=values.index)


def _tones(values: NDArray[Any], of_cells: pd.Series[Any]) -> NDArray[np.float64]:
    """Return values as 0 to 1 between the ends that `of_cells` have without odd ones."""
    if of_cells.empty:
        return np.zeros(len(values))
    low, high = np.percentile(of_cells.to_numpy(), TONE_ENDS)
    tones: NDArray[np.float64] = (values - low) / max(high - low, 1e-12)
    return tones.clip(0.0, 1.0)


def number_columns(table: MeasurementTable | None) -> list[str]:
    """Return the columns that a histogram can be made of."""
    if table is None:
        return []
    cells = table.cells
    return [
        str(name)
        for name in cells.columns
        if name not in NO_QUANTITIES
        and not str(name).startswith("bbox")
        and pd.api.types.is_numeric_dtype(cells[name])
        and not pd.api.types.is_bool_dtype(cells[name])
    ]


SET_SIZE = "Set the pixel size above to get cells per mm²."
OTHER_SIZE = (
    "The image above has another size than these cells, so there is neither brightness "
    "nor density: choose theirs."
)
#: What a density is the mean of, by the axis.
PLANE_WORDS = {"T": "time points", "Z": "planes", "?": "planes"}


def number_text(value: float, digits: int = 4) -> str:
    """Return a number with so many digits, or all before the point: never "1.2e+05"."""
    text = f"{value:.{digits}g}"
    return f"{value:.0f}" if "e+" in text else text


def table_words(
    table: MeasurementTable | None, *, is_measuring: bool, fits: bool = True
) -> TableWords:
    """Return count, density and origin of the cells in words.

    Without a density, what is missing: the image's size if the cells are of another
    (`fits` is False), else its pixel size.
    """
    if table is None:
        if is_measuring:
            return TableWords("measuring…")
        todo = "Press Segment in the tab Segment; the numbers follow by themselves."
        return TableWords("No cells yet", sources=todo)
    summary = table.summary
    n_cells = int(summary["n_cells"])
    count = counted(n_cells, "cell")
    sources = summary["n_by_source"]
    parts = [f"{n:,} {words}" for source, words in (
        ("model", "by the model"), ("edited", "edited by you"), ("hand", "drawn by you"),
        ("unknown", "from elsewhere"),
    ) if (n := sources.get(source, 0))]  # fmt: skip
    parts += [
        f"{n:,} {name or 'without a class'}" for name, n in table.n_by_class.items()
    ]
    density = summary["density_per_mm2"]
    if density is None:
        tip = SET_SIZE if fits else OTHER_SIZE
        return TableWords(count, "", tip, " · ".join([*parts, tip]))
    area = f"{number_text(summary['area_mm2'])} mm²"
    per_mm2 = f"{density:,.0f}" if density >= 1000 else number_text(density)
    stacked = [word for axis, word in PLANE_WORDS.items() if axis in table.axes]
    where = f"on {area}"
    if stacked:
        where = f"mean of all {' and '.join(stacked)}, {where} together"
    return TableWords(count, f"{per_mm2} / mm²", where, " · ".join([*parts, where]))
