"""Shows the labels that the project has now for the image, where it has others."""

from __future__ import annotations

from typing import Any

from napari.layers import Labels
from qtpy.QtCore import QObject

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.core.types import CellImage
from napari_cellseg.widgets.basics.jobs import Later
from napari_cellseg.widgets.labels.kept_cells import place_text


class OtherLabels(QObject):
    """Opens large labels again after an import, its undo or its redo.

    Parameters
    ----------
    dock : CellSegmentationWidget
        Whose cells they are.
    """

    def __init__(self, dock: Any) -> None:
        super().__init__(dock)
        self._dock = dock
        self._left: Labels | None = None
        # Not at once: undo is asked for by a key of the layer that goes.
        self._open_later = Later(self._on_open_due, 0, self)
        dock.proofread.exchanged.connect(self._on_exchanged)

    def _on_exchanged(self, _cells: CellLabels) -> None:
        self.open_again()

    def open_again(self) -> None:
        """Show the cells that the project has of the image, and those of before no more."""
        dock, image = self._dock, self._dock.session.image
        dock.keeper.reconcile()
        dock.proofread.reopen(None)
        if image is not None:
            dock.projects.put_away(image.source)
        self._left = dock.keeper.layer
        self._open_later.call()

    def put_away(self, image: CellImage) -> None:
        """Show the cells no more that an image had which was left meanwhile.

        Those that the project has now are opened when a person goes back to it.
        """
        cells = self._dock.projects.put_away(place_text(image.source))
        if cells is not None:
            self._dock.keeper.drop(cells)
        self._dock.projects.refresh()

    def _on_open_due(self) -> None:
        left, self._left = self._left, None
        layers = self._dock.viewer.layers
        if left is not None and left in layers:
            layers.remove(left)
        self._dock.projects.refresh()
        self._dock.link.on_image_chosen()

    def release(self) -> None:
        """Open nothing any more."""
        self._open_later.stop()
