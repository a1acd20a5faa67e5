"""Which labels layer is under correction, and the ones that were before."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Signal

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.controllers.labels.edit_window import first_window
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.core.labels.arrays import check_labels
from napari_cellseg.core.labels.on_disk import is_large
from napari_cellseg.widgets.canvas.canvas import canvas_widget
from napari_cellseg.widgets.canvas.layer_images import KEY, note
from napari_cellseg.widgets.labels.edit_window import (
    EditWindow,
    overview_layer,
)
from napari_cellseg.widgets.labels.label_look import (
    add_layer,
    can_correct,
    make_labels_layer,
)
from napari_cellseg.widgets.labels.label_places import centre, placement_of, show_plane
from napari_cellseg.widgets.labels.layer_book import LayerBook
from napari_cellseg.widgets.labels.layers import LabelsBinding
from napari_cellseg.widgets.labels.tools import CanvasTools

#: Share of the canvas that a cell under review takes up.
SHOWN_SHARE = 0.2
TOO_LARGE = (
    "A copy would not fit into memory. Import the labels into a project, "
    "`cellseg project import`; large ones are corrected there in a window."
)


class LabelsKeeper(QObject):
    """Makes result layers and binds one labels layer at a time to the controllers.

    A layer that is left keeps its cells and history here for as long as it lives.

    Parameters
    ----------
    viewer : napari viewer
        Whose labels layers are offered.
    proofread : ProofreadController
        Corrects the bound layer.
    tools : CanvasTools
        Work on it.
    parent : QObject
        The dock.
    """

    failed = Signal(str)
    copied = Signal(str)
    clicked = Signal(int)
    layers_changed = Signal(list, int)

    def __init__(
        self,
        viewer: Any,
        proofread: ProofreadController,
        tools: CanvasTools,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._proofread = proofread
        self._tools = tools
        self.binding: LabelsBinding | None = None
        self.window: EditWindow | None = None
        self._book = LayerBook(viewer)
        self._image: weakref.ref[Image] | None = None
        self.has_outlines = True
        self._brush_keeps = True
        events = viewer.layers.events
        self._links = [
            (events.inserted, self._on_layers_changed),
            (events.removed, self._on_layers_changed),
            (events.reordered, self._on_layers_changed),
        ]
        for event, handler in self._links:
            event.connect(handler)
        proofread.opened.connect(self._on_proofread_opened)

    @property
    def layer(self) -> Labels | None:
        """The bound layer."""
        return None if self.binding is None else self.binding.layer

    def release(self) -> None:
        """Let go of the layer and the viewer."""
        for event, handler in self._links:
            event.disconnect(handler)
        self._links = []
        self._proofread.opened.disconnect(self._on_proofread_opened, missing_ok=True)
        self._unbind()
        self._book.leave()

    # ------------------------------------------------------------------- results
    def add_result(
        self,
        cells: CellLabels,
        name: str,
        placement: dict[str, Any],
        metadata: dict[str, Any],
        image: Image,
    ) -> None:
        """Show the cells of a run on a new layer, and correct them if its image is here.

        Parameters
        ----------
        cells : CellLabels
            Those under correction, or those of an image that was left meanwhile.
        name : str
            Of the layer.
        placement, metadata : dict
            Where it lies; where it comes from.
        image : Image
            The layer that was segmented. If the person has gone on to another one, the
            cells wait until it is chosen again.
        """
        layer = make_labels_layer(cells, name, placement, {KEY: metadata})
        self._show(layer, cells, image)
        if cells is self._proofread.cells:
            self._bind(layer, cells)

    def add_kept(
        self,
        cells: CellLabels,
        name: str,
        placement: dict[str, Any],
        image: Image,
    ) -> None:
        """Show cells that were kept for an image, as by a project, and correct them."""
        shown = self._book.layer_with(cells)
        if shown is not None:
            self._book.tie(image, shown)
            self._open(shown)
            return
        layer = make_labels_layer(cells, name, placement, {})
        if len(cells.levels) > 1:
            overview = overview_layer(cells.levels, name, placement)
            self._viewer.add_layer(overview)
            self._book.note_overview(layer, overview)
        self._show(layer, cells, image)
        self._open(layer)

    def _show(self, layer: Labels, cells: CellLabels, image: Image) -> None:
        """Add a layer and remember whose cells it shows."""
        self._book.note(layer, cells)
        add_layer(self._viewer, layer)
        self._book.tie(image, layer)

    def layer_of_image(self, image: Image) -> Labels | None:
        """Return the layer with the cells of an image, None if it is not here."""
        return self._book.layer_of(image)

    def cells_of_image(self, image: Image) -> CellLabels | None:
        """Return the cells that were made on an image, None if there are none here."""
        layer = self._book.layer_of(image)
        return None if layer is None else self._book.cells_on(layer)

    def drop(self, cells: CellLabels) -> None:
        """Show cells no more that are not under correction: their image has others."""
        layer = self._book.layer_with(cells)
        overview = None if layer is None else self._book.overview_of(layer)
        for one in (layer, overview):
            if one is not None and one in self._viewer.layers:
                self._viewer.layers.remove(one)

    def part(self, image: Image) -> None:
        """Correct the cells of an image no more; their layer stays, hidden."""
        layer = self._book.untie(image)
        if layer is not None:
            if layer is self.layer:
                self._open(None)
            layer.visible = False

    @property
    def shown_cells(self) -> list[CellLabels]:
        """The cells of all layers that are here."""
        known = map(self._book.cells_on, self._book.layers())
        return [cells for cells in known if cells is not None]

    def show_anew(self, cells: CellLabels) -> None:
        """Show cells as they are on their layer, as after a run while it was left."""
        layer = self._book.layer_with(cells)
        if layer is None or layer is self.layer:
            return
        # A window that is not bound stands in the first corner, see `EditWindow`.
        labels = cells.labels
        part = first_window(labels.shape) if cells.is_large else ...
        layer.data[...] = labels[part]
        layer.refresh()

    def note_result(self, metadata: dict[str, Any]) -> None:
        """Note on the bound layer where its cells come from now."""
        if self.layer is not None:
            note(self.layer, **metadata)

    # ------------------------------------------------------------------- choosing
    def follow_image(self, image: Image | None) -> None:
        """Correct the labels that were made on an image, or none yet."""
        self._image = None if image is None else weakref.ref(image)
        layer = None if image is None else self._book.layer_of(image)
        if layer is None:
            self._open(None)
            if image in self._viewer.layers:
                # Else the brush would stay on the cells of another image.
                self._viewer.layers.selection.active = image
        elif layer is not self.layer:
            self._open(layer)
        self.refresh_layers()

    def labels_layers(self) -> list[Labels]:
        """Return all labels layers of the viewer but overviews."""
        return self._book.layers()

    def choose(self, index: int) -> None:
        """Correct a labels layer of the menu; one that cannot be is copied."""
        layers = self._book.layers()
        if not 0 <= index < len(layers):
            return
        layer = layers[index]
        if layer is self.layer:
            return
        if reason := can_correct(layer):
            copied = self._copied(layer, reason)
            if copied is None:
                self.refresh_layers()
                return
            layer = copied
        image = None if self._image is None else self._image()
        if image is not None:
            self._book.tie(image, layer)
        self._open(layer)
        self.refresh_layers()

    def _copied(self, layer: Labels, reason: str) -> Labels | None:
        """Return a new layer with the cells of one that cannot be corrected itself."""
        data = layer.data[0] if layer.multiscale else layer.data
        if is_large(tuple(data.shape)):
            self.failed.emit(f"{reason} {TOO_LARGE}")
            return None
        try:
            cells = CellLabels(check_labels(np.asarray(data)))
        except CellsegError as error:
            self.failed.emit(f"{reason} {error}")
            return None
        placement = placement_of(layer)
        name = f"{layer.name} (to correct)"
        copied = make_labels_layer(cells, name, placement, {})
        self._book.note(copied, cells)
        layer.visible = False
        add_layer(self._viewer, copied)
        self.copied.emit(f"{reason} So a copy, '{name}', is corrected.")
        return copied

    def _open(self, layer: Labels | None) -> None:
        """Go on with a layer, or with none."""
        self._unbind()
        if layer is None:
            if self._proofread.cells is not None:
                self._proofread.reopen(None)
            return
        cells = self._book.cells_on(layer)
        if cells is None:
            cells = CellLabels(np.array(layer.data, copy=True))
            self._book.note(layer, cells)
        self._bind(layer, cells)
        self._proofread.reopen(cells)
        self.reconcile()

    def _bind(self, layer: Labels, cells: CellLabels) -> None:
        self._unbind()
        self._proofread.cells = cells
        binding = LabelsBinding(layer, self._proofread, self)
        binding.failed.connect(self.failed)
        binding.clicked.connect(self.clicked)
        binding.show_outlines(is_on=self.has_outlines)
        binding.keep_under_brush(is_on=self._brush_keeps)
        self.binding = binding
        self._tools.attach(layer, binding)
        if cells.is_large:
            overview = self._book.overview_of(layer)
            self.window = EditWindow(
                self._viewer, cells, binding, overview, self._tools.block, self
            )
        self._viewer.layers.selection.active = layer
        self.refresh_layers()

    def _unbind(self) -> None:
        binding = self.binding
        window, self.window = self.window, None
        self._tools.detach()
        if binding is None:
            return
        if self._book.cells_on(binding.layer) is self._proofread.cells:
            binding.take_rest()
        if window is not None:
            window.release()
        self.binding = None
        binding.release()

    def _on_proofread_opened(self) -> None:
        """Keep what was taken anew for the bound layer, as after a change of shape."""
        layer, cells = self.layer, self._proofread.cells
        if layer is None or cells is None:
            return
        if np.shape(layer.data) == cells.labels.shape:
            self._book.note(layer, cells)

    def _on_layers_changed(self, _event: Any) -> None:
        layer = self.layer
        if layer is not None and layer not in self._viewer.layers:
            if self.window is not None:
                self.window.remove_overview()
            self._open(None)
        self.refresh_layers()

    def refresh_layers(self) -> None:
        """Offer the labels layers that are there."""
        layers = self._book.layers()
        chosen = layers.index(self.layer) if self.layer in layers else -1
        self.layers_changed.emit([one.name for one in layers], chosen)

    # -------------------------------------------------------------------- acting
    def reconcile(self) -> None:
        """Notice what another tool wrote into the bound layer."""
        if self.binding is not None:
            self.binding.reconcile()

    def undo(self) -> None:
        """Take the last edit back, as Ctrl-Z does on the layer."""
        if self.layer is not None:
            self.layer.undo()

    def redo(self) -> None:
        """Make the last undone edit again."""
        if self.layer is not None:
            self.layer.redo()

    def show_outlines(self, is_on: bool) -> None:  # noqa: FBT001 - takes Qt's signal
        """Show cells as outlines, or filled."""
        self.has_outlines = is_on
        if self.binding is not None:
            self.binding.show_outlines(is_on=is_on)

    def keep_under_brush(self, is_on: bool) -> None:  # noqa: FBT001 - takes Qt's signal
        """Let the brush leave other cells alone, or paint over them."""
        self._brush_keeps = is_on
        if self.binding is not None:
            self.binding.keep_under_brush(is_on=is_on)

    def select(self, cell: int) -> None:
        """Select a cell on the layer."""
        if self.binding is not None:
            self.binding.select(cell)

    def look_at(self, place: tuple[float, ...], diameter_px: float) -> None:
        """Centre a place, zoomed so that a cell of a diameter can be judged."""
        layer = self.layer
        if layer is None:
            return
        self.centre(place)
        camera = self._viewer.scene.camera
        canvas = canvas_widget(self._viewer)
        canvas_px = min(canvas.width(), canvas.height())
        size = max(diameter_px, 1.0) * abs(float(layer.scale[-1]))
        camera.zoom = canvas_px * SHOWN_SHARE / size
        if self.window is not None:
            self.window.follow()

    @property
    def _start(self) -> tuple[int, ...]:
        """Where the layer begins in the labels, () if it shows all of them."""
        return () if self.binding is None else self.binding.start

    @property
    def placement(self) -> dict[str, Any]:
        """What puts a layer where all labels are, of which ours may show a window."""
        own = {} if self.layer is None else placement_of(self.layer)
        return own if self.window is None else {**own, "translate": self.window.base}

    def show_plane(self, plane: tuple[int, ...]) -> None:
        """Show a plane of the labels."""
        if self.layer is not None:
            show_plane(self._viewer, self.layer, plane, self._start)

    def centre(self, place: tuple[float, ...]) -> None:
        """Bring a place, in pixels of the labels, to the middle of the view."""
        if self.layer is not None:
            centre(self._viewer, self.layer, place, self._start)
