"""A plain file in, everything that is known of its cells out: what a pipeline asks for."""

from __future__ import annotations

import io
import json
import re
import tempfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg.cloud.pipeline.contract import (
    CELLS,
    CELLS_3D,
    COUNTS,
    LABELS,
    MAX_NAME,
    OVERLAY,
    VERSION,
)
from napari_cellseg.cloud.wire.pixels import read_npy
from napari_cellseg.core.errors import RemoteError
from napari_cellseg.core.given_sizes import with_given_sizes
from napari_cellseg.core.measuring.measure import MeasurementTable
from napari_cellseg.core.measuring.provenance import provenance
from napari_cellseg.core.options import SegmentOptions, segment_options_from_dict
from napari_cellseg.core.types import CellImage, SegmentationResult
from napari_cellseg.io.limits import ReadLimits
from napari_cellseg.io.reading.axes import canonical_axes, resolve_axes, to_canonical
from napari_cellseg.io.reading.images import read_image
from napari_cellseg.io.writing.labels_file import write_labels
from napari_cellseg.io.writing.writers import write_cells_csv
from napari_cellseg.serving.requests.overlay import overlay_png

#: Letters of the name of a file that are kept; of four bytes each at the most.
MAX_STEM = 50


@dataclass(frozen=True, slots=True)
class FileReading:
    """How a plain file is read.

    Attributes
    ----------
    name : str
        Of the image; "" if nobody said.
    options : SegmentOptions
        How it is segmented.
    axes : str or None
        What its axes are, where it does not say.
    um : float or None
        Edge of its pixels in micrometres; counts more than what it says.
    z_um : float or None
        Distance of its planes in micrometres; counts more than what it says.
    """

    name: str = ""
    options: SegmentOptions = SegmentOptions()  # noqa: RUF009 -- frozen
    axes: str | None = None
    um: float | None = None
    z_um: float | None = None


def file_reading(attributes: str) -> FileReading | None:
    """Return what a header says of a plain file, None if it speaks of another request.

    Raises
    ------
    RemoteError
        If it is of another version or holds what is not known.
    OptionsError
        If an option is out of its range.
    """
    if not attributes:
        return FileReading()
    try:
        values = json.loads(attributes)
        if "file" not in values:
            return None
        known = set(values) <= {"v", "file", "options", "axes", "um", "z_um"}
        is_right = values["v"] == VERSION and known
        um, z_um = values.get("um"), values.get("z_um")
        reading = FileReading(
            str(values["file"])[:MAX_NAME],
            segment_options_from_dict(values.get("options", {})),
            values.get("axes"),
            None if um is None else float(um),
            None if z_um is None else float(z_um),
        )
    except RecursionError as error:
        raise RemoteError("The header of the request is nested too deep.") from error
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    if not is_right:
        raise RemoteError(
            f"The request says {', '.join(map(str, values))} of its file, version "
            f"{values.get('v')}; this server reads version {VERSION}. Use the same release "
            "of napari-cellseg on both sides."
        )
    return reading


def image_of_file(
    body: bytes, suffix: str, reading: FileReading, max_bytes: int
) -> CellImage:
    """Return the image in the bytes of a file.

    Raises
    ------
    ImageReadError, LimitError
        If it is none, or is larger than `max_bytes` expanded.
    OptionsError
        If a distance of planes is given, but no pixel size is known.
    """
    with tempfile.TemporaryDirectory(prefix="cellseg-") as folder:
        path = Path(folder) / _file_name(reading.name, suffix)
        path.write_bytes(body)
        image = read_image(
            path, axes=reading.axes, limits=ReadLimits(max_bytes=max_bytes)
        )
        # The file goes away; what was to be read later is read now.
        image = replace(image, data=np.asarray(image.data), source="")
    return _as_told(image, reading)


def _file_name(name: str, suffix: str) -> str:
    """Return what a file is called here, so that what is said of it names it."""
    plain = re.sub(r"[^\w .+()-]", "_", Path(name).stem)[:MAX_STEM].strip(". ")
    return f"{plain or 'image'}{suffix}"


def image_of_npy(body: bytes, reading: FileReading, max_bytes: int) -> CellImage:
    """Return the image in an npy file, as clients of SageMaker send arrays.

    Two axes are a plane, a third one of 3 or 4 numbers behind them is colour; any other
    must be named.

    Raises
    ------
    RemoteError, LimitError
        If it is no such file, holds a pickle, or is larger than `max_bytes`.
    ImageReadError
        If an axis is not known.
    """
    array = read_npy(body, max_bytes)
    if array.ndim < 2:
        raise RemoteError(
            f"The array has the shape {array.shape}; an image has two axes or more."
        )
    is_colour = array.ndim == 3 and array.shape[-1] in (3, 4) and reading.axes is None
    said = "YXS" if is_colour else "?" * (array.ndim - 2) + "YX"
    axes = resolve_axes("The array", said, array.shape, reading.axes)
    kept, _ = canonical_axes(axes, array.shape)
    data = np.ascontiguousarray(to_canonical(array, axes))
    data = data[:3] if is_colour else data
    return _as_told(CellImage(data, kept, is_rgb=is_colour), reading)


def _as_told(image: CellImage, reading: FileReading) -> CellImage:
    """Return an image with the name and sizes that were sent beside it."""
    if reading.name:
        image = replace(image, name=reading.name)
    return with_given_sizes(image, reading.um, reading.z_um)


def whole_result(
    image: CellImage,
    result: SegmentationResult,
    table: MeasurementTable,
    requested: SegmentOptions,
) -> bytes:
    """Return a zip of labels, overlay, table and counts, as the command line writes them."""
    record = provenance(image, result, requested_options=requested)
    with tempfile.TemporaryDirectory(prefix="cellseg-") as folder:
        cells, labels = Path(folder) / CELLS, Path(folder) / LABELS
        _, described = write_cells_csv(cells, table, record)
        write_labels(
            labels, result.labels, axes=image.labels_axes, pixel_size=image.pixel_size
        )
        counts: dict[str, Any] = json.loads(described.read_text(encoding="utf-8"))
        counts = {
            **counts.pop("summary"),
            "seconds": round(result.seconds, 3),
            **counts,
        }
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
            file.write(labels, LABELS)
            file.writestr(OVERLAY, overlay_png(image, result.labels))
            file.write(cells, CELLS, zipfile.ZIP_DEFLATED)
            if (cells_3d := Path(folder) / CELLS_3D).exists():
                file.write(cells_3d, CELLS_3D, zipfile.ZIP_DEFLATED)
            file.writestr(COUNTS, json.dumps(counts, ensure_ascii=False))
    return buffer.getvalue()
