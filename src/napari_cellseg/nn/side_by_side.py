"""True and found cells over an image, side by side, as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.segmentation import find_boundaries

from napari_cellseg.core.types import Labels
from napari_cellseg.io.atomic import replacing

#: Longest edge of one half, in pixels of the file and of the image.
LONGEST_PX = 320
SHOWN_PX = 512
GAP_PX = 6
TRUE_COLOUR = (63, 212, 107)
FOUND_COLOUR = (255, 176, 32)


def write_picture(
    path: Path,
    pixels: NDArray[np.float32],
    left: tuple[Labels, Labels],
    right: tuple[Labels, Labels],
) -> None:
    """Write a part of an image twice, side by side, with outlines of cells.

    Of a large image or a long strip the part is shown where the found cells differ most.

    Parameters
    ----------
    path : Path
        Of the PNG file.
    pixels : (3, y, x) float32
        Normalised.
    left, right : tuple of two (y, x) int32
        True cells, outlined in green, and found cells, in orange.

    Raises
    ------
    SaveError
        If it cannot be written.
    """
    part = most_changed(left[1], right[1])
    pixels = pixels[(slice(None), *part)]
    left, right = _cut(left, part), _cut(right, part)
    shown = np.moveaxis((np.clip(pixels, 0, 1) * 255).astype(np.uint8), 0, -1)
    halves = [_outlined(shown, truth, found) for truth, found in (left, right)]
    gap = np.zeros((shown.shape[0], GAP_PX, 3), np.uint8)
    picture = Image.fromarray(np.concatenate([halves[0], gap, halves[1]], axis=1))
    share = min(1.0, LONGEST_PX / max(shown.shape[:2]))
    size = (max(1, round(picture.width * share)), max(1, round(picture.height * share)))
    with replacing(path) as temporary:
        picture.resize(size).save(temporary, format="PNG")


def most_changed(old: Labels, new: Labels) -> tuple[slice, slice]:
    """Return the part, at most `SHOWN_PX` long and wide, where two labels differ most."""
    is_changed = np.asarray((old > 0) != (new > 0))
    edges = [min(size, SHOWN_PX) for size in is_changed.shape]
    near = ndimage.uniform_filter(is_changed.astype(np.float32), edges, mode="constant")
    middle = np.unravel_index(int(np.argmax(near)), near.shape)
    starts = [
        int(np.clip(place - edge // 2, 0, size - edge))
        for place, edge, size in zip(middle, edges, is_changed.shape, strict=True)
    ]
    rows, columns = (
        slice(start, start + edge) for start, edge in zip(starts, edges, strict=True)
    )
    return rows, columns


def _cut(
    both: tuple[Labels, Labels], part: tuple[slice, slice]
) -> tuple[Labels, Labels]:
    return both[0][part], both[1][part]


def _outlined(
    shown: NDArray[np.uint8], truth: Labels, found: Labels
) -> NDArray[np.uint8]:
    """Return a picture with both outlines."""
    picture = shown.copy()
    picture[find_boundaries(truth, mode="inner")] = TRUE_COLOUR
    picture[find_boundaries(found, mode="inner")] = FOUND_COLOUR
    return picture
