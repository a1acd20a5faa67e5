"""What travels between a client and a server.

A request is one file, TIFF (zstd; zlib is read as well) or npy, and a header of JSON that
says what TIFF cannot: axes, pixel size, options. The header is `ATTRIBUTES_HEADER`, which
SageMaker hands through to the container; it is at most 1024 ASCII characters. An answer is
a zip of ``result.json`` and ``labels.tif``, packed with zstd for who asks for that. A client
and a server of this release spare each other files, both ways; see `cloud.wire.arrays`. Sizes
are taken from headers and checked before a byte is expanded; nothing is unpickled.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.cloud.limits import MAX_ATTRIBUTES
from napari_cellseg.cloud.wire.arrays import (
    ARRAYS_TYPE,
    can_pack,
    packed_arrays,
    unpacked_arrays,
)
from napari_cellseg.cloud.wire.pixels import (
    COMMON_PACKING,
    NPY_TYPE,
    PACKING,
    packed_pixels,
    read_npy,
    read_tiff,
    written,
)
from napari_cellseg.core.errors import LimitError, RemoteError
from napari_cellseg.core.options import SegmentOptions, segment_options_from_dict
from napari_cellseg.core.types import (
    LABELS_DTYPE,
    CellImage,
    PixelSize,
    SegmentationResult,
)

VERSION = 1
ATTRIBUTES_HEADER = "X-Amzn-SageMaker-Custom-Attributes"
JSON_TYPE = "application/json"
RESULT_TYPE = "application/zip"
#: What our own clients ask for: labels packed as not every reader of TIFF knows.
ZSTD_RESULT_TYPE = f"{RESULT_TYPE};packed=zstd"
#: The same without a file, and what a server answers with that cannot do so.
ARRAYS_RESULT_TYPE = f"{ARRAYS_TYPE}, {ZSTD_RESULT_TYPE}"
RESULT_NAME, LABELS_NAME = "result.json", "labels.tif"
#: Names of arrays.
PIXELS, LABELS, CONFIDENCE = "pixels", "labels", "confidence"
KEYS = {"v", "axes", "shape", "rgb", "options", "um"}
#: What a question for less than a whole image says besides; see `cloud.wire.parts`.
PART_KEYS = {"ask", "bounds", "plane", "origin", "zoom", "tile"}
#: The largest number of 16 bits.
MAX_SHORT = 2**16 - 1
#: Labels of an image and its table are far smaller; a bomb is not.
MAX_JSON_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Message:
    """A body with its headers.

    Attributes
    ----------
    body : bytes
        Of the request or the answer.
    content_type : str
        What the body is.
    attributes : str
        The text of `ATTRIBUTES_HEADER`; "" in an answer.
    """

    body: bytes
    content_type: str
    attributes: str = ""


def encode_request(
    image: CellImage, options: SegmentOptions, *, as_arrays: bool = False
) -> Message:
    """Return an image and options as they travel.

    Parameters
    ----------
    image : CellImage
        Its pixels are read.
    options : SegmentOptions
        Those that differ from the default are sent.
    as_arrays : bool
        Whether the server says that it reads `ARRAYS_TYPE`.

    Raises
    ------
    RemoteError
        If the options do not fit into the header.
    """
    values: dict[str, Any] = {
        "axes": image.axes,
        "shape": list(image.shape),
        "rgb": image.is_rgb,
        "options": told_options(options),
    }
    if (size := image.pixel_size) is not None:
        values["um"] = [size.z_um, size.y_um, size.x_um]
    data = np.asarray(image.data)
    if as_arrays and can_pack(data):
        body, content_type = packed_arrays({}, {PIXELS: data}), ARRAYS_TYPE
    else:
        body, content_type = packed_pixels(data)
    return with_attributes(body, content_type, values)


def told_options(options: SegmentOptions) -> dict[str, Any]:
    """Return the options that differ from the default."""
    usual = SegmentOptions().to_dict()
    given = options.to_dict()
    return {name: given[name] for name in given if given[name] != usual[name]}


def with_attributes(body: bytes, content_type: str, values: dict[str, Any]) -> Message:
    """Return a request; raises `RemoteError` if its header does not fit."""
    text = json.dumps({"v": VERSION, **values}, separators=(",", ":"))
    if len(text) > MAX_ATTRIBUTES:
        raise RemoteError(
            f"The options take {len(text)} characters; a server takes {MAX_ATTRIBUTES}."
        )
    return Message(body, content_type, text)


def decode_request(
    message: Message, max_bytes: int
) -> tuple[CellImage, SegmentOptions]:
    """Return the image and options of a request of ours.

    Parameters
    ----------
    message : Message
        As `encode_request` returns it.
    max_bytes : int
        Largest image, expanded.

    Raises
    ------
    RemoteError
        If it is no such request.
    LimitError
        If it is too large.
    OptionsError, ImageError
        If options or image cannot be used.
    """
    values = attributes_of(message.attributes)
    data = read_pixels(message, values.get("shape"), max_bytes)
    try:
        um = values.get("um")
        size = None if um is None else PixelSize(um[1], um[2], um[0])
        axes = str(values["axes"])
    except (KeyError, TypeError, IndexError) as error:
        raise RemoteError(
            f"The header {ATTRIBUTES_HEADER} lacks axes or pixel size ({error!r})."
        ) from error
    image = CellImage(data, axes, size, is_rgb=bool(values.get("rgb")))
    return image, segment_options_from_dict(values.get("options", {}))


def read_pixels(message: Message, shape: Any, max_bytes: int) -> NDArray[Any]:
    """Return the pixels of a request, after a look at the size that they claim.

    Raises
    ------
    RemoteError
        If it is none of the types, is damaged, or has not the shape that was announced.
    LimitError
        If it is larger than `max_bytes`.
    """
    if message.content_type == ARRAYS_TYPE:
        _, arrays = unpacked_arrays(message.body, {PIXELS: max_bytes})
        return _shaped(arrays[PIXELS], shape)
    if message.content_type == NPY_TYPE:
        return _shaped(read_npy(message.body, max_bytes), shape)
    return _shaped(read_tiff(message.body, max_bytes), shape)


def attributes_of(text: str) -> dict[str, Any]:
    """Return the attributes of a request; raises `RemoteError` if they are none."""
    try:
        values = json.loads(text)
        version = values["v"]
        known = set(values) <= KEYS | PART_KEYS
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RemoteError(
            f"The header {ATTRIBUTES_HEADER} is no JSON of ours ({error!r}); it begins "
            f"with {text[:60]!r}."
        ) from error
    if version != VERSION or not known:
        raise RemoteError(
            f"The request has version {version}; this server reads {VERSION}. Use the "
            "same release of napari-cellseg on both sides."
        )
    attributes: dict[str, Any] = values
    return attributes


def _shaped(data: NDArray[Any], shape: Any) -> NDArray[Any]:
    """Return an array with its axes of length 1, which TIFF does not keep."""
    try:
        return data.reshape([int(n) for n in shape])
    except (TypeError, ValueError, OverflowError) as error:
        raise RemoteError(
            f"The pixels have the shape {data.shape}, but {shape} was announced."
        ) from error


def packing_for(accept: str) -> Mapping[str, Any]:
    """Return how pixels are packed for a client: with zstd only where it is asked for."""
    return PACKING if ZSTD_RESULT_TYPE in accept else COMMON_PACKING


def encode_result(
    result: SegmentationResult, extra: Mapping[str, Any], accept: str = ""
) -> Message:
    """Return a result as it travels.

    Parameters
    ----------
    result : SegmentationResult
        Labels and what is known of them; its maps stay here.
    extra : mapping
        Goes into ``result.json`` beside it, such as the counts.
    accept : str
        The form that is asked for; see `packing_for`.
    """
    values = {
        "version": VERSION,
        "model_name": result.model_name,
        "model_digest": result.model_digest,
        "options": result.options.to_dict(),
        "device": result.device,
        "seconds": result.seconds,
        "shape": list(result.labels.shape),
        "n_cells": len(result.confidence),
        **extra,
    }
    labels = np.ascontiguousarray(result.labels).view(np.uint32)
    if ZSTD_RESULT_TYPE in accept and labels.max(initial=0) <= MAX_SHORT:
        # A client of ours widens them again: half of what is packed and unpacked.
        labels = labels.astype(np.uint16)
    if ARRAYS_TYPE in accept:
        arrays = {LABELS: labels, CONFIDENCE: result.confidence}
        return Message(packed_arrays(values, arrays), ARRAYS_TYPE)
    # The shortest numbers that are the same float32 again: equal tables, short answers.
    values["confidence"] = [float(str(value)) for value in result.confidence]
    return zipped(values, LABELS_NAME, written(labels, **packing_for(accept)))


def zipped(values: Mapping[str, Any], name: str, body: bytes) -> Message:
    """Return an answer of two parts: what is told, and a file of pixels."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        file.writestr(RESULT_NAME, json.dumps(values))
        file.writestr(name, body)
    return Message(buffer.getvalue(), RESULT_TYPE)


