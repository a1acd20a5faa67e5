"""OME-Zarr 0.4 and 0.5 with plain zarr; older versions as far as their axes are known."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from napari_cellseg.core.errors import ImageReadError, LimitError
from napari_cellseg.core.types import PixelSize
from napari_cellseg.io.foreign import translated
from napari_cellseg.io.limits import human_bytes, n_bytes_of
from napari_cellseg.io.reading.metadata import length_um, pixel_size_um
from napari_cellseg.io.reading.scene import Request, Scene

#: Only axes of space have names that the specification fixes.
LETTER_OF_TYPE = {"time": "T", "channel": "C"}
SPEC_AXES = "TCZYX"  # of versions 0.1 and 0.2, which have always five


@contextmanager
def zarr_scenes(request: Request) -> Iterator[list[Scene]]:
    """Open an OME-Zarr folder, or an array in one, and give what its metadata say.

    Raises
    ------
    ImageReadError
        If it is damaged, a plate, or holds no image.
    LimitError
        If one chunk is larger than the limit.
    """
    import zarr

    with translated(request.name):
        remote = request.remote
        place = str(request.path) if remote is None else remote.store()
        node = zarr.open(place, mode="r")
        if isinstance(node, zarr.Array):
            scenes = [_array_scene(node, request)]
        else:
            scenes = _group_scenes(node, request)
    yield scenes


def _ome(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the OME metadata: version 0.5 keeps them under ``ome``, 0.4 does not."""
    inner = attributes.get("ome")
    return inner if isinstance(inner, Mapping) else attributes


def _group_scenes(group: Any, request: Request) -> list[Scene]:
    """Return the scene of a group, or those of a series written by bioformats2raw."""
    ome = _ome(dict(group.attrs))
    if ome.get("multiscales"):
        return [_multiscale_scene(group, ome, request, request.name)]
    if "plate" in ome:
        wells = ome["plate"].get("wells", [])
        first = wells[0].get("path", "A/1") if wells else "A/1"
        raise ImageReadError(
            f"{request.name} is a plate of {len(wells)} wells. Open one field of it, such as "
            f"{request.name}/{first}/0."
        )
    names = ome.get("series") or [str(index) for index in range(1000)]
    scenes = []
    for name in names:
        if not _is_inside(name) or name not in group:
            break
        inner = _ome(dict(group[name].attrs))
        if inner.get("multiscales"):
            title = f"{request.name} [{name}]"
            scenes.append(_multiscale_scene(group[name], inner, request, title))
    if not scenes:
        raise ImageReadError(
            f"{request.name} is a zarr group without OME metadata (no 'multiscales'). "
            "Open the array in it, or write it as OME-Zarr."
        )
    return scenes


def _is_inside(path: Any) -> bool:
    """Say whether a path in the metadata stays in its group."""
    parts = str(path).replace("\\", "/").split("/")
    return bool(path) and ".." not in parts and parts[0] != "" and ":" not in parts[0]


def _multiscale_scene(
    group: Any, ome: Mapping[str, Any], request: Request, name: str
) -> Scene:
    """Return the scene of the first multiscale image of a group."""
    multiscale = ome["multiscales"][0]
    datasets = multiscale["datasets"]
    if request.level >= len(datasets):
        raise ImageReadError(
            f"{name} has {len(datasets)} resolution level(s); level {request.level} was asked "
            "for. Levels count from 0."
        )
    if not all(_is_inside(dataset["path"]) for dataset in datasets):
        raise ImageReadError(
            f"{name} names arrays outside of its own folder; it is not read."
        )
    arrays = [group[dataset["path"]] for dataset in datasets]
    array = arrays[request.level]
    axes, units = _axes(multiscale, len(array.shape))
    scale = _scale(multiscale, datasets[request.level], len(axes))
    size, notes = _pixel_size(axes, units, scale)
    names = _channel_names(ome, axes, array.shape)
    level_shapes = tuple(tuple(level.shape) for level in arrays)
    return _scene(
        array,
        request,
        name,
        axes,
        pixel_size=size,
        channel_names=names,
        level_shapes=level_shapes,
        notes=notes,
    )


def _array_scene(array: Any, request: Request) -> Scene:
    """Return the scene of an array without OME metadata; its dimension names, if any."""
    names = getattr(array.metadata, "dimension_names", None) or [None] * len(
        array.shape
    )
    letters = [_letter(name) for name in names]
    if "Y" not in letters and "X" not in letters and len(letters) >= 2:
        letters[-2:] = ["Y", "X"]
    return _scene(array, request, request.name, "".join(letters))


