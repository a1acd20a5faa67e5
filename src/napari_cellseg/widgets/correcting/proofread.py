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
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.reviewing.missing import MissingController
from napari_cellseg.controllers.reviewing.review import ReviewController
from napari_cellseg.widgets.basics.jobs import Later
from napari_cellseg.widgets.basics.options_form import may_be_narrow
from napari_cellseg.widgets.basics.words import NO_CELLS, line_label
from napari_cellseg.widgets.canvas.keys import HELP_KEY
from napari_cellseg.widgets.correcting.review import ReviewBox
from napari_cellseg.widgets.correcting.tool_palette import ToolPalette
from napari_cellseg.widgets.labels.exchange import IMPORT_TIP
from napari_cellseg.widgets.labels.tools import CanvasTools

#: More cells are counted when things are quiet, not at every edit.
MANY_CELLS = 5_000
QUIET_MILLISECONDS = 200


class CorrectTab(QWidget):
    """Shows the tools and what they have done."""

    layer_chosen = Signal(int)
    outlines_wanted = Signal(bool)
    undo_wanted = Signal()
    redo_wanted = Signal()
    import_wanted = Signal()
    keys_wanted = Signal()
    brush_keeps_wanted = Signal(bool)

    def __init__(
        self,
        proofread: ProofreadController,
        tools: CanvasTools,
        review: ReviewController,
        missing: MissingController,
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
        self.palette_box = ToolPalette(tools)
        self.buttons = self.palette_box.buttons
        self.hint = line_label()
        self.undo = QPushButton()
        self.redo = QPushButton()
        for button in (self.undo, self.redo):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.undo.clicked.connect(self.undo_wanted)
        self.redo.clicked.connect(self.redo_wanted)
        self.keys_button = QPushButton(f"Keys…  ({HELP_KEY})")
        self.keys_button.setToolTip("All keys on one page, those of napari as well.")
        self.keys_button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.keys_button.clicked.connect(self.keys_wanted)
        self.counts = line_label()
        self._refresh_soon = Later(self.refresh, 0, self)
        self._count_soon = Later(self._show_counts, QUIET_MILLISECONDS, self)
        self.review = ReviewBox(review, missing, tools)
        self._make_choices()
        self._lay_out()
        proofread.opened.connect(self.refresh)
        proofread.edited.connect(self._on_proofread_edited)
        proofread.reviewed.connect(self._on_proofread_edited)
        tools.changed.connect(self.refresh)
        self.refresh()

    def _make_choices(self) -> None:
        self.keep = QCheckBox("Keep mine in new runs")
        self.keep.setToolTip(
            "Cells that you drew, edited or deleted stay so when the model runs again."
        )
        self.keep.setChecked(self._proofread.keep_mine)
        self.keep.toggled.connect(self._on_keep_toggled)
        self.outlines = QCheckBox("Outlines")
        self.outlines.setChecked(True)
        self.outlines.setToolTip("Off: filled cells.")
        self.outlines.toggled.connect(self.outlines_wanted)
        self.brush_keeps = QCheckBox("Brush keeps cells")
        self.brush_keeps.setChecked(True)
        self.brush_keeps.setToolTip(
            "The brush never paints over other cells (B switches it for a while)."
        )
        self.brush_keeps.toggled.connect(self.brush_keeps_wanted)

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(QLabel("Cells"))
        top.addWidget(self.layer_menu, 1)
        top.addWidget(self.import_button)
        history = QHBoxLayout()
        history.addWidget(self.undo, 1)
        history.addWidget(self.redo, 1)
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addWidget(self.palette_box)
        layout.addWidget(self.hint)
        layout.addLayout(history)
        layout.addWidget(self.counts)
        layout.addWidget(self.review)
        choices = QGridLayout()
        choices.addWidget(self.keep, 0, 0)
        choices.addWidget(self.outlines, 0, 1)
        choices.addWidget(self.brush_keeps, 1, 0)
        choices.addWidget(self.keys_button, 1, 1)
        layout.addLayout(choices)
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
        self.palette_box.refresh()
        self.hint.setText(self._tools.hint)
        history = self._proofread.history
        self._show_step(self.undo, "Undo", history.undo_name, "Ctrl-Z")
        self._show_step(self.redo, "Redo", history.redo_name, "Ctrl-Shift-Z")
        if self._proofread.n_cells > MANY_CELLS:
            self._count_soon.call()
        else:
            self._show_counts()

    def _show_step(self, button: QPushButton, verb: str, name: str, key: str) -> None:
        title = f"{verb} {name}".strip()
        if button.text() == title:
            return
        button.setText(title)
        button.setEnabled(bool(name))
        button.setToolTip(f"{verb} ({key})" if name else f"Nothing to {verb.lower()}.")

    def _show_counts(self) -> None:
        self.counts.setText(self._counts())

    def _counts(self) -> str:
        proofread = self._proofread
        if proofread.labels is None:
            return NO_CELLS
        counts = {
            "edited": proofread.n_by_source("edited"),
            "by hand": proofread.n_by_source("hand"),
            "deleted": len(proofread.deleted),
            "locked": len(proofread.locked_ids),
        }
        cells = (
            f"<b>{proofread.n_cells}</b> cell{'' if proofread.n_cells == 1 else 's'}"
        )
        words = (f"{n} {name}" for name, n in counts.items() if n)
        return " · ".join((cells, *words))

    def _on_keep_toggled(self, is_on: bool) -> None:  # noqa: FBT001 - Qt's signal
        self._proofread.keep_mine = is_on

    def _on_proofread_edited(self, _edit: object) -> None:
        # In the next turn of the event loop: the canvas comes first, and many are one.
        self._refresh_soon.call()
