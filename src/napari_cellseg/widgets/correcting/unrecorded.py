"""Says that a labels layer is not recorded, before somebody paints on it for nothing."""

from __future__ import annotations

from typing import Any

from napari.layers import Labels
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_cellseg.widgets.basics.words import line_label, say
from napari_cellseg.widgets.canvas.layer_images import plain
from napari_cellseg.widgets.labels.edit_window import is_overview

OTHERS = (
    "The project keeps its own cells of this image, not these: choose them again above, "
    "or select this layer in napari's list then and press 'Correct this layer'."
)


class UnrecordedLayer(QWidget):
    """One line and a button, shown while a labels layer that is not ours is chosen.

    A layer made by napari's own button, or by another plugin, is not under correction:
    what is painted on it has no history, and no project keeps it.

    Parameters
    ----------
    dock : CellSegmentationWidget
        Its keeper corrects the layer if the person says so.
    """

    def __init__(self, dock: Any) -> None:
        super().__init__()
        self._dock = dock
        self._viewer = dock.viewer
        self.line = line_label()
        self.button = QPushButton("Correct this layer")
        self.button.setToolTip(
            "Its cells are corrected, counted and kept from now on. Where the project "
            "has cells of this image, you are asked what becomes of them; others stay on "
            "their layer, which the tab Correct offers."
        )
        self.button.clicked.connect(self._on_correct_clicked)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.line, 1)
        row.addWidget(self.button)
        self._viewer.layers.selection.events.active.connect(self._on_changed)
        dock.keeper.layers_changed.connect(self._on_layers_changed)
        dock.correct_tab.layer_chosen.connect(self._on_layer_chosen)
        self.refresh()

    @property
    def layer(self) -> Labels | None:
        """The layer that is chosen in napari and not recorded, None for any other."""
        layer = plain(self._viewer.layers.selection.active)
        is_ours = layer is self._dock.keeper.layer
        is_labels = isinstance(layer, Labels) and not is_overview(layer)
        return layer if is_labels and not is_ours else None

    def refresh(self) -> None:
        """Follow the viewer."""
        layer = self.layer
        if layer is not None:
            text = f"What is painted on '{layer.name}' is not recorded and not kept."
            say(self.line, text, "warning", self._viewer.theme)
        self.setVisible(layer is not None)

    def release(self) -> None:
        """Let go of the viewer."""
        self._viewer.layers.selection.events.active.disconnect(self._on_changed)

    def _on_changed(self, _event: Any) -> None:
        self.refresh()

    def _on_layers_changed(self, _names: list[str], _chosen: int) -> None:
        self.refresh()

    def _on_correct_clicked(self) -> None:
        layers, layer = self._dock.keeper.labels_layers(), self.layer
        if layer is not None and layer in layers:
            if self._dock.exchange.offer_layer(layer):
                return
            index = layers.index(layer)
            self._dock.keeper.choose(index)
            self._on_layer_chosen(index)

    def _on_layer_chosen(self, _index: int) -> None:
        """Take the cells of a layer that fits the image into the project."""
        dock = self._dock
        choice, image, labels = (
            dock.header.choice,
            dock.session.image,
            dock.proofread.labels,
        )
        if choice is None or image is None or labels is None:
            return
        if labels.shape == image.labels_shape:
            dock.link.on_result(choice.layers[0])
            if dock.link.has_others(dock.proofread.cells, choice.layers[0]):
                dock.footer.tell(OTHERS, "warning")
