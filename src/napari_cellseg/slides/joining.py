"""One slide from its tiles: which tile answers for which cell, and their numbers.

A cell belongs to the tile whose core holds its middle. Where the middle lies right at a
border two tiles, or none, may think so, and where one tile sees one cell the next may see
two: of cells of two tiles that are the same for the most part one is taken. The numbers
follow the middles from the top down, so that they do not depend on the order in which tiles
were done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import spatial

from napari_cellseg.slides.tile import TileCells
from napari_cellseg.slides.tile_file import read_tile, tile_path

#: Cells of two tiles are the same one if they share more than this of the smaller.
SAME_SHARE = 0.5
#: Tiles whose masks are held at a time while neighbours are compared.
N_HELD = 16

#: Number of a tile, and place of a cell in it.
Cell = tuple[int, int]
ReadTile = Callable[[int], TileCells]
Numbers: TypeAlias = NDArray[np.float64]
#: Says of (n, 2) middles (y, x) which count.
IsWanted: TypeAlias = Callable[[Numbers], NDArray[np.bool_]]
#: Columns of the table that are held of every cell of a slide.
HELD = ("centroid_y_px", "centroid_x_px", "area_px")


@dataclass(frozen=True, slots=True, eq=False)
class JoinedSlide:
    """The cells of a slide, with the little that is held of each; n of them.

    Attributes
    ----------
    numbers : mapping of int to (k,) int32 arrays
        By tile the numbers of its cells on the slide; 0 of those that another tile answers
        for, or that are not wanted.
    middles_yx : (n, 2) float64
        Of the cells in rising order of their numbers, in pixels.
    areas_px : (n,) float64
        In the same order.
    n_cut : int
        Cells that reach beyond what was read around their tile.
    n_glass : int
        Tiles on which nothing is stained.
    n_tissue_px : int
        Pixels of tissue; 0 where no tile knows of tissue.
    """

    numbers: Mapping[int, NDArray[np.int32]]
    middles_yx: NDArray[np.float64]
    areas_px: NDArray[np.float64]
    n_cut: int
    n_glass: int
    n_tissue_px: int

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.areas_px)


def join_tiles(
    folder: Path, numbers: Sequence[int], is_wanted: IsWanted | None = None
) -> JoinedSlide:
    """Return the cells of a slide whose tiles are all done.

    Parameters
    ----------
    folder : Path
        Where the tiles lie.
    numbers : sequence of int
        Of the tiles, in rising order.
    is_wanted : callable or None
        Says of (n, 2) middles (y, x), in pixels, which are of cells that count. None: all.
    """
    paths = [tile_path(folder, number) for number in numbers]
    tiles = [read_tile(path, with_masks=False, columns=HELD) for path in paths]
    read = lru_cache(maxsize=N_HELD)(lambda place: read_tile(paths[place], columns=()))
    left_out = _left_out(tiles, read)
    taken = [
        np.setdiff1d(np.flatnonzero(tile.is_owned | tile.is_near), sorted(places))
        for tile, places in zip(tiles, left_out, strict=True)
    ]
    if is_wanted is not None:
        taken = [
            places[is_wanted(_middles(tile)[places])]
            for tile, places in zip(tiles, taken, strict=True)
        ]
    pairs = list(zip(tiles, taken, strict=True))
    middles = _of_all([_middles(tile)[places] for tile, places in pairs], (0, 2))
    areas = _of_all([_column(tile, "area_px")[places] for tile, places in pairs], (0,))
    order = np.lexsort((middles[:, 1], middles[:, 0]))
    labels = np.empty(len(areas), np.int32)
    labels[order] = np.arange(1, len(areas) + 1, dtype=np.int32)
    return JoinedSlide(
        dict(zip(numbers, _by_tile(labels, pairs), strict=True)),
        middles[order],
        areas[order],
        sum(int(tile.is_cut[places].sum()) for tile, places in pairs),
        sum(tile.is_glass for tile in tiles),
        sum(_tissue_px(tile, is_wanted) for tile in tiles),
    )


def _of_all(parts: list[NDArray[np.float64]], empty: tuple[int, ...]) -> Numbers:
    """Return the numbers of all tiles, one after the other."""
    return np.concatenate([np.zeros(empty), *parts])


def _column(tile: TileCells, name: str) -> Numbers:
    """Return a column of a tile; bare glass has none."""
    return np.asarray(tile.columns.get(name, np.zeros(0)), np.float64)


def _middles(tile: TileCells) -> Numbers:
    """Return the (n, 2) middles of the cells of a tile."""
    return np.stack([_column(tile, f"centroid_{axis}_px") for axis in "yx"], axis=1)


def _tissue_px(tile: TileCells, is_wanted: IsWanted | None) -> int:
    """Return how many pixels of a tile are tissue that counts."""
    blocks = tile.tissue
    if is_wanted is not None:
        blocks = blocks[is_wanted(blocks[:, :2].astype(np.float64))]
    return int(blocks[:, 2].sum())


def _left_out(tiles: Sequence[TileCells], read: ReadTile) -> list[set[int]]:
    """Return for each tile the places of cells that another tile answers for."""
    near = {
        (number, place)
        for number, tile in enumerate(tiles)
        for place in np.flatnonzero(tile.is_near).tolist()
    }
    same = _same_cells(tiles, read)
    left_out: list[set[int]] = [set() for _ in tiles]

    def rank(cell: Cell) -> tuple[bool, bool, float, Cell]:
        # Of a whole cell and a part of it the whole one.
        tile, place = tiles[cell[0]], cell[1]
        size = float(_column(tile, "area_px")[place])
        return not tile.is_owned[place], bool(tile.is_cut[place]), -size, cell

    for number, place in sorted(near | same.keys(), key=rank):
        others = same.get((number, place), [])
        if not others and not tiles[number].is_owned[place]:
            # No other tile has seen it; its owner would have.
            left_out[number].add(place)
        if place not in left_out[number]:
            for other, its_place in others:
                left_out[other].add(its_place)
    return left_out


def _same_cells(tiles: Sequence[TileCells], read: ReadTile) -> dict[Cell, list[Cell]]:
    """Return by cell those of other tiles that are the same cell."""
    same: dict[Cell, list[Cell]] = {}
    # In the order of the tiles, so that few are read more than once.
    for first, second in sorted(_overlapping(tiles)):
        if _is_same(first, second, read):
            same.setdefault(first, []).append(second)
            same.setdefault(second, []).append(first)
    return same


def _overlapping(tiles: Sequence[TileCells]) -> set[tuple[Cell, Cell]]:
    """Return the cells near a border with those of other tiles, no larger, that they meet."""
    boxes = np.concatenate(
        [np.zeros((0, 4), np.int64), *(tile.boxes for tile in tiles)]
    )
    is_near = np.concatenate([np.zeros(0, bool), *(tile.is_near for tile in tiles)])
    near = np.flatnonzero(is_near)
    if not len(near):
        return set()
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    edges = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    # Within its own edge lie the middles of all that it meets and that are no larger.
    found = spatial.cKDTree(middles).query_ball_point(
        middles[near], edges[near], p=np.inf
    )
    first = np.repeat(near, [len(each) for each in found])
    second = np.concatenate([np.asarray(each, np.intp) for each in found])
    sizes = [len(tile) for tile in tiles]
    of_tile = np.repeat(np.arange(len(tiles)), sizes)
    place = np.arange(len(boxes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    low = np.maximum(boxes[first, :2], boxes[second, :2])
    high = np.minimum(boxes[first, 2:], boxes[second, 2:])
    meets = (low < high).all(axis=1) & (of_tile[first] != of_tile[second])
    ends = np.stack([first, second], axis=1)[meets]
    cells = np.stack([of_tile, place], axis=1)[ends].tolist()
    pairs = (sorted(((a, b), (c, d))) for (a, b), (c, d) in cells)
    return {(first_cell, second_cell) for first_cell, second_cell in pairs}


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
