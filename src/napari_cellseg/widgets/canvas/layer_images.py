"""Image layers as images: which belong together, what their axes and pixel sizes are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pint
from napari.layers import Image, Labels, Layer

from napari_cellseg.controllers.labels.layer_arrays import image_from_arrays
from napari_cellseg.core.errors import AmbiguousAxesError, ImageError
from napari_cellseg.core.segmentation.intensity import intensity_bounds
from napari_cellseg.core.types import CellImage, PixelSize

#: Where a layer says what our reader knew, or what the person answered.
KEY = "napari-cellseg"
#: The note of a layer that stands for an image that cannot be had: why.
MISSING = "missing"
#: The note of a layer that shows what a network sees: it is no image to work on.
SEEN = "is_seen"
LETTERS = "TCZYX"
#: From and to which an image is shown; chosen by eye on dim nuclei and phase contrast.
SHOWN_PERCENTILES = (0.1, 99.99)


def plain(thing: Any) -> Any:
    """Return a napari object itself; plugins are handed short-lived proxies."""
    return getattr(thing, "__wrapped__", thing)


@dataclass(frozen=True, slots=True, eq=False)
class ImageChoice:
    """One line of the image menu: a layer, or the channels of one file.

    Attributes
    ----------
    layers : tuple of Image
        One a channel, in their order.
    """

    layers: tuple[Image, ...]

    @property
    def title(self) -> str:
        """What the menu shows."""
        if len(self.layers) == 1:
            return str(self.layers[0].name)
        name = noted(self.layers[0]).get("name", self.layers[0].name)
        return f"{name} ({len(self.layers)} channels)"

    def is_same(self, other: ImageChoice | None) -> bool:
        """Say whether both stand for the same layers."""
        return other is not None and [id(x) for x in self.layers] == [
            id(x) for x in other.layers
        ]


def noted(layer: Layer) -> dict[str, Any]:
    """Return what we noted on a layer, empty for a layer of another plugin."""
    notes = layer.metadata.get(KEY, {})
    return notes if isinstance(notes, dict) else {}


def note(layer: Layer, **values: Any) -> None:
    """Note something on a layer."""
    layer.metadata[KEY] = {**noted(layer), **values}


def image_choices(layers: Iterable[Any]) -> list[ImageChoice]:
    """Return the choices among all layers, in their order; channels of one file as one."""
    groups: dict[Any, list[Image]] = {}
    for layer in map(plain, layers):
        if isinstance(layer, Image) and not noted(layer).get(SEEN):
            groups.setdefault(noted(layer).get("group", id(layer)), []).append(layer)
    return [
        ImageChoice(tuple(sorted(group, key=_channel_of))) for group in groups.values()
    ]


def _channel_of(layer: Image) -> int:
    channel = noted(layer).get("channel", 0)
    return channel if isinstance(channel, int) else 0


def axes_of(layer: Layer) -> str | None:
    """Return one letter an axis, or None if nobody has said what they are."""
    known = noted(layer).get("axes")
    if isinstance(known, str) and len(known) == layer.ndim:
        return known
    named = "".join(str(label).upper() for label in layer.axis_labels)
    is_named = len(named) == layer.ndim and named.endswith("YX")
    if is_named and set(named) <= set(LETTERS) and len(set(named)) == len(named):
        return named
    return "YX" if layer.ndim == 2 else None


def read_choice(choice: ImageChoice) -> CellImage:
    """Return the image of a choice.

    Raises
    ------
    AmbiguousAxesError
        If an axis is not known; nothing is guessed.
    ImageError
        If it is no image to work on.
    """
    first = choice.layers[0]
    if reason := noted(first).get(MISSING):
        raise ImageError(str(reason))
    axes = axes_of(first)
    shape = _full_resolution(first).shape
    if axes is None:
        known = "?" * (first.ndim - 2) + "YX"
        raise AmbiguousAxesError(
            f"'{first.name}' has {first.ndim} axes ({_sizes(shape)}) and does not say "
            "what they are. Choose below.",
            tuple(int(n) for n in shape[: first.ndim]),
            known,
        )
    return image_from_arrays(
        [_full_resolution(layer) for layer in choice.layers],
        axes + "S" if first.rgb else axes,
        name=str(noted(first).get("name", first.name)),
        channel_names=tuple(str(layer.name) for layer in choice.layers),
        pixel_size=pixel_size_of(first, axes),
        source=str(noted(first).get("source", first.source.path or "")),
    )


def _sizes(shape: Sequence[int]) -> str:
    return " × ".join(str(int(n)) for n in shape)


def _full_resolution(layer: Image) -> Any:
    return layer.data[0] if layer.multiscale else layer.data


def pixel_size_of(layer: Layer, axes: str) -> PixelSize | None:
    """Return the pixel size that a layer's scale and units say, None without a length."""
    sizes: dict[str, float] = {}
    for letter, scale, unit in zip(axes, layer.scale, layer.units, strict=True):
        if letter in "ZYX":
            micrometres = _in_um(unit)
            if micrometres is not None:
                sizes[letter] = abs(float(scale)) * micrometres
    if "Y" not in sizes or "X" not in sizes or not sizes["Y"] or not sizes["X"]:
        return None
    return PixelSize(sizes["Y"], sizes["X"], sizes.get("Z") or None)


