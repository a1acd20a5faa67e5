"""Several images in one viewer: the one that is chosen is brought into sight."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_cellseg.widgets.canvas.layer_images import ImageChoice, extent_yx

#: Laid over each other so, both images are seen; that is left as it is. The channels of
#: one image always lie so: that says nothing of another image.
MIXING = ("additive", "minimum", "multiplicative")
#: How much of the canvas an image fills, as after napari's own "reset view".
FILLED = 0.95


def uncover(
    chosen: ImageChoice,
    choices: Iterable[ImageChoice],
    labels_of: Callable[[Image], Labels | None],
) -> None:
    """Show an image with its cells, and hide what lies over it: other images and theirs.

    Parameters
    ----------
    chosen : ImageChoice
        Of its channels those stay hidden that were, unless all are.
    choices : iterable of ImageChoice
        All that there are.
    labels_of : callable
        Returns the layer with the cells of an image.
    """
    for each in choices:
        labels = labels_of(each.layers[0])
        layers = each.layers if labels is None else (*each.layers, labels)
        if each.is_same(chosen):
            if not any(layer.visible for layer in each.layers):
                _show(layers, is_visible=True)
        elif len(each.layers) > 1 or each.layers[0].blending not in MIXING:
            _show(layers, is_visible=False)


def fit(viewer: Any, layers: tuple[Layer, ...]) -> None:
    """Fit the view to layers that lie on each other, whatever lies beside them."""
    first = layers[0]
    if first.ndim >= viewer.dims.ndim:
        viewer.reset_view(layers=layers)
        return
    # napari 0.9.2 raises IndexError for a flat image where the viewer holds a stack, too.
    low, high = np.array(extent_yx(first))
    camera, size = viewer.scene.camera, np.abs(high - low) + first.scale[-2:]
    camera.center = (0.0, *((low + high) / 2).tolist())
    camera.zoom = FILLED * float(np.min(viewer.canvas.size / size))


def _show(layers: Iterable[Layer], *, is_visible: bool) -> None:
    for layer in layers:
        layer.visible = is_visible
