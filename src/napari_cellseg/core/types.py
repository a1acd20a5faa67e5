"""The values that travel between the floors.

Axis order is always ``(T, C, Z, Y, X)`` with T and Z left out where there are none;
coordinates are ``(z, y, x)``, lengths micrometres.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.errors import ImageError, LabelsError
from napari_cellseg.core.options import SegmentOptions

IMAGE_AXES = ("CYX", "CZYX", "TCYX", "TCZYX")
LABELS_DTYPE = np.int32

Labels = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class PixelSize:
    """Size of a pixel in micrometres; `z_um` is the distance of planes, None if unknown."""

    y_um: float
    x_um: float
    z_um: float | None = None

    def __post_init__(self) -> None:
        for axis, value in (("y", self.y_um), ("x", self.x_um), ("z", self.z_um)):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ImageError(
                    f"The pixel size along {axis} is {value} µm; it must be above 0. "
                    "Set it by hand or leave it unknown."
                )

    @property
    def area_um2(self) -> float:
        """Area of one pixel in square micrometres."""
        return self.y_um * self.x_um


@dataclass(frozen=True, slots=True, eq=False)
class CellImage:
    """An image with settled axes.

    Attributes
    ----------
    data : (C, Y, X), (C, Z, Y, X), (T, C, Y, X) or (T, C, Z, Y, X) array
        Any real dtype, bool included. Never written to. May be lazy (anything with
        ``shape``, ``dtype`` and indexing that gives arrays), such as a zarr array.
    axes : str
        One of `IMAGE_AXES`.
    pixel_size : PixelSize or None
        None if unknown.
    channel_names : tuple of str, length C
        Made up as ``"channel 1"``... when empty is given.
    is_rgb : bool
        True if the channels are the red, green and blue of one colour image.
    name : str
        What the person calls it; a file's name without its folder.
    source : str
        Path or address it was read from, or ``""``.
    notes : tuple of str
        What the person should know of the reading ("alpha channel ignored").
    """

    data: Any
    axes: str = "CYX"
    pixel_size: PixelSize | None = None
    channel_names: tuple[str, ...] = ()
    is_rgb: bool = False
    name: str = "image"
    source: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape = tuple(self.data.shape)
        if self.axes not in IMAGE_AXES or len(shape) != len(self.axes):
            raise ImageError(
                f"An image of shape {shape} was given the axes '{self.axes}'; "
                f"one of {', '.join(IMAGE_AXES)} with as many sizes is needed."
            )
        if 0 in shape:
            raise ImageError(f"The image '{self.name}' is empty: its shape is {shape}.")
        dtype = np.dtype(self.data.dtype)
        if dtype.kind not in "buif":
            raise ImageError(
                f"The image '{self.name}' holds values of type {dtype}; whole or real "
                "numbers are needed. Convert it first."
            )
        if self.is_rgb and self.n_channels != 3:
            raise ImageError(
                f"A colour image has 3 channels; '{self.name}' has {self.n_channels}."
            )
        if not self.channel_names:
            names = (
                ("red", "green", "blue")
                if self.is_rgb
                else tuple(f"channel {index + 1}" for index in range(self.n_channels))
            )
            object.__setattr__(self, "channel_names", names)
        if len(self.channel_names) != self.n_channels:
            raise ImageError(
                f"'{self.name}' has {self.n_channels} channels but "
                f"{len(self.channel_names)} channel names."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes in the order of `axes`."""
        return tuple(self.data.shape)

    @property
    def n_channels(self) -> int:
        """Number of channels; 3 for a colour image."""
        return int(self.data.shape[self.axes.index("C")])

    @property
    def labels_axes(self) -> str:
        """The axes that labels of this image have: all but C."""
        return self.axes.replace("C", "")

    @property
    def labels_shape(self) -> tuple[int, ...]:
        """Shape that labels of this image have."""
        return tuple(
            n for axis, n in zip(self.axes, self.shape, strict=True) if axis != "C"
        )

    def n_along(self, axis: str) -> int:
        """Return the size along one axis, 1 where the image does not have it."""
        return dict(zip(self.axes, self.shape, strict=True)).get(axis, 1)

    @property
    def n_planes(self) -> int:
        """Number of (Y, X) planes over T and Z."""
        return math.prod(self.labels_shape[:-2])

    def plane(self, index: tuple[int, ...] = ()) -> NDArray[Any]:
        """Return the (C, Y, X) pixels at one position of T and Z.

        Parameters
        ----------
        index : tuple of int
            One number for each axis of `labels_axes` before ``YX``, in its order.
        """
        positions = dict(zip(self.labels_axes[:-2], index, strict=True))
        key = tuple(positions.get(axis, slice(None)) for axis in self.axes)
        return np.asarray(self.data[key])

    def plane_indices(self) -> Iterator[tuple[int, ...]]:
        """Yield the position of every (Y, X) plane, in the order of the labels."""
        return iter(np.ndindex(self.labels_shape[:-2]))

    def with_pixel_size(self, pixel_size: PixelSize | None) -> CellImage:
        """Return the same image with another pixel size."""
        return replace(self, pixel_size=pixel_size)


@dataclass(frozen=True, slots=True, eq=False)
class PlaneMaps:
    """What the network says of one plane, kept so that thresholds can move live.

    Attributes
    ----------
    maps : (5, y, x) uint8
        See `core.segmentation.decode.MAP_NAMES`: foreground, distance and border as 0..255
        for 0..1; flow y and x as 0..255 for -1..1.
    shape_yx : tuple of int
        Size of the plane that the labels must have; differs from (y, x) where the network
        ran on a rescaled image.
    """

    maps: NDArray[np.uint8]
    shape_yx: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class SegmentationResult:
    """Labels with where they come from.

    Attributes
    ----------
    labels : (Y, X), (Z, Y, X), (T, Y, X) or (T, Z, Y, X) int32
        0 is background; ids run from 1 to n over the whole array.
    confidence : (n,) float32
        For label i at place i - 1, from 0 to 1.
    maps : tuple of PlaneMaps
        One a plane, in the order of `CellImage.plane_indices`; empty if not kept.
    axes : str
        Of the labels, such as ``"ZYX"``; "" where it does not matter.
    model_name, model_digest : str
        Name and SHA-256 of the weights.
    options : SegmentOptions
        As run, with the diameter that was used.
    device : str
        Such as ``"CPU"`` or the name of the GPU.
    seconds : float
        Wall time of network and decoding.
    """

    labels: Labels
    confidence: NDArray[np.float32]
    model_name: str
    model_digest: str
    options: SegmentOptions
    device: str = ""
    seconds: float = 0.0
    maps: tuple[PlaneMaps, ...] = field(default=())
    axes: str = ""

    def __post_init__(self) -> None:
        if self.labels.dtype != LABELS_DTYPE:
            raise LabelsError(f"Labels are int32; {self.labels.dtype} was given.")

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.confidence)
