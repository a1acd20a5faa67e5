"""What napari finds in the manifest: readers, the writer, sample data."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg.controllers.labels.layer_arrays import channels_of, colour_last
from napari_cellseg.core.errors import AmbiguousAxesError, LabelsError, SaveError
from napari_cellseg.core.labels.arrays import check_labels
from napari_cellseg.core.types import CellImage, PixelSize
from napari_cellseg.io.writing.labels_file import LABELS_AXES

LayerData = tuple[Any, dict[str, Any], str]
Paths = str | Sequence[str]
#: As in `widgets.canvas.layer_images`, which imports napari; reading a file must not need it.
KEY = "napari-cellseg"
COLOURS = ("gray", "magenta", "green", "cyan", "yellow", "red", "blue")
#: Letters that stand in for axes that nobody knows, until the dock has asked.
STAND_INS = "TZ"
#: How a file of labels ends, as `cellseg segment` and the dock name it.
LABELS_ENDINGS = ("_labels.tif", "_labels.tiff", "_labels.ome.zarr")
#: Images above this size that hold smaller copies of themselves are shown from these and
#: read where the person looks: a whole slide opens at once.
PYRAMID_BYTES = 2**28
#: How the density of a slide ends, see `batch.slide_results`, and how it is shown.
DENSITY_ENDING = "_density.tif"
#: Dark to bright as napari's "inferno", but clear where there is no cell.
DENSITY_COLOURS = (
    (0.0, 0.0, 0.0, 0.0),
    (0.34, 0.06, 0.43, 1.0),
    (0.74, 0.22, 0.33, 1.0),
    (0.98, 0.56, 0.03, 1.0),
    (0.99, 1.0, 0.64, 1.0),
)
OVER_THE_SLIDE = {
    "colormap": {"name": "density", "colors": DENSITY_COLOURS},
    "blending": "translucent",
    "opacity": 0.5,
}
#: As in `widgets.canvas.layer_images`: a layer that is looked at and no image to work on.
SEEN = "is_seen"


def get_reader(path: Paths) -> Callable[[Paths], list[LayerData]] | None:
    """Return the reader if every path begins like an image that can be read."""
    from napari_cellseg.io.reading.images import is_readable

    paths = [path] if isinstance(path, str) else list(path)
    return read_layers if paths and all(is_readable(one) for one in paths) else None


def read_layers(path: Paths) -> list[LayerData]:
    """Return a layer for each channel of each file; a colour image is one layer.

    A file whose name ends in one of `LABELS_ENDINGS` becomes a labels layer, unless it
    holds no labels.

    Raises
    ------
    ImageReadError, LimitError
        If a file is no image, or too large.
    """
    paths = [path] if isinstance(path, str) else list(path)
    return [layer for one in paths for layer in _layers_in(one)]


def _layers_in(path: str) -> list[LayerData]:
    """Return the layers of one file."""
    if path.lower().endswith(LABELS_ENDINGS):
        try:
            return [_labels_layer(path)]
        except LabelsError:
            # An image that is only called so, such as a picture of the outlines.
            return _image_layers(path)
    return _image_layers(path)


def _image_layers(path: str) -> list[LayerData]:
    if levels := _levels_of(path):
        return _pyramid_layers(levels)
    image, has_axes = _read(path)
    layers = layers_of(image, has_axes=has_axes)
    if path.lower().endswith(DENSITY_ENDING):
        return [_lying_over(*layer) for layer in layers]
    return layers


def _lying_over(data: Any, values: dict[str, Any], kind: str) -> LayerData:
    """Return the density of a slide as a layer to be seen over it, and never segmented."""
    notes = {**values["metadata"][KEY], SEEN: True}
    return data, {**values, **OVER_THE_SLIDE, "metadata": {KEY: notes}}, kind


def _levels_of(path: str) -> list[CellImage]:
    """Return all levels of a large plane, the full one first; of other images none."""
    from napari_cellseg.io.reading.images import BY_WINDOWS, probe, read_image

    described = probe(path)
    n_levels = len(described.level_shapes)
    if n_levels < 2 or described.n_bytes <= PYRAMID_BYTES or "?" in described.axes:
        return []
    first = read_image(path, limits=BY_WINDOWS)
    if first.axes != "CYX" or isinstance(first.data, np.ndarray):
        return []
    smaller = range(1, n_levels)
    return [first, *(read_image(path, level=n, limits=BY_WINDOWS) for n in smaller)]


def _pyramid_layers(levels: Sequence[CellImage]) -> list[LayerData]:
    """Return the layers of a plane that is shown from its levels."""
    by_level = [layers_of(level) for level in levels]
    layers: list[LayerData] = []
    for place, (_, values, kind) in enumerate(by_level[0]):
        data = [each[place][0] for each in by_level]
        layers.append((data, {**values, "multiscale": True}, kind))
    return layers


def _labels_layer(path: str) -> LayerData:
    """Return the labels of a file; axes that it does not name stay open.

    Those of a slide are shown from their levels, which cannot be painted on.
    """
    from napari_cellseg.io.reading.images import probe, read_labels

    labels: Any
    values: dict[str, Any] = {"name": Path(path).stem}
    levels = _levels_of(path)
    if levels and levels[0].n_channels == 1 and levels[0].data.dtype.kind in "iu":
        labels = [layers_of(level)[0][0] for level in levels]
        axes, pixel_size = "YX", levels[0].pixel_size
        values["multiscale"] = True
    else:
        labels, pixel_size = read_labels(path)
        named = probe(path).axes.replace("C", "").replace("S", "")
        axes = named if named in LABELS_AXES else "YX".rjust(labels.ndim, "?")
    notes: dict[str, Any] = {"name": Path(path).name, "source": path}
    values |= placement_of(pixel_size, axes)
    if "?" not in axes:
        notes["axes"] = axes
        values["axis_labels"] = tuple(axes.lower())
    return labels, {**values, "metadata": {KEY: notes}}, "labels"


def _read(path: str) -> tuple[CellImage, bool]:
    """Return the image, and whether its axes are known; the dock asks for others."""
    from napari_cellseg.io.reading.images import read_image

    try:
        return read_image(path), True
    except AmbiguousAxesError as error:
        free = [x for x in STAND_INS if x not in error.known_axes]
        if error.known_axes.count("?") > len(free):
            raise
        axes = "".join(free.pop(0) if x == "?" else x for x in error.known_axes)
        return read_image(path, axes=axes), False


def layers_of(image: CellImage, *, has_axes: bool = True) -> list[LayerData]:
    """Return an image as napari layers, with scale, units and what is known of it.

    Parameters
    ----------
    image : CellImage
        What is shown; numpy is not copied.
    has_axes : bool
        False leaves the meaning of the axes open, so that the dock asks.
    """
    axes = image.labels_axes
    group = uuid.uuid4().hex
    common: dict[str, Any] = placement_of(image.pixel_size, axes)
    notes: dict[str, Any] = {"name": image.name, "source": image.source}
    notes["notes"] = list(image.notes)
    if has_axes:
        common["axis_labels"] = tuple(axes.lower())
        notes["axes"] = axes
    if image.is_rgb:
        data = colour_last(image)
        values = {**common, "name": image.name, "rgb": True, "metadata": {KEY: notes}}
        return [(data, values, "image")]
    layers = []
    arrays = channels_of(image)
    for index, data in enumerate(arrays):
        values = {**common, "name": image.name}
        own = dict(notes)
        if len(arrays) > 1:
            values["name"] = image.channel_names[index]
            values["colormap"] = COLOURS[1 + index % (len(COLOURS) - 1)]
            values["blending"] = "additive"
            own.update(group=group, channel=index)
        layers.append((data, {**values, "metadata": {KEY: own}}, "image"))
    return layers


def placement_of(pixel_size: PixelSize | None, axes: str) -> dict[str, Any]:
    """Return scale and units of a layer, empty where the pixel size is unknown."""
    if pixel_size is None:
        return {}
    sizes = {"Y": pixel_size.y_um, "X": pixel_size.x_um, "Z": pixel_size.z_um}
    scale = [sizes.get(axis) for axis in axes]
    return {
        "scale": [1.0 if size is None else size for size in scale],
        "units": ["pixel" if size is None else "micrometer" for size in scale],
    }


def write_labels_layer(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write one labels layer as TIFF with its pixel size; napari calls it on saving.

    Raises
    ------
    LabelsError, SaveError
        If the layer holds no cells' numbers, or cannot be written.
    """
    from napari_cellseg.io.writing.labels_file import write_labels

    if isinstance(data, list):
        raise SaveError(
            "Labels in several sizes cannot be written; save a layer of the largest."
        )
    labels = check_labels(data)
    axes = _written_axes(meta, labels.ndim)
    write_labels(path, labels, axes=axes, pixel_size=_written_size(meta, axes))
    return [str(Path(path))]


