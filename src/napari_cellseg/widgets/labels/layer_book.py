"""Which cells each labels layer shows, and which layer the cells of an image are on."""

from __future__ import annotations

import weakref
from typing import Any

from napari.layers import Image, Labels

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.widgets.canvas.layer_images import plain
from napari_cellseg.widgets.labels.edit_window import is_overview

#: What docks knew of layers that are still there when they were closed.
_LEFT_CELLS: weakref.WeakKeyDictionary[Labels, CellLabels] = weakref.WeakKeyDictionary()
_LEFT_IMAGES: weakref.WeakKeyDictionary[Image, weakref.ref[Labels]] = (
    weakref.WeakKeyDictionary()
)


class LayerBook:
    """Remembers as long as the layers live; the next dock of a viewer takes it over.

    Parameters
    ----------
    viewer : napari viewer
        A layer that is not in it any more is not found.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._cells: weakref.WeakKeyDictionary[Labels, CellLabels] = (
            weakref.WeakKeyDictionary()
        )
        self._of_image: weakref.WeakKeyDictionary[Image, weakref.ref[Labels]] = (
            weakref.WeakKeyDictionary()
        )
        self._overviews: weakref.WeakKeyDictionary[Labels, weakref.ref[Labels]] = (
            weakref.WeakKeyDictionary()
        )
        for layer in map(plain, viewer.layers):
            if layer in _LEFT_CELLS:
                self._cells[layer] = _LEFT_CELLS.pop(layer)
            if layer in _LEFT_IMAGES:
                self._of_image[layer] = _LEFT_IMAGES.pop(layer)

    def layers(self) -> list[Labels]:
        """Return all labels layers of the viewer but overviews."""
        return [
            one
            for one in map(plain, self._viewer.layers)
            if isinstance(one, Labels) and not is_overview(one)
        ]

    def note(self, layer: Labels, cells: CellLabels) -> None:
        """Remember which cells a layer shows."""
        self._cells[layer] = cells

    def cells_on(self, layer: Labels) -> CellLabels | None:
        """Return the cells that a layer shows, None if it was never under correction."""
        return self._cells.get(layer)

    def layer_with(self, cells: CellLabels) -> Labels | None:
        """Return the layer that shows some cells, None if none here does."""
        return next((one for one in self.layers() if self.cells_on(one) is cells), None)

    def tie(self, image: Image, layer: Labels) -> None:
        """Remember that the cells of an image are on a layer."""
        self._of_image[image] = weakref.ref(layer)

    def untie(self, image: Image) -> Labels | None:
        """Forget where the cells of an image are; return the layer, if it is here."""
        layer = self.layer_of(image)
        self._of_image.pop(image, None)
        return layer

    def layer_of(self, image: Image) -> Labels | None:
        """Return the layer with the cells of an image, None if it is not here."""
        found = self._of_image.get(image)
        layer = None if found is None else found()
        return layer if layer is not None and layer in self._viewer.layers else None

    def note_overview(self, layer: Labels, overview: Labels) -> None:
        """Remember the layer that shows the cells of a window from afar."""
        self._overviews[layer] = weakref.ref(overview)

    def overview_of(self, layer: Labels) -> Labels | None:
        """Return the overview that belongs to a window, None if it has none."""
        found = self._overviews.get(layer)
        return None if found is None else found()

    def leave(self) -> None:
        """Leave everything to the next dock, but for what a project holds on disk."""
        for layer, cells in self._cells.items():
            if not cells.is_large:
                _LEFT_CELLS[layer] = cells
        _LEFT_IMAGES.update(self._of_image)
        self._cells.clear()
        self._of_image.clear()
