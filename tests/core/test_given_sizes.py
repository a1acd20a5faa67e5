"""Pixel sizes that are typed, beside those of the file."""

from __future__ import annotations

from napari_cellseg.core.given_sizes import given_size
from napari_cellseg.core.types import PixelSize


def test_both_sides_that_are_not_used_are_named() -> None:
    size, notes = given_size(PixelSize(0.65, 0.325), 0.65, None, has_planes=False)

    assert size == PixelSize(0.65, 0.65)
    assert notes == (
        "The pixel size of the file (0.325 x 0.65 µm) is not used: 0.65 µm was given.",
    )


def test_a_square_pixel_is_named_by_one_side() -> None:
    _, notes = given_size(PixelSize(0.5, 0.5, 1.0), 0.5, 2.0, has_planes=True)
    _, other = given_size(PixelSize(0.5, 0.5), 1.0, None, has_planes=False)

    assert notes == (
        "The distance of planes of the file (1 µm) is not used: 2 µm was given.",
    )
    assert other == (
        "The pixel size of the file (0.5 µm) is not used: 1 µm was given.",
    )
