"""The region to segment: what is on screen, or what is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image, Shapes
from numpy.typing import NDArray

from napari_cellseg.controllers.segmenting.segment import RegionKind
from napari_cellseg.core.editing.rerun import Region
from napari_cellseg.core.errors import ImageError
from napari_cellseg.core.types import CellImage
from napari_cellseg.widgets.canvas.gestures import is_drawing
from napari_cellseg.widgets.canvas.layer_images import KEY, noted, plain

REGION_LAYER = "region to segment"
ELLIPSE_POINTS = 64


def wanted_region(
    kind: RegionKind, viewer: Any, layer: Image, axes: str, image: CellImage
) -> Region | None:
    """Return the region of a kind, None for the whole image.

    Raises
    ------
    ImageError
        If the view is not of planes of Y and X, or nothing is drawn on the image.
    """
    if kind == "whole":
        return None
    dims = viewer.dims
    if tuple(dims.displayed) != (dims.ndim - 2, dims.ndim - 1):
        raise ImageError(
            "The viewer does not show planes of Y and X; a region needs them. Switch to "
            "2-D, or segment the whole image."
        )
    place = np.asarray(layer.world_to_data(dims.point), float)
    sizes = [n for n, axis in zip(_sizes(layer), axes, strict=True) if axis in "TZ"]
    positions = [at for at, axis in zip(place, axes, strict=True) if axis in "TZ"]
    plane = tuple(
        int(np.clip(round(float(at)), 0, n - 1))
        for at, n in zip(positions, sizes, strict=True)
    )
    height, width = image.labels_shape[-2:]
    if kind == "view":
        low, high = np.asarray(layer.corner_pixels)[:, -2:]
        corners = np.array([low, high + 1], float)
        return _boxed(corners, (height, width), plane, None)
    outline = drawn_outline(viewer, layer)
    return _boxed(outline, (height, width), plane, outline)


def _sizes(layer: Image) -> tuple[int, ...]:
    shape = layer.data[0].shape if layer.multiscale else layer.data.shape
    return tuple(int(n) for n in shape[: layer.ndim])


def _boxed(
    points: NDArray[np.float64],
    shape_yx: tuple[int, int],
    plane: tuple[int, ...],
    outline: NDArray[np.float64] | None,
) -> Region:
    """Return the region with the box of its points, cut to the image."""
    low = np.clip(np.floor(points.min(0)), 0, shape_yx).astype(int)
    high = np.clip(np.ceil(points.max(0)), 0, shape_yx).astype(int)
    if (high <= low).any():
        raise ImageError("The region lies outside the image. Move it onto the image.")
    box = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    return Region(box, plane, outline)


def drawn_outline(viewer: Any, layer: Image) -> NDArray[np.float64]:
    """Return the last shape that was drawn, (n, 2), in pixels of an image layer."""
    shapes = _shapes_layer(viewer)
    if shapes is None or not len(shapes.data):
        raise ImageError(
            "Nothing is drawn yet. Draw around the cells on the layer "
            f"'{REGION_LAYER}', then press Segment."
        )
    chosen = max(shapes.selected_data) if shapes.selected_data else len(shapes.data) - 1
    kind = shapes.shape_type[chosen]
    if kind not in ("rectangle", "polygon", "ellipse"):
        raise ImageError(
            f"The drawn shape is a {kind}; a rectangle, ellipse or polygon has an "
            "inside. Draw one of these."
        )
    vertices = np.asarray(shapes.data[chosen], float)
    if kind == "ellipse":
        vertices = _ellipse(vertices)
    world = np.array([shapes.data_to_world(vertex) for vertex in vertices], float)
    missing = layer.ndim - world.shape[1]
    world = np.pad(world, ((0, 0), (max(missing, 0), 0)))[:, -layer.ndim :]
    points = np.array([layer.world_to_data(vertex) for vertex in world], float)
    return points[:, -2:]


def _ellipse(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points on the ellipse that a box of four corners holds."""
    centre = corners.mean(0)
    first, second = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    angles = np.linspace(0, 2 * np.pi, ELLIPSE_POINTS, endpoint=False)[:, np.newaxis]
    ellipse: NDArray[np.float64] = (
        centre + np.cos(angles) * first + np.sin(angles) * second
    )
    return ellipse


def _shapes_layer(viewer: Any) -> Shapes | None:
    """Return the shapes layer that is active, else the topmost one."""
    found = [
        layer
        for layer in map(plain, viewer.layers)
        if isinstance(layer, Shapes) and not is_drawing(layer)
    ]
    active = plain(viewer.layers.selection.active)
    if active in found:
        return active
    return found[-1] if found else None


def offer_region_layer(viewer: Any, layer: Image) -> None:
    """Make a layer to draw the region on, ready to draw, where there is none."""
    shapes = _shapes_layer(viewer)
    if shapes is None:
        shapes = Shapes(
            ndim=2,
            name=REGION_LAYER,
            scale=layer.scale[-2:],
            translate=layer.translate[-2:],
            units=layer.units[-2:],
            edge_color="yellow",
            face_color="transparent",
            edge_width=2,
            metadata={KEY: {"role": "region"}},
        )
        viewer.add_layer(shapes)
    viewer.layers.selection.active = shapes
    if noted(shapes).get("role") == "region":
        shapes.mode = "add_polygon_lasso"
