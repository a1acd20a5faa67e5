"""Cells as dots of a plot of two columns, and those that a person draws around."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal
from skimage.measure import points_in_poly

from napari_cellseg.controllers.measuring.measure import MeasureController
from napari_cellseg.controllers.measuring.numbers import values_of_cells

#: A line around nothing, such as a click that slipped, has fewer corners.
FEWEST_CORNERS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Dots:
    """Cells as points.

    Attributes
    ----------
    ids : (n,) int64
        Which cells.
    xy : (n, 2) float64
        Where, in the units of the columns; finite.
    """

    ids: NDArray[np.int64]
    xy: NDArray[np.float64]


class Gate:
    """Which cells lie inside a line that was drawn in a plot; it follows every edit.

    Parameters
    ----------
    measure : MeasureController
        Whose table is plotted.

    Attributes
    ----------
    changed : Signal
        The dots, or which of them lie inside, are others.
    """

    changed = Signal()

    def __init__(self, measure: MeasureController) -> None:
        self._measure = measure
        self._columns = ("", "")
        self._corners: NDArray[np.float64] | None = None
        self.dots = Dots(np.zeros(0, np.int64), np.zeros((0, 2)))
        self.inside = np.zeros(0, bool)
        measure.changed.connect(self.follow)

    def release(self) -> None:
        """Hear of the measurements no more."""
        self._measure.changed.disconnect(self.follow, missing_ok=True)

    @property
    def is_drawn(self) -> bool:
        """Whether there is a line."""
        return self._corners is not None

    @property
    def cells(self) -> list[int]:
        """The cells inside, in rising order."""
        chosen: list[int] = self.dots.ids[self.inside].tolist()
        return sorted(chosen)

    def plot(self, x: str, y: str) -> None:
        """Plot two columns; the line goes, as it was drawn between others."""
        if (x, y) != self._columns:
            self._columns, self._corners = (x, y), None
        self.follow()

    def draw(self, corners_xy: Sequence[tuple[float, float]]) -> None:
        """Take the cells inside a closed line; too short a one takes none.

        Parameters
        ----------
        corners_xy : sequence of (float, float)
            In the units of the columns.
        """
        corners = np.array(corners_xy, float).reshape(-1, 2)
        self._corners = corners if len(corners) >= FEWEST_CORNERS else None
        self.follow()

    def follow(self) -> None:
        """Take over the numbers as they are now."""
        x, y = (values_of_cells(self._measure.table, name) for name in self._columns)
        both = x.index.intersection(y.index)
        self.dots = Dots(
            both.to_numpy(np.int64),
            np.stack([x[both].to_numpy(float), y[both].to_numpy(float)], axis=1),
        )
        if self._corners is None:
            self.inside = np.zeros(len(both), bool)
        else:
            self.inside = points_in_poly(self.dots.xy, self._corners).astype(bool)
        self.changed.emit()
