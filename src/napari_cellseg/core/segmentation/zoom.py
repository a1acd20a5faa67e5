"""How much larger or smaller the network should see a plane, from the size of its cells.

A network of this size cannot cover every scale at once; within its comfortable range the
plane is shown as it is, outside it is rescaled to the diameter the model is best at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.options import SegmentOptions, fields_with_ranges
from napari_cellseg.core.types import Labels

LEAST_DIAMETER_PX: float = fields_with_ranges(SegmentOptions)["diameter_px"]["minimum"]

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

#: Thinner cells than this, in network pixels, run together; they are shown this wide.
THIN_PX = 9.0
WIDE_ENOUGH_PX = 11.0
#: A look from nearer costs four times as much a plane pixel; its window is so much smaller.
NEARER_ZOOM = 2.0
NEARER_PX = 256
#: Thin cells are looked for where so much of the variance in a window is finer than
#: `FINE_SIGMA_PX`.
FINE_SIGMA_PX = 2.0
FINE_SHARE = 0.1
#: A look from nearer is believed if it finds so many times the cells, on nearly the area;
#: but not if they were so many times as wide before: then large cells fell to pieces.
NEARER_WINS = 1.1
NEARER_AREA = 0.7
NEARER_WIDTH = 3.0
#: What weighs less than this share of a typical cell is a speck, and no thin cell. With
#: specks sections of brain were shown twice as large by some models that had learned from
#: others: 329 cells where 68 are.
SPECK_SHARE = 0.1
#: Where the near look saw next to nothing, a nearer one sees cells in the noise.
NEARER_COVER = 0.03

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
    width_px : float
        Median over the cells, specks left out, of the width where they are widest, in plane
        pixels; 0 if no cell was found, or it was not measured.
    """

    zoom: float
    diameter_px: float
    explained_px: float
    n_cells: int
    width_px: float = 0.0


def look_at(
    labels: Labels,
    confidence: NDArray[np.float32],
    zoom: float,
    *,
    with_width: bool = False,
) -> Look:
    """Return what labels, as the network saw them at `zoom`, say of the cells' size.

    The width takes as long as half the decoding, so it is only measured if asked for.
    """
    areas = np.bincount(labels.ravel(), minlength=len(confidence) + 1)[1:] / zoom**2
    if not areas.size:
        return Look(zoom, 0.0, 0.0, 0)
    # Specks of noise are smaller than any cell that can be asked for.
    diameter = max(typical_diameter_px(areas, confidence), LEAST_DIAMETER_PX)
    explained = float((areas * confidence).sum())
    width = _typical_width_px(labels, areas * confidence) / zoom if with_width else 0.0
    return Look(zoom, diameter, explained, len(areas), width)


def typical_diameter_px(
    areas_px: NDArray[np.floating[Any]], confidence: NDArray[np.floating[Any]]
) -> float:
    """Return the diameter of the cells, weighted by their area; 0 without cells.

    Parameters
    ----------
    areas_px : (n,) float array
        Areas of the cells.
    confidence : (n,) float array
        0 to 1, how sure each of them is; 1 of true cells.
    """
    area = _weighted_median(areas_px, areas_px * confidence)
    return 2 * math.sqrt(area / math.pi)


def _typical_width_px(labels: Labels, weights: NDArray[np.floating[Any]]) -> float:
    """Return the median width of the cells where they are widest, in pixels of `labels`."""
    depth = edt.edt(labels, parallel=1)
    deepest = np.zeros(len(weights) + 1, np.float32)
    np.maximum.at(deepest, labels.ravel(), depth.ravel())
    is_cell = weights >= SPECK_SHARE * _weighted_median(weights, weights)
    return 2 * float(np.median(deepest[1:][is_cell])) if len(weights) else 0.0


def _weighted_median(
    values: NDArray[np.floating[Any]], weights: NDArray[np.floating[Any]]
) -> float:
    """Return the value below which half of the weight lies; 0 where there are none."""
    if not values.size:
        return 0.0
    order = np.argsort(values)
    summed = np.cumsum(weights[order])
    middle = int(np.searchsorted(summed, summed[-1] / 2))
    return float(values[order][min(middle, len(order) - 1)])


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


def finest_window(pixels: NDArray[np.float32]) -> Window | None:
    """Return where thin cells may lie close together, or None if nothing is that fine.

    Parameters
    ----------
    pixels : (c, y, x) float32
        A window of the plane, normalised.

    Returns
    -------
    window or None
        At most `NEARER_PX` along each edge, in places of `pixels`.
    """
    grey = pixels[0] if pixels.strides[0] == 0 else pixels.mean(0)
    fine = (grey - ndimage.gaussian_filter(grey, FINE_SIGMA_PX)) ** 2
    edge = min(NEARER_PX, *grey.shape)
    power = ndimage.uniform_filter(fine, edge, mode="constant")
    half = edge // 2
    inner = power[
        half : grey.shape[0] - edge + half + 1, half : grey.shape[1] - edge + half + 1
    ]
    y, x = np.unravel_index(int(np.argmax(inner)), inner.shape)
    window = (slice(int(y), int(y) + edge), slice(int(x), int(x) + edge))
    variance = float(grey[window].var())
    if variance == 0 or float(fine[window].mean()) < FINE_SHARE * variance:
        return None
    return window


def is_too_far(near: Look, nearer: Look, area_px: int) -> bool:
    """Return True if the cells are so thin that they ran together in the near look.

    Parameters
    ----------
    near, nearer : Look
        The same window at zoom 1 and at `NEARER_ZOOM`.
    area_px : int
        Plane pixels of the window.
    """
    return (
        near.explained_px > NEARER_COVER * area_px
        and 0 < nearer.width_px < THIN_PX
        and near.width_px < NEARER_WIDTH * nearer.width_px
        and nearer.n_cells > NEARER_WINS * near.n_cells
        and nearer.explained_px > NEARER_AREA * near.explained_px
    )


def zoom_for_width(width_px: float) -> float:
    """Return the zoom at which thin cells are wide enough to be told apart."""
    return float(np.clip(WIDE_ENOUGH_PX / width_px, 1.0, ZOOM_LIMITS[1]))


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