def _written_axes(meta: dict[str, Any], ndim: int) -> str:
    """Return the axes that the layer names, else those of a stack of planes."""
    named = "".join(str(name).upper() for name in meta.get("axis_labels", ()))
    known = ("YX", "ZYX", "TYX", "TZYX")
    return named if named in known and len(named) == ndim else "TZYX"[-ndim:]


def _written_size(meta: dict[str, Any], axes: str) -> PixelSize | None:
    """Return the pixel size that scale and units say, None without a length."""
    import pint  # it looks for dask, which reading a file does not need

    sizes: dict[str, float] = {}
    scale, units = meta.get("scale", ()), meta.get("units", ())
    for axis, size, unit in zip(axes, scale, units, strict=False):
        quantity = pint.Quantity(abs(float(size)), str(unit))
        if axis in "ZYX" and quantity.check("[length]") and size:
            sizes[axis] = float(quantity.to("micrometer").magnitude)
    if "Y" not in sizes or "X" not in sizes:
        return None
    return PixelSize(sizes["Y"], sizes["X"], sizes.get("Z"))


def _sample(name: str) -> list[LayerData]:
    from napari_cellseg.core.synthetic import sample_image

    return layers_of(sample_image(name))


def sample_nuclei() -> list[LayerData]:
    """Return fluorescent nuclei."""
    return _sample("nuclei")


def sample_two_channels() -> list[LayerData]:
    """Return cells and their nuclei, a channel each."""
    return _sample("two_channels")


def sample_phase_contrast() -> list[LayerData]:
    """Return cells in phase contrast."""
    return _sample("phase_contrast")


def sample_histology() -> list[LayerData]:
    """Return stained tissue in colour."""
    return _sample("histology")
