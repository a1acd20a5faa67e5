"""Show a changed part of a labels layer, and leave the rest of the screen as it is.

``layer.refresh()`` finds the outlines of all labels anew: 7 s at 8192 × 8192 as napari does
it, 0.2 s by `core.labels.contours`. napari's own brush shows its part by private methods, which
stand here and nowhere else.
"""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_cellseg.core.labels.contours import contours

Box = tuple[slice, ...]
#: A part that is larger than this share of what is shown is shown by a refresh.
LARGEST_SHARE = 0.25
#: Of labels that are drawn, so many at a time.
BAND_PIXELS = 2**22


class _Outlines:
    """Finds the outlines of one layer in napari's stead."""

    def __init__(self, layer: Labels) -> None:
        self._layer = weakref.ref(layer)

    def find(self, labels: NDArray[Any], part: Box) -> NDArray[Any] | None:
        """Return a part of labels with nothing but outlines; None where there are none."""
        layer = self._layer()
        if layer is None or layer.contour < 1 or labels.ndim != 2:
            return None
        margin = int(layer.contour)
        wide = tuple(
            slice(max(one.start - margin, 0), min(one.stop + margin, n))
            for one, n in zip(part, labels.shape, strict=True)
        )
        found = contours(labels[wide], margin, layer.colormap.background_value)
        inner = tuple(
            slice(one.start - around.start, one.stop - around.start)
            for one, around in zip(part, wide, strict=True)
        )
        return np.ascontiguousarray(found[inner])  # see `_in_colours`

    def displayed(
        self, raw: NDArray[Any], data_slice: Box | None = None
    ) -> NDArray[Any]:
        """Return a part of labels as napari sends it to the screen, all if it is None.

        In bands: the outlines of all at once are memory as large as the labels, which
        takes longer to get than to fill.
        """
        layer = self._layer()
        if layer is None or raw.ndim != 2:
            return as_displayed(layer, raw, data_slice)
        rows, columns = data_slice or tuple(slice(0, n) for n in raw.shape)
        n_rows = max(1, BAND_PIXELS // max(columns.stop - columns.start, 1))
        tops = range(rows.start, rows.stop, n_rows)
        bands = [(slice(top, min(top + n_rows, rows.stop)), columns) for top in tops]
        if len(bands) < 2:
            return as_displayed(layer, raw, data_slice)
        first = as_displayed(layer, raw, bands[0])
        height, width = rows.stop - rows.start, columns.stop - columns.start
        shown = np.empty((height, width), first.dtype)
        shown[: len(first)] = first
        for band in bands[1:]:
            inner = slice(band[0].start - rows.start, band[0].stop - rows.start)
            shown[inner] = as_displayed(layer, raw, band)
        return shown


def outline_fast(layer: Labels) -> None:
    """Let outlines be found fast on a layer, by the brush of napari as well."""
    if isinstance(layer.data, np.ndarray):
        outlines = _Outlines(layer)
        layer._calculate_contour = outlines.find
        layer._raw_to_displayed = outlines.displayed


def as_displayed(
    layer: Labels | None, raw: NDArray[Any], part: Box | None
) -> NDArray[Any]:
    """Return what napari makes of a part of labels."""
    shown: NDArray[Any] = Labels._raw_to_displayed(layer, raw, part)
    return shown


def show_part(layer: Labels, box: Box) -> None:
    """Show what was written into a box of the layer's array.

    Parameters
    ----------
    layer : Labels
        Its array is in memory.
    box : tuple of slice
        One an axis, with numbers.
    """
    if not layer.visible:
        return  # napari refreshes a layer when it becomes visible
    hidden = layer._get_pt_not_disp()
    if any(not box[axis].start <= at < box[axis].stop for axis, at in hidden.items()):
        return
    part = tuple(box[axis] for axis in layer._slice_input.displayed)
    shown = layer._slice.image
    is_view = np.may_share_memory(shown.raw, np.asarray(layer.data))
    n_pixels = math.prod(one.stop - one.start for one in part)
    if not (layer.loaded and is_view) or n_pixels > LARGEST_SHARE * shown.raw.size:
        layer.refresh(extent=False, highlight=False)
        return
    if layer.contour == 0:
        shown.view[part] = _in_colours(layer, shown.raw[part])
    layer._accumulate_updated_slice(box)
    layer._partial_labels_refresh()


def _in_colours(layer: Labels, labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels as napari sends them to the screen."""
    # On a part of a larger array, napari's loop takes five times as long.
    colours: NDArray[Any] = layer.colormap._data_to_texture(
        np.ascontiguousarray(labels)
    )
    return colours
