"""From the arrays of one or several layers to an image with settled axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.errors import ImageError
from napari_cellseg.core.types import CellImage, PixelSize
from napari_cellseg.io.reading.axes import ORDER
from napari_cellseg.io.reading.lazy import LazyArray


class StackedChannels:
    """Channels that lie in arrays of their own, as one array that is read by parts.

    Parameters
    ----------
    channels : sequence of arrays
        One shape each, with a channel axis of size 1.
    channel_axis : int
        Which axis that is.
    """

    def __init__(self, channels: Sequence[Any], channel_axis: int) -> None:
        self._channels = tuple(channels)
        self._axis = channel_axis
        shape = list(channels[0].shape)
        shape[channel_axis] = len(channels)
        self.shape = tuple(int(n) for n in shape)
        self.dtype = np.result_type(*(np.dtype(one.dtype) for one in channels))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __array__(  # numpy calls it
        self,
        dtype: Any = None,
        copy: bool | None = None,  # noqa: FBT001
    ) -> NDArray[Any]:
        """Read everything."""
        return np.asarray(self[...], dtype=dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        keys = _one_key_an_axis(key, self.ndim)
        wanted = keys[self._axis]
        chosen = np.arange(len(self._channels))[wanted]
        keys[self._axis] = 0
        read = tuple(keys)
        if np.ndim(chosen) == 0:
            return np.asarray(self._channels[int(chosen)][read], self.dtype)
        planes = [np.asarray(self._channels[i][read], self.dtype) for i in chosen]
        # An axis before the channels that was indexed by a number is gone.
        axis = sum(isinstance(item, slice) for item in keys[: self._axis])
        return np.stack(planes, axis)


def _one_key_an_axis(key: Any, ndim: int) -> list[Any]:
    """Return a key with an entry for each axis; an ellipsis is written out."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if any(item is Ellipsis for item in keys):
        at = next(i for i, item in enumerate(keys) if item is Ellipsis)
        keys[at : at + 1] = [slice(None)] * (ndim - len(keys) + 1)
    return keys + [slice(None)] * (ndim - len(keys))


def channels_first(data: Any, axes: str, name: str) -> Any:
    """Return an array in the order of `ORDER`, with a channel axis: a view where possible.

    Parameters
    ----------
    data : array
        numpy, or anything with ``shape``, ``dtype`` and slicing.
    axes : str
        One letter an axis of T, C, Z, Y, X; S is the colour.
    name : str
        For errors.

    Raises
    ------
    ImageError
        If `axes` do not fit the array.
    """
    shape = tuple(int(n) for n in data.shape)
    letters = axes.replace("S", "C")
    if len(axes) != len(shape) or len(set(letters)) != len(letters):
        raise ImageError(
            f"'{name}' has the shape {shape}, which the axes {axes} do not fit. Name "
            "each axis once."
        )
    if not isinstance(data, np.ndarray):
        return LazyArray(data, axes, shape, np.dtype(data.dtype), name)
    order = [letters.index(letter) for letter in ORDER if letter in letters]
    view = data.transpose(order)
    if "C" not in letters:
        view = np.expand_dims(view, 1 if "T" in letters else 0)
    return view


def image_from_arrays(
    arrays: Sequence[Any],
    axes: str,
    *,
    name: str,
    channel_names: tuple[str, ...] = (),
    pixel_size: PixelSize | None = None,
    source: str = "",
) -> CellImage:
    """Return the image that arrays hold: one a channel, or one that has a channel axis.

    Parameters
    ----------
    arrays : sequence of arrays
        Of one shape.
    axes : str
        One letter an axis; S is the colour, of which an alpha value is left out.
    name, channel_names, pixel_size, source
        As in `CellImage`.

    Raises
    ------
    ImageError
        If they are no image: empty, complex, shapes that differ, axes that do not fit.
    """
    first = arrays[0]
    if any(tuple(one.shape) != tuple(first.shape) for one in arrays):
        shapes = ", ".join(str(tuple(one.shape)) for one in arrays)
        raise ImageError(f"The channels of '{name}' have different shapes: {shapes}.")
    is_rgb = "S" in axes
    notes: tuple[str, ...] = ()
    if is_rgb and first.shape[axes.index("S")] == 4:
        arrays = [first[..., :3]]
        notes = ("The alpha channel is not used.",)
    ordered = [channels_first(one, axes, name) for one in arrays]
    kept = "".join(x for x in ORDER if x == "C" or x in axes)
    data = (
        ordered[0] if len(ordered) == 1 else StackedChannels(ordered, kept.index("C"))
    )
    return CellImage(
        data=data,
        axes=kept,
        pixel_size=pixel_size,
        channel_names=channel_names if len(channel_names) == len(arrays) > 1 else (),
        is_rgb=is_rgb,
        name=name,
        source=source,
        notes=notes,
    )


class ReadInParts:
    """An array that is read where it is indexed.

    Parameters
    ----------
    shape : tuple of int
        Its size.
    dtype : dtype
        Of its values.
    read : callable
        Gets a whole number or a slice for each axis and returns what is there.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype,
        read: Callable[[list[Any]], NDArray[Any]],
    ) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._read = read

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        """Read everything."""
        return np.asarray(self[...], dtype=dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return self._read(_one_key_an_axis(key, self.ndim))


def _one_channel(source: Any, channel_axis: int, channel: int) -> ReadInParts:
    """Return one channel of an array that is read in parts, without the channel axis."""
    shape = tuple(int(n) for n in source.shape)

    def read(keys: list[Any]) -> NDArray[Any]:
        lead, rest = keys[:channel_axis], keys[channel_axis:]
        return np.asarray(source[(*lead, channel, *rest)])

    without = (*shape[:channel_axis], *shape[channel_axis + 1 :])
    return ReadInParts(without, source.dtype, read)


def channels_of(image: CellImage) -> list[Any]:
    """Return each channel of an image as an array without channel axis: views of numpy."""
    axis = image.axes.index("C")
    if isinstance(image.data, np.ndarray):
        return list(np.moveaxis(image.data, axis, 0))
    return [_one_channel(image.data, axis, i) for i in range(image.n_channels)]


def colour_last(image: CellImage) -> Any:
    """Return a colour image with the colours as the last axis; a lazy plane stays lazy."""
    if image.axes != "CYX" or isinstance(image.data, np.ndarray):
        return np.moveaxis(np.asarray(image.data), image.axes.index("C"), -1)

    def read(keys: list[Any]) -> NDArray[Any]:
        rows, columns, colours = keys
        # Colours are chosen after reading: files hold the three of a pixel together.
        pixels = np.moveaxis(image.data[(slice(None), rows, columns)], 0, -1)
        return np.asarray(pixels[..., colours])

    n_colours, height, width = (int(n) for n in image.shape)
    return ReadInParts((height, width, n_colours), image.data.dtype, read)
