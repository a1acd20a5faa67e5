"""Arrays between a client of ours and a server of ours: quick to pack, quick to read.

A line of JSON, ``{"values": {...}, "arrays": [{"name": "labels", "dtype": "uint16",
"shape": [512, 512], "bytes": 22838, "packed": true, "delta": false}]}``, and each array
behind it, packed with zstd where it is not short. To write and to open a TIFF takes longer
than to pack 512 x 512 pixels, and a person waits for it each time. Sizes are checked before
a byte is expanded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from napari_cellseg.cloud.wire.pixels import check_size
from napari_cellseg.core.errors import RemoteError

ARRAYS_TYPE = "application/vnd.cellseg.arrays"
#: Neighbours are alike in them: each number less the one to its left packs better.
PICTURES = {"pixels", "maps"}
DTYPES = {
    *("bool", "uint8", "uint16", "uint32", "uint64"),
    *("int8", "int16", "int32", "int64", "float16", "float32", "float64"),
}
LEVEL = 1
#: What fits into a few packets gains nothing by being packed.
SHORT_BYTES = 4096
#: The line says little; a body without an end of line is something else.
MAX_LINE_BYTES = 2**20
#: What a line of something else leads to.
UNREADABLE = (
    *(ValueError, TypeError, KeyError, AttributeError),
    *(RecursionError, OverflowError),
)
#: More than an array has axes in NumPy.
MAX_AXES = 32
#: Also of an array without a number in it.
MAX_LENGTH = 2**31


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an array lies in a body, and what it is."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    n_bytes: int
    is_packed: bool
    is_delta: bool


def can_pack(data: NDArray[Any]) -> bool:
    """Say whether an array is of a type that travels so."""
    return data.dtype.name in DTYPES


def packed_arrays(
    values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> bytes:
    """Return values of JSON and arrays by name as a body.

    Parameters
    ----------
    values : mapping
        What is told.
    arrays : mapping of str to array
        Each of a type for which `can_pack` holds.
    """
    parts = [_packed(name, array) for name, array in arrays.items()]
    told, bodies = [told for told, _ in parts], [body for _, body in parts]
    line = json.dumps({"values": values, "arrays": told}).encode()
    return b"".join((line, b"\n", *bodies))


def with_array(body: bytes, name: str, array: NDArray[Any]) -> bytes:
    """Return a body of `packed_arrays` with one more array at its end."""
    end = body.index(b"\n")
    line = json.loads(body[:end])
    told, more = _packed(name, array)
    line["arrays"].append(told)
    return b"".join((json.dumps(line).encode(), memoryview(body)[end:], more))


def _packed(name: str, given: NDArray[Any]) -> tuple[dict[str, Any], bytes]:
    """Return what the line says of an array, and the array."""
    array = np.ascontiguousarray(given, dtype=given.dtype.newbyteorder("<"))
    is_packed = array.nbytes > SHORT_BYTES
    is_delta = is_packed and name in PICTURES and array.dtype.kind in "ui"
    rows = imagecodecs.delta_encode(array, axis=-1) if is_delta else array
    body = rows.tobytes()
    if is_packed:
        body = bytes(imagecodecs.zstd_encode(body, LEVEL))
    told = {
        "name": name,
        "dtype": array.dtype.name,
        "shape": given.shape,
        "bytes": len(body),
        "packed": is_packed,
        "delta": is_delta,
    }
    return told, body


def unpacked_arrays(
    body: bytes, limits: Mapping[str, int]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return values and the arrays that are asked for.

    Parameters
    ----------
    body : bytes
        As `packed_arrays` returns it.
    limits : mapping of str to int
        Names of arrays, and the most bytes that each may have.

    Raises
    ------
    RemoteError
        If it is no such body, is cut off or damaged, or lacks one of the arrays.
    LimitError
        If an array is larger than it may be.
    """
    try:
        values, places = _read_line(body)
    except UNREADABLE as error:
        raise RemoteError(
            f"The arrays cannot be read ({error!r}); they begin with {body[:60]!r}. Use "
            "the same release of napari-cellseg on both sides."
        ) from error
    missing = set(limits) - set(places)
    if missing:
        raise RemoteError(f"The body lacks {', '.join(sorted(missing))}.")
    return values, {
        name: _read_array(memoryview(body), places[name], limit)
        for name, limit in limits.items()
    }


def _read_line(body: bytes) -> tuple[dict[str, Any], dict[str, _Place]]:
    """Return values, and what lies behind them."""
    end = body.find(b"\n", 0, MAX_LINE_BYTES)
    if end < 0:
        raise ValueError("no line of JSON")
    line = json.loads(body[:end])
    values = dict(line["values"])
    places = {place.name: place for place in _places(line["arrays"], end + 1)}
    last = max((place.start + place.n_bytes for place in places.values()), default=0)
    if last > len(body):
        raise ValueError(f"{len(body)} of {last} bytes arrived")
    return values, places


def _places(told: list[dict[str, Any]], start: int) -> Iterator[_Place]:
    """Yield where each array lies; raises `ValueError` where it lies nowhere."""
    for each in told:
        shape = tuple(int(n) for n in each["shape"])
        n_bytes, dtype = int(each["bytes"]), str(each["dtype"])
        is_odd = len(shape) > MAX_AXES or not all(0 <= n < MAX_LENGTH for n in shape)
        if is_odd or dtype not in DTYPES or n_bytes < 0:
            raise ValueError(f"{dtype:.20} of shape {shape[:4]} in {n_bytes} bytes")
        is_delta = each["delta"] is True and np.dtype(dtype).kind in "ui"
        flags = each["packed"] is True, is_delta
        yield _Place(str(each["name"]), dtype, shape, start, n_bytes, *flags)
        start += n_bytes


def _read_array(body: memoryview, place: _Place, max_bytes: int) -> NDArray[Any]:
    check_size(place.shape, place.dtype, max_bytes)
    array = np.empty(place.shape, np.dtype(place.dtype).newbyteorder("<"))
    n_bytes = _fill(array, body[place.start : place.start + place.n_bytes], place)
    if n_bytes != array.nbytes:
        raise RemoteError(
            f"The array '{place.name:.20}' has {n_bytes} bytes; {array.nbytes} were "
            "announced."
        )
    if place.is_delta:
        imagecodecs.delta_decode(array, axis=-1, out=array)
    return array


def _fill(array: NDArray[Any], given: memoryview, place: _Place) -> int:
    """Write what was sent into an array; return its bytes, of which all may not fit."""
    raw = array.reshape(-1).view(np.uint8)
    if not place.is_packed:
        if len(given) == array.nbytes:
            raw[:] = given
        return len(given)
    try:
        # Nothing is expanded beyond the room that the array has.
        return len(imagecodecs.zstd_decode(bytes(given), out=raw.data))
    except (imagecodecs.ZstdError, ValueError) as error:
        raise RemoteError(
            f"The array '{place.name:.20}' is damaged ({error})."
        ) from error
