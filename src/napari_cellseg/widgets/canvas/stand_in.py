"""A black picture where an image cannot be had, so that its cells can still be corrected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_cellseg.core.types import PixelSize
from napari_cellseg.widgets.canvas.layer_images import KEY, MISSING
from napari_cellseg.widgets.contributions import LayerData, placement_of


@dataclass(frozen=True, slots=True)
class StandIn:
    """What is known of an image without its pixels: the frame of its labels.

    Attributes
    ----------
    name, source : str
        Of the image.
    axes : str
        One letter an axis, such as ``"YX"``.
    shape : tuple of int
        Of the labels.
    pixel_size : PixelSize or None
        None if unknown.
    """

    name: str
    source: str
    axes: str
    shape: tuple[int, ...]
    pixel_size: PixelSize | None

    def layer(self, reason: str) -> LayerData:
        """Return a layer without pixels that says why there are none.

        Parameters
        ----------
        reason : str
            A sentence.
        """
        words = (
            f"{reason} Its cells are shown and can be corrected; choose the image of the "
            "project again to try once more. If it has moved: Project › Find moved images…"
        )
        notes = {
            "name": self.name,
            "source": self.source,
            "axes": self.axes,
            MISSING: words,
        }
        values = {
            **placement_of(self.pixel_size, self.axes),
            "name": f"{self.name} (not here)",
            "axis_labels": tuple(self.axes.lower()),
            "contrast_limits": (0, 1),
            "metadata": {KEY: notes},
        }
        # One byte in memory, however large the image is.
        return np.broadcast_to(np.uint8(0), self.shape), values, "image"
