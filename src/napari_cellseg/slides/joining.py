"""One slide from its tiles: which tile answers for which cell, and their numbers.

A cell belongs to the tile whose core holds its middle. Only where the middle lies right at
a border may two tiles, or none, think so: there both keep the cell and one is taken. The
numbers follow the middles from the top down, so that they do not depend on the order in
which tiles were done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import spatial

from napari_cellseg.core.table_columns import ordered_frame
from napari_cellseg.slides.tile import BAND_PX, TileCells
from napari_cellseg.slides.tile_file import read_tile, tile_path

#: Cells of two tiles are the same one if they share more than this of the smaller.
SAME_SHARE = 0.5
#: Tiles whose masks are held at a time while neighbours are compared.
N_HELD = 16

#: Number of a tile, and place of a cell in it.
Cell = tuple[int, int]
ReadTile = Callable[[int], TileCells]


@dataclass(frozen=True, slots=True, eq=False)
class JoinedSlide:
    """The cells of a slide.

    Attributes
    ----------
    numbers : list of (n,) int32 arrays
        For each tile the numbers of its cells on the slide; 0 of those that another tile
        answers for.
    table : pandas.DataFrame
        One row a cell, in rising order of its label.
    n_cut : int
        Cells that reach beyond what was read around their tile.
    n_glass : int
        Tiles on which nothing is stained.
    """

    numbers: list[NDArray[np.int32]]
    table: pd.DataFrame
    n_cut: int
    n_glass: int


def join_tiles(folder: Path, n_tiles: int) -> JoinedSlide:
    """Return the cells of a slide whose tiles are all done.

    Parameters
    ----------
    folder : Path
        Where the tiles lie.
    n_tiles : int
        How many there are.
    """
    paths = [tile_path(folder, number) for number in range(n_tiles)]
    tiles = [read_tile(path, with_masks=False) for path in paths]
    read = lru_cache(maxsize=N_HELD)(lambda number: read_tile(paths[number]))
    left_out = _left_out(tiles, read)
    taken = [
        np.setdiff1d(np.flatnonzero(tile.is_owned | tile.is_near), sorted(places))
        for tile, places in zip(tiles, left_out, strict=True)
    ]
    pairs = list(zip(tiles, taken, strict=True))
    frames = [_rows(tile, places) for tile, places in pairs if not tile.is_glass]
    # Without a tissue there is no column, but there is a table.
    rows = pd.concat(frames, ignore_index=True) if frames else _no_rows()
    order = np.lexsort((rows["centroid_x_px"], rows["centroid_y_px"]))
    labels = np.empty(len(rows), np.int32)
    labels[order] = np.arange(1, len(rows) + 1, dtype=np.int32)
    table = rows.assign(label=labels, source="model").iloc[order]
    return JoinedSlide(
        _by_tile(labels, pairs),
        ordered_frame(table, ["label"]),
        sum(int(tile.is_cut[places].sum()) for tile, places in pairs),
        sum(tile.is_glass for tile in tiles),
    )


def _rows(tile: TileCells, places: NDArray[np.intp]) -> pd.DataFrame:
    """Return the rows of some cells of a tile."""
    columns = {name: column[places] for name, column in tile.columns.items()}
    return pd.DataFrame(
        {**columns, "confidence": tile.confidence[places].astype(float)}
    )


def _no_rows() -> pd.DataFrame:
    """Return the table of a slide without tissue."""
    names = ("area_px", "centroid_y_px", "centroid_x_px", "confidence")
    return pd.DataFrame({name: np.zeros(0) for name in names})


def _left_out(tiles: Sequence[TileCells], read: ReadTile) -> list[set[int]]:
    """Return for each tile the places of cells that another tile answers for."""
    near = [
        (number, place)
        for number, tile in enumerate(tiles)
        for place in np.flatnonzero(tile.is_near).tolist()
    ]
    same = _same_cells(near, tiles, read)
    left_out: list[set[int]] = [set() for _ in tiles]

    def rank(cell: Cell) -> tuple[bool, bool, Cell]:
        tile, place = tiles[cell[0]], cell[1]
        return not tile.is_owned[place], bool(tile.is_cut[place]), cell

    for number, place in sorted(near, key=rank):
        others = same.get((number, place), [])
        if not others and not tiles[number].is_owned[place]:
            # No other tile has seen it; its owner would have.
            left_out[number].add(place)
        if place not in left_out[number]:
            for other, its_place in others:
                left_out[other].add(its_place)
    return left_out


def _same_cells(
    near: list[Cell], tiles: Sequence[TileCells], read: ReadTile
) -> dict[Cell, list[Cell]]:
    """Return by cell those of other tiles that are the same cell."""
    if not near:
        return {}
    middles = [
        [tiles[number].columns[f"centroid_{axis}_px"][place] for axis in "yx"]
        for number, place in near
    ]
    pairs = spatial.cKDTree(middles).query_pairs(2 * BAND_PX)
    same: dict[Cell, list[Cell]] = {}
    # In the order of the tiles, so that few are read more than once.
    for first, second in sorted((near[a], near[b]) for a, b in pairs):
        if first[0] != second[0] and _is_same(first, second, read):
            same.setdefault(first, []).append(second)
            same.setdefault(second, []).append(first)
    return same


def _is_same(first: Cell, second: Cell, read: ReadTile) -> bool:
    """Return True if two cells share most of the smaller one."""
    tiles = [(read(number), place) for number, place in (first, second)]
    boxes = [tile.boxes[place] for tile, place in tiles]
    masks = [tile.masks[place] for tile, place in tiles]
    low = np.maximum(boxes[0][:2], boxes[1][:2])
    high = np.maximum(np.minimum(boxes[0][2:], boxes[1][2:]), low)
    inside = [
        mask[tuple(map(slice, low - box[:2], high - box[:2]))]
        for mask, box in zip(masks, boxes, strict=True)
    ]
    shared = int((inside[0] & inside[1]).sum())
    return shared > SAME_SHARE * min(int(mask.sum()) for mask in masks)


def _by_tile(
    labels: NDArray[np.int32], pairs: Sequence[tuple[TileCells, NDArray[np.intp]]]
) -> list[NDArray[np.int32]]:
    """Return for each tile the numbers of its cells, 0 where they are left out."""
    numbers, start = [], 0
    for tile, places in pairs:
        here = np.zeros(len(tile), np.int32)
        here[places] = labels[start : start + len(places)]
        start += len(places)
        numbers.append(here)
    return numbers