def _in_um(unit: pint.Unit) -> float | None:
    """Return the micrometres of a unit, None if it is no length (a pixel is none)."""
    quantity = pint.Quantity(1, unit) if isinstance(unit, pint.Unit) else None
    if quantity is None or not quantity.check("[length]"):
        return None
    return float(quantity.to("micrometer").magnitude)


def set_pixel_size(layers: Iterable[Layer], pixel_size: PixelSize) -> None:
    """Give layers a pixel size; axes that are no lengths keep scale and unit."""
    for layer in layers:
        axes = axes_of(layer) or "?" * (layer.ndim - 2) + "YX"
        sizes = {"Y": pixel_size.y_um, "X": pixel_size.x_um, "Z": pixel_size.z_um}
        scale, units = list(layer.scale), list(layer.units)
        for index, letter in enumerate(axes):
            size = sizes.get(letter)
            if size is not None:
                scale[index], units[index] = size, "micrometer"
        layer.units = tuple(units)
        layer.scale = scale


def extent_yx(layer: Layer) -> list[list[float]]:
    """Return the corners of a layer's planes on the canvas."""
    corners: list[list[float]] = layer.extent.world[:, -2:].tolist()
    return corners


def light_up(layer: Layer) -> None:
    """Show an image in memory from its dark to its bright pixels, if it is not in colour.

    napari shows 8 bits from 0 to 255, in which dim fluorescence is black, and more bits up
    to the brightest of dead pixels.
    """
    if (
        not isinstance(layer, Image)
        or layer.rgb
        or not isinstance(layer.data, np.ndarray)
    ):
        return
    if layer.data.dtype.kind not in "uif":
        return
    low, high = intensity_bounds(layer.data, *SHOWN_PERCENTILES)
    if low < high:
        layer.contrast_limits = (low, high)


def drawn_over(layers: Iterable[Any], image: Image) -> list[Layer]:
    """Return the shapes, points and tracks that have the pixels of an image for units."""
    scale, units = list(image.scale[-2:]), image.units[-2:]
    return [
        layer
        for layer in map(plain, layers)
        if not isinstance(layer, Image | Labels)
        and list(layer.scale[-2:]) == scale
        and layer.units[-2:] == units
    ]


def labels_placement(layer: Image, axes: str) -> dict[str, Any]:
    """Return where labels of an image lie: the layer's transforms without its channels.

    Returns
    -------
    dict
        Arguments of a Labels layer.
    """
    kept = [index for index, letter in enumerate(axes) if letter != "C"]
    placement: dict[str, Any] = {
        "scale": [float(layer.scale[i]) for i in kept],
        "translate": [float(layer.translate[i]) for i in kept],
        "units": tuple(layer.units[i] for i in kept),
        "axis_labels": tuple(layer.axis_labels[i] for i in kept),
    }
    if len(kept) == layer.ndim:
        placement["rotate"] = layer.rotate
        placement["shear"] = layer.shear
        placement["affine"] = layer.affine.affine_matrix
    return placement
