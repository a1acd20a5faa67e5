"""The correction tools: a key, a button and a gesture each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_cellseg.controllers.measure import MeasureController
from napari_cellseg.controllers.proofread import ProofreadController
from napari_cellseg.core.errors import CellsegError, EditError
from napari_cellseg.widgets.gestures import Drawn, GestureCapture, GestureKind

ToolName = Literal[
    "delete",
    "delete_region",
    "merge",
    "split",
    "add",
    "fill_holes",
    "smooth",
    "small",
    "check",
]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as it stands on its button.

    Attributes
    ----------
    key : str
        A letter that napari does not use on labels layers.
    hint : str
        What to do with the mouse, shown while the tool is active.
    """

    name: ToolName
    title: str
    key: str
    gesture: GestureKind
    hint: str


TOOLS = (
    Tool("delete", "Delete cell", "D", "click", "Click a cell to delete it."),
    Tool("delete_region", "Delete region", "R", "outline",
         "Draw around the cells to delete."),
    Tool("merge", "Merge two", "J", "line",
         "Drag from one cell to the other, or click both; the first keeps its number."),
    Tool("split", "Split cell", "K", "path", "Drag a line right across a cell."),
    Tool("add", "Add cell", "A", "outline", "Draw around a cell that is missing."),
    Tool("fill_holes", "Fill holes", "H", "click", "Click a cell to fill its holes."),
    Tool("smooth", "Smooth edge", "O", "click", "Click a cell to smooth its edge."),
    Tool("small", "Remove small", "Q", "click",
         "Delete every cell below the smallest area set beside."),
    Tool("check", "Mark checked", "C", "outline",
         "Draw around an area in which you have put every cell right. Training learns "
         "from it, and a new run leaves it as it is."),
)  # fmt: skip


class _KeyPress:
    """Toggles one tool.

    Its method is bound, not itself: napari asks each binding for its ``__name__``, and
    one without breaks every key of the viewer.
    """

    def __init__(self, tools: CanvasTools, name: ToolName) -> None:
        self._tools = tools
        self._name = name

    def press(self, _layer: Labels) -> None:
        """Toggle the tool; napari calls it with the layer."""
        self._tools.toggle(self._name)


