"""Outlines as wide as the zoom needs: wide ones hide the cells that are looked at closely."""

from __future__ import annotations

import math
from typing import Any

from qtpy.QtCore import QObject

from napari_cellseg.widgets.basics.jobs import Later
from napari_cellseg.widgets.labels.label_look import outline_px
from napari_cellseg.widgets.labels.labels_keeper import LabelsKeeper

#: An outline is at least this wide on the screen, unless that is wider than `outline_px`.
LINE_SCREEN_PX = 1.5
#: napari draws all outlines anew for another width: half a second for so many pixels.
MAX_PIXELS = 2**23
QUIET_MILLISECONDS = 300


class OutlineWidth(QObject):
    """Fits the outlines to the zoom once it rests; a width set by hand stays.

    Parameters
    ----------
    viewer : napari viewer
        Whose zoom is followed.
    keeper : LabelsKeeper
        Knows the layer.
    parent : QObject
        The dock.
    """

    def __init__(self, viewer: Any, keeper: LabelsKeeper, parent: QObject) -> None:
        super().__init__(parent)
        self._camera, self._keeper = viewer.scene.camera, keeper
        self._layer_id, self._width = 0, 0
        self._later = Later(self.fit, QUIET_MILLISECONDS, self)
        self._camera.events.zoom.connect(self._on_zoomed)

    def release(self) -> None:
        """Hear of the zoom no more."""
        self._later.stop()
        self._camera.events.zoom.disconnect(self._on_zoomed)

    def _on_zoomed(self, _event: Any) -> None:
        layer = self._keeper.layer
        if layer is not None and outline_px(layer) > 1:
            self._later.call()

    def fit(self) -> None:
        """Give the outlines the width that the zoom needs."""
        layer = self._keeper.layer
        if layer is None or math.prod(layer.data.shape[-2:]) > MAX_PIXELS:
            return
        widest = outline_px(layer)
        ours = self._width if self._layer_id == id(layer) else widest
        if layer.contour not in (ours, widest):
            return
        screen_px = float(self._camera.zoom) * abs(float(layer.scale[-1]))
        width = min(widest, max(1, math.ceil(LINE_SCREEN_PX / max(screen_px, 1e-9))))
        self._layer_id, self._width = id(layer), width
        if layer.contour != width:
            layer.contour = width
