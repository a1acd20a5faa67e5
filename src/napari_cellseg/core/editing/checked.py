"""What a person has looked at: checked areas, reviewed cells, locked cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from napari_cellseg.core.editing.cell_index import IndexedLabels, boxes_on, labels_of
from napari_cellseg.core.editing.edits import Source
from napari_cellseg.core.editing.rerun import Footprint
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.labels.boxes import Box, box_of, pixel_counts
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


def area_within(
    plane: tuple[int, ...],
    outline_yx: NDArray[np.float64],
    shape_yx: tuple[int, int],
) -> CheckedArea:
    """Return what of an outline lies on labels: who zooms out while drawing leaves them.

    It is cut at one edge after the other (Sutherland and Hodgman 1974,
    https://doi.org/10.1145/360767.360802).

    Parameters
    ----------
    plane, outline_yx
        As of `CheckedArea`.
    shape_yx : (int, int)
        Of a plane of the labels.

    Raises
    ------
    EditError
        If no part of it lies on them.
    """
    points = np.asarray(outline_yx, np.float64)
    for axis, n_px in enumerate(shape_yx):
        for sign, edge in ((-1, 0.5), (1, n_px - 0.5)):
            points = _cut(points, axis, sign, edge)
    if len(points) < 3 and len(outline_yx) >= 3:
        raise EditError(
            "The checked area lies outside the image. Draw it again, on the image."
        )
    return CheckedArea(plane, points)


def whole_plane(plane: tuple[int, ...], shape_yx: tuple[int, int]) -> CheckedArea:
    """Return the area that is all of a plane."""
    low, (bottom, right) = -0.5, np.subtract(shape_yx, 0.5)
    corners = [(low, low), (low, right), (bottom, right), (bottom, low)]
    return CheckedArea(plane, np.array(corners, np.float64))


def _cut(
    points: NDArray[np.float64], axis: int, sign: int, edge: float
) -> NDArray[np.float64]:
    """Return the part of a polygon in which ``sign * place <= edge`` on an axis."""
    beyond = sign * points[:, axis] - edge
    kept: list[NDArray[np.float64]] = []
    for index, point in enumerate(points):
        before, was = points[index - 1], beyond[index - 1]
        if (was > 0) != (beyond[index] > 0):
            kept.append(before + (point - before) * was / (was - beyond[index]))
        if beyond[index] <= 0:
            kept.append(point)
    return np.array(kept).reshape(-1, 2)


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
        mask[area.plane] |= _filled(shape[-2:], area.outline_yx)
    return mask


def cells_inside(area: CheckedArea, indexed: IndexedLabels) -> list[int]:
    """Return the cells of which most lies in an area, in rising order."""
    labels = labels_of(indexed)
    mask, box = _mask_of(area, labels.shape)
    n_inside = pixel_counts(labels[box].reshape(mask.shape)[mask])
    if not n_inside:
        return []
    boxes = boxes_on(indexed, n_inside, area.plane)
    return [
        cell for cell, (_, n_pixels) in boxes.items() if 2 * n_inside[cell] > n_pixels
    ]


def checked_background(areas: Iterable[CheckedArea], labels: Labels) -> list[Footprint]:
    """Return where somebody has looked and seen no cell."""
    found = []
    for area in areas:
        mask, box = _mask_of(area, labels.shape)
        mask &= labels[box].reshape(mask.shape) == 0
        if not mask.any():
            continue
        lead = len(area.plane)
        part = box_of(mask)
        corner = (
            low.start + cut.start for low, cut in zip(box[-2:], part, strict=True)
        )
        start = (*area.plane, *corner)
        found.append(Footprint(start, mask[part][(None,) * lead]))
    return found


def _mask_of(
    area: CheckedArea, shape: tuple[int, ...]
) -> tuple[NDArray[np.bool_], Box]:
    """Return an area as a mask on its own box, (y, x), and that box in the labels."""
    low = np.clip(np.floor(area.outline_yx.min(axis=0)), 0, shape[-2:]).astype(int)
    high = np.ceil(area.outline_yx.max(axis=0)).astype(int) + 1
    high = np.clip(high, low, shape[-2:])
    height, width = high - low
    mask = _filled((int(height), int(width)), area.outline_yx - low)
    lead = (slice(at, at + 1) for at in area.plane)
    spans = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return mask, (*lead, *spans)


def _filled(
    shape_yx: tuple[int, ...], outline_yx: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which pixels lie in an outline, (y, x)."""
    everything = whole_plane((), (shape_yx[0], shape_yx[1])).outline_yx
    # Looking at each pixel of a large plane takes seconds.
    if np.array_equal(outline_yx, everything):
        return np.ones(shape_yx, bool)
    return np.asarray(polygon2mask(shape_yx, outline_yx), bool)


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
