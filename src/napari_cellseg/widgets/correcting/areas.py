"""Shows the checked areas over the labels; they are drawn with a tool, not on this layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Labels, Shapes
from qtpy.QtCore import QObject

from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.core.editing.checked import CheckedArea
from napari_cellseg.widgets.basics.jobs import Later
from napari_cellseg.widgets.labels.label_places import (
    add_unchosen,
    lay,
    remove_if_there,
)
from napari_cellseg.widgets.labels.labels_keeper import LabelsKeeper

AREAS_LAYER = "checked areas"
EDGE_COLOUR = "#3fd46b"
#: The line is this share of the image wide, so that it shows when all of it is seen.
EDGE_SHARE = 1 / 300


class AreasView(QObject):
    """Keeps a layer of outlines equal to the checked areas.

    Parameters
    ----------
    viewer : napari viewer
        Gets the layer once there is an area.
    proofread : ProofreadController
        Knows the areas.
    keeper : LabelsKeeper
        Knows where the labels lie.
    parent : QObject
        The dock.
    """

    def __init__(
        self,
        viewer: Any,
        proofread: ProofreadController,
        keeper: LabelsKeeper,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._proofread = proofread
        self._keeper = keeper
        # By their number of axes: a layer cannot change it.
        self._layers: dict[int, Shapes] = {}
        # Labels are opened while napari tells of its layers: none may be added just then.
        self._later = Later(self.refresh, 0, self)
        proofread.opened.connect(self._later.call)
        proofread.reviewed.connect(self._on_reviewed)

    def release(self) -> None:
        """Hear of the controller no more, and take the layers out."""
        self._later.stop()
        self._proofread.opened.disconnect(self._later.call, missing_ok=True)
        self._proofread.reviewed.disconnect(self._on_reviewed, missing_ok=True)
        for layer in self._layers.values():
            remove_if_there(self._viewer, layer)
        self._layers.clear()

    def _on_reviewed(self, _ids: object) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Show the areas of the labels that are corrected."""
        cells, labels = self._proofread.cells, self._keeper.layer
        areas = [] if cells is None else cells.areas
        self._layers = {
            ndim: layer
            for ndim, layer in self._layers.items()
            if layer in self._viewer.layers
        }
        for shown in self._layers.values():
            shown.data = []
            shown.visible = False
        if not areas or labels is None:
            return
        layer = self._layers.get(labels.ndim)
        if layer is None:
            layer = self._made(labels)
            self._layers[labels.ndim] = layer
        layer.visible = True
        self._lay_over(layer)
        layer.add_polygons(
            [_vertices(area, labels.ndim) for area in areas],
            edge_width=max(1.0, EDGE_SHARE * max(labels.data.shape[-2:])),
            edge_color=EDGE_COLOUR,
            face_color="transparent",
        )

    def _lay_over(self, layer: Shapes) -> None:
        """Put the layer where the labels lie, and above an image that came later."""
        lay(layer, self._keeper.placement)
        layers = self._viewer.layers
        if layers[-1] is not layer:
            layers.move(layers.index(layer), len(layers))

    def _made(self, labels: Labels) -> Shapes:
        """Return the layer, added with the labels still chosen."""
        placement = self._keeper.placement
        layer = Shapes(ndim=labels.ndim, name=AREAS_LAYER, **placement)
        add_unchosen(self._viewer, layer)
        layer.editable = False
        return layer


def _vertices(area: CheckedArea, ndim: int) -> np.ndarray[Any, Any]:
    """Return the (n, ndim) vertices of an area."""
    lead = np.broadcast_to(
        np.array(area.plane, float), (len(area.outline_yx), ndim - 2)
    )
    return np.concatenate([lead, area.outline_yx], axis=1)
