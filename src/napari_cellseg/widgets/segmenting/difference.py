"""The box "What the new run changed", and the old outline of the change in view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.layers import Shapes
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QGridLayout, QGroupBox, QPushButton, QVBoxLayout

from napari_cellseg.controllers.segmenting.rerun_difference import RerunDifference
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.editing.difference import Change
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.widgets.basics.buttons import canvas_button
from napari_cellseg.widgets.basics.cleanup import Cleanup
from napari_cellseg.widgets.basics.words import line_label
from napari_cellseg.widgets.canvas.gestures import DRAWING
from napari_cellseg.widgets.canvas.keys import CHANGE_KEY, NEW_KEY, OLD_KEY
from napari_cellseg.widgets.canvas.layer_images import KEY
from napari_cellseg.widgets.labels.label_places import add_unchosen, remove_if_there
from napari_cellseg.widgets.labels.labels_keeper import LabelsKeeper

OLD_LAYER = "outline before the run"
OLD_COLOUR = "white"
#: The line is this share of the box that is looked at.
EDGE_SHARE = 1 / 40


class DifferenceBox(QGroupBox):
    """Shows how much a new run changed, and takes the answers.

    Parameters
    ----------
    difference : RerunDifference
        Whose changes are gone through.
    """

    def __init__(self, difference: RerunDifference) -> None:
        super().__init__("What the new run changed")
        self._difference = difference
        self.line = line_label()
        self.next = _button(
            "Next change",
            CHANGE_KEY,
            "Go to the next change; its old outline is white.",
        )
        self.take = _button("Take new", NEW_KEY, "The new run is right here.")
        self.keep = _button(
            "Keep old", OLD_KEY, "Bring back what was here before; undo takes it back."
        )
        self.take_all = _button("Take all new", "", "Leave all as the new run made it.")
        self.keep_all = _button(
            "Keep all old", "", "Bring back all that is not decided on; one step."
        )
        grid = QGridLayout()
        grid.addWidget(self.next, 0, 0, 1, 2)
        grid.addWidget(self.take, 1, 0)
        grid.addWidget(self.keep, 1, 1)
        grid.addWidget(self.take_all, 2, 0)
        grid.addWidget(self.keep_all, 2, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.addWidget(self.line)
        layout.addLayout(grid)
        difference.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Follow the controller."""
        words = self._difference.words
        self.setVisible(bool(words))
        self.line.setText(words)
        is_looked_at = self._difference.current is not None
        for button in (self.take, self.keep):
            button.setEnabled(is_looked_at)


def _button(title: str, key: str, tip: str) -> QPushButton:
    shown = f"{title}  ({key.replace('Shift-', '⇧')})" if key else title
    return canvas_button(shown, tip)


class DifferenceLink(QObject):
    """Ties the box to the dock: keys, the view, and the old outline.

    Parameters
    ----------
    dock : QWidget
        Has `viewer`, `proofread`, `keeper`, `tools`, `teller` and `segment_tab`.
    task : TaskController
        Compares off the main thread.
    cleanup : Cleanup
        Lets go when the dock does.
    """

    def __init__(self, dock: Any, task: TaskController, cleanup: Cleanup) -> None:
        super().__init__(dock)
        self._dock = dock
        self._viewer: Any = dock.viewer
        self._keeper: LabelsKeeper = dock.keeper
        self.difference = RerunDifference(dock.proofread, task)
        self.box = DifferenceBox(self.difference)
        dock.segment_tab.add_box(self.box)
        self.layer: Shapes | None = None
        for button, action in (
            (self.box.next, self._on_next), (self.box.take, self._on_take),
            (self.box.keep, self._on_keep), (self.box.take_all, self._on_take_all),
            (self.box.keep_all, self._on_keep_all),
        ):  # fmt: skip
            button.clicked.connect(action)
        for key, pressed in (
            (CHANGE_KEY, self._on_next), (NEW_KEY, self._on_take), (OLD_KEY, self._on_keep),
        ):  # fmt: skip
            dock.tools.add_key(key, pressed)
        self.difference.shown.connect(self._on_shown)
        self.difference.changed.connect(self._on_changed)
        cleanup.add(self.release)

    def release(self) -> None:
        """Hear of the controllers no more, and drop the arrays."""
        self.difference.shown.disconnect()
        self.difference.changed.disconnect()
        self.difference.forget()
        self._remove_outline()

    # ------------------------------------------------------------------- the buttons
    def _on_next(self, _from: Any = None) -> None:
        self._try(self.difference.step)

    def _on_take(self, _from: Any = None) -> None:
        self._try(self.difference.take_new)

    def _on_keep(self, _from: Any = None) -> None:
        self._try(self.difference.keep_old)

    def _on_take_all(self) -> None:
        self._try(self.difference.take_all)

    def _on_keep_all(self) -> None:
        self._try(self.difference.keep_all_old)

    def _try(self, action: Callable[[], None]) -> None:
        """Do it on what is shown now, or say in the dock why not."""
        try:
            self._keeper.reconcile()
            action()
        except CellsegError as error:
            self._dock.teller.show_error(str(error))

    # --------------------------------------------------------------------- the canvas
    def _on_shown(self, change: Change) -> None:
        """Bring the change to the middle, with the old outline around it."""
        view = self.difference.view_of(change)
        self._keeper.look_at(view.centre, view.size_px)
        if change.new_ids:
            self._keeper.select(change.new_ids[0])
        self._remove_outline()
        labels = self._keeper.layer
        if labels is None or not view.outlines:
            return
        layer = Shapes(
            ndim=labels.ndim,
            name=OLD_LAYER,
            metadata={KEY: {"role": DRAWING}},
            **self._keeper.placement,
        )
        layer.add_paths(
            list(view.outlines),
            edge_width=max(0.3, view.size_px * EDGE_SHARE),
            edge_color=OLD_COLOUR,
        )
        layer.editable = False
        add_unchosen(self._viewer, layer)
        self.layer = layer

    def _on_changed(self) -> None:
        if self.difference.current is None:
            self._remove_outline()

    def _remove_outline(self) -> None:
        layer, self.layer = self.layer, None
        remove_if_there(self._viewer, layer)
