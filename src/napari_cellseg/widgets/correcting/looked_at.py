"""The frame around the cell, or the place, that the review asks about: two keys act on it."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Labels, Shapes
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from napari_cellseg.controllers.measuring.measure import MeasureController
from napari_cellseg.controllers.reviewing.missing import MissingController
from napari_cellseg.controllers.reviewing.review import ReviewController
from napari_cellseg.core.labels.boxes import Box
from napari_cellseg.core.review.missing_cells import MissingPlace, outlines_of
from napari_cellseg.widgets.canvas.gestures import DRAWING
from napari_cellseg.widgets.canvas.layer_images import KEY
from napari_cellseg.widgets.labels.label_places import (
    add_unchosen,
    lay,
    remove_if_there,
)
from napari_cellseg.widgets.labels.labels_keeper import LabelsKeeper

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
    asking : ReviewController and MissingController
        Know the cell, or the place without one.
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
        asking: tuple[ReviewController, MissingController],
        measure: MeasureController,
        keeper: LabelsKeeper,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._review, self._missing = asking
        self._measure, self._keeper = measure, keeper
        self.layer: Shapes | None = None
        self._review.shown.connect(self._on_shown)
        self._missing.shown.connect(self._on_place_shown)
        for each in asking:
            each.changed.connect(self._on_changed)

    def release(self) -> None:
        """Hear of the review no more, and take the frame away."""
        self._review.shown.disconnect(self._on_shown, missing_ok=True)
        self._missing.shown.disconnect(self._on_place_shown, missing_ok=True)
        for each in (self._review, self._missing):
            each.changed.disconnect(self._on_changed, missing_ok=True)
        self._remove()

    def _on_shown(self, cell: int) -> None:
        """Frame a cell."""
        place, cells = self._measure.place_of(cell), self._measure.proofread.cells
        found = {} if cells is None else cells.index.boxes([cell])
        if place is None or cell not in found:
            self._remove()
            return
        self._draw(_around(found[cell][0], place[:-2]), [])

    def _on_place_shown(self, place: MissingPlace) -> None:
        """Bring a place to the middle, with the outline that a cell would have."""
        corners = _around(place.box, place.centre[:-2])
        own_px = float(max(place.mask.shape))
        size_px = max(own_px, self._measure.typical_diameter_px)
        self._keeper.look_at(place.centre, size_px)
        self._draw(corners, outlines_of(place))

    def _draw(self, corners: NDArray[np.float64], paths: list[Any]) -> None:
        """Draw a frame, and outlines in it."""
        labels, layer = self._keeper.layer, self.layer
        if labels is None:
            self._remove()
            return
        is_here = layer is not None and layer in self._viewer.layers
        if layer is None or not is_here or layer.ndim != labels.ndim:
            self._remove()
            layer = self.layer = self._made(labels)
        lay(layer, self._keeper.placement)
        layer.data = []
        width = max(0.3, float(np.ptp(corners, axis=0).max()) * EDGE_SHARE)
        layer.add_rectangles(
            corners,
            edge_width=width,
            edge_color=FRAME_COLOUR,
            face_color="transparent",
        )
        if paths:
            layer.add_paths(paths, edge_width=width / 2, edge_color=FRAME_COLOUR)
        layer.editable = False

    def _made(self, labels: Labels) -> Shapes:
        """Return the layer, added with the labels still chosen."""
        layer = Shapes(
            ndim=labels.ndim,
            name=FRAME_LAYER,
            metadata={KEY: {"role": DRAWING}},
            **self._keeper.placement,
        )
        add_unchosen(self._viewer, layer)
        return layer

    def _on_changed(self) -> None:
        if not self._review.current and self._missing.current is None:
            self._remove()

    def _remove(self) -> None:
        layer, self.layer = self.layer, None
        remove_if_there(self._viewer, layer)


def _around(box: Box, plane: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the (4, ndim) corners of a frame around a box, on a plane."""
    top, bottom = box[-2].start, box[-2].stop
    left, right = box[-1].start, box[-1].stop
    margin = max(1.0, max(bottom - top, right - left) * MARGIN_SHARE)
    # A pixel's centre has whole coordinates.
    ys = (top - 0.5 - margin, bottom - 0.5 + margin)
    xs = (left - 0.5 - margin, right - 0.5 + margin)
    corners = [(ys[0], xs[0]), (ys[0], xs[1]), (ys[1], xs[1]), (ys[1], xs[0])]
    return np.array([(*plane, *corner) for corner in corners], float)
