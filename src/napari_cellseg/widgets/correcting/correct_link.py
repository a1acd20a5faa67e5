"""Ties the tab "Correct" to the layer, the planes and the help sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QVBoxLayout

from napari_cellseg.controllers.segmenting.second_look import SecondLook
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.widgets.basics.cleanup import Cleanup
from napari_cellseg.widgets.canvas.key_sheet import KeySheet
from napari_cellseg.widgets.correcting.looked_at import CellFrame
from napari_cellseg.widgets.correcting.outline_width import OutlineWidth
from napari_cellseg.widgets.correcting.unrecorded import UnrecordedLayer

if TYPE_CHECKING:
    from napari_cellseg.widgets.main import CellSegmentationWidget


class CorrectLink(QObject):
    """Made once by the dock, when its parts are there.

    Parameters
    ----------
    dock : CellSegmentationWidget
        Whose parts are tied.
    cleanup : Cleanup
        Told what to let go of.
    """

    def __init__(self, dock: CellSegmentationWidget, cleanup: Cleanup) -> None:
        super().__init__(dock)
        self.sheet = KeySheet(dock)
        self.frame = CellFrame(
            dock.viewer, (dock.review, dock.missing), dock.measure, dock.keeper, self
        )
        self.look = SecondLook(
            dock.segment, dock.proofread, TaskController(dock.task.starter)
        )
        self.look.looked.connect(dock.review.take_signs)
        self.look.looked.connect(dock.missing.take_signs)
        self._proofread, self._projects = dock.proofread, dock.projects
        self._missing = dock.missing
        self.look.looked.connect(self._on_looked)
        dock.missing.decided.connect(dock.projects.save_signs)
        self.outlines = OutlineWidth(dock.viewer, dock.keeper, self)
        self._tools, self._teller, self._footer = dock.tools, dock.teller, dock.footer
        self._failed = ""
        self._cell_tools, self._find = dock.tools.cell_tools, dock.finder
        tab, keeper = dock.correct_tab, dock.keeper
        tab.layer_chosen.connect(keeper.choose)
        tab.outlines_wanted.connect(keeper.show_outlines)
        tab.brush_keeps_wanted.connect(keeper.keep_under_brush)
        tab.undo_wanted.connect(keeper.undo)
        tab.redo_wanted.connect(keeper.redo)
        tab.keys_wanted.connect(self.sheet.toggle)
        keeper.layers_changed.connect(tab.show_layers)
        tab.review.failed.connect(dock.teller.show_error)
        dock.tools.failed.connect(self._on_tool_failed)
        dock.tools.changed.connect(self._on_tools_changed)
        self._cell_tools.stepped.connect(keeper.show_plane)
        self.unrecorded = UnrecordedLayer(dock)
        layout = dock.layout()
        if isinstance(layout, QVBoxLayout):
            layout.insertWidget(layout.count() - 1, self.unrecorded)
        cleanup.add(self.release)

    def _on_looked(self) -> None:
        """Keep what was seen with the cells in the project."""
        self._projects.save_signs(self._proofread.cells)

    def _on_tool_failed(self, text: str) -> None:
        self._failed = text
        self._teller.show_error(text)

    def _on_tools_changed(self) -> None:
        """Do not leave the error of a tool standing when the tool is put back."""
        if self._failed and self._tools.active is None:
            self._footer.take_back(self._failed)
            self._failed = ""

    def release(self) -> None:
        """Stop looking for cells, and let go."""
        self.look.release()
        self.look.looked.disconnect()
        self._missing.decided.disconnect()
        self.unrecorded.release()
        self.frame.release()
        self.outlines.release()
        self._find.task.abandon()
        self._find.forget()
        for signal in (
            self._find.task.changed,
            self._cell_tools.changed,
            self._cell_tools.stepped,
        ):
            signal.disconnect()
        self.sheet.close()
