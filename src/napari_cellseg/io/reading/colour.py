"""Palettes, inverted grey, alpha, CMYK and Lab: what is stored, and what is meant.

Every conversion is declared: it adds a note that the person sees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Convert = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class ColourPlan:
    """How stored values become what they mean.

    Attributes
    ----------
    shape, axes, dtype
        After the conversion.
    convert : callable or None
        From the stored array; None if nothing is to be done.
    n_samples : int or None
        If the conversion only drops samples: how many are kept. Then it can be read lazily.
    is_colour : bool
        True if S are red, green and blue.
    notes : tuple of str
        What was done.
    """

    shape: tuple[int, ...]
    axes: str
    dtype: np.dtype
    convert: Convert | None = None
    n_samples: int | None = None
    is_colour: bool = False
    notes: tuple[str, ...] = ()


def with_samples(shape: tuple[int, ...], axes: str, n_samples: int) -> tuple[int, ...]:
    """Return `shape` with `n_samples` along S."""
    return tuple(n_samples if x == "S" else n for x, n in zip(axes, shape, strict=True))


def first_samples(data: NDArray[Any], axes: str, n_samples: int) -> NDArray[Any]:
    """Return the first samples along S, as a view."""
    key = tuple(slice(n_samples) if letter == "S" else slice(None) for letter in axes)
    return data[key]


def inverted(data: NDArray[Any], n_bits: int) -> NDArray[Any]:
    """Return grey values with 0 for black where 0 was white.

    Parameters
    ----------
    data : bool or integer array
        Whole numbers of `n_bits` bits; signed ones are mirrored at their middle.
    """
    if data.dtype.kind == "b":
        return np.asarray(np.logical_not(data))
    if data.dtype.kind == "i":
        return np.asarray(np.invert(data))
    return np.asarray(np.bitwise_xor(data, data.dtype.type(2**n_bits - 1)))


def palette_table(colormap: NDArray[np.uint16], n_bits: int) -> NDArray[Any]:
    """Return a table from index to grey, (n,), or to red, green and blue, (n, 3).

    Parameters
    ----------
    colormap : (3, n) uint16
        As TIFF stores it; 8-bit palettes are stored times 256 or 257, or as they are.
    n_bits : int
        Bits of an index; the table is uint8 up to 8 bits, uint16 above.
    """
    table = np.ascontiguousarray(colormap.T)  # (n, 3)
    if n_bits <= 8:
        table = (table >> 8 if table.max(initial=0) > 255 else table).astype(np.uint8)
    is_grey = bool((table[:, :1] == table).all())
    return table[:, 0] if is_grey else table


def apply_palette(data: NDArray[Any], table: NDArray[Any]) -> NDArray[Any]:
    """Return the colours of indices; an index beyond the table raises IndexError."""
    indices = data.view(np.uint8) if data.dtype.kind == "b" else data
    return np.asarray(table[indices])


def cmyk_to_rgb(data: NDArray[Any], axes: str) -> NDArray[Any]:
    """Return red, green and blue of cyan, magenta, yellow and black along S.

    The plain formula ``(1 - c) (1 - k)``, without colour profiles; same dtype and range.
    """
    low, high = (0.0, 1.0) if data.dtype.kind == "f" else _range_of(data.dtype)
    ink = np.moveaxis(data, axes.index("S"), 0)
    black = 1.0 - (ink[3].astype(np.float64) - low) / (high - low)
    out = np.empty((3, *ink.shape[1:]), data.dtype)
    for sample in range(3):
        light = (1.0 - (ink[sample].astype(np.float64) - low) / (high - low)) * black
        value = low + light * (high - low)
        out[sample] = (
            value if data.dtype.kind == "f" else np.rint(value).clip(low, high)
        )
    return np.moveaxis(out, 0, axes.index("S"))


def lab_to_rgb(data: NDArray[Any], axes: str, *, is_icc: bool) -> NDArray[Any]:
    """Return uint8 red, green and blue of 8- or 16-bit CIE L*a*b* along S.

    TIFF 6.0 stores a* and b* as signed bytes, ICC L*a*b* with an offset of half the range.
    """
    from skimage.color import lab2rgb

    step = 1 if data.dtype.itemsize == 1 else 256
    lab = np.moveaxis(data, axes.index("S"), -1)
    whole = np.iinfo(data.dtype).max - np.iinfo(data.dtype).min
    out = np.empty(lab.shape, np.float64)
    out[..., 0] = lab[..., 0] * (100.0 / whole)
    for sample in (1, 2):
        raw = lab[..., sample]
        signed = (
            raw.astype(np.int64) - 128 * step
            if is_icc
            else raw.view(f"i{raw.itemsize}")
        )
        out[..., sample] = signed / step
    rgb = np.rint(lab2rgb(out) * 255).astype(np.uint8)
    return np.moveaxis(rgb, -1, axes.index("S"))


def ycbcr_to_rgb(data: NDArray[np.uint8], axes: str) -> NDArray[np.uint8]:
    """Return red, green and blue of 8-bit YCbCr along S (ITU-R BT.601, full range)."""
    y, cb, cr = np.moveaxis(data, axes.index("S"), 0).astype(np.float32)
    cb, cr = cb - 128, cr - 128
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb])
    return np.moveaxis(np.rint(rgb).clip(0, 255).astype(np.uint8), 0, axes.index("S"))


def _range_of(dtype: np.dtype) -> tuple[float, float]:
    """Return the least and greatest value of an integer type."""
    info = np.iinfo(dtype)
    return float(info.min), float(info.max)
