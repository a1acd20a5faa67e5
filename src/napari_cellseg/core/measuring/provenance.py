"""Where numbers come from: what stands in the JSON beside a table."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import CellImage, PixelSize, SegmentationResult

#: The packages whose version can change a number.
PACKAGES = ("numpy", "scipy", "scikit-image", "numba", "torch")
OWN_PACKAGE = "napari-cellseg"


def provenance(
    image: CellImage | None,
    result: SegmentationResult | None = None,
    requested_options: SegmentOptions | None = None,
) -> dict[str, Any]:
    """Return where the numbers of an image come from, as plain JSON values.

    Parameters
    ----------
    image : CellImage or None
        What was measured; None if only labels were.
    result : SegmentationResult, optional
        What made the labels; None if it was not a model of this program.
    requested_options : SegmentOptions, optional
        What the person asked for; `result` holds what was used.

    Returns
    -------
    dict
        ``written_at`` (ISO 8601, UTC) and ``versions``; ``image``, ``model``,
        ``options``, ``requested_options`` and ``device`` where they are known.
    """
    values: dict[str, Any] = {
        "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": dict(_versions()),
    }
    if image is not None:
        values["image"] = _image_values(image)
    if result is not None:
        values["model"] = {"name": result.model_name, "digest": result.model_digest}
        values["options"] = result.options.to_dict()
        values["device"] = result.device
    if requested_options is not None:
        values["requested_options"] = requested_options.to_dict()
    return values


def _image_values(image: CellImage) -> dict[str, Any]:
    """Return what identifies an image and how it was read."""
    return {
        "name": image.name,
        "source": image.source,
        "axes": image.axes,
        "shape": [int(size) for size in image.shape],
        "channels": list(image.channel_names),
        "pixel_size_um": pixel_size_values(image.pixel_size),
        "notes": list(image.notes),
    }


def pixel_size_values(pixel_size: PixelSize | None) -> dict[str, float | None] | None:
    """Return a pixel size in micrometres as plain JSON values, None if unknown."""
    if pixel_size is None:
        return None
    return {"y": pixel_size.y_um, "x": pixel_size.x_um, "z": pixel_size.z_um}


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    """Return the versions of python and of the packages that make the numbers."""
    named = [(package, _version(package)) for package in PACKAGES]
    return (
        ("python", platform.python_version()),
        # Unknown if run from a folder that was not installed.
        (OWN_PACKAGE, _version(OWN_PACKAGE) or "unknown"),
        *((package, known) for package, known in named if known),
    )


def _version(package: str) -> str:
    """Return the version of a package, "" if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
