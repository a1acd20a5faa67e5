"""The region of an image, as a person types it."""

from __future__ import annotations

import re
from typing import TypeAlias

from napari_cellseg.core.errors import OptionsError

#: (top, left, bottom, right) in pixels; bottom and right are left out.
Box: TypeAlias = tuple[int, int, int, int]

REGION = re.compile(r"(\d{1,9}):(\d{1,9}),(\d{1,9}):(\d{1,9})", re.ASCII)
#: A region below this in height or width holds no cell that could be measured.
SMALLEST_SIDE_PX = 4


def parse_region(text: str) -> Box:
    """Return the box that ``"ROWS,COLUMNS"`` means, such as ``"0:2048,4096:6144"``.

    Raises
    ------
    OptionsError
        If it is no such text, or the box is smaller than `SMALLEST_SIDE_PX`.
    """
    found = REGION.fullmatch("".join(text.split()))
    if found is None:
        raise OptionsError(
            f"The region is '{text}'; rows and columns are needed, such as "
            "0:2048,4096:6144, counted from 0 and without the last one."
        )
    top, bottom, left, right = map(int, found.groups())
    if min(bottom - top, right - left) < SMALLEST_SIDE_PX:
        raise OptionsError(
            f"The region '{text}' has {bottom - top} rows and {right - left} columns; "
            f"at least {SMALLEST_SIDE_PX} of each are needed."
        )
    return top, left, bottom, right
