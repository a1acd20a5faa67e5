"""Where a layer of labels lies in the world, and how others are laid over it.

The layer may show a window of the labels.
"""

from __future__ import annotations

from typing import Any

from napari.layers import Labels, Layer


def placement_of(layer: Labels) -> dict[str, Any]:
    """Return what puts another layer where this one is, as arguments of a layer.

    A layer without the units of the others makes napari warn and ignore all units.
    """
    return {
        "scale": layer.scale,
        "translate": layer.translate,
        "rotate": layer.rotate,
        "shear": layer.shear,
        "affine": layer.affine.affine_matrix,
        "units": layer.units,
        "axis_labels": layer.axis_labels,
    }


def lay(layer: Layer, placement: dict[str, Any]) -> None:
    """Put a layer where another is; `placement` as of `placement_of`."""
    for name, value in placement.items():
        setattr(layer, name, value)


def add_unchosen(viewer: Any, layer: Layer) -> None:
    """Add a layer; what was chosen in the list of layers stays chosen."""
    active = viewer.layers.selection.active
    viewer.add_layer(layer)
    viewer.layers.selection.active = active


def remove_if_there(viewer: Any, layer: Layer | None) -> None:
    """Remove a layer, which the person may have removed before."""
    if layer is not None and layer in viewer.layers:
        viewer.layers.remove(layer)


def world_of(
    layer: Labels, place: tuple[float, ...], start: tuple[int, ...]
) -> list[float]:
    """Return where a place of the labels is in the world.

    Parameters
    ----------
    layer : Labels
        Shows the labels, or a window of them.
    place : tuple of float
        In pixels of all labels, one an axis.
    start : tuple of int
        Where the layer begins in the labels; () if it shows all of them.
    """
    corner = start or (0,) * len(place)
    here = tuple(at - low for at, low in zip(place, corner, strict=True))
    return [float(value) for value in layer.data_to_world(here)]


def show_plane(
    viewer: Any, layer: Labels, plane: tuple[int, ...], start: tuple[int, ...]
) -> None:
    """Show a plane of the labels; `start` as in `world_of`."""
    world = world_of(layer, (*plane, 0, 0), start)
    offset = viewer.dims.ndim - len(world)
    for axis in range(len(plane)):
        viewer.dims.set_point(axis + offset, world[axis])


def centre(
    viewer: Any, layer: Labels, place: tuple[float, ...], start: tuple[int, ...]
) -> None:
    """Bring a place of the labels to the middle of the view; `start` as in `world_of`."""
    world = world_of(layer, place, start)
    offset = viewer.dims.ndim - len(world)
    for axis in range(len(world) - 2):
        viewer.dims.set_point(axis + offset, world[axis])
    viewer.scene.camera.center = (0.0, *world[-2:])
