"""How labels look: their layer, the width of their outlines, and their colours."""

from __future__ import annotations

import colorsys
import math
from typing import Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import CyclicLabelColormap

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.controllers.labels.edit_window import first_window
from napari_cellseg.core.types import LABELS_DTYPE
from napari_cellseg.widgets.labels.part_shown import outline_fast

#: An image of so many pixels a side fills a screen; larger ones need wider outlines.
SCREEN_PX = 700
WIDEST_OUTLINE_PX = 4
N_COLOURS = 36


def outline_px(layer: Labels) -> int:
    """Return the width of outlines, in pixels of the image, that a screen can show."""
    side = max(layer.data.shape[-2:])
    return int(max(1, min(WIDEST_OUTLINE_PX, math.ceil(side / SCREEN_PX))))


def bright_colours() -> CyclicLabelColormap:
    """Return colours that stand out as thin lines on dark and on pale images.

    napari's own hold brown, navy and dark green. The hues go round in steps of the
    golden ratio, so that cells with neighbouring numbers differ.
    """
    golden = 0.61803
    colours = [
        (*colorsys.hsv_to_rgb(index * golden % 1, 0.75 + 0.25 * (index % 2), 1.0), 1.0)
        for index in range(N_COLOURS)
    ]
    return CyclicLabelColormap(colors=np.array([(0, 0, 0, 0), *colours]))


def make_labels_layer(
    cells: CellLabels, name: str, placement: dict[str, Any], metadata: dict[str, Any]
) -> Labels:
    """Return a new layer that holds a copy of the cells, as outlines; `add_layer` shows it.

    Hidden until then: napari finds the outlines of what is seen at each step. Of large labels
    it holds a first window, which an `EditWindow` moves.
    """
    labels = cells.labels
    is_large = cells.is_large
    shown = labels[first_window(labels.shape)] if is_large else cells.copy_to_show()
    layer = Labels(shown, name=name, metadata=metadata, visible=False, **placement)
    outline_fast(layer)
    layer.contour = outline_px(layer)
    layer.colormap = bright_colours()
    layer.opacity = 0.9
    return layer


def add_layer(viewer: Any, layer: Labels) -> None:
    """Put a new layer into a viewer and show it."""
    viewer.add_layer(layer)
    layer.visible = True


def can_correct(layer: Labels) -> str:
    """Return why a layer cannot be corrected in place, or "" if it can."""
    if layer.multiscale:
        return f"'{layer.name}' is a pyramid, which cannot be painted on."
    if not isinstance(layer.data, np.ndarray):
        return f"'{layer.name}' lies on disk, not in memory."
    if layer.data.dtype != LABELS_DTYPE:
        return (
            f"'{layer.name}' holds numbers of type {layer.data.dtype}; those of cells are "
            f"{np.dtype(LABELS_DTYPE)}."
        )
    if layer.ndim not in (2, 3, 4):
        return f"'{layer.name}' has {layer.ndim} axes; two to four can be corrected."
    return ""
