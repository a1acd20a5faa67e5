"""Which file the results of an image came from, and how it was read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from napari_cellseg.batch.options import BatchOptions
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.io.reading.paths import ImagePlace
from napari_cellseg.io.s3.address import S3Address

#: The options that change what is read of a file, or what is done with it.
READING = (
    "axes",
    "scene",
    "level",
    "region",
    "channel_name",
    "nuclei_channel_name",
    "pixel_size_um",
    "pixel_size_if_unknown_um",
    "z_step_um",
    "track",
)


def how_read(source: ImagePlace, batch: BatchOptions) -> dict[str, Any]:
    """Return what the record says of a file and its reading, as plain JSON values.

    Returns
    -------
    dict
        ``reading`` holds the options, ``image_file`` what changes when the file does,
        None if that cannot be seen.
    """
    return {
        "reading": {name: getattr(batch, name) for name in READING},
        "image_file": _state_of(source),
    }


def differences(record: dict[str, Any], how: dict[str, Any]) -> list[str]:
    """Return in words how a file and its reading differ from those of a record.

    What an older record does not say of the file is not compared.
    """
    earlier = record.get("reading", {})
    found = [
        f"{name} = {earlier.get(name)} instead of {value}"
        for name, value in how["reading"].items()
        if (earlier.get(name) or None) != (value or None)
    ]
    before, now = record.get("image_file"), how["image_file"]
    if before and now and before != now:
        found.append("the image file as it was before it changed")
    return found


def _state_of(source: ImagePlace) -> dict[str, Any] | None:
    """Return what changes when a file, a folder or an object does."""
    try:
        if isinstance(source, S3Address):
            from napari_cellseg.io.s3.objects import look_at

            return {"etag": look_at(source).etag}
        if source.is_dir():
            return _state_of_folder(source)
        state = source.stat()
    except (OSError, CellsegError):
        return None
    return {"bytes": state.st_size, "modified_ns": state.st_mtime_ns}


def _state_of_folder(folder: Path) -> dict[str, Any]:
    """Return the bytes in a folder, and when one of its files was last written."""
    states = [
        (Path(place) / name).stat()
        for place, _, names in os.walk(folder)
        for name in names
    ]
    return {
        "bytes": sum(state.st_size for state in states),
        "modified_ns": max((state.st_mtime_ns for state in states), default=0),
    }