class CanvasTools(QObject):
    """Turns gestures on the labels layer into corrections.

    Parameters
    ----------
    gestures : GestureCapture
        Shared with the rest of the dock: one gesture at a time.
    proofread, measure : controllers
        Take the corrections; know which cell is where.
    parent : QObject
        The dock.
    """

    changed = Signal()
    failed = Signal(str)

    def __init__(
        self,
        gestures: GestureCapture,
        proofread: ProofreadController,
        measure: MeasureController,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._gestures = gestures
        self._proofread = proofread
        self._measure = measure
        self._layer: Labels | None = None
        self._reconcile: Callable[[], None] | None = None
        self._first_cell = 0
        self.active: Tool | None = None
        self.min_area_px = 30
        self._more_keys: dict[str, Callable[[Labels], None]] = {}

    def add_key(self, key: str, action: Callable[[Labels], None]) -> None:
        """Let a key on the labels call a bound method; napari passes it the layer."""
        self._more_keys[key] = action

    def attach(self, layer: Labels, reconcile: Callable[[], None]) -> None:
        """Work on a layer; `reconcile` is called before each correction."""
        self.detach()
        self._layer, self._reconcile = layer, reconcile
        for tool in TOOLS:
            layer.bind_key(tool.key, _KeyPress(self, tool.name).press, overwrite=True)
        for key, action in self._more_keys.items():
            layer.bind_key(key, action, overwrite=True)
        layer.events.mode.connect(self._on_layer_mode)
        self.changed.emit()

    def detach(self) -> None:
        """Leave the layer as it was found."""
        self.leave()
        layer, self._layer = self._layer, None
        self._reconcile = None
        if layer is not None:
            layer.events.mode.disconnect(self._on_layer_mode)
            for tool in TOOLS:
                layer.bind_key(tool.key, None)
            for key in self._more_keys:
                layer.bind_key(key, None)
        self.changed.emit()

    @property
    def is_ready(self) -> bool:
        """True if there is a layer to work on."""
        return self._layer is not None

    def toggle(self, name: ToolName) -> None:
        """Take a tool in hand, or put it back; some act at once."""
        tool = next(one for one in TOOLS if one.name == name)
        if self._layer is None:
            self.failed.emit(
                "There are no cells to correct yet. Segment the image first."
            )
        elif tool.name == "small":
            self._try(self._proofread.remove_small, self.min_area_px)
        elif self.active == tool:
            self.leave()
        elif reason := self._gestures.why_not():
            self.failed.emit(reason)
        else:
            self._take(tool, self._layer)

    def leave(self) -> None:
        """Put the tool back; napari's own tools work again."""
        if self.active is None:
            return
        self.active = None
        self._first_cell = 0
        self._gestures.stop()
        if self._layer is not None:
            self._layer.bind_key("Escape", None)
        self.changed.emit()

    def _take(self, tool: Tool, layer: Labels) -> None:
        self.leave()
        self._gestures.start(layer, tool.gesture, self._on_drawn)
        self.active = tool
        layer.bind_key("Escape", self._on_escape, overwrite=True)
        self.changed.emit()

    def _on_escape(self, _layer: Labels) -> None:
        self.leave()

    def _on_layer_mode(self, _event: Any) -> None:
        """Put ours back when a tool of napari was taken."""
        if self._layer is not None and str(self._layer.mode) != "pan_zoom":
            self.leave()

    def _on_drawn(self, drawn: Drawn) -> None:
        if self.active is not None:
            handlers: dict[str, Callable[[Drawn], None]] = {
                "delete": self._delete,
                "delete_region": self._delete_region,
                "merge": self._merge,
                "split": self._split,
                "add": self._add,
                "fill_holes": self._fill_holes,
                "smooth": self._smooth,
                "check": self._check,
            }
            self._try(handlers[self.active.name], drawn)

    def _try(self, action: Callable[..., None], *arguments: Any) -> None:
        """Do it, or say in the dock why not."""
        try:
            if self._reconcile is not None:
                self._reconcile()
            action(*arguments)
        except CellsegError as error:
            self.failed.emit(str(error))

    def _cell(self, drawn: Drawn, index: int = -1) -> int:
        """Return the cell at a point of the gesture."""
        y, x = drawn.points_yx[index]
        return self._measure.cell_at((*drawn.plane, float(y), float(x)))

    def _cell_or_error(self, drawn: Drawn) -> int:
        if cell := self._cell(drawn):
            return cell
        raise EditError("There is no cell there. Click inside a cell.")

    def _delete(self, drawn: Drawn) -> None:
        self._proofread.delete_cells([self._cell_or_error(drawn)])

    def _delete_region(self, drawn: Drawn) -> None:
        self._proofread.delete_in_region(drawn.points_yx, drawn.plane)

    def _merge(self, drawn: Drawn) -> None:
        """Merge what a drag joins, or what two clicks name."""
        first, last = self._cell(drawn, 0), self._cell_or_error(drawn)
        if first and first != last:
            self._proofread.merge_cells([first, last])
            self._first_cell = 0
        elif self._first_cell and self._first_cell != last:
            first, self._first_cell = self._first_cell, 0
            self._proofread.merge_cells([first, last])
        else:
            self._first_cell = last
        self.changed.emit()

    @property
    def hint(self) -> str:
        """What to do with the tool in hand, "" without one."""
        if self.active is None:
            return ""
        if self._first_cell:
            return f"Cell {self._first_cell} is picked; click the one to merge into it."
        return f"{self.active.hint} Esc puts the tool back."

    def _split(self, drawn: Drawn) -> None:
        self._proofread.split_cell(drawn.points_yx, drawn.plane)

    def _add(self, drawn: Drawn) -> None:
        self._proofread.add_cell(drawn.points_yx, drawn.plane)

    def _check(self, drawn: Drawn) -> None:
        self._proofread.check_area(drawn.points_yx, drawn.plane)

    def _fill_holes(self, drawn: Drawn) -> None:
        self._proofread.fill_holes([self._cell_or_error(drawn)])

    def _smooth(self, drawn: Drawn) -> None:
        self._proofread.smooth_cells([self._cell_or_error(drawn)])
