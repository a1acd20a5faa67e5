"""The labels layer: shows the cells under correction, and hears what is painted.

The layer shows a copy of `CellLabels.labels`. What napari paints is recorded as an edit;
what the controller edits is written into the layer; undo and redo of the layer go through
the one history. What any other tool writes is noticed and recorded, never overwritten.
"""

from __future__ import annotations

from itertools import repeat
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.core.editing.cell_index import overlap
from napari_cellseg.core.editing.edits import Edit, apply_edit
from napari_cellseg.core.editing.numbering import next_id
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.core.labels.boxes import Box, shifted
from napari_cellseg.core.types import LABELS_DTYPE
from napari_cellseg.widgets.basics.jobs import Later
from napari_cellseg.widgets.labels.label_look import outline_px
from napari_cellseg.widgets.labels.part_shown import outline_fast, show_part

#: Labels of more pixels are compared with the layer a part at a time, when things are quiet.
MAX_WATCHED_PIXELS = 2**25
PART_PIXELS = 2**22
WATCH_MILLISECONDS = 250
FEATURES_MILLISECONDS = 300
STROKE_MODES = ("paint", "erase", "fill", "polygon")
#: napari's own key for a new number.
NEW_LABEL_KEY = "M"
#: Listeners of a higher number are told first.
LAYER_FIRST = 100
#: With an eraser that keeps other cells only the chosen cell could be erased.
ADDING_MODES = ("paint", "polygon")


