"""Pixel sizes in whatever unit a file gives them, in micrometres."""

from __future__ import annotations

import math
from typing import Any

from napari_cellseg.core.types import PixelSize

UM_IN: dict[str, float] = {
    "m": 1e6,
    "meter": 1e6,
    "metre": 1e6,
    "cm": 1e4,
    "centimeter": 1e4,
    "centimetre": 1e4,
    "mm": 1e3,
    "millimeter": 1e3,
    "millimetre": 1e3,
    "µm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "nanometre": 1e-3,
    "pm": 1e-6,
    "picometer": 1e-6,
    "picometre": 1e-6,
    "å": 1e-4,
    "angstrom": 1e-4,
    "in": 25_400.0,
    "inch": 25_400.0,
    "inches": 25_400.0,
    "thou": 25.4,
    "mil": 25.4,
}

# "µm" in UTF-8 read as Latin-1, with the other mu, or with its first byte lost.
GARBLED_MICRO = (
    "\u03bc",
    "\u00c2\u00b5",
    "\u00c2\u03bc",
    "\u00ce\u00bc",
    "\ufffd\ufffd",
    "\ufffd",
    "\\u00b5",
    "\\u00B5",
    "&#181;",
    "&micro;",
)

# Coarser than this, a resolution per inch or centimetre is how large to print the picture
# (72 to 4,800 per inch); finer, it is what a microscope wrote. Chosen by reasoning.
PRINT_UM = 5.0


def um_per(unit: str | None) -> float | None:
    """Return the micrometres in one `unit`, or None if it is no unit of length.

    Understands full names, symbols, plurals, and garbled spellings of ``µm``.
    """
    text = (unit or "").strip().strip('"')
    for garbled in GARBLED_MICRO:
        text = text.replace(garbled, "µ")
    text = text.lower()
    if text in UM_IN:
        return UM_IN[text]
    return UM_IN.get(text.removesuffix("s"))


def length_um(value: Any, unit: str | None) -> float | None:
    """Return a length in micrometres, or None if it is no length above 0."""
    factor = um_per(unit)
    try:
        length = float(value)
    except (TypeError, ValueError):
        return None
    if factor is None or not math.isfinite(length) or length <= 0:
        return None
    um = length * factor
    return um if math.isfinite(um) and um > 0 else None


def pixel_size_um(
    y_um: float | None, x_um: float | None, z_um: float | None = None
) -> PixelSize | None:
    """Return the pixel size, or None if Y or X is not known; lengths in micrometres."""
    if y_um is None or x_um is None:
        return None
    return PixelSize(y_um, x_um, z_um)


def scaled(
    size: PixelSize | None, full: tuple[int, int], level: tuple[int, int]
) -> PixelSize | None:
    """Return the pixel size of a lower resolution level.

    Parameters
    ----------
    full, level : (rows, columns)
        Of the full resolution and of the level.
    """
    if size is None or full == level:
        return size
    return PixelSize(
        size.y_um * full[0] / level[0], size.x_um * full[1] / level[1], size.z_um
    )
