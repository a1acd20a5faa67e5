"""Tissue and glass."""

import numpy as np
import pytest

from napari_cellseg.core.types import PixelSize
from napari_cellseg.slides.tissue import NO_TISSUE, tissue_blocks


@pytest.mark.parametrize("um", [0.25, 0.5, 2.0])
def test_the_pixels_of_tissue_are_counted(um: float) -> None:
    side = round(256 / um)
    darkest = np.ones((side, side), np.float32)
    darkest[: side // 2, : side // 4] = 0.5

    blocks = tissue_blocks(darkest, (0, 0), PixelSize(um, um))

    assert blocks[:, 2].sum() == side * side / 8


def test_gaps_between_cells_are_tissue_and_holes_are_not() -> None:
    darkest = np.ones((256, 256), np.float32)
    darkest[:128, ::4] = 0.0

    blocks = tissue_blocks(darkest, (0, 0), PixelSize(0.5, 0.5))

    # Strokes of one pixel in four; the other half is empty.
    assert blocks[:, 2].sum() == 128 * 256


def test_blocks_know_where_they_lie() -> None:
    darkest = np.ones((100, 300), np.float32)
    darkest[:, 256:] = 0.0

    ((y, x, n_pixels),) = tissue_blocks(darkest, (1000, 2000), PixelSize(0.5, 0.5))

    # One block of 128 px a side, cut off by the edge: rows 0 to 99, columns 256 to 299.
    assert (y, x, n_pixels) == (1049.5, 2277.5, 100 * 44)


def test_glass_has_no_block() -> None:
    blocks = tissue_blocks(np.ones((40, 40), np.float32), (0, 0), None)

    assert blocks.shape == NO_TISSUE.shape