def _scene(array: Any, request: Request, name: str, axes: str, **more: Any) -> Scene:
    """Return the scene of an array, after a look at the size of its chunks."""
    chunk = n_bytes_of(tuple(array.chunks), np.dtype(array.dtype))
    if chunk > request.limits.max_bytes:
        raise LimitError(
            f"{name} has chunks of {human_bytes(chunk)}; the limit is "
            f"{human_bytes(request.limits.max_bytes)}. Write it with smaller chunks."
        )
    if len(array.shape) != len(axes):
        raise ImageReadError(
            f"{name} has the shape {tuple(array.shape)} but names {len(axes)} axes ({axes}). "
            "Write it again."
        )
    n_pages = math.prod(
        n for x, n in zip(axes, array.shape, strict=True) if x not in "YXS"
    )
    return Scene(
        name=name,
        shape=tuple(array.shape),
        axes=axes,
        dtype=np.dtype(array.dtype),
        load=partial(_load, array),
        open_lazy=partial(_same, array),
        n_pages=n_pages,
        **more,
    )


def _load(array: Any) -> Any:
    """Read the whole array."""
    return np.asarray(array[...])


def _same(array: Any) -> Any:
    """Return the array: zarr reads on indexing already."""
    return array


def _letter(name: Any) -> str:
    """Return the letter of an axis name, ``?`` if it is none of ours."""
    letters = {
        "t": "T",
        "time": "T",
        "c": "C",
        "channel": "C",
        "z": "Z",
        "y": "Y",
        "x": "X",
    }
    return letters.get(str(name).lower(), "?")


def _axes(multiscale: Mapping[str, Any], n_axes: int) -> tuple[str, list[str | None]]:
    """Return one letter an axis, and the unit of each."""
    axes = multiscale.get("axes")
    if not isinstance(axes, Sequence):
        return (SPEC_AXES if n_axes == 5 else "?" * n_axes), [None] * n_axes
    items = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in axes]
    letters = [_letter(axis.get("name")) for axis in items]
    for place, axis in enumerate(items):
        by_type = LETTER_OF_TYPE.get(str(axis.get("type")))
        if letters[place] == "?" and by_type and by_type not in letters:
            letters[place] = by_type
    return "".join(letters), [axis.get("unit") for axis in items]


def _scale(
    multiscale: Mapping[str, Any], dataset: Mapping[str, Any], n_axes: int
) -> tuple[float, ...]:
    """Return the scale of each axis: that of the level times that of the image."""
    scale = [1.0] * n_axes
    for holder in (dataset, multiscale):
        for transform in holder.get("coordinateTransformations") or []:
            values = transform.get("scale")
            if transform.get("type") == "scale" and values and len(values) == n_axes:
                scale = [
                    old * float(new) for old, new in zip(scale, values, strict=True)
                ]
    return tuple(scale)


def _pixel_size(
    axes: str, units: list[str | None], scale: tuple[float, ...]
) -> tuple[PixelSize | None, tuple[str, ...]]:
    """Return the pixel size, and a note if a scale has no unit."""
    sizes = {
        letter: length_um(value, unit)
        for letter, value, unit in zip(axes, scale, units, strict=True)
    }
    size = pixel_size_um(sizes.get("Y"), sizes.get("X"), sizes.get("Z"))
    by_axis = dict(zip(axes, scale, strict=True))
    if size is None and any(by_axis.get(letter, 1.0) != 1.0 for letter in "YX"):
        note = f"The pixel size is unknown: the scale {by_axis.get('Y')} has no unit of length."
        return None, (note,)
    return size, ()


def _channel_names(
    ome: Mapping[str, Any], axes: str, shape: tuple[int, ...]
) -> tuple[str, ...]:
    """Return the labels of the channels, or ``()`` if they do not fit."""
    omero = ome.get("omero")
    channels = omero.get("channels") if isinstance(omero, Mapping) else None
    n_channels = dict(zip(axes, shape, strict=True)).get("C", 1)
    if not isinstance(channels, list) or len(channels) != n_channels:
        return ()
    return tuple(
        str(channel.get("label") or f"channel {index + 1}")
        for index, channel in enumerate(channels)
    )