class LabelsBinding(QObject):
    """Ties one labels layer to the controller until `release`.

    Parameters
    ----------
    layer : Labels
        int32, in memory.
    proofread : ProofreadController
        Its `cells` are those of the layer.
    parent : QObject
        The dock.
    """

    failed = Signal(str)
    clicked = Signal(int)

    #: Where the layer begins in the labels, if it shows a window of them; () if not.
    start: tuple[int, ...] = ()

    def __init__(
        self, layer: Labels, proofread: ProofreadController, parent: QObject
    ) -> None:
        super().__init__(parent)
        self.layer = layer
        self._proofread = proofread
        self._is_ours = False
        self._is_stroking = False
        self._held: list[Box] = []
        self._brush_keeps = False
        self._watch = Later(self._look, WATCH_MILLISECONDS, self)
        self._next_row = 0
        self._features = Later(self.show_features, FEATURES_MILLISECONDS, self)
        self._forget_napari_history()
        outline_fast(layer)
        layer.undo = self._on_layer_undo
        layer.redo = self._on_layer_redo
        layer.mouse_drag_callbacks.insert(0, self._on_layer_dragged)
        layer.bind_key(NEW_LABEL_KEY, self._on_new_label, overwrite=True)
        for name, handler in self._handlers():
            getattr(layer.events, name).connect(handler)
        # First of all: where another listener fails, the layer must not stay behind.
        proofread.edited.connect(self._on_proofread_edited, priority=LAYER_FIRST)
        self._features.call()

    def _handlers(self) -> list[tuple[str, Any]]:
        return [
            ("paint", self._on_layer_painted),
            ("data", self._on_layer_data),
            ("set_data", self._on_layer_set_data),
            ("selected_label", self._on_layer_selected),
            ("mode", self._on_layer_mode),
        ]

    def release(self) -> None:
        """Give the layer its own undo back, with an empty history."""
        layer = self.layer
        self._watch.stop()
        self._features.stop()
        self._proofread.edited.disconnect(self._on_proofread_edited, missing_ok=True)
        for name, handler in self._handlers():
            getattr(layer.events, name).disconnect(handler)
        layer.mouse_drag_callbacks.remove(self._on_layer_dragged)
        layer.bind_key(NEW_LABEL_KEY, None)
        layer.preserve_labels = False
        for name in ("undo", "redo"):
            layer.__dict__.pop(name, None)
        self._forget_napari_history()
        self.deleteLater()

    def _forget_napari_history(self) -> None:
        """Empty napari's own history: its steps would corrupt what we have changed."""
        editable, mode = self.layer.editable, self.layer.mode
        self.layer.editable = False
        self.layer.editable = editable
        self.layer.mode = mode

    # ------------------------------------------------------------ from the layer
    def _on_layer_undo(self) -> None:
        """Stand in for ``layer.undo``; a stroke must end first."""
        if not self._is_stroking:
            self.notice()
            self._proofread.undo()

    def _on_layer_redo(self) -> None:
        """Stand in for ``layer.redo``."""
        if not self._is_stroking:
            self.notice()
            self._proofread.redo()

    def _on_layer_painted(self, event: Any) -> None:
        """Record what napari painted; must not raise, or napari drops the paint."""
        self._is_stroking = False
        self._is_ours = True
        try:
            fills = str(self.layer.mode) == "fill"
            self._proofread.take_stroke(event.value, self.start, fills=fills)
        except (CellsegError, IndexError, ValueError, TypeError) as error:
            self.failed.emit(f"A brush stroke could not be recorded: {error}")
        finally:
            self._is_ours = False
        self._show_held()
        self._watch_soon()

    def _on_layer_data(self, _event: Any) -> None:
        """Another tool gave the layer a new array."""
        if self._is_ours:
            return
        self._forget_napari_history()
        self.reconcile()

    def _on_layer_set_data(self, _event: Any) -> None:
        if not self._is_ours:
            self._is_stroking = False
            self._watch_soon()

    def _on_layer_selected(self, _event: Any) -> None:
        self.clicked.emit(int(self.layer.selected_label))

    def _on_new_label(self, layer: Labels) -> None:
        """Do what napari's key does, but never choose the number of a deleted cell."""
        if self._proofread.cells is not None:
            layer.selected_label = next_id(self._proofread.cells.index)

    def _on_layer_mode(self, _event: Any) -> None:
        self._is_stroking = False
        self._protect()

    def keep_under_brush(self, *, is_on: bool) -> None:
        """Let the brush leave other cells alone; eraser and fill work on any cell."""
        self._brush_keeps = is_on
        self._protect()

    def _protect(self) -> None:
        is_adding = str(self.layer.mode) in ADDING_MODES
        self.layer.preserve_labels = self._brush_keeps and is_adding

    def _on_layer_dragged(self, layer: Labels, event: Any) -> Any:
        """Know when a stroke is under way, and pick a cell with a plain click."""
        if str(layer.mode) in STROKE_MODES:
            self._is_stroking = True
            yield
            while event.type == "mouse_move":
                yield
            # A stroke with the right button ends where it began, not on release.
            if event.button != 2:
                self._is_stroking = False
                self._watch_soon()
            return
        yield
        if event.type == "mouse_release" and str(layer.mode) == "pan_zoom":
            self._pick(event)

    def _pick(self, event: Any) -> None:
        """Select the cell under the mouse."""
        value = self.layer.get_value(
            event.position,
            view_direction=event.view_direction,
            dims_displayed=event.dims_displayed,
            world=True,
        )
        if not value:
            return
        if self.layer.selected_label == value:
            self.clicked.emit(int(value))  # napari tells of another number only
        self.layer.selected_label = int(value)

    # ------------------------------------------------------------ into the layer
    def _on_proofread_edited(self, edit: Edit) -> None:
        """Write an edit into the layer."""
        self._features.call()
        # A fill may have gone on beyond the window, and come back into it elsewhere.
        is_cut = bool(self.start) and str(self.layer.mode) == "fill"
        if self._is_ours and not is_cut:
            return
        if self._is_stroking:
            # napari writes into the same pixels until the stroke ends.
            self._held.append(edit.box)
            return
        was_ours, self._is_ours = self._is_ours, True
        try:
            if self.start:
                self._show_box(edit.box)
            else:
                apply_edit(self.layer.data, edit)
                show_part(self.layer, edit.box)
        finally:
            self._is_ours = was_ours

    def _show_box(self, box: Box) -> None:
        """Show the cells in a box as they are, or what of it lies in the window."""
        labels = self._proofread.labels
        common = overlap(box, self._window) if self.start else box
        if common is None or labels is None:
            return
        here = shifted(common, self.start) if self.start else common
        self.layer.data[here] = labels[common]
        show_part(self.layer, here)

    @property
    def _window(self) -> Box:
        """The part of the labels that the layer shows."""
        spans = zip(self.start, self.layer.data.shape, strict=True)
        return tuple(slice(low, low + n) for low, n in spans)

    @property
    def is_stroking(self) -> bool:
        """True while a stroke of napari is under way."""
        return self._is_stroking

    def show_window(self, start: tuple[int, ...], shown: Any, translate: Any) -> None:
        """Show another window of large labels.

        Parameters
        ----------
        start : tuple of int
            Where it begins in the labels.
        shown : int32 array
            The labels there; taken over.
        translate : sequence of float
            Where the layer is put.
        """
        self._is_ours = True
        try:
            self.start = start
            # Hidden meanwhile: napari finds the outlines of what is seen at each step.
            was_visible, self.layer.visible = self.layer.visible, False
            self.layer.translate = translate
            self.layer.data = shown
            self.layer.contour = outline_px(self.layer) if self.layer.contour else 0
            self._forget_napari_history()
            self.layer.visible = was_visible
        finally:
            self._is_ours = False
        self._features.call()

    def _show_held(self) -> None:
        """Show what came while a stroke was under way, with the stroke on top."""
        held, self._held = self._held, []
        self._is_ours = True
        try:
            for box in held:
                self._show_box(box)
        finally:
            self._is_ours = False

    def take_rest(self) -> None:
        """Record what is in the layer only, whatever is under way there."""
        self._is_stroking = False
        self.reconcile()

    def reconcile(self) -> None:
        """Record what another tool wrote into the layer."""
        if self._is_stroking:
            self._watch_soon()
            return
        if self._held:
            self._show_held()
        shown = np.asarray(self.layer.data)
        self._is_ours = True
        try:
            self._proofread.reconcile(shown, self.start)
            self._show_int32()
        except CellsegError as error:
            self._put_back()
            self.failed.emit(
                f"Another tool wrote what are no cells, and it was taken back: {error}"
            )
        finally:
            self._is_ours = False

    def _show_int32(self) -> None:
        """Give the layer an array that can hold every id, where it lost it."""
        data, labels = self.layer.data, self._proofread.labels
        if labels is None or data is labels:
            return
        if not isinstance(data, np.ndarray) or data.dtype != LABELS_DTYPE:
            self._put_back()

    def _put_back(self) -> None:
        """Show the cells as they were."""
        labels = self._proofread.labels
        if labels is not None:
            self.layer.data = labels[self._window] if self.start else labels.copy()
            self._forget_napari_history()

    @property
    def _is_large(self) -> bool:
        return bool(self.layer.data.size > MAX_WATCHED_PIXELS)

    def notice(self) -> None:
        """Record what another tool wrote, before ours; of large labels it is under way.

        No work of another tool is lost there: our edits write only the pixels that they
        change.
        """
        if not self._is_large:
            self.reconcile()

    def _watch_soon(self) -> None:
        self._next_row = 0
        self._watch.call()

    def _look(self) -> None:
        """Compare the layer with the cells: large ones a part at a time."""
        shown, labels = np.asarray(self.layer.data), self._proofread.labels
        if labels is None or not self._is_large or shown.shape != labels.shape:
            self.reconcile()
            return
        n_rows = max(1, PART_PIXELS * len(labels) // labels.size)
        part = slice(self._next_row, self._next_row + n_rows)
        if not np.array_equal(shown[part], labels[part]):
            self.reconcile()
            return
        self._next_row += n_rows
        if self._next_row < len(labels):
            self._watch.call()

    @property
    def _cells_here(self) -> list[int] | None:
        """The cells of the window, None where the layer shows all of them."""
        cells = self._proofread.cells
        if not self.start or cells is None:
            return None
        return cells.index.touching(self._window)

    def show_features(self) -> None:
        """Show source and confidence of each cell in napari's own tables and tips."""
        cells, sources = self._proofread.cells, self._proofread.sources
        if cells is None:
            return
        here = self._cells_here
        ids = sorted(sources) if here is None else here
        classes = cells.classes
        named = np.array([*map(sources.__getitem__, ids)], object)
        sure = np.array([*map(cells.confidence.get, ids, repeat(np.nan))], np.float64)
        sure[named == "hand"] = np.nan
        self.layer.features = pd.DataFrame(
            {
                "index": ids,
                "source": named,
                "confidence": sure,
                **({"class": [classes.get(i, "") for i in ids]} if classes else {}),
            }
        )

    def show_outlines(self, *, is_on: bool) -> None:
        """Show outlines, or filled cells."""
        wanted = outline_px(self.layer) if is_on else 0
        # napari draws all anew even where it is the same.
        if self.layer.contour != wanted:
            self.layer.contour = wanted

    def select(self, cell: int) -> None:
        """Make a cell the selected one."""
        if cell and self.layer.selected_label != cell:
            self.layer.selected_label = cell
