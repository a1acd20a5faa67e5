"""The correction tools: a key, a button and a gesture each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_cellseg.controllers.labels.cell_tools import CellTools
from napari_cellseg.controllers.measuring.measure import MeasureController
from napari_cellseg.controllers.segmenting.find import FindController
from napari_cellseg.core.errors import CellsegError, EditError
from napari_cellseg.widgets.canvas.gestures import Drawn, GestureCapture
from napari_cellseg.widgets.canvas.keys import TOOLS, Tool, ToolName
from napari_cellseg.widgets.labels.layers import LabelsBinding

ONE_PLANE = "There is only one plane. This works on stacks and time series."


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
    cell_tools, find, measure : controllers
        Make the corrections; add what the model sees; know which cell is where.
    parent : QObject
        The dock.
    """

    changed = Signal()
    failed = Signal(str)

    def __init__(
        self,
        gestures: GestureCapture,
        cell_tools: CellTools,
        find: FindController,
        measure: MeasureController,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._gestures = gestures
        self.cell_tools = cell_tools
        self._find = find
        self._measure = measure
        self._layer: Labels | None = None
        self._binding: LabelsBinding | None = None
        self._blocked = ""
        self._first_cell = 0
        self.active: Tool | None = None
        self.min_area_px = 30
        self._more_keys: dict[str, Callable[[Labels], None]] = {}
        self._more_actions: dict[ToolName, Callable[[Drawn], None]] = {}
        find.task.changed.connect(self._on_find_changed)
        cell_tools.changed.connect(self.changed.emit)

    def add_key(self, key: str, action: Callable[[Labels], None]) -> None:
        """Let a key on the labels call a bound method; napari passes it the layer."""
        self._more_keys[key] = action

    def add_action(self, name: ToolName, action: Callable[[Drawn], None]) -> None:
        """Let a bound method do what a tool is for; it may raise `CellsegError`."""
        self._more_actions[name] = action

    def attach(self, layer: Labels, binding: LabelsBinding) -> None:
        """Work on a layer; what others wrote there is noticed before each correction."""
        self.detach()
        self._layer, self._binding = layer, binding
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
        self._binding = None
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
        return self._layer is not None and not self._blocked

    @property
    def why_not(self) -> str:
        """Why no tool can be used though there are cells, "" if they can."""
        return self._blocked if self._layer is not None else ""

    def block(self, reason: str) -> None:
        """Let no tool be used for a reason; "" lets them be used again."""
        if reason != self._blocked:
            self._blocked = reason
            self.leave()
            self.changed.emit()

    def toggle(self, name: ToolName) -> None:
        """Take a tool in hand, or put it back; some act at once."""
        tool = next(one for one in TOOLS if one.name == name)
        if self._layer is None:
            self.failed.emit(
                "There are no cells to correct yet. Segment the image first."
            )
        elif self._blocked:
            self.failed.emit(self._blocked)
        elif tool.group == "planes" and not self.cell_tools.has_planes:
            self.failed.emit(ONE_PLANE)
        elif tool.name == "small":
            self._try(self.cell_tools.remove_small, self.min_area_px)
        elif tool.name == "number_anew":
            self._try(self.cell_tools.number_anew)
        elif self.active == tool:
            self.leave()
        elif reason := self._gestures.why_not():
            self.failed.emit(reason)
        elif tool.name == "check_all":
            plane = self._gestures.shown_plane(self._layer)
            self._try(self.cell_tools.check_plane, plane)
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
        if tool.gesture is None:  # pragma: no cover - such tools act at once
            return
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
            start = () if self._binding is None else self._binding.start
            seen = drawn.moved(start) if start else drawn
            self._try(self._act, self.active.name, seen)

    def _act(self, name: ToolName, drawn: Drawn) -> None:
        """Make the correction of a gesture."""
        if name in self._more_actions:
            self._more_actions[name](drawn)
            return
        tools = self.cell_tools
        on_drawn: dict[str, Callable[[Any, tuple[int, ...]], None]] = {
            "add": tools.add,
            "split": tools.split,
            "cut_hole": tools.cut_hole,
            "delete_region": tools.delete_region,
            "check": tools.check_area,
        }
        on_cell: dict[str, Callable[[int, tuple[int, ...]], None]] = {
            "delete": tools.delete,
            "split_auto": tools.split_automatically,
            "grow": tools.grow,
            "shrink": tools.shrink,
            "smooth": tools.smooth,
            "new_number": tools.new_number,
            "copy_next": tools.copy_to_next,
        }
        if name in on_drawn:
            on_drawn[name](drawn.points_yx, drawn.plane)
        elif name == "fill_holes":
            tools.fill_holes(self._cell_or_hole(drawn), drawn.plane)
        elif name in on_cell:
            on_cell[name](self._cell_or_error(drawn), drawn.plane)
        elif name == "find":
            self._find_cell(drawn)
        elif name == "merge":
            self._merge(drawn)
        else:
            self._interpolate(drawn)

    def _try(self, action: Callable[..., None], *arguments: Any) -> None:
        """Do it, or say in the dock why not."""
        try:
            if self._binding is not None:
                self._binding.notice()
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

    def _cell_or_hole(self, drawn: Drawn) -> int:
        """Return the cell at the gesture, or the one in whose hole it is."""
        y, x = drawn.points_yx[-1]
        around = self.cell_tools.cell_around((*drawn.plane, float(y), float(x)))
        return self._cell(drawn) or around or self._cell_or_error(drawn)

    def _find_cell(self, drawn: Drawn) -> None:
        """Add what the model sees at a click, or in a box."""
        ends = drawn.points_yx[[0, -1]]
        self._find.find(ends if drawn.is_box else ends[:1], drawn.plane)

    def _on_find_changed(self) -> None:
        """Say why the model found nothing; show that it looks."""
        if self._find.task.failure is not None and not self._find.task.is_running:
            self.failed.emit(self._find.task.failure.message)
        self.changed.emit()

    def _interpolate(self, drawn: Drawn) -> None:
        """Fill the planes of a cell, or between two cells that are clicked in turn."""
        cell = self._cell_or_error(drawn)
        first, self._first_cell = self._first_cell, 0
        if first and first != cell:
            self.cell_tools.interpolate([first, cell], drawn.plane)
        elif first or self.cell_tools.lacks_planes(cell):
            self.cell_tools.interpolate([cell], drawn.plane)
        else:
            self._first_cell = cell
        self.changed.emit()

    def _merge(self, drawn: Drawn) -> None:
        """Merge what a drag joins, or what two clicks name."""
        first, last = self._cell(drawn, 0), self._cell_or_error(drawn)
        if first and first != last:
            self._first_cell = 0
            self.cell_tools.merge([first, last], drawn.plane)
        elif self._first_cell and self._first_cell != last:
            first, self._first_cell = self._first_cell, 0
            self.cell_tools.merge([first, last], drawn.plane)
        else:
            self._first_cell = last
        self.changed.emit()

    @property
    def hint(self) -> str:
        """What to do with the tool in hand, "" without one."""
        if self._find.task.is_running:
            return "The model looks at the place; the cell comes in a moment."
        if self.active is None:
            return self.why_not
        if self._first_cell and self.active.name == "interpolate":
            return (
                f"Cell {self._first_cell} is picked; go to another plane and click the cell "
                "there."
            )
        if self._first_cell:
            return f"Cell {self._first_cell} is picked; click the one to merge into it."
        return f"{self.active.hint} Esc puts the tool back."
