"""The outlines of cells over their image, as a PNG."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from skimage.segmentation import find_boundaries

from napari_cellseg.core.segmentation.intensity import normalize
from napari_cellseg.core.types import CellImage, Labels

COLOUR = (255, 176, 32)
PERCENTILES = (1.0, 99.8)


def overlay_png(image: CellImage, labels: Labels) -> bytes:
    """Return the first plane with the outlines of its cells; sizes stay as they are."""
    first = next(image.plane_indices())
    plane = image.plane(first)
    shown = normalize(plane if image.is_rgb else plane[:1], *PERCENTILES)
    picture = np.moveaxis((np.clip(shown, 0, 1) * 255).astype(np.uint8), 0, -1).copy()
    picture[find_boundaries(labels[first], mode="inner")] = COLOUR
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()
