"""Which part of large labels is in the window: it moves with what is looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.labels.boxes import Box

#: A view of more pixels a side is an overview: a cell of 20 px takes less than 10 of the
#: 1,000 that a canvas has, and napari finds the outlines of a window anew when it moves,
#: which takes longer the larger it is.
WIDEST_VIEW_PX = 2048
#: The window reaches so far beyond the view, so that a small pan does not move it.
MARGIN_SHARE = 0.25
MIN_MARGIN_PX = 128
#: The window is never larger: the widest view with its margins.
WIDEST_WINDOW_PX = 3072
#: Edges lie on multiples of it, so that the window keeps its size from pan to pan.
STEP_PX = 64
#: A window of more than so many times the view a side gives way to a smaller one.
WASTEFUL = 6
ZOOM_IN = "Zoom in to edit: the cells are too small here to be corrected by hand."


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What is looked at, in pixels of the labels.

    Attributes
    ----------
    low_yx, high_yx : (2,) float array
        Corners; they may lie outside of the labels.
    plane : tuple of int
        Position on the axes before y and x.
    """

    low_yx: NDArray[np.float64]
    high_yx: NDArray[np.float64]
    plane: tuple[int, ...] = ()


def window_of(view: View, shape: tuple[int, ...], now: Box | None) -> Box | None:
    """Return the part of the labels that can be edited in a view.

    Parameters
    ----------
    view : View
        What is looked at.
    shape : tuple of int
        Of the labels.
    now : Box or None
        The window so far; it stays while it holds all that is seen.

    Returns
    -------
    Box or None
        One plane of at most `WIDEST_WINDOW_PX` a side; None if too much is looked at, or
        nothing of the labels.
    """
    height_width = np.array(shape[-2:])
    low = np.clip(np.floor(view.low_yx), 0, height_width).astype(int)
    high = np.clip(np.ceil(view.high_yx), 0, height_width).astype(int)
    seen = high - low
    plane = tuple(
        min(max(at, 0), n - 1) for at, n in zip(view.plane, shape[:-2], strict=True)
    )
    if (seen <= 0).any() or seen.max() > WIDEST_VIEW_PX:
        return None
    if now is not None and _still_fits(now, plane, low, high):
        return now
    margin = np.maximum(MARGIN_SHARE * seen, MIN_MARGIN_PX).astype(int)
    first = np.maximum(low - margin, 0) // STEP_PX * STEP_PX
    last = -(-(high + margin) // STEP_PX) * STEP_PX
    last = np.minimum(np.minimum(last, first + WIDEST_WINDOW_PX), height_width)
    lead = (slice(at, at + 1) for at in plane)
    return (*lead, *(slice(int(a), int(b)) for a, b in zip(first, last, strict=True)))


def _still_fits(
    now: Box, plane: tuple[int, ...], low: NDArray[np.int_], high: NDArray[np.int_]
) -> bool:
    """Say whether a window holds what is seen, and not far more."""
    starts = np.array([part.start for part in now[-2:]])
    stops = np.array([part.stop for part in now[-2:]])
    is_here = tuple(part.start for part in now[:-2]) == plane
    is_inside = bool((starts <= low).all() and (high <= stops).all())
    room = WASTEFUL * np.maximum(high - low, MIN_MARGIN_PX)
    return is_here and is_inside and bool((stops - starts <= room).all())


def first_window(shape: tuple[int, ...]) -> Box:
    """Return a small window in the first corner, to begin with."""
    lead = (slice(0, 1) for _ in shape[:-2])
    return (*lead, *(slice(0, min(STEP_PX, n)) for n in shape[-2:]))
