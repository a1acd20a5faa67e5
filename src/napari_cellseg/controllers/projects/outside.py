"""What another program changed on the disk comes into the window as a step."""

from __future__ import annotations

from collections.abc import Callable

from psygnal import Signal

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.core.editing.edits import Edit


class OutsideSteps:
    """Takes such steps into the cells that are held here.

    Attributes
    ----------
    in_hand : ProofreadController or None
        Tells the views of an edit on the cells that it corrects.
    """

    taken = Signal(CellLabels)

    def __init__(self) -> None:
        self.in_hand: ProofreadController | None = None

    def taker(self, cells: CellLabels) -> Callable[[Edit], None]:
        """Return what takes an edit into some cells."""

        def take(edit: Edit) -> None:
            proofread = self.in_hand
            if proofread is None or proofread.cells is not cells:
                proofread = ProofreadController()
                proofread.cells = cells
            proofread.apply(edit)
            self.taken.emit(cells)

        return take
