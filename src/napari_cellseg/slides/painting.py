"""The labels of a slide, painted a box at a time from the cells of its tiles."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.segmentation.window_labels import plane_span
from napari_cellseg.core.segmentation.zoom import Window
from napari_cellseg.core.types import LABELS_DTYPE, Labels
from napari_cellseg.slides.plan import SlidePlan
from napari_cellseg.slides.tile_file import read_tile, tile_path

#: A box of labels of `io.writing.labels_zarr` meets at most so many tiles.
N_HELD = 16


class PaintedLabels:
    """Labels that are painted where they are asked for; `io.writing.labels_zarr` writes them.

    Parameters
    ----------
    folder : Path
        Where the tiles lie.
    plan : SlidePlan
        How the slide was cut.
    numbers : mapping of int to (n,) int32 arrays
        See `joining.JoinedSlide`; tiles that are not in it show nothing.

    Attributes
    ----------
    shape : (y, x)
        Size of the slide.
    n_contested : int
        Pixels, of all boxes so far, that neighbouring tiles gave to different cells. The
        lower number has them; in the table both count them.
    """

    dtype = np.dtype(LABELS_DTYPE)
    ndim = 2

    def __init__(
        self, folder: Path, plan: SlidePlan, numbers: Mapping[int, NDArray[np.int32]]
    ) -> None:
        self.shape = plan.plane_yx
        self.n_contested = 0
        self._numbers = numbers
        (seen_y, seen_x), (n_y, n_x) = plan.seen_yx, plan.plane_yx
        self._windows: dict[int, Window] = {
            number: (
                plane_span(tile.window_y, seen_y, n_y),
                plane_span(tile.window_x, seen_x, n_x),
            )
            for number, tile in enumerate(plan.tiles)
            if number in numbers
        }
        self._read = lru_cache(maxsize=N_HELD)(
            lambda number: read_tile(tile_path(folder, number), columns=())
        )

    def __getitem__(self, box: tuple[slice, ...], /) -> Labels:
        """Return the labels in a box; both spans have a start and a stop."""
        labels = np.zeros([span.stop - span.start for span in box], LABELS_DTYPE)
        cells = [
            (int(self._numbers[number][place]), number, place)
            for number, window in self._windows.items()
            if _meet(window, box)
            for place in self._those_in(number, box)
        ]
        for cell, number, place in sorted(cells):
            tile = self._read(number)
            self._paint(labels, box, tile.boxes[place], tile.masks[place], cell)
        return labels

    def _those_in(self, number: int, box: tuple[slice, ...]) -> list[int]:
        """Return the places of the cells of a tile that are on the slide and in a box."""
        boxes = self._read(number).boxes
        is_in = self._numbers[number] > 0
        for axis, span in enumerate(box):
            is_in &= (boxes[:, axis] < span.stop) & (boxes[:, axis + 2] > span.start)
        return [int(place) for place in np.flatnonzero(is_in)]

    def _paint(
        self,
        labels: Labels,
        box: tuple[slice, ...],
        cell_box: NDArray[np.int64],
        mask: NDArray[np.bool_],
        cell: int,
    ) -> None:
        """Paint what of a cell lies in the box, on what is free."""
        corner = np.array([span.start for span in box])
        low = np.maximum(cell_box[:2], corner)
        high = np.minimum(cell_box[2:], corner + labels.shape)
        part = mask[tuple(map(slice, low - cell_box[:2], high - cell_box[:2]))]
        here = labels[tuple(map(slice, low - corner, high - corner))]
        self.n_contested += int((part & (here != 0)).sum())
        here[part & (here == 0)] = cell


def _meet(first: Window, second: tuple[slice, ...]) -> bool:
    """Return True if two windows share a pixel."""
    return all(
        a.start < b.stop and b.start < a.stop
        for a, b in zip(first, second, strict=True)
    )
