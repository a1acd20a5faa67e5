"""The frame around the cell that the review asks about: two keys act on it."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Labels, Shapes
from qtpy.QtCore import QObject

from napari_cellseg.controllers.measure import MeasureController
from napari_cellseg.controllers.review import ReviewController
from napari_cellseg.widgets.gestures import DRAWING
from napari_cellseg.widgets.label_places import lay
from napari_cellseg.widgets.labels_keeper import LabelsKeeper
from napari_cellseg.widgets.layer_images import KEY

FRAME_LAYER = "cell in question"
FRAME_COLOUR = "white"
#: Free space around the cell, and the line, as shares of the cell's larger side.
MARGIN_SHARE = 1 / 6
EDGE_SHARE = 1 / 40


class CellFrame(QObject):
    """Keeps a frame around the cell of the review; without one there is no layer.

    Parameters
    ----------
    viewer : napari viewer
        Gets the layer.
    review : ReviewController
        Knows the cell.
    measure : MeasureController
        Knows where it is.
    keeper : LabelsKeeper
        Knows where the labels lie.
    parent : QObject
        The dock.
    """

    def __init__(
        self,
        viewer: Any,
        review: ReviewController,
        measure: MeasureController,
        keeper: LabelsKeeper,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._review, self._measure, self._keeper = review, measure, keeper
        self.layer: Shapes | None = None
        review.shown.connect(self._on_shown)
        review.changed.connect(self._on_changed)

    def release(self) -> None:
        """Hear of the review no more, and take the frame away."""
        self._review.shown.disconnect(self._on_shown, missing_ok=True)
        self._review.changed.disconnect(self._on_changed, missing_ok=True)
        self._remove()

    def _on_shown(self, cell: int) -> None:
        """Draw the frame."""
        labels, corners = self._keeper.layer, self._corners(cell)
        if labels is None or corners is None:
            self._remove()
            return
        layer = self.layer
        is_here = layer is not None and layer in self._viewer.layers
        if layer is None or not is_here or layer.ndim != labels.ndim:
            self._remove()
            layer = self.layer = self._made(labels)
        lay(layer, self._keeper.placement)
        layer.data = []
        side = float(np.ptp(corners, axis=0).max())
        layer.add_rectangles(
            corners,
            edge_width=max(0.3, side * EDGE_SHARE),
            edge_color=FRAME_COLOUR,
            face_color="transparent",
        )
        layer.editable = False

    def _made(self, labels: Labels) -> Shapes:
        """Return the layer, added with the labels still chosen."""
        layer = Shapes(
            ndim=labels.ndim,
            name=FRAME_LAYER,
            metadata={KEY: {"role": DRAWING}},
            **self._keeper.placement,
        )
        active = self._viewer.layers.selection.active
        self._viewer.add_layer(layer)
        self._viewer.layers.selection.active = active
        return layer

    def _corners(self, cell: int) -> np.ndarray[Any, Any] | None:
        """Return the (4, ndim) corners on the cell's largest section."""
        place, cells = self._measure.place_of(cell), self._measure.proofread.cells
        if place is None or cells is None:
            return None
        found = cells.index.boxes([cell])
        if cell not in found:
            return None
        box, _ = found[cell]
        top, bottom = box[-2].start, box[-2].stop
        left, right = box[-1].start, box[-1].stop
        margin = max(1.0, max(bottom - top, right - left) * MARGIN_SHARE)
        # A pixel's centre has whole coordinates.
        ys = (top - 0.5 - margin, bottom - 0.5 + margin)
        xs = (left - 0.5 - margin, right - 0.5 + margin)
        corners = [(ys[0], xs[0]), (ys[0], xs[1]), (ys[1], xs[1]), (ys[1], xs[0])]
        return np.array([(*place[:-2], *corner) for corner in corners])

    def _on_changed(self) -> None:
        if not self._review.current:
            self._remove()

    def _remove(self) -> None:
        layer, self.layer = self.layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)
