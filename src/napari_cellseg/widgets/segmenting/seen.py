"""What the network sees, shown as layers: the probability of a cell, and a mask of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from napari_cellseg.controllers.segmenting.run_taking import Run
from napari_cellseg.controllers.segmenting.segment import SegmentController
from napari_cellseg.core.segmentation.semantic import (
    IN_CELL,
    probability_map,
    semantic_mask,
)
from napari_cellseg.widgets.canvas.layer_images import KEY, SEEN, labels_placement

OPACITY = 0.6


class SeenMaps(QObject):
    """Shows probability and mask of the last run over its image.

    Parameters
    ----------
    dock : CellSegmentationWidget
        Has `viewer`, `segment`, `segment_tab`, `header` and `footer`.
    """

    def __init__(self, dock: Any) -> None:
        super().__init__(dock)
        self._viewer, self._footer, self._header = dock.viewer, dock.footer, dock.header
        self._segment: SegmentController = dock.segment
        dock.segment_tab.seen_button.clicked.connect(self.show_maps)

    def show_maps(self) -> None:
        """Add both layers, the mask hidden; those of an earlier run are replaced."""
        run, choice, axes = self._segment.run, self._header.choice, self._header.axes
        if run is None or choice is None or axes is None:
            return
        layer = choice.layers[0]
        placement = labels_placement(layer, axes)
        shown = (
            ("mask", semantic_mask(run.result), IN_CELL, "gray"),
            ("probability", probability_map(run.result), 255, "magma"),
        )
        for title, pixels, most, colours in shown:
            name = f"{run.image.name} {title}"
            if name in self._viewer.layers:
                self._viewer.layers.remove(name)
            self._viewer.add_image(
                in_image(run, pixels),
                name=name,
                colormap=colours,
                contrast_limits=(0, most),
                opacity=OPACITY,
                visible=title == "probability",
                metadata={KEY: {SEEN: True}},
                **placement,
            )
        self._footer.tell(
            "Probability (0 to 255) and mask are layers now; save as any."
        )


def in_image(run: Run, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what was seen of a region in the frame of the whole image, 0 around it."""
    if run.region is None:
        return pixels
    whole = np.zeros(run.image.labels_shape, np.uint8)
    whole[run.region.box] = pixels.reshape(whole[run.region.box].shape)
    return whole
