"""What a file may ask of this machine, checked from its header before anything is allocated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_cellseg.core.errors import ImageReadError, LimitError
from napari_cellseg.core.options import Range, check_options, option

if TYPE_CHECKING:  # commands name limits without loading NumPy
    import numpy as np

GIB = 2**30


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """How large a file may be. See each field's `Range` for unit, bounds and meaning."""

    max_bytes: int = option(
        8 * GIB, Range(1, 2**50, 1, "bytes", help="Largest image read at once.")
    )
    max_plane_bytes: int | None = option(
        None,
        Range(
            1,
            2**50,
            1,
            "bytes",
            help="Largest plane of an image that is read plane by plane; empty: as much "
            "as is read at once.",
        ),
    )
    lazy_bytes: int = option(
        GIB,
        Range(
            0,
            2**50,
            1,
            "bytes",
            help="Larger images are read plane by plane, where the format allows it.",
        ),
    )
    max_pages: int = option(
        50_000,
        Range(1, 10_000_000, 1, help="Largest number of pages or planes in a file."),
    )
    max_channels: int = option(
        256, Range(1, 65_535, 1, help="Largest number of channels.")
    )
    max_ratio: float = option(
        100_000.0,
        Range(
            1,
            1e12,
            help="Largest number of pixel bytes for one byte of the file; more is a "
            "damaged header or a trap.",
        ),
    )

    def __post_init__(self) -> None:
        check_options(self)


def n_bytes_of(shape: tuple[int, ...], dtype: np.dtype) -> int:
    """Return the size in memory of an array, in bytes."""
    return math.prod(int(size) for size in shape) * dtype.itemsize


def human_bytes(n_bytes: float) -> str:
    """Return a size in words, such as ``"37.3 GiB"``."""
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if n_bytes < 1024 or unit == "TiB":
            break
        n_bytes /= 1024
    return f"{n_bytes:.0f} {unit}" if unit == "bytes" else f"{n_bytes:.1f} {unit}"


def sizes_in_words(shape: tuple[int, ...]) -> str:
    """Return a shape in words, such as ``"2 × 512 × 512"``."""
    return " × ".join(str(size) for size in shape)


def check_shape(name: str, shape: tuple[int, ...]) -> None:
    """Raise `ImageReadError` if there is no pixel, or fewer than two axes."""
    if 0 in shape:
        raise ImageReadError(
            f"{name} is empty: its size is {sizes_in_words(shape)}. Save the image again."
        )
    if len(shape) < 2:
        raise ImageReadError(
            f"{name} is no image: its size is {sizes_in_words(shape) or 'a single value'}; at "
            "least rows and columns are needed."
        )


def check_ratio(name: str, n_bytes: int, file_bytes: int, limits: ReadLimits) -> None:
    """Raise `LimitError` if a header promises far more than the file can hold.

    Images under 64 MiB are let through: there, a wrong header costs nothing.
    """
    if n_bytes > 64 * 2**20 and n_bytes > file_bytes * limits.max_ratio:
        raise LimitError(
            f"{name} is damaged or a trap: its header promises {human_bytes(n_bytes)} of pixels, "
            f"the file has {human_bytes(file_bytes)}. Save the image again."
        )


def check_n_bytes(
    name: str, what: str, n_bytes: int, limits: ReadLimits, advice: str
) -> None:
    """Raise `LimitError` if `what` of the image needs more than `ReadLimits.max_bytes`."""
    if n_bytes > limits.max_bytes:
        raise LimitError(
            f"{name} needs {human_bytes(n_bytes)} for {what}; the limit is "
            f"{human_bytes(limits.max_bytes)}. {advice}"
        )
