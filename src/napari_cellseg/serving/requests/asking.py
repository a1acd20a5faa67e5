"""What a request asks for: a whole image, a part, a look, or what this server is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_cellseg.cloud.wire.envelope import (
    JSON_TYPE,
    Message,
    attributes_of,
    decode_request,
)
from napari_cellseg.cloud.wire.parts import (
    INFO,
    LOOK,
    MAPS,
    decode_look,
    decode_part,
)
from napari_cellseg.cloud.wire.pixels import NPY_TYPE
from napari_cellseg.cloud.wire.result_maps import asks_for_maps
from napari_cellseg.core.errors import LimitError, RemoteError
from napari_cellseg.core.jobs import Job
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.part import PartSegmenter
from napari_cellseg.core.types import CellImage
from napari_cellseg.serving.requests.whole import (
    FileReading,
    file_reading,
    image_of_file,
    image_of_npy,
)

IMAGE = "image"
SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/tiff": ".tif"}
#: Once read, each number of a nested list takes up to 32 bytes.
MAX_JSON_BYTES = 64 * 2**20
#: Keys under which clients of other systems put one image as nested lists.
JSON_KEYS = ("instances", "inputs", "input_1")


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A request that was understood.

    Attributes
    ----------
    kind : str
        `IMAGE`, or one of `cloud.wire.parts`.
    work : callable or None
        Gets the segmenter and returns the job; None if there is nothing to work on.
    image : CellImage or None
        What is segmented, if it is an image.
    options : SegmentOptions
        How, as it was asked for.
    """

    kind: str
    work: Callable[[PartSegmenter], Job[Any]] | None = None
    image: CellImage | None = None
    options: SegmentOptions = SegmentOptions()  # noqa: RUF009 -- frozen


def wants_maps(accept: str) -> bool:
    """Say whether a client asks for what the network saw: mask, probability, or all."""
    return "show=" in accept or asks_for_maps(accept)


def understood(message: Message, max_bytes: int, accept: str = "") -> Asked:
    """Return what a request asks for.

    Parameters
    ----------
    message : Message
        As it arrived.
    max_bytes : int
        Largest image, expanded.
    accept : str
        The form of the answer that is asked for.

    Raises
    ------
    CellsegError
        If it is nothing that can be worked on.
    """
    reading = file_reading(message.attributes)
    kind = None if reading else attributes_of(message.attributes).get("ask")
    if kind == INFO:
        return Asked(INFO)
    if kind == LOOK:
        plane, bounds, options = decode_look(message, max_bytes)
        return Asked(
            LOOK, lambda segmenter: segmenter.find_zoom(plane, bounds, options)
        )
    if kind == MAPS:
        part, seen_with = decode_part(message, max_bytes)
        return Asked(MAPS, lambda segmenter: segmenter.maps_of_part(part, seen_with))
    if kind is not None:
        raise RemoteError(
            f"This server cannot be asked for {kind!r:.40}. Use the same release of "
            "napari-cellseg on both sides."
        )
    if reading is None:
        image, chosen = decode_request(message, max_bytes)
    else:
        image, chosen = _image_of(message, reading, max_bytes), reading.options
    used = replace(chosen, keep_maps=wants_maps(accept))
    return Asked(IMAGE, lambda segmenter: segmenter.segment(image, used), image, chosen)


def _image_of(message: Message, reading: FileReading, max_bytes: int) -> CellImage:
    """Return the image of a plain file."""
    if message.content_type == JSON_TYPE:
        return _image_of_json(message.body)
    if message.content_type == NPY_TYPE:
        return image_of_npy(message.body, reading, max_bytes)
    if message.content_type not in SUFFIXES:
        raise RemoteError(
            f"Requests of type '{message.content_type}' are not read; send one of "
            f"{', '.join(SUFFIXES)}, {NPY_TYPE}, or {JSON_TYPE}."
        )
    suffix = SUFFIXES[message.content_type]
    return image_of_file(message.body, suffix, reading, max_bytes)


def _image_of_json(body: bytes) -> CellImage:
    """Return the image that a client of another system sends as nested lists."""
    if len(body) > MAX_JSON_BYTES:
        raise LimitError(
            f"The JSON has {len(body) / 2**20:.0f} MiB; at most {MAX_JSON_BYTES // 2**20} "
            "are read. Send the image as a TIFF, which is far smaller."
        )
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RemoteError(f"The body is no JSON ({error}); correct it.") from error
    try:
        found = next(values[key] for key in JSON_KEYS if key in values)
        array = np.squeeze(np.asarray(found, dtype=np.float32))
    except (ValueError, TypeError, StopIteration) as error:
        raise RemoteError(
            f"The JSON holds no image; one of {', '.join(JSON_KEYS)} with (y, x) or "
            "(y, x, channel) numbers is expected."
        ) from error
    if array.ndim == 3 and array.shape[-1] == 3:
        return CellImage(np.moveaxis(array, -1, 0), is_rgb=True)
    if array.ndim != 2:
        raise RemoteError(
            f"The JSON holds numbers of shape {array.shape}; one plane is expected."
        )
    return CellImage(array[None])
