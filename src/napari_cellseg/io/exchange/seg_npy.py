"""Cellpose's ``NAME_seg.npy``: a pickled dictionary, read without running what it holds.

A pickle can call any function. Here none of numpy's or Python's own is within its reach:
every name in it leads to a stand-in that builds plain numbers, texts and arrays of them;
any other name ends the reading.
"""

from __future__ import annotations

import ast
import io
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.editing.edits import Source
from napari_cellseg.core.errors import ImageReadError, LabelsError
from napari_cellseg.core.labels.arrays import check_labels, relabel_sequential
from napari_cellseg.core.types import Labels
from napari_cellseg.io.atomic import replacing
from napari_cellseg.io.exchange.cells import Cells, FoundLabels, what_is_lost
from napari_cellseg.io.foreign import translated
from napari_cellseg.io.plain_files import read_bytes

RENUMBERED = "The cells were numbered anew from 1 on, as Cellpose wants it."
#: Numbers and texts of a fixed length; no objects, times or records.
PLAIN_KINDS = "biufSU"
MAX_HEADER_BYTES = 10_000


def read_seg_npy(path: str | Path) -> FoundLabels:
    """Read the cells of a ``_seg.npy`` of Cellpose.

    Parameters
    ----------
    path : str or Path
        The file.

    Raises
    ------
    ImageReadError
        If it cannot be read, is none, or holds anything but plain data.
    LabelsError
        If its ``masks`` are no labels.
    """
    file = Path(path)
    content = io.BytesIO(read_bytes(file))
    try:
        with translated(file.name):
            _skip_header(content, file.name)
            values = _unwrapped(_PlainUnpickler(content).load())
    except pickle.UnpicklingError as error:
        raise ImageReadError(
            f"{file.name} is not read: {error}. Save it again with Cellpose."
        ) from error
    if not isinstance(values, dict) or "masks" not in values:
        raise ImageReadError(
            f"{file.name} holds no 'masks', which a _seg.npy of Cellpose has. Choose "
            "another file."
        )
    masks = _as_array(values["masks"])
    # A plane of its own for one image: (1, y, x) is (y, x).
    masks = masks[0] if masks.ndim == 3 and masks.shape[0] == 1 else masks
    # Early versions counted cells from 0 on a background of -1.
    shift = 1 if masks.dtype.kind == "i" and masks.size and masks.min() == -1 else 0
    labels = check_labels(masks.astype(np.int64) + 1 if shift else masks)
    return FoundLabels(labels, sources=_sources(values.get("ismanual"), labels))


def _sources(is_manual: Any, labels: Labels) -> dict[int, Source]:
    """Return who made each cell: a flag for each from 1 on; empty if it does not fit."""
    flags = is_manual.value if isinstance(is_manual, _Array) else is_manual
    highest = int(labels.max())
    if not isinstance(flags, list | np.ndarray) or len(flags) != highest:
        return {}
    ids = np.unique(labels)
    return {
        int(cell): "hand" if bool(flags[cell - 1]) else "model"
        for cell in ids[ids > 0].tolist()
    }


def write_seg_npy(path: str | Path, cells: Cells) -> tuple[str, ...]:
    """Write cells as a ``_seg.npy`` that the Cellpose window opens; return what was lost.

    Parameters
    ----------
    path : str or Path
        By custom the image's name and ``_seg.npy``, beside the image.
    cells : Cells
        Labels (y, x) or (z, y, x). Cellpose wants ids from 1 to n: they are numbered anew
        in their order. Cells that were edited or made by hand are marked as manual.

    Raises
    ------
    LabelsError
        If the labels have four axes.
    SaveError
        If it cannot be written.
    """
    labels = cells.labels
    if labels.ndim not in (2, 3):
        raise LabelsError(
            f"A _seg.npy holds one plane or one stack; labels of shape {labels.shape} "
            "were given. Choose TIFF for time series of stacks."
        )
    numbered, new_ids = relabel_sequential(labels)
    n_cells = len(new_ids)
    small = np.uint16 if n_cells < 2**16 else np.uint32
    counts = np.bincount(numbered.ravel(), minlength=1)[1:]
    diameter = 2 * math.sqrt(float(np.median(counts)) / math.pi) if n_cells else 0.0
    content = {
        "filename": cells.image_name,
        "masks": numbered.astype(small),
        "outlines": (numbered * _is_outline(numbered)).astype(small),
        "colors": _colours(n_cells),
        "chan_choose": [0, 0],
        "ismanual": np.array(
            [cells.sources.get(cell, "model") != "model" for cell in sorted(new_ids)],
            bool,
        ),
        "flows": [],
        "est_diam": diameter,
        "diameter": diameter,
    }
    with replacing(path) as new, new.open("wb") as file:
        np.save(file, np.array(content, dtype=object), allow_pickle=True)
    is_same = all(old == new_id for old, new_id in new_ids.items())
    lost = what_is_lost(cells, "A _seg.npy", ("sources",))
    return lost if is_same else (RENUMBERED, *lost)


def _is_outline(labels: Labels) -> NDArray[np.bool_]:
    """Return the pixels of each plane with a neighbour of another id, and the edge."""
    framed = np.pad(labels, [(0, 0)] * (labels.ndim - 2) + [(1, 1), (1, 1)])
    inner = (slice(1, -1), slice(1, -1))
    result = np.zeros(labels.shape, bool)
    for y, x in ((0, 1), (2, 1), (1, 0), (1, 2)):
        shifted = framed[..., y : y + labels.shape[-2], x : x + labels.shape[-1]]
        result |= shifted != framed[(..., *inner)]
    return result


