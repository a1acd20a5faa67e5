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

#: Diameters of cells that the network sees well, as multiples of its best one. Measured on
#: validation images shown at zooms from 0.25 to 2: in between, zooming gains nothing.
COMFORTABLE = (0.4, 1.8)
ZOOM_LIMITS = (0.1, 4.0)
#: The size of cells is looked for in a window of at most this edge, in pixels.
LOOK_PX = 1024
#: A look from afar is believed over the near one if it explains this much more.
FARTHER_WINS = 1.15
#: Small cells merge into blobs from afar, which explain somewhat more than the cells did;
#: only where the near look missed nearly everything can the blobs be the cells.
FAR_SHARE = {"large": 1.1, "small": 3.5}
#: Two looks agree on the size if their diameters differ by at most this factor.
AGREEMENT = 1.25

Window = tuple[slice, slice]


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


def may_be_too_near(near: Look, farthest: Look, best_px: float) -> bool:
    """Return True if one more look, from between, can show that cells are large.

    Parameters
    ----------
    near, farthest : Look
        The same window from near and from far away.
    best_px : float
        Diameter that the network is best at.
    """
    if zoom_for(farthest.diameter_px, best_px) >= 1:
        return False
    size = "large" if zoom_for(near.diameter_px, best_px) < 1 else "small"
    return farthest.explained_px > FAR_SHARE[size] * near.explained_px


def is_too_near(near: Look, farther: Look, farthest: Look) -> bool:
    """Return True if cells are so large that the near look saw only parts of them.

    Cells that are merely crowded merge into blobs from afar, larger the farther; cells
    that are large look the same size from both distances.
    """
    if not (farther.diameter_px and farthest.diameter_px):
        return False
    ratio = farther.diameter_px / farthest.diameter_px
    return (
        1 / AGREEMENT <= ratio <= AGREEMENT
        and farther.explained_px > FARTHER_WINS * near.explained_px
    )


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
    nearest = min(max(ratio, COMFORTABLE[0]), COMFORTABLE[1])
    return float(np.clip(nearest / ratio, *ZOOM_LIMITS))


def middle_window(shape_yx: tuple[int, int]) -> Window:
    """Return the middle of a plane, at most `LOOK_PX` along each edge."""
    starts = [max(0, (size - LOOK_PX) // 2) for size in shape_yx]
    return (
        slice(starts[0], min(shape_yx[0], starts[0] + LOOK_PX)),
        slice(starts[1], min(shape_yx[1], starts[1] + LOOK_PX)),
    )
