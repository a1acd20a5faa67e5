"""Cells on the canvas in the colours of a column of the table, or some of them alone.

Each number has a colour of its own in napari's cyclic colours, as long as there are no more
numbers than a texture holds; a table of colours by number takes napari seconds.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import AVAILABLE_COLORMAPS, CyclicLabelColormap
from numpy.typing import NDArray
from psygnal import Signal

from napari_cellseg.controllers.measuring.measure import MeasureController
from napari_cellseg.controllers.measuring.numbers import tones_of_cells
from napari_cellseg.widgets.basics.jobs import Later
from napari_cellseg.widgets.labels.label_look import bright_colours, outline_px
from napari_cellseg.widgets.labels.labels_keeper import LabelsKeeper

#: Numbers of cells up to here have a colour of their own (16-bit texture).
LARGEST_ID = 65_000
#: From small to large; even steps for every eye (Smith and van der Walt 2015).
RAMP = "viridis"
UNKNOWN = (0.5, 0.5, 0.5, 0.6)
FADED = (0.6, 0.6, 0.6, 0.15)
FILLED_OPACITY = 0.7
QUIET_MILLISECONDS = 200
TOO_MANY = f"Cells with numbers above {LARGEST_ID:,} cannot be coloured one by one."


def ramp(tones: Sequence[float] | NDArray[Any]) -> NDArray[np.float32]:
    """Return the (n, 4) RGBA of values from 0 to 1."""
    colours: NDArray[np.float32] = AVAILABLE_COLORMAPS[RAMP].map(
        np.asarray(tones, float)
    )
    return colours


class CellColours:
    """Fills the cells with colours, and gives the outlines back afterwards.

    Parameters
    ----------
    measure : MeasureController
        Whose numbers are shown; colours follow every edit.
    keeper : LabelsKeeper
        Knows the layer.

    Attributes
    ----------
    failed : Signal(str)
        Why cells cannot be coloured.
    """

    failed = Signal(str)

    def __init__(self, measure: MeasureController, keeper: LabelsKeeper) -> None:
        self._measure, self._keeper = measure, keeper
        self._column = ""
        self._chosen: list[int] = []
        self._filled: weakref.ref[Labels] | None = None
        self._opacity = 1.0
        self._later = Later(self.show, QUIET_MILLISECONDS, keeper)
        measure.changed.connect(self._later.call)

    def release(self) -> None:
        """Let go."""
        self._later.stop()
        self._measure.changed.disconnect(self._later.call, missing_ok=True)

    def by_column(self, column: str) -> None:
        """Colour every cell by a column; "" gives the outlines back."""
        self._column = column
        self.show()

    def only(self, cells: Sequence[int]) -> None:
        """Let all cells but these fade; none gives the others back."""
        if list(cells) != self._chosen:
            self._chosen = list(cells)
            self.show()

    def show(self) -> None:
        """Colour the layer as it was asked for."""
        layer = self._keeper.layer
        filled = None if self._filled is None else self._filled()
        if filled is None:
            self._filled = None  # the layer is gone
        wanted = bool(self._column or self._chosen)
        if filled is not None and (filled is not layer or not wanted):
            self._give_back(filled)
        if layer is None or not wanted or self._measure.table is None:
            return
        highest = int(layer.data.max(initial=0))
        if highest > LARGEST_ID:
            if self._filled is not None:
                self._give_back(layer)
            self.failed.emit(TOO_MANY)
            return
        if self._filled is None:
            self._filled, self._opacity = weakref.ref(layer), layer.opacity
            layer.contour = 0
            layer.opacity = FILLED_OPACITY
        layer.colormap = CyclicLabelColormap(colors=self._colours(highest))

    def _colours(self, highest: int) -> NDArray[np.float32]:
        """Return the RGBA of each number, that of the background first."""
        colours = np.tile(np.array(UNKNOWN, np.float32), (highest + 2, 1))
        colours[0] = 0
        tones = tones_of_cells(self._measure.table, self._column)
        ids = tones.index.to_numpy(np.int64)
        is_there = ids <= highest
        colours[ids[is_there]] = ramp(tones.to_numpy()[is_there])
        if self._chosen:
            chosen = np.array(self._chosen)
            chosen = chosen[chosen <= highest]
            own = colours[chosen] if self._column else bright_colours().map(chosen)
            colours[1:] = FADED
            colours[chosen] = own
        return colours

    def _give_back(self, layer: Labels) -> None:
        """Show the layer as it was."""
        if self._filled is not None:
            layer.opacity = self._opacity
        self._filled = None
        layer.colormap = bright_colours()
        layer.contour = outline_px(layer) if self._keeper.has_outlines else 0
