"""Questions that are less than a whole image: what a server is, a look, a part's maps.

They travel as requests do, with the key ``ask`` in the header. What the network says of a
part comes back as a zip of ``result.json`` and ``maps.tif``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.cloud.wire.envelope import (
    JSON_TYPE,
    RESULT_NAME,
    Message,
    attributes_of,
    read_pixels,
    told_options,
    unzipped,
    with_attributes,
    zipped,
)
from napari_cellseg.cloud.wire.pixels import packed_pixels
from napari_cellseg.core.errors import RemoteError
from napari_cellseg.core.options import SegmentOptions, segment_options_from_dict
from napari_cellseg.core.segmentation.part import Frame, PlanePart
from napari_cellseg.core.segmentation.tiling import Tile

INFO, LOOK, MAPS = "info", "look", "maps"
MAPS_NAME = "maps.tif"
N_MAPS = 5


@dataclass(frozen=True, slots=True)
class Seen:
    """Which model answered.

    Attributes
    ----------
    model_name, model_digest : str
        Name and SHA-256 of the weights.
    device : str
        Where it ran.
    """

    model_name: str
    model_digest: str
    device: str


def encode_info() -> Message:
    """Return the question what a server is; costs it nothing."""
    return with_attributes(b"{}", JSON_TYPE, {"ask": INFO})


def encode_look(
    window: NDArray[Any], bounds: tuple[float, float], options: SegmentOptions
) -> Message:
    """Return the question at which zoom a plane is to be shown.

    Parameters
    ----------
    window : (1 or 3, y, x) array
        The middle of the plane.
    bounds : (low, high)
        Of the whole plane.
    options : SegmentOptions
        As the person set them.
    """
    body, kind = packed_pixels(window)
    values = {
        "ask": LOOK,
        "shape": list(window.shape),
        "bounds": list(bounds),
        "options": told_options(options),
    }
    return with_attributes(body, kind, values)


def encode_part(part: PlanePart, options: SegmentOptions) -> Message:
    """Return the question what the network says of a part."""
    frame, tile = part.frame, part.frame.tile
    body, kind = packed_pixels(part.pixels)
    values = {
        "ask": MAPS,
        "shape": list(part.pixels.shape),
        "bounds": list(frame.bounds),
        "plane": list(frame.plane_yx),
        "origin": list(frame.origin_yx),
        "zoom": frame.zoom,
        "tile": [*tile.window_y, *tile.window_x, *tile.core_y, *tile.core_x],
        "options": told_options(options),
    }
    return with_attributes(body, kind, values)


def decode_look(
    message: Message, max_bytes: int
) -> tuple[NDArray[Any], tuple[float, float], SegmentOptions]:
    """Return pixels, bounds and options of a look.

    Raises
    ------
    RemoteError, LimitError, OptionsError
        If it is none, or is too large.
    """
    values = attributes_of(message.attributes)
    options = segment_options_from_dict(values.get("options", {}))
    return _plane(message, values, max_bytes), _bounds(values), options


def decode_part(message: Message, max_bytes: int) -> tuple[PlanePart, SegmentOptions]:
    """Return a part and the options it is looked at with.

    Raises
    ------
    RemoteError, LimitError, ImageError, OptionsError
        If it is none, is too large, or does not fit its frame.
    """
    values = attributes_of(message.attributes)
    try:
        numbers = [int(n) for n in values["tile"]]
        spans = [(numbers[at], numbers[at + 1]) for at in range(0, 8, 2)]
        plane_yx, origin_yx = _pair(values["plane"]), _pair(values["origin"])
        zoom = float(values["zoom"])
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise RemoteError(
            f"The part does not say where it lies ({error!r}). Use the same release of "
            "napari-cellseg on both sides."
        ) from error
    frame = Frame(plane_yx, origin_yx, _bounds(values), zoom, Tile(*spans))
    options = segment_options_from_dict(values.get("options", {}))
    return PlanePart(_plane(message, values, max_bytes), frame), options


def encode_maps(maps: NDArray[np.uint8], seen: Seen) -> Message:
    """Return what the network said of a part as it travels."""
    body, _ = packed_pixels(maps)
    values = {
        "model_name": seen.model_name,
        "model_digest": seen.model_digest,
        "device": seen.device,
        "shape": list(maps.shape),
    }
    return zipped(values, MAPS_NAME, body)


def decode_maps(
    message: Message, shape_yx: tuple[int, int]
) -> tuple[NDArray[np.uint8], Seen]:
    """Return the (5, y, x) maps of a part, and who answered.

    Raises
    ------
    RemoteError
        If it is something else, is cut off, or is of another size.
    """
    n_bytes = N_MAPS * shape_yx[0] * shape_yx[1]
    values, body = unzipped(message, MAPS_NAME, n_bytes + 2**20)
    maps = read_pixels(
        Message(body, "image/tiff"), values.get("shape"), n_bytes + 2**20
    )
    if maps.dtype != np.uint8 or maps.shape != (N_MAPS, *shape_yx):
        raise RemoteError(
            f"The server sent {maps.dtype} of shape {maps.shape} for a part of "
            f"{shape_yx}; it is not used."
        )
    try:
        seen = Seen(values["model_name"], values["model_digest"], values["device"])
    except KeyError as error:
        raise RemoteError(f"The answer's {RESULT_NAME} lacks {error}.") from error
    return maps, seen


def decode_json(message: Message, *keys: str) -> dict[str, Any]:
    """Return the values of an answer in JSON; raises `RemoteError` where some lack."""
    try:
        values: dict[str, Any] = json.loads(message.body)
        missing = [key for key in keys if key not in values]
    except (ValueError, TypeError) as error:
        start = message.body[:60].decode("ascii", "replace")
        raise RemoteError(
            f"No cellseg server answered, but {start!r}. Check the address and the port."
        ) from error
    if missing:
        raise RemoteError(
            f"No cellseg server answered; {', '.join(missing)} is missing. Check the "
            "address and the port."
        )
    return values


def _plane(message: Message, values: dict[str, Any], max_bytes: int) -> NDArray[Any]:
    pixels = read_pixels(message, values.get("shape"), max_bytes)
    if (
        pixels.ndim != 3
        or pixels.shape[0] not in (1, 3)
        or pixels.dtype.kind not in "buif"
    ):
        raise RemoteError(
            f"A part has the shape {pixels.shape} of {pixels.dtype}; one or three "
            "channels of a plane are expected."
        )
    return pixels


def _bounds(values: dict[str, Any]) -> tuple[float, float]:
    try:
        low, high = (float(n) for n in values["bounds"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RemoteError("The part does not say its bounds.") from error
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RemoteError(f"The bounds of a part are {low} and {high}.")
    return low, high


def _pair(values: Any) -> tuple[int, int]:
    first, second = (int(n) for n in values)
    return first, second
