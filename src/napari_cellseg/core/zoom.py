"""How much larger or smaller the network should see a plane, from the size of its cells.

A network of this size cannot cover every scale at once; within its comfortable range the
plane is shown as it is, outside it is rescaled to the diameter the model is best at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.types import Labels

#: Diameters of cells that the network sees well, as multiples of its best one.
COMFORTABLE = (0.45, 2.0)
ZOOM_LIMITS = (0.1, 4.0)
#: Cheap looks from afar, tried before the plane is seen at its own scale.
COARSE_ZOOMS = (0.25, 0.5)
#: A look from afar is believed over the nearer one if it explains this much more.
FARTHER_WINS = 1.15
#: Fewer cells than this say little about the size.
MIN_CELLS = 3


@dataclass(frozen=True, slots=True)
class Look:
    """What one pass at one zoom found.

    Attributes
    ----------
    zoom : float
        Network pixels a plane pixel.
    diameter_px : float
        Median diameter in plane pixels, weighted by area; 0 if no cell was found.
    explained_px : float
        Plane pixels inside cells, each weighted by the confidence of its cell.
    n_cells : int
        How many cells were found.
    """

    zoom: float
    diameter_px: float
    explained_px: float
    n_cells: int


def look_at(labels: Labels, confidence: NDArray[np.float32], zoom: float) -> Look:
    """Return what labels, as the network saw them at `zoom`, say of the cells' size."""
    areas = np.bincount(labels.ravel(), minlength=len(confidence) + 1)[1:] / zoom**2
    if not areas.size:
        return Look(zoom, 0.0, 0.0, 0)
    order = np.argsort(areas)
    weights = np.cumsum((areas * confidence)[order])
    middle = int(np.searchsorted(weights, weights[-1] / 2))
    area = float(areas[order][min(middle, len(order) - 1)])
    explained = float((areas * confidence).sum())
    return Look(zoom, 2 * math.sqrt(area / math.pi), explained, len(areas))


def best_look(looks: list[Look]) -> Look:
    """Return the look to believe; `looks` run from the nearest to the farthest."""
    best = looks[0]
    for look in looks[1:]:
        if look.n_cells >= MIN_CELLS and look.explained_px > FARTHER_WINS * best.explained_px:
            best = look
    return best


def zoom_for(diameter_px: float, best_px: float) -> float:
    """Return the zoom for cells of a diameter; 1 within the comfortable range.

    Parameters
    ----------
    diameter_px : float
        Diameter of the cells in plane pixels; 0 means unknown.
    best_px : float
        Diameter that the network is best at.
    """
    if diameter_px <= 0:
        return 1.0
    ratio = diameter_px / best_px
    if COMFORTABLE[0] <= ratio <= COMFORTABLE[1]:
        return 1.0
    return float(np.clip(1 / ratio, *ZOOM_LIMITS))
