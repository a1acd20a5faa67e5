"""A region of an image, cut out before its pixels are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.core.segmentation.region_text import Box
from napari_cellseg.io.limits import ReadLimits, check_n_bytes, n_bytes_of
from napari_cellseg.io.reading.axes import resolve_axes
from napari_cellseg.io.reading.lazy import Sliceable
from napari_cellseg.io.reading.scene import Request, Scene, check_scene


def cut_scene(
    scene: Scene, request: Request, named_axes: str | None, box: Box
) -> Scene:
    """Return the scene of a region of every plane; a note says which.

    Only the region is read where the format can be read in parts.

    Parameters
    ----------
    scene, request, named_axes
        As in `io.reading.scene.read_scene`.
    box : (top, left, bottom, right)
        In pixels of the level that is read.

    Raises
    ------
    AmbiguousAxesError, ImageReadError, LimitError
        As `io.reading.scene.read_scene`; also if the region is not in the image.
    """
    check_scene(scene, request)
    axes = resolve_axes(scene.name, scene.axes, scene.shape, named_axes)
    y, x = axes.index("Y"), axes.index("X")
    n_rows, n_columns = scene.shape[y], scene.shape[x]
    top, left, bottom, right = box
    if bottom > n_rows or right > n_columns:
        raise ImageReadError(
            f"{scene.name} has {n_rows} rows and {n_columns} columns; the region "
            f"{top}:{bottom},{left}:{right} goes beyond. Choose one inside."
        )
    starts, shape = [0] * len(scene.shape), list(scene.shape)
    starts[y], starts[x], shape[y], shape[x] = top, left, bottom - top, right - left
    part = _Part(tuple(starts), tuple(shape))
    note = (
        f"A region of {n_rows} x {n_columns} pixels: rows {top} to {bottom}, columns "
        f"{left} to {right}; places are counted from its corner."
    )
    opened = scene.open_lazy
    return replace(
        scene,
        shape=part.shape,
        load=partial(_load_all, scene, part, request.limits)
        if opened is None
        else partial(_load_part, opened, part),
        open_lazy=None if opened is None else partial(_open_part, opened, part),
        notes=(*scene.notes, note),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """Where a part of an array begins, and its shape."""

    starts: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def box(self) -> tuple[slice, ...]:
        """Its place in the array."""
        pairs = zip(self.starts, self.shape, strict=True)
        return tuple(slice(start, start + size) for start, size in pairs)


class PartOfSource:
    """A part of what can be sliced, sliced as if there were nothing else."""

    def __init__(self, source: Sliceable, part: _Part) -> None:
        self._source, self._part = source, part

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of each axis."""
        return self._part.shape

    def __getitem__(self, key: tuple[slice, ...]) -> Any:
        """Return an array; a slice an axis, with start and stop."""
        moved = (
            slice(start + span.start, start + span.stop)
            for start, span in zip(self._part.starts, key, strict=True)
        )
        return self._source[tuple(moved)]


def _open_part(opened: Callable[[], Sliceable], part: _Part) -> PartOfSource:
    """Open a part of what can be read in parts."""
    return PartOfSource(opened(), part)


def _load_part(opened: Callable[[], Sliceable], part: _Part) -> NDArray[Any]:
    """Read a part of what can be read in parts."""
    return np.asarray(opened()[part.box])


def _load_all(scene: Scene, part: _Part, limits: ReadLimits) -> NDArray[Any]:
    """Read the whole image and return a part of it."""
    n_bytes = n_bytes_of(scene.shape, scene.dtype)
    advice = "The region cannot be read alone; save it as a tiled TIFF or OME-Zarr."
    check_n_bytes(scene.name, "its pixels", n_bytes, limits, advice)
    return np.ascontiguousarray(scene.load()[part.box])
