"""What the viewer's process and the segmentation process say to each other.

One JSON object a line; arrays travel as .npy files in a folder that both can reach and are
mapped into memory, so that they are neither copied through a pipe nor unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core import errors
from napari_cellseg.core.errors import CellsegError, SegmentationError
from napari_cellseg.core.options import segment_options_from_dict
from napari_cellseg.core.types import CellImage, PlaneMaps, SegmentationResult

IMAGE_NAME = "image.npy"
LABELS_NAME = "labels.npy"
CONFIDENCE_NAME = "confidence.npy"


def send(stream: IO[bytes], message: Mapping[str, Any]) -> None:
    """Write one message."""
    stream.write(json.dumps(message).encode() + b"\n")
    stream.flush()


def receive(stream: IO[bytes]) -> dict[str, Any] | None:
    """Return the next message, or None when the other side is gone."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    message: dict[str, Any] = json.loads(line)
    return message


def write_image(folder: Path, image: CellImage, channels: tuple[int, ...]) -> None:
    """Write the chosen channels of every plane of `image`, reading a plane at a time."""
    shape = list(image.shape)
    shape[image.axes.index("C")] = len(channels)
    first = image.plane(next(image.plane_indices()))
    path = folder / IMAGE_NAME
    target = np.lib.format.open_memmap(path, "w+", first.dtype, tuple(shape))
    for index in image.plane_indices():
        positions = dict(zip(image.labels_axes[:-2], index, strict=True))
        key = tuple(positions.get(axis, slice(None)) for axis in image.axes)
        target[key] = image.plane(index)[list(channels)]


def read_sent_image(folder: Path, axes: str, name: str) -> CellImage:
    """Return the image that `write_image` left in `folder`, mapped into memory."""
    data = np.load(folder / IMAGE_NAME, mmap_mode="r", allow_pickle=False)
    is_rgb = data.shape[axes.index("C")] == 3
    return CellImage(data, axes, is_rgb=is_rgb, name=name)


def write_result(folder: Path, result: SegmentationResult) -> dict[str, Any]:
    """Write the arrays of a result and return the rest of it as a message."""
    np.save(folder / LABELS_NAME, result.labels)
    np.save(folder / CONFIDENCE_NAME, result.confidence)
    for place, plane in enumerate(result.maps):
        np.save(folder / _maps_name(place), plane.maps)
    return {
        "model_name": result.model_name,
        "model_digest": result.model_digest,
        "options": result.options.to_dict(),
        "device": result.device,
        "seconds": result.seconds,
        "map_shapes": [list(plane.shape_yx) for plane in result.maps],
        "axes": result.axes,
    }


def read_result(folder: Path, message: Mapping[str, Any]) -> SegmentationResult:
    """Return the result that `write_result` left in `folder`."""
    maps = tuple(
        PlaneMaps(_loaded(folder / _maps_name(place)), (int(shape[0]), int(shape[1])))
        for place, shape in enumerate(message["map_shapes"])
    )
    return SegmentationResult(
        _loaded(folder / LABELS_NAME),
        _loaded(folder / CONFIDENCE_NAME),
        message["model_name"],
        message["model_digest"],
        segment_options_from_dict(message["options"]),
        message["device"],
        message["seconds"],
        maps,
        message["axes"],
    )


def _maps_name(place: int) -> str:
    """Return the file name of the maps of a plane."""
    return f"maps_{place}.npy"


def _loaded(path: Path) -> NDArray[Any]:
    """Return an array read whole; the file may go afterwards."""
    array: NDArray[Any] = np.load(path, allow_pickle=False)
    return array


def error_message(error: CellsegError) -> dict[str, Any]:
    """Return an error as a message."""
    return {"kind": "error", "type": type(error).__name__, "text": str(error)}


def error_from(message: Mapping[str, Any]) -> CellsegError:
    """Return the error that a message holds; types that need more become the base's."""
    found = getattr(errors, str(message["type"]), SegmentationError)
    is_plain = isinstance(found, type) and issubclass(found, CellsegError)
    if not is_plain or found is errors.AmbiguousAxesError:
        found = SegmentationError
    error: CellsegError = found(message["text"])
    return error
