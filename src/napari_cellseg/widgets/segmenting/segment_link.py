"""Ties the tab "Segment" to the canvas: what a run starts on, and what is drawn for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_cellseg.core.errors import CellsegError
from napari_cellseg.widgets.canvas.gestures import Drawn
from napari_cellseg.widgets.canvas.keys import SEGMENT_KEY
from napari_cellseg.widgets.segmenting.question import KEEP, REPLACE, HandWorkQuestion
from napari_cellseg.widgets.segmenting.regions import offer_region_layer, wanted_region

if TYPE_CHECKING:
    from napari_cellseg.widgets.basics.cleanup import Cleanup
    from napari_cellseg.widgets.main import CellSegmentationWidget


class SegmentLink(QObject):
    """Starts runs, after asking where there is work by hand.

    Parameters
    ----------
    dock : CellSegmentationWidget
        Whose parts are tied; its teller and its run link must be there.
    question : HandWorkQuestion
        Asks what becomes of work by hand.
    cleanup : Cleanup
        Told what to let go of.
    """

    def __init__(
        self, dock: CellSegmentationWidget, question: HandWorkQuestion, cleanup: Cleanup
    ) -> None:
        super().__init__(dock)
        self._dock = dock
        self._question = question
        self._keeps_for: object = None
        question.answered.connect(self._on_answered)
        dock.proofread.opened.connect(self._on_cells_opened)
        dock.segment_tab.diameter_wanted.connect(self._on_diameter_wanted)
        dock.segment_tab.drawn_wanted.connect(self._on_drawn_wanted)
        dock.viewer.bind_key(SEGMENT_KEY, self._on_key, overwrite=True)
        cleanup.add(self.release)

    def release(self) -> None:
        """Give the key back."""
        self._dock.proofread.opened.disconnect(self._on_cells_opened, missing_ok=True)
        self._dock.viewer.bind_key(SEGMENT_KEY, None)
        self._keeps_for = None

    def start(self) -> None:
        """Segment, after asking where there is work by hand."""
        proofread = self._dock.proofread
        if not self._dock.segment.asks_before_run:
            self._run(keeps=proofread.keep_mine)
        elif proofread.keep_mine and self._keeps_for is proofread.cells:
            self._run(keeps=True)
        else:
            self._question.ask(len(proofread.kept_ids), len(proofread.deleted))

    def _on_key(self, _viewer: Any) -> None:
        if self._dock.task.is_running:
            self._dock.footer.tell("Still busy; Cancel stops it.", "warning")
        else:
            self.start()

    def _on_cells_opened(self) -> None:
        """Ask no longer about the cells of before."""
        self._question.hide()

    def _on_answered(self, answer: str) -> None:
        if answer == KEEP:
            self._keeps_for = self._dock.proofread.cells
        if answer in (KEEP, REPLACE):
            self._run(keeps=answer == KEEP)

    def _run(self, *, keeps: bool) -> None:
        self._question.hide()
        dock = self._dock
        choice, image, axes = dock.header.choice, dock.session.image, dock.header.axes
        try:
            if choice is None or image is None or axes is None:
                # The controller knows the reason.
                dock.segment.start()
                return
            dock.keeper.reconcile()
            layer = choice.layers[0]
            kind = dock.segment.region_kind
            region = wanted_region(kind, dock.viewer, layer, axes, image)
            dock.runs.begin(layer, region)
            dock.segment.start(region, keeps=keeps)
        except CellsegError as error:
            dock.teller.show_error(str(error))

    # ---------------------------------------------------------------------- drawing
    def _on_diameter_wanted(self) -> None:
        """Take the diameter from a circle that is dragged over a cell."""
        dock = self._dock
        choice = dock.header.choice
        if not dock.segment_tab.diameter_draw.isChecked() or choice is None:
            self._end_diameter()
            return
        dock.tools.leave()
        dock.gestures.start(choice.layers[0], "circle", self._on_diameter_drawn)
        dock.footer.tell("Drag from one edge of a typical cell to the other.")

    def _on_diameter_drawn(self, drawn: Drawn) -> None:
        try:
            self._dock.segment.set_option("diameter_px", round(drawn.length_px, 1))
        except CellsegError as error:
            self._dock.teller.show_error(str(error))
        self._end_diameter()

    def _end_diameter(self) -> None:
        self._dock.segment_tab.diameter_draw.setChecked(False)
        self._dock.gestures.stop()

    def _on_drawn_wanted(self) -> None:
        choice = self._dock.header.choice
        if choice is not None:
            offer_region_layer(self._dock.viewer, choice.layers[0])
            self._dock.footer.tell("Draw around the cells, then press Segment.")
