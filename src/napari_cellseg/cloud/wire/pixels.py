"""Pixels as a file that others read too: TIFF, or npy where TIFF cannot hold them.

Sizes are taken from headers and checked before a byte is expanded; nothing is unpickled.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, imwrite

from napari_cellseg.core.errors import CellsegError, LimitError, RemoteError
from napari_cellseg.io.foreign import FOREIGN_ERRORS, one_line
from napari_cellseg.io.reading.tiff import NEVER, XML_KINDS

TIFF_TYPE = "image/tiff"
NPY_TYPE = "application/x-npy"
#: As many as an image on a disk may have; see `io.limits`.
MAX_PAGES = 50_000
#: What the notes of other programs in a file say is not looked at: we write none.
PLAIN: dict[str, Any] = {**NEVER, **dict.fromkeys(XML_KINDS, False)}
#: What TIFF readers agree on; anything else travels as npy.
TIFF_DTYPES = (
    "uint8",
    "uint16",
    "uint32",
    "int8",
    "int16",
    "int32",
    "float32",
    "float64",
)
#: Half the time of zlib for the same bytes: 21 for 64 ms at 2048² px of 16 bits, 11 for
#: 36 ms for labels.
PACKING: dict[str, Any] = {"compression": "zstd", "compressionargs": {"level": 1}}
#: What all readers of TIFF know, ImageJ among them.
COMMON_PACKING: dict[str, Any] = {"compression": "zlib"}


def packed_pixels(
    data: NDArray[Any], packing: Mapping[str, Any] = PACKING
) -> tuple[bytes, str]:
    """Return an array as a TIFF, or as npy where TIFF cannot hold it, and which it is."""
    if data.dtype.name in TIFF_DTYPES:
        return _tiff(data, packing), TIFF_TYPE
    buffer = io.BytesIO()
    np.save(buffer, data, allow_pickle=False)
    return buffer.getvalue(), NPY_TYPE


def _tiff(data: NDArray[Any], packing: Mapping[str, Any]) -> bytes:
    pixels = np.ascontiguousarray(data)
    return written(pixels, predictor=data.dtype.kind in "ui", **packing)


def written(pixels: NDArray[Any], **packing: Any) -> bytes:
    """Return an array as a TIFF without a word beside."""
    buffer = io.BytesIO()
    imwrite(buffer, pixels, photometric="minisblack", metadata=None, **packing)
    return buffer.getvalue()


def labels_tiff(labels: NDArray[np.int32]) -> bytes:
    """Return labels as a zlib-compressed TIFF of uint32."""
    return pixels_tiff(np.ascontiguousarray(labels).view(np.uint32))


def pixels_tiff(pixels: NDArray[Any]) -> bytes:
    """Return an array as a zlib-compressed TIFF of its own type, which all can read."""
    return written(pixels, **COMMON_PACKING)


def read_npy(body: bytes, max_bytes: int) -> NDArray[Any]:
    """Return the array of an npy file.

    Raises
    ------
    RemoteError
        If it is none, is damaged, or holds objects.
    LimitError
        If it is larger than `max_bytes`.
    """
    stream = io.BytesIO(body)
    try:
        version = np.lib.format.read_magic(stream)
        reader = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = reader(stream)
    except FOREIGN_ERRORS as error:
        raise RemoteError(f"The body is no npy file ({one_line(error)}).") from error
    check_size(shape, dtype, max_bytes)
    if dtype.hasobject:
        raise RemoteError("The body is an npy file of Python objects; send numbers.")
    stream.seek(0)
    try:
        array: NDArray[Any] = np.load(stream, allow_pickle=False)
    except MemoryError:
        raise
    except FOREIGN_ERRORS as error:
        raise RemoteError(
            f"The npy file is cut off or damaged ({one_line(error)})."
        ) from error
    return array


def read_tiff(body: bytes, max_bytes: int) -> NDArray[Any]:
    """Return the array of a TIFF; raises as `read_npy` does."""
    try:
        with TiffFile(io.BytesIO(body), **PLAIN, _multifile=False) as file:
            _check_pages(file)
            series = file.series[0]
            check_size(series.shape, series.dtype, max_bytes)
            array: NDArray[Any] = series.asarray(maxworkers=1)
    except (MemoryError, CellsegError):
        raise
    except FOREIGN_ERRORS as error:
        raise RemoteError(
            f"The body is no TIFF that can be read ({one_line(error)})."
        ) from error
    return array


def _check_pages(file: TiffFile) -> None:
    """Raise `LimitError` before a long chain of pages is walked to its end."""
    try:
        file.pages[MAX_PAGES]
    except IndexError:
        return
    raise LimitError(
        f"The TIFF has more than {MAX_PAGES} pages. Send the planes in several requests."
    )


def check_size(shape: tuple[int, ...], dtype: Any, max_bytes: int) -> None:
    """Raise `LimitError` if an array of this shape and type is larger than allowed."""
    n_bytes = prod(int(n) for n in shape) * np.dtype(dtype).itemsize
    if n_bytes > max_bytes:
        raise LimitError(
            f"The image is {n_bytes / 2**20:.0f} MiB expanded; this server takes "
            f"{max_bytes / 2**20:.0f} MiB. Send it in parts."
        )
