"""The tab "Correct": tools with their keys, undo and redo, whose cells there are."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.controllers.proofread import ProofreadController
from napari_cellseg.controllers.review import ReviewController
from napari_cellseg.widgets.exchange import IMPORT_TIP
from napari_cellseg.widgets.jobs import Later
from napari_cellseg.widgets.options_form import may_be_narrow
from napari_cellseg.widgets.review import ReviewBox
from napari_cellseg.widgets.tools import TOOLS, CanvasTools, ToolName
from napari_cellseg.widgets.words import line_label

NAPARI_KEYS = (
    "From napari: brush <b>2</b> · eraser <b>1</b> · polygon <b>3</b> · fill <b>4</b> · "
    "new cell <b>M</b> · size <b>[ ]</b>"
)
#: More cells are counted when things are quiet, not at every edit.
MANY_CELLS = 5_000
QUIET_MILLISECONDS = 200


class ToolButton(QPushButton):
    """The button of one tool."""

    used = Signal(str)

    def __init__(self, title: str, key: str, name: ToolName, tip: str) -> None:
        super().__init__(f"{title}  ({key})")
        self._name = name
        self.setToolTip(tip)
        # The keys must go on to the canvas.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.clicked.connect(self._on_clicked)

    def _on_clicked(self) -> None:
        self.used.emit(self._name)


class CorrectTab(QWidget):
    """Shows the tools and what they have done."""

    layer_chosen = Signal(int)
    outlines_wanted = Signal(bool)
    undo_wanted = Signal()
    redo_wanted = Signal()
    import_wanted = Signal()

    def __init__(
        self,
        proofread: ProofreadController,
        tools: CanvasTools,
        review: ReviewController,
    ) -> None:
        super().__init__()
        self._proofread = proofread
        self._tools = tools
        self.layer_menu = QComboBox()
        self.layer_menu.setToolTip("The labels that are corrected.")
        may_be_narrow(self.layer_menu)
        self.layer_menu.activated.connect(self.layer_chosen)
        self.import_button = QPushButton("Import…")
        self.import_button.setToolTip(IMPORT_TIP)
        self.import_button.clicked.connect(self.import_wanted)
        self.buttons = self._make_buttons()
        self.min_area = _area_box(tools.min_area_px)
        self.min_area.valueChanged.connect(self._on_min_area_changed)
        self.hint = line_label()
        self.undo = QPushButton("Undo")
        self.redo = QPushButton("Redo")
        for button in (self.undo, self.redo):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.undo.clicked.connect(self.undo_wanted)
        self.redo.clicked.connect(self.redo_wanted)
        self.counts = line_label()
        self._count_soon = Later(self._show_counts, QUIET_MILLISECONDS, self)
        self.review = ReviewBox(review, tools)
        self.keep = QCheckBox("Keep mine in new runs")
        self.keep.setToolTip(
            "Cells that you drew, edited or deleted stay so when the model runs again."
        )
        self.keep.setChecked(proofread.keep_mine)
        self.keep.toggled.connect(self._on_keep_toggled)
        self.outlines = QCheckBox("Outlines")
        self.outlines.setChecked(True)
        self.outlines.setToolTip("Off: filled cells.")
        self.outlines.toggled.connect(self.outlines_wanted)
        self._lay_out()
        proofread.opened.connect(self.refresh)
        proofread.edited.connect(self._on_proofread_edited)
        proofread.reviewed.connect(self._on_proofread_edited)
        tools.changed.connect(self.refresh)
        self.refresh()

    def _make_buttons(self) -> dict[str, ToolButton]:
        buttons: dict[str, ToolButton] = {}
        for tool in TOOLS:
            button = ToolButton(tool.title, tool.key, tool.name, tool.hint)
            button.setCheckable(tool.name != "small")
            button.used.connect(self._on_tool_used)
            buttons[tool.name] = button
        return buttons

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(QLabel("Cells"))
        top.addWidget(self.layer_menu, 1)
        top.addWidget(self.import_button)
        grid = QGridLayout()
        for index, tool in enumerate(TOOLS):
            grid.addWidget(self.buttons[tool.name], index // 2, index % 2)
        grid.addWidget(self.min_area, len(TOOLS) // 2, 1)
        history = QHBoxLayout()
        history.addWidget(self.undo, 1)
        history.addWidget(self.redo, 1)
        napari_keys = line_label()
        napari_keys.setText(NAPARI_KEYS)
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addLayout(grid)
        layout.addWidget(self.hint)
        layout.addLayout(history)
        layout.addWidget(self.counts)
        layout.addWidget(self.review)
        choices = QHBoxLayout()
        choices.addWidget(self.keep)
        choices.addWidget(self.outlines)
        layout.addLayout(choices)
        layout.addWidget(napari_keys)
        layout.addStretch(1)

    def add_box(self, box: QWidget) -> None:
        """Take a box of further tools below the others."""
        layout = self.layout()
        if isinstance(layout, QVBoxLayout):
            layout.insertWidget(layout.indexOf(self.review) + 1, box)

    def show_layers(self, names: list[str], chosen: int) -> None:
        """Offer labels layers; `chosen` is -1 for none."""
        self.layer_menu.clear()
        self.layer_menu.addItems(names)
        self.layer_menu.setPlaceholderText("choose…" if names else "none yet")
        self.layer_menu.setCurrentIndex(chosen)

    def refresh(self) -> None:
        """Show what the controllers hold."""
        is_ready = self._tools.is_ready
        for tool in TOOLS:
            button = self.buttons[tool.name]
            button.setEnabled(is_ready)
            button.setChecked(self._tools.active == tool)
            reason = "Segment the image, or choose labels above, first."
            button.setToolTip(tool.hint if is_ready else reason)
        self.hint.setText(self._tools.hint)
        history = self._proofread.history
        self._show_step(self.undo, "Undo", history.undo_name, "Ctrl-Z")
        self._show_step(self.redo, "Redo", history.redo_name, "Ctrl-Shift-Z")
        if self._proofread.n_cells > MANY_CELLS:
            self._count_soon.call()
        else:
            self._show_counts()

    def _show_step(self, button: QPushButton, verb: str, name: str, key: str) -> None:
        button.setText(f"{verb} {name}".strip())
        button.setEnabled(bool(name))
        button.setToolTip(f"{verb} ({key})" if name else f"Nothing to {verb.lower()}.")

    def _show_counts(self) -> None:
        self.counts.setText(self._counts())

    def _counts(self) -> str:
        proofread = self._proofread
        if proofread.labels is None:
            return "No cells yet."
        counts = [
            f"<b>{proofread.n_cells}</b> cells",
            f"{proofread.n_by_source('edited')} edited",
            f"{proofread.n_by_source('hand')} by hand",
            f"{len(proofread.deleted)} deleted",
            f"{len(proofread.locked_ids)} locked",
        ]
        return " · ".join(counts)

    def _on_tool_used(self, name: ToolName) -> None:
        self._tools.toggle(name)
        self.refresh()

    def _on_min_area_changed(self, value: int) -> None:
        self._tools.min_area_px = value

    def _on_keep_toggled(self, is_on: bool) -> None:  # noqa: FBT001 - Qt's signal
        self._proofread.keep_mine = is_on

    def _on_proofread_edited(self, _edit: object) -> None:
        self.refresh()


def _area_box(min_area_px: int) -> QSpinBox:
    """Return the box that says which cells are small."""
    box = QSpinBox()
    box.setRange(1, 1_000_000)
    box.setPrefix("small: below ")
    box.setSuffix(" px")
    box.setValue(min_area_px)
    box.setToolTip("Cells with fewer pixels are removed.")
    return box
