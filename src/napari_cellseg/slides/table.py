"""The rows of the cells of a slide, a part at a time: all of them are never held."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.core.measuring.measure import MeasurementTable
from napari_cellseg.core.measuring.table_columns import ordered_frame
from napari_cellseg.core.types import PixelSize
from napari_cellseg.slides.joining import HELD, JoinedSlide
from napari_cellseg.slides.tile import TileCells
from napari_cellseg.slides.tile_file import read_tile, tile_path

#: Rows of a part. A tile is read for each part that a cell of it is in; parts follow the
#: rows of the slide, as tiles do.
ROWS_A_PART = 50_000


def rows_in_parts(folder: Path, joined: JoinedSlide) -> Iterator[pd.DataFrame]:
    """Yield the rows of all cells in rising order of their labels; at least one part.

    Parameters
    ----------
    folder : Path
        Where the tiles lie.
    joined : JoinedSlide
        Which cell has which number.
    """
    for first in range(1, max(joined.n_cells, 1) + 1, ROWS_A_PART):
        last = first + ROWS_A_PART - 1
        frames = []
        for number, labels in joined.numbers.items():
            places = np.flatnonzero((labels >= first) & (labels <= last))
            if places.size:
                tile = read_tile(tile_path(folder, number), with_masks=False)
                frames.append(tile_rows(tile, labels, places))
        rows = pd.concat(frames, ignore_index=True) if frames else _no_rows()
        yield rows.sort_values("label", ignore_index=True)


def tile_rows(
    tile: TileCells, labels: NDArray[np.int32], places: NDArray[np.intp]
) -> pd.DataFrame:
    """Return the rows of some cells of a tile, whose numbers `labels` holds."""
    columns = {name: column[places] for name, column in tile.columns.items()}
    confidence = tile.confidence[places].astype(float)
    frame = pd.DataFrame({**columns, "confidence": confidence})
    return ordered_frame(frame.assign(label=labels[places], source="model"), ["label"])


def _no_rows() -> pd.DataFrame:
    """Return the table of a slide without a cell."""
    bare = pd.DataFrame({name: np.zeros(0) for name in (*HELD, "confidence")})
    none = np.zeros(0, np.int32)
    return ordered_frame(bare.assign(label=none, source="model"), ["label"])


def table_of_slide(
    joined: JoinedSlide, pixel_size: PixelSize | None, n_pixels: int
) -> MeasurementTable:
    """Return a table with what is held of each cell, for the summary of a slide.

    Parameters
    ----------
    joined : JoinedSlide
        The cells.
    pixel_size : PixelSize or None
        None if unknown.
    n_pixels : int
        Of the slide.
    """
    n_cells = joined.n_cells
    labels = np.arange(1, n_cells + 1, dtype=np.int32)
    held = pd.DataFrame({"label": labels, "area_px": joined.areas_px})
    held["source"] = pd.Series("model", index=held.index, dtype="category")
    if pixel_size is not None:
        held["area_um2"] = joined.areas_px * pixel_size.area_um2
    return MeasurementTable(held, pixel_size, "YX", n_pixels)