def _colours(n: int) -> NDArray[np.uint8]:
    """Return a bright colour for each cell, (n, 3)."""
    hue = (np.arange(n) * 0.61803 % 1)[:, None] * 6 + np.array([0, 4, 2])
    bright = np.clip(np.abs(hue % 6 - 3) - 1, 0, 1)
    return np.asarray(255 * bright, np.uint8)


def _skip_header(file: io.BytesIO, name: str) -> None:
    """Go behind the header of a npy file that holds one object."""
    magic = file.read(8)
    if magic[:6] != np.lib.format.MAGIC_PREFIX or len(magic) < 8:
        raise ImageReadError(f"{name} is no npy file. Choose another file.")
    n_bytes = int.from_bytes(file.read(2 if magic[6] == 1 else 4), "little")
    # numpy's own reader repairs old headers with Python's tokenizer, which raises its own.
    text = file.read(min(n_bytes, MAX_HEADER_BYTES)).decode("latin1")
    header = ast.literal_eval(text.strip())
    if header["shape"] != () or header["descr"] not in ("|O", "O"):
        raise ImageReadError(
            f"{name} is an array of {header['descr']} of shape {header['shape']} and no "
            "_seg.npy of Cellpose. Open it as an image, or choose another file."
        )


class _Array:
    """Stands in for an array until its state comes."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: NDArray[Any] | list[Any] = np.zeros(0)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, is_fortran, data = state
        if not isinstance(dtype, _Dtype):
            raise pickle.UnpicklingError("an array in it has no type")
        if dtype.is_object and isinstance(data, list):
            self.value = data
        else:
            self.value = _array(data, dtype.plain(), shape, is_fortran=bool(is_fortran))


class _Dtype:
    """Stands in for the type of an array: numbers or texts, nothing with fields."""

    __slots__ = ("_order", "_text")

    def __init__(self, text: Any = "", *_: Any) -> None:
        self._text = text
        self._order = "|"

    def __setstate__(self, state: Any) -> None:
        order, inner = state[1], state[2:5]
        if order not in ("<", ">", "=", "|") or any(part is not None for part in inner):
            raise pickle.UnpicklingError("an array in it holds records")
        self._order = order

    @property
    def is_object(self) -> bool:
        """True for an array of anything, which stays a list here."""
        return bool(self._text in ("O", "O8"))

    def plain(self) -> np.dtype[Any]:
        """Return the type; raises for all but numbers and texts."""
        if not isinstance(self._text, str):
            raise pickle.UnpicklingError("an array in it has no type")
        dtype = np.dtype(self._text)
        if dtype.kind not in PLAIN_KINDS or dtype.names or dtype.subdtype:
            raise pickle.UnpicklingError(f"an array in it holds '{self._text}'")
        return np.dtype(self._order + dtype.str[1:])


class _Maker:
    """Stands in for a function that makes a value; nothing can be changed on it."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError(f"it changes '{self._name}'")

    def __call__(self, *values: Any) -> Any:
        """Make the value."""
        if self._name == "dtype":
            return _Dtype(*values)
        if self._name == "_reconstruct":
            return _Array()
        if self._name == "scalar":
            dtype, data = values
            return _array(data, dtype.plain(), (), is_fortran=False).item()
        if self._name == "_frombuffer":
            data, dtype, shape, order = values
            array = _Array()
            array.value = _array(data, dtype.plain(), shape, is_fortran=order == "F")
            return array
        if self._name == "path":
            return "/".join(str(part) for part in values)
        raise pickle.UnpicklingError(f"it calls '{self._name}'")


def _array(
    data: Any, dtype: np.dtype[Any], shape: Any, *, is_fortran: bool
) -> NDArray[Any]:
    """Return an array of bytes that must be as many as its shape needs."""
    flat = np.frombuffer(data, dtype)
    return flat.reshape(shape, order="F" if is_fortran else "C")


_ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_BUFFER_MODULES = ("numpy.core.numeric", "numpy._core.numeric")
_STAND_INS = {
    ("numpy", "dtype"): "dtype",
    ("numpy", "ndarray"): "ndarray",
    **{(module, "_reconstruct"): "_reconstruct" for module in _ARRAY_MODULES},
    **{(module, "scalar"): "scalar" for module in _ARRAY_MODULES},
    **{(module, "_frombuffer"): "_frombuffer" for module in _BUFFER_MODULES},
    # Cellpose keeps the image's name as it was given, sometimes as a path.
    **{
        (module, f"{kind}Path"): "path"
        for module in ("pathlib", "pathlib._local")
        for kind in ("Posix", "Windows", "PurePosix", "PureWindows")
    },
}


# The one in Python: that in C takes memory as a file asks for it, before it is needed.
class _PlainUnpickler(pickle._Unpickler):
    """Builds plain data; any other name ends the reading."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a name."""
        known = _STAND_INS.get((module, name))
        if known is None:
            raise pickle.UnpicklingError(
                f"it asks for {f'{module}.{name}'[:80]!r}, and only plain arrays are "
                "taken from a file that can run programs"
            )
        return _Maker(known)

    def get_extension(self, code: int) -> None:
        """Refuse names by number."""
        raise pickle.UnpicklingError(f"it asks for extension {code}")


def _unwrapped(value: Any) -> Any:
    """Return what an array of one object holds, which is how numpy saves one."""
    if isinstance(value, _Array) and isinstance(value.value, list):
        return value.value[0] if len(value.value) == 1 else None
    return value


def _as_array(value: Any) -> NDArray[Any]:
    """Return what stands for an array."""
    if isinstance(value, _Array) and isinstance(value.value, np.ndarray):
        return value.value
    raise LabelsError(
        "The 'masks' of the file are no array of numbers. Save it again with Cellpose."
    )
