"""One image of a file, before its axes are settled and its pixels are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.errors import ImageReadError, LimitError
from napari_cellseg.core.types import CellImage, PixelSize
from napari_cellseg.io.foreign import translated
from napari_cellseg.io.limits import (
    ReadLimits,
    check_n_bytes,
    check_ratio,
    check_shape,
    n_bytes_of,
    sizes_in_words,
)
from napari_cellseg.io.reading.axes import canonical_axes, resolve_axes, to_canonical
from napari_cellseg.io.reading.lazy import LazyArray, Sliceable, lazy_fits
from napari_cellseg.io.reading.paths import full_address


class Remote(Protocol):
    """Bytes that lie elsewhere and are read in parts."""

    @property
    def kind(self) -> str:
        """What `io.sniff` calls it."""
        ...

    def open(self) -> BinaryIO:
        """Return a file object, if it is a file."""
        ...

    def store(self) -> Any:
        """Return a store for zarr, if it is an OME-Zarr."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """How a file is to be opened.

    Attributes
    ----------
    path : Path
        File or OME-Zarr folder; with `remote` only its name counts.
    limits : ReadLimits
        Checked from the header.
    level : int
        Resolution level; 0 is the full resolution.
    as_stored : bool
        True for labels: no palette, inversion or colour conversion is applied.
    remote : Remote or None
        Where the bytes are, if not at `path`.
    source : str
        Address of the image, if it is not `path`.
    notes : tuple of str
        What is to be said of the image whatever the file says.
    """

    path: Path
    limits: ReadLimits
    level: int = 0
    as_stored: bool = False
    remote: Remote | None = None
    source: str = ""
    notes: tuple[str, ...] = ()

    def openable(self) -> Path | BinaryIO:
        """Return what a reader of files can open."""
        return self.path if self.remote is None else self.remote.open()

    @property
    def name(self) -> str:
        """Name of the file, for errors."""
        return self.path.name


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What the header says of one image.

    Attributes
    ----------
    name : str
        Name of the file, and of the image in it where it holds several.
    shape : tuple of int
        As `load` gives it.
    axes : str
        One letter an axis: T, C, Z, Y, X, S (samples of a pixel); others are not known.
    dtype : dtype
        As `load` gives it.
    load : callable
        Reads the whole array. Valid while the file is open.
    open_lazy : callable or None
        Gives an array that outlives the open file and reads on indexing; axes as in `axes`.
    file_bytes : int or None
        Size of the file; None if not known.
    n_pages : int
        Number of planes in the file.
    is_colour : bool
        True if S, or else C, are red, green and blue.
    level_shapes : tuple of shapes
        Of every resolution level, the full one first.
    """

    name: str
    shape: tuple[int, ...]
    axes: str
    dtype: np.dtype
    load: Callable[[], NDArray[Any]]
    open_lazy: Callable[[], Sliceable] | None = None
    file_bytes: int | None = None
    n_pages: int = 1
    is_colour: bool = False
    pixel_size: PixelSize | None = None
    channel_names: tuple[str, ...] = ()
    level_shapes: tuple[tuple[int, ...], ...] = ()
    notes: tuple[str, ...] = ()


def read_scene(scene: Scene, request: Request, named_axes: str | None) -> CellImage:
    """Settle the axes, check the size, read the pixels.

    Raises
    ------
    AmbiguousAxesError, ImageReadError, LimitError
        As `napari_cellseg.io.reading.images.read_image`.
    """
    check_scene(scene, request)
    axes = resolve_axes(scene.name, scene.axes, scene.shape, named_axes)
    kept, shape = canonical_axes(axes, scene.shape)
    n_channels = shape[kept.index("C")]
    if n_channels > request.limits.max_channels:
        raise LimitError(
            f"{scene.name} has {n_channels} channels; the limit is "
            f"{request.limits.max_channels}. Name the axes if they are planes, or keep fewer."
        )
    data = _pixels(scene, request, axes)
    return _image(scene, request, data, kept)


def check_scene(scene: Scene, request: Request) -> None:
    """Raise what the header alone tells: nothing in it, too many pages, damaged, no numbers."""
    check_shape(scene.name, scene.shape)
    if scene.dtype.kind not in "buif":
        raise ImageReadError(
            f"{scene.name} holds values of type {scene.dtype}; whole or real numbers are needed. "
            "Convert it first."
        )
    if scene.n_pages > request.limits.max_pages:
        raise LimitError(
            f"{scene.name} has {scene.n_pages} pages; the limit is {request.limits.max_pages}. "
            "Split it into several files."
        )
    if scene.file_bytes is not None:
        n_bytes = n_bytes_of(scene.shape, scene.dtype)
        check_ratio(scene.name, n_bytes, scene.file_bytes, request.limits)


def _pixels(scene: Scene, request: Request, axes: str) -> Any:
    """Return the pixels in the project's order: an array, or a lazy one if it is large."""
    limits = request.limits
    n_bytes = n_bytes_of(scene.shape, scene.dtype)
    if n_bytes > limits.lazy_bytes and scene.open_lazy and lazy_fits(axes, scene.shape):
        source = scene.open_lazy()
        lazy = LazyArray(source, axes, scene.shape, scene.dtype, scene.name)
        plane = tuple(
            n for x, n in zip(lazy.axes, lazy.shape, strict=True) if x in "CYX"
        )
        what = f"one plane of {sizes_in_words(plane)}"
        n_bytes = n_bytes_of(plane, scene.dtype)
        limits = replace(limits, max_bytes=limits.max_plane_bytes or limits.max_bytes)
        check_n_bytes(scene.name, what, n_bytes, limits, _advice(scene))
        return lazy
    what = f"{sizes_in_words(scene.shape)} pixels"
    check_n_bytes(scene.name, what, n_bytes, limits, _advice(scene))
    with translated(scene.name):
        data = scene.load()
        if data.shape != scene.shape:
            raise ValueError(
                f"its header says {scene.shape}, its pixels are {data.shape}"
            )
        data = np.asarray(data, dtype=data.dtype.newbyteorder("="))
        return to_canonical(data, axes)


def _advice(scene: Scene) -> str:
    """Return what to do with an image that is too large."""
    if len(scene.level_shapes) > 1:
        smaller = ", ".join(
            f"level={index}: {sizes_in_words(shape)}"
            for index, shape in enumerate(scene.level_shapes[1:4], start=1)
        )
        return (
            f"Open a lower resolution ({smaller}; --level on the command line) or a "
            "region (--region), or export a region as TIFF."
        )
    return "Crop it, or save it as OME-Zarr in several planes."


def _image(scene: Scene, request: Request, data: Any, axes: str) -> CellImage:
    """Return the image with names that fit its channels."""
    n_channels = int(data.shape[axes.index("C")])
    is_rgb = scene.is_colour and n_channels == 3
    names = scene.channel_names
    return CellImage(
        data=data,
        axes=axes,
        pixel_size=scene.pixel_size,
        channel_names=names if len(names) == n_channels and not is_rgb else (),
        is_rgb=is_rgb,
        name=scene.name,
        source=request.source or full_address(request.path),
        notes=(*request.notes, *scene.notes),
    )
