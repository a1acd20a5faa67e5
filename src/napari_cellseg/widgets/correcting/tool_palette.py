"""The buttons of the correction tools: the common ones open, the others folded by subject."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.widgets.canvas.keys import (
    GROUP_TITLES,
    TOOLS,
    Group,
    Tool,
    ToolName,
    button_key,
)
from napari_cellseg.widgets.labels.tools import CanvasTools

#: Always open, without a heading.
COMMON: tuple[Group, ...] = ("cells",)
FOLDED: tuple[Group, ...] = ("shape", "many", "planes")
#: What they need to know stands beside their button.
WITH_CHOICE: tuple[ToolName, ...] = ("small", "set_class")
NOT_READY = "Segment the image, or choose labels above, first."


class ToolButton(QPushButton):
    """The button of one tool."""

    used = Signal(str)

    def __init__(self, tool: Tool) -> None:
        super().__init__(f"{tool.title}  ({button_key(tool.key)})")
        self._name = tool.name
        self.setCheckable(tool.gesture is not None)
        # The keys must go on to the canvas.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.clicked.connect(self._on_clicked)

    def _on_clicked(self) -> None:
        self.used.emit(self._name)


class Fold(QWidget):
    """A heading that opens and closes what stands below it."""

    def __init__(self, title: str, content: QWidget) -> None:
        super().__init__()
        self._content = content
        self.heading = QToolButton()
        self.heading.setText(title)
        self.heading.setCheckable(True)
        self.heading.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.heading.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.heading.setAutoRaise(True)
        self.heading.toggled.connect(self.open)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.heading)
        layout.addWidget(content)
        self.open(False)

    def open(self, is_open: bool) -> None:  # noqa: FBT001 - takes Qt's signal
        """Open or close it."""
        arrows = Qt.ArrowType
        self.heading.setChecked(is_open)
        self.heading.setArrowType(arrows.DownArrow if is_open else arrows.RightArrow)
        self._content.setVisible(is_open)


class ToolPalette(QWidget):
    """Shows the tools; the one in hand stays pressed.

    Attributes
    ----------
    buttons : dict of str to ToolButton
        By name of the tool.
    folds : dict of str to Fold
        By group.
    """

    def __init__(self, tools: CanvasTools) -> None:
        super().__init__()
        self._tools = tools
        self.buttons: dict[str, ToolButton] = {}
        self.folds: dict[Group, Fold] = {}
        self._beside: dict[ToolName, QHBoxLayout] = {}
        self.min_area = _area_box(tools.min_area_px)
        self.min_area.valueChanged.connect(self._on_min_area_changed)
        self.all_planes = QCheckBox("On all planes and time points")
        self.all_planes.setToolTip(
            "On: a tool changes a cell on all its planes and at all its times. Off: only on "
            "the plane that is shown."
        )
        self.all_planes.setChecked(tools.cell_tools.all_planes)
        self.all_planes.toggled.connect(self._on_all_planes_toggled)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for group in COMMON:
            layout.addWidget(self._grid(group))
        layout.addWidget(self.all_planes)
        for group in FOLDED:
            self.folds[group] = Fold(GROUP_TITLES[group], self._grid(group))
            layout.addWidget(self.folds[group])
        layout.addWidget(self._grid("review"))
        self.put_beside("small", self.min_area)

    def _grid(self, group: Group) -> QWidget:
        """Return the buttons of a group, two in a row."""
        page = QWidget()
        grid = QGridLayout(page)
        grid.setContentsMargins(0, 0, 0, 0)
        place = 0
        for tool in TOOLS:
            if tool.group != group:
                continue
            button = ToolButton(tool)
            button.used.connect(self._on_tool_used)
            self.buttons[tool.name] = button
            if tool.name in WITH_CHOICE:
                place += place % 2
                self._beside[tool.name] = QHBoxLayout()
                grid.addLayout(self._beside[tool.name], place // 2, 1)
            grid.addWidget(button, place // 2, place % 2)
            place += 2 if tool.name in WITH_CHOICE else 1
        for column in (0, 1):
            grid.setColumnStretch(column, 1)
        return page

    def put_beside(self, name: ToolName, choice: QWidget) -> None:
        """Put what a tool needs to know beside its button."""
        self._beside[name].addWidget(choice)

    def refresh(self) -> None:
        """Show what the controllers hold."""
        is_ready = self._tools.is_ready
        for tool in TOOLS:
            button = self.buttons[tool.name]
            button.setEnabled(is_ready)
            button.setChecked(self._tools.active == tool)
            why_not = self._tools.why_not or NOT_READY
            tip = tool.hint if is_ready else why_not
            if button.toolTip() != tip:
                button.setToolTip(tip)
        has_planes = self._tools.cell_tools.has_planes
        self.all_planes.setVisible(has_planes)
        self.folds["planes"].setVisible(has_planes)

    def _on_tool_used(self, name: ToolName) -> None:
        self._tools.toggle(name)
        self.refresh()

    def _on_min_area_changed(self, value: int) -> None:
        self._tools.min_area_px = value

    def _on_all_planes_toggled(self, is_on: bool) -> None:  # noqa: FBT001 - Qt's signal
        self._tools.cell_tools.use_all_planes(is_on=is_on)


def _area_box(min_area_px: int) -> QSpinBox:
    """Return the box that says which cells are small."""
    box = QSpinBox()
    box.setRange(1, 1_000_000)
    box.setPrefix("small: below ")
    box.setSuffix(" px")
    box.setValue(min_area_px)
    box.setToolTip("Cells with fewer pixels are removed.")
    return box
