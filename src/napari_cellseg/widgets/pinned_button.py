"""The button at the foot of the dock: what it says and does on each tab."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_cellseg.core.errors import CellsegError
from napari_cellseg.widgets.basics.words import NO_CELLS
from napari_cellseg.widgets.canvas.keys import SEGMENT_KEY

if TYPE_CHECKING:
    from napari_cellseg.widgets.main import CellSegmentationWidget


class PinnedButton(QObject):
    """Made once by the dock, when its parts are there.

    Parameters
    ----------
    dock : CellSegmentationWidget
        Whose tabs decide; they come in the order Segment, Correct, Train, Measure.
    """

    def __init__(self, dock: CellSegmentationWidget) -> None:
        super().__init__(dock)
        self._dock = dock
        dock.footer.clicked.connect(self._on_clicked)
        dock.segment.changed.connect(self.offer)
        dock.measure.changed.connect(self.offer)
        dock.train.changed.connect(self.offer)

    def offer(self) -> None:
        """Say what the button does on this tab, or why it cannot."""
        dock = self._dock
        why_not = dock.segment.why_not()
        empty = "" if dock.proofread.labels is not None else NO_CELLS
        offers = (
            (f"Segment  ({SEGMENT_KEY})", "Find every cell in the region.", why_not),
            ("Save labels…", "Write the cells as a TIFF with the pixel size.", empty),
            ("Train", "Make a better model from what you checked.", dock.train.why_not()),
            ("Export CSV…", "Write the table, and a JSON that says where it comes from.",
             "" if dock.measure.table is not None else NO_CELLS),
        )  # fmt: skip
        tab = dock.tabs.currentIndex()
        dock.footer.offer(*offers[tab])
        is_shown_above = dock.session.image is None
        dock.footer.advise("" if tab or is_shown_above else why_not)

    def _on_clicked(self) -> None:
        dock = self._dock
        actions = (
            dock.starting.start, dock.exchange.ask_labels, self._train,
            dock.results.ask_csv,
        )  # fmt: skip
        actions[dock.tabs.currentIndex()]()

    def _train(self) -> None:
        try:
            self._dock.train.start()
        except CellsegError as error:
            self._dock.teller.show_error(str(error))
