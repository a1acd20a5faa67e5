"""What the network said of an image, sent beside its labels so that thresholds can move."""

from __future__ import annotations

import io
import zipfile

import numpy as np

from napari_cellseg.cloud.wire.arrays import ARRAYS_TYPE, unpacked_arrays, with_array
from napari_cellseg.cloud.wire.envelope import (
    ARRAYS_RESULT_TYPE,
    Message,
    packing_for,
    read_pixels,
    unzipped,
)
from napari_cellseg.cloud.wire.parts import MAPS_NAME, N_MAPS
from napari_cellseg.cloud.wire.pixels import TIFF_TYPE, packed_pixels
from napari_cellseg.core.errors import RemoteError
from napari_cellseg.core.segmentation.zoom import ZOOM_LIMITS
from napari_cellseg.core.types import PlaneMaps

#: In the ``Accept`` of who wants them.
MAPS_ASKED = ";maps=kept"
WITH_MAPS = f"{ARRAYS_RESULT_TYPE}{MAPS_ASKED}"
#: Name of the array.
MAPS = "maps"
#: In ``result.json``: the shape of what lies beside it.
SHAPE_KEY = "maps_shape"


def asks_for_maps(accept: str) -> bool:
    """Say whether a client wants the maps beside the labels."""
    return MAPS_ASKED in accept


def with_maps(message: Message, maps: PlaneMaps, accept: str = "") -> Message:
    """Return an answer with the maps of its plane; `SHAPE_KEY` must be in it."""
    if message.content_type == ARRAYS_TYPE:
        return Message(with_array(message.body, MAPS, maps.maps), ARRAYS_TYPE)
    body, _ = packed_pixels(maps.maps, packing_for(accept))
    buffer = io.BytesIO(message.body)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as file:
        file.writestr(MAPS_NAME, body)
    return Message(buffer.getvalue(), message.content_type)


def maps_of(message: Message, shape_yx: tuple[int, int]) -> PlaneMaps:
    """Return the maps in an answer.

    Parameters
    ----------
    message : Message
        As `with_maps` returns it.
    shape_yx : tuple of int
        Size of the plane.

    Raises
    ------
    RemoteError
        If there are none, or they are damaged or no maps.
    LimitError
        If they are larger than they can be.
    """
    largest = round(N_MAPS * shape_yx[0] * shape_yx[1] * ZOOM_LIMITS[1] ** 2) + 2**20
    if message.content_type == ARRAYS_TYPE:
        _, arrays = unpacked_arrays(message.body, {MAPS: largest})
        maps = arrays[MAPS]
    else:
        values, body = unzipped(message, MAPS_NAME, largest)
        maps = read_pixels(Message(body, TIFF_TYPE), values.get(SHAPE_KEY), largest)
    if maps.dtype != np.uint8 or maps.ndim != 3 or maps.shape[0] != N_MAPS:
        raise RemoteError(
            f"The server sent {maps.dtype} of shape {maps.shape} for the maps of "
            f"{shape_yx}; the result is not used."
        )
    return PlaneMaps(maps, shape_yx)
