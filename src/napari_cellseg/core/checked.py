"""What a person has looked at: checked areas, reviewed cells, locked cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from napari_cellseg.core.cell_boxes import cell_boxes
from napari_cellseg.core.edits import Source, box_of
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.rerun import Footprint
from napari_cellseg.core.types import Labels

ReviewState: TypeAlias = Literal["unseen", "accepted", "fixed"]


@dataclass(frozen=True, slots=True, eq=False)
class CheckedArea:
    """A polygon in which everything has been looked at: what is no cell there is background.

    Attributes
    ----------
    plane : tuple of int
        Leading indices (T, Z) of the labels; () for 2-D labels.
    outline_yx : (n, 2) float array
        Vertices in pixels of the labels, at least three.
    """

    plane: tuple[int, ...]
    outline_yx: NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = self.outline_yx.shape
        if self.outline_yx.ndim != 2 or shape[1] != 2 or shape[0] < 3:
            raise EditError(
                f"A checked area has an outline of shape {shape}; at least three "
                "corners (y, x) are needed. Draw it again."
            )

    @property
    def area_px(self) -> float:
        """Area in pixels, by the shoelace formula."""
        y, x = self.outline_yx.T
        return float(abs(np.dot(y, np.roll(x, 1)) - np.dot(x, np.roll(y, 1))) / 2)


def checked_mask(
    areas: Iterable[CheckedArea], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Return where labels of a shape are checked.

    Parameters
    ----------
    areas : iterable of CheckedArea
        Parts outside the labels are left out.
    shape : tuple of int
        Of the labels, 2-D to 4-D.

    Returns
    -------
    bool array of that shape
    """
    mask = np.zeros(shape, dtype=bool)
    for area in areas:
        mask[area.plane] |= polygon2mask(shape[-2:], area.outline_yx)
    return mask


def cells_inside(area: CheckedArea, labels: Labels) -> list[int]:
    """Return the cells of which most lies in an area, in rising order."""
    plane = labels[area.plane]
    mask = polygon2mask(plane.shape, area.outline_yx)
    n_inside = np.bincount(plane[mask])
    found = np.flatnonzero(n_inside)
    boxes = cell_boxes(plane, found[found != 0].tolist())
    return [
        cell for cell, (_, n_pixels) in boxes.items() if 2 * n_inside[cell] > n_pixels
    ]


def checked_background(areas: Iterable[CheckedArea], labels: Labels) -> list[Footprint]:
    """Return where somebody has looked and seen no cell."""
    found = []
    for area in areas:
        plane = labels[area.plane]
        mask = polygon2mask(plane.shape, area.outline_yx) & (plane == 0)
        if not mask.any():
            continue
        lead = len(area.plane)
        box = box_of(mask)
        start = (*area.plane, *(part.start for part in box))
        found.append(Footprint(start, mask[box][(None,) * lead]))
    return found


def locked_ids(
    sources: Mapping[int, Source], states: Mapping[int, ReviewState]
) -> set[int]:
    """Return the cells that a run must leave as they are.

    They are those made or edited by hand, and those a person accepted or fixed.
    """
    by_hand = {cell for cell, source in sources.items() if source != "model"}
    seen = {cell for cell, state in states.items() if state != "unseen"}
    return by_hand | (seen & sources.keys())


def area_to_json(area: CheckedArea) -> dict[str, Any]:
    """Return an area as plain JSON values."""
    return {"plane": list(area.plane), "outline_yx": area.outline_yx.tolist()}


def area_from_json(values: Mapping[str, Any]) -> CheckedArea:
    """Return the area that `area_to_json` wrote."""
    plane = tuple(int(index) for index in values["plane"])
    return CheckedArea(plane, np.asarray(values["outline_yx"], dtype=np.float64))
