"""Show a changed part of a labels layer, and leave the rest of the screen as it is.

``layer.refresh()`` finds the outlines of all labels anew: 7 s at 8192 × 8192. napari's own
brush shows its part by private methods, which stand here and nowhere else.
"""

from __future__ import annotations

import math

import numpy as np
from napari.layers import Labels

Box = tuple[slice, ...]
#: A part that is larger than this share of what is shown is shown by a refresh.
LARGEST_SHARE = 0.25


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
        shown.view[part] = layer.colormap._data_to_texture(shown.raw[part])
    layer._accumulate_updated_slice(box)
    layer._partial_labels_refresh()
