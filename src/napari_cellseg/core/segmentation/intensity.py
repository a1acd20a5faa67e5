"""From the values of a microscope to what the network sees."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.errors import ImageError
from napari_cellseg.core.types import CellImage

#: Percentiles are taken from about this many pixels, spread evenly; exact below.
SAMPLE_PIXELS = 262_144
#: Values above the upper percentile keep some of their height, so that one very bright
#: cell is not flattened into a plateau.
UPPER_CLIP = 1.25


def choose_channels(image: CellImage, channel: int | None) -> tuple[int, ...]:
    """Return the channels that the network is shown: three for colour, else one.

    Raises
    ------
    ImageError
        If `channel` does not exist, or is None though there are several.
    """
    if channel is None:
        if image.is_rgb:
            return (0, 1, 2)
        if image.n_channels == 1:
            return (0,)
        raise ImageError(
            f"'{image.name}' has {image.n_channels} channels ({_names(image)}); choose the one "
            "that shows the cells (--channel on the command line)."
        )
    if not 0 <= channel < image.n_channels:
        raise ImageError(
            f"'{image.name}' has no channel {channel}; it has {image.n_channels}, which "
            f"{_numbers(image.n_channels)}. Choose one of these."
        )
    return (channel,)


def channel_named(image: CellImage, name: str) -> int:
    """Return the number of the channel of a name, whatever the case of its letters.

    Raises
    ------
    ImageError
        If no channel has the name, or several have.
    """
    wanted = name.strip().casefold()
    known = [one.strip().casefold() for one in image.channel_names]
    if known.count(wanted) == 1:
        return known.index(wanted)
    raise ImageError(
        f"'{image.name}' has {known.count(wanted) or 'no'} channels of the name '{name}'; "
        f"it has {_names(image)}. Choose one by its number (--channel on the command line)."
    )


def _names(image: CellImage) -> str:
    """Return numbers and names of the channels."""
    return ", ".join(f"{i} = {name}" for i, name in enumerate(image.channel_names))


def _numbers(n: int) -> str:
    """Return what the numbers of some channels are, in words."""
    return "is number 0" if n == 1 else f"are numbers 0 to {n - 1}"


def intensity_bounds(
    pixels: NDArray[Any], low_percentile: float, high_percentile: float
) -> tuple[float, float]:
    """Return the values that become 0 and 1, or equal values where nothing differs.

    Parameters
    ----------
    pixels : array of any shape and real dtype
        NaN and infinities are left out.
    low_percentile, high_percentile : float
        0 to 100.
    """
    # An odd stride does not fall into step with the rows of a power-of-two image.
    stride = max(1, pixels.size // SAMPLE_PIXELS) | 1
    # Not by reshaping: that copies all of one channel among several.
    sample = pixels.flat[::stride].astype(np.float64)
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return 0.0, 0.0
    low, high = np.percentile(sample, (low_percentile, high_percentile))
    if high <= low:
        # Sparse cells can fill less than the upper percentile leaves room for.
        high = sample.max()
    return float(low), float(high)


def normalize(
    plane: NDArray[Any], low_percentile: float, high_percentile: float
) -> NDArray[np.float32]:
    """Return three channels scaled by the percentiles of the whole plane.

    Parameters
    ----------
    plane : (1, y, x) or (3, y, x) array
        One channel (repeated three times) or red, green, blue (scaled together, so that
        the colour is kept). NaN and infinities become the lower bound.
    low_percentile, high_percentile : float
        0 to 100; see `ModelSpec`.

    Returns
    -------
    (3, y, x) float32, 0 to `UPPER_CLIP`; all zero where the plane is constant.
    """
    return scale_to_bounds(
        plane, intensity_bounds(plane, low_percentile, high_percentile)
    )


def scale_to_bounds(
    plane: NDArray[Any], bounds: tuple[float, float]
) -> NDArray[np.float32]:
    """Return three channels in which the bounds have become 0 and 1; see `normalize`."""
    low, high = bounds
    # Subtracting in float64 keeps the differences of values around 2^60.
    is_narrow = plane.dtype.itemsize <= 2 or plane.dtype == np.float32
    values: NDArray[np.floating[Any]] = plane.astype(
        np.float32 if is_narrow else np.float64
    )
    with np.errstate(invalid="ignore", over="ignore"):
        values -= low
        values *= 0.0 if high <= low else 1.0 / (high - low)
    np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    np.clip(values, 0.0, UPPER_CLIP, out=values)
    return np.broadcast_to(values.astype(np.float32, copy=False), (3, *plane.shape[1:]))
