"""What lies below the image on demand: the table of cells, and the plot of its columns."""

from __future__ import annotations

from qtpy.QtCore import QEvent, Signal
from qtpy.QtWidgets import QTabWidget

from napari_cellseg.controllers.measuring.measure import MeasureController
from napari_cellseg.controllers.projects.classes import ClassController
from napari_cellseg.widgets.measuring.plot import CellPlot
from napari_cellseg.widgets.measuring.table import CellTable


class CellsBelow(QTabWidget):
    """Table and plot of the same cells: a line drawn in the plot narrows the table.

    Parameters
    ----------
    measure : MeasureController
        Whose cells are shown.
    classes : ClassController
        Gives classes to cells of the plot.

    Attributes
    ----------
    chosen : Signal(int)
        The cell of the row or dot that the person clicked.
    gated : Signal(list)
        The cells inside the line in the plot, none without one or without plot.
    failed : Signal(str)
        What did not work.
    """

    chosen = Signal(int)
    gated = Signal(list)
    failed = Signal(str)

    def __init__(self, measure: MeasureController, classes: ClassController) -> None:
        super().__init__()
        self.table = CellTable(measure)
        self.plot = CellPlot(measure, classes)
        self.addTab(self.table, "Table")
        self.addTab(self.plot, "Plot")
        self.table.chosen.connect(self.chosen)
        self.plot.chosen.connect(self.chosen)
        self.plot.failed.connect(self.failed)
        self.plot.gated.connect(self.table.show_only)
        self.plot.gated.connect(self.gated)
        self._is_shown = False

    def release(self) -> None:
        """Hear of the measurements no more, and let all cells be seen again."""
        if self._is_shown:
            self._is_shown = False
            self.table.release()
            self.plot.release()
            self.gated.emit([])

    def event(self, event: QEvent | None) -> bool:
        """Let go when the person closes the dock: napari takes the widget out of it."""
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is None:
                self.release()
            else:
                self._is_shown = True
        return super().event(event)
