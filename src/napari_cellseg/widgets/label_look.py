"""How labels look: the width of their outlines, and their colours."""

from __future__ import annotations

import colorsys
import math

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import CyclicLabelColormap

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