def decode_result(
    message: Message, image: CellImage, sent: SegmentOptions
) -> SegmentationResult:
    """Return the result that a server sent for an image.

    Raises
    ------
    RemoteError
        If it is no result of ours, is cut off, or is of another size.
    """
    values, labels, confidence = _result_parts(
        message, 4 * int(np.prod(image.labels_shape)) + 2**20
    )
    labels = labels.astype(np.uint32, copy=False).view(LABELS_DTYPE)
    if labels.shape != image.labels_shape:
        raise RemoteError(
            f"The server sent labels of shape {labels.shape} for an image of "
            f"{image.labels_shape}; they are not used."
        )
    options = segment_options_from_dict(values["options"])
    return SegmentationResult(
        labels,
        confidence,
        values["model_name"],
        values["model_digest"],
        replace(options, channel=sent.channel, keep_maps=False),
        str(values.get("device", "")),
        float(values.get("seconds", 0.0)),
        axes=image.labels_axes,
    )


def _result_parts(
    message: Message, max_bytes: int
) -> tuple[dict[str, Any], NDArray[Any], NDArray[np.float32]]:
    """Return what is told of a result, its labels and its confidence."""
    needed = {"shape", "options", "model_name", "model_digest"}
    if message.content_type == ARRAYS_TYPE:
        limits = {LABELS: max_bytes, CONFIDENCE: max_bytes}
        values, arrays = unpacked_arrays(message.body, limits)
    else:
        values, body = unzipped(message, LABELS_NAME, max_bytes)
        needed.add(CONFIDENCE)
    missing = needed - set(values)
    if missing:
        raise RemoteError(f"The answer lacks {', '.join(sorted(missing))}.")
    if message.content_type == ARRAYS_TYPE:
        labels, confidence = arrays[LABELS], arrays[CONFIDENCE]
    else:
        labels, confidence = read_tiff(body, max_bytes), values[CONFIDENCE]
    return values, _shaped(labels, values["shape"]), np.asarray(confidence, np.float32)


def unzipped(
    message: Message, name: str, max_file_bytes: int
) -> tuple[dict[str, Any], bytes]:
    """Return the two parts of an answer, after a look at the sizes that they claim.

    Raises
    ------
    RemoteError
        If it is something else, is cut off or damaged.
    LimitError
        If a part is larger than it can be.
    """
    if message.content_type.split(";")[0].strip() != RESULT_TYPE:
        start = message.body[:80].decode("ascii", "replace")
        raise RemoteError(
            f"The server answered with {message.content_type or 'no type'} ({start!r}); "
            "labels were expected. Is this the address of a cellseg server, or is there "
            "a login page in between?"
        )
    limits = {RESULT_NAME: MAX_JSON_BYTES, name: max_file_bytes}
    try:
        with zipfile.ZipFile(io.BytesIO(message.body)) as file:
            for part, limit in limits.items():
                if file.getinfo(part).file_size > limit:
                    raise LimitError(f"The answer's {part} is larger than it can be.")
            values: dict[str, Any] = json.loads(file.read(RESULT_NAME))
            return values, file.read(name)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise RemoteError(
            f"The answer is cut off or damaged ({error}); {len(message.body)} bytes "
            "arrived. Try again."
        ) from error
