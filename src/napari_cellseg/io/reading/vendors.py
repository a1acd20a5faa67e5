"""Zeiss CZI, Nikon ND2 and Leica LIF through bioio, where it is installed."""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.core.types import PixelSize
from napari_cellseg.io.foreign import one_line, translated
from napari_cellseg.io.reading.metadata import length_um, pixel_size_um
from napari_cellseg.io.reading.scene import Request, Scene

TITLES = {
    "czi": "a Zeiss CZI file",
    "nd2": "a Nikon ND2 file",
    "lif": "a Leica LIF file",
}


@contextmanager
def vendor_scenes(request: Request, kind: str) -> Iterator[list[Scene]]:
    """Open a file of a microscope maker.

    Parameters
    ----------
    kind : {"czi", "nd2", "lif"}
        As the first bytes tell.

    Raises
    ------
    ImageReadError
        If the reader is not installed (the message says what to install), or it fails.
    """
    module = f"bioio_{kind}"
    if any(importlib.util.find_spec(name) is None for name in ("bioio", module)):
        raise ImageReadError(
            f"{request.name} is {TITLES[kind]}, for which a reader must be installed: "
            f"python -m pip install bioio bioio-{kind} (or export the image as OME-TIFF)."
        )
    with translated(request.name), _known_errors(request.name, kind):
        bioio = importlib.import_module("bioio")
        plugin = importlib.import_module(module)
        image = bioio.BioImage(str(request.path), reader=plugin.Reader)
        scenes = [
            _scene(image, index, request, kind) for index in range(len(image.scenes))
        ]
    yield scenes


def _own_errors(kind: str) -> tuple[type[Exception], ...]:
    """Return the exceptions that bioio and the reader of `kind` define for themselves."""
    found: list[type[Exception]] = []
    for name in ("bioio_base.exceptions", f"bioio_{kind}.metadata"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue  # not every reader has one
        values = vars(module).values()
        found += [x for x in values if isinstance(x, type) and issubclass(x, Exception)]
    return tuple(found)


@contextmanager
def _known_errors(name: str, kind: str) -> Iterator[None]:
    """Say in a sentence what bioio raises of its own, which is no built-in exception.

    It does not mean that the file is damaged: a CZI without a pixel size is refused, too.
    """
    try:
        yield
    except _own_errors(kind) as error:
        raise ImageReadError(
            f"{name} cannot be read by bioio-{kind}: {one_line(error)}. Export it as "
            "OME-TIFF from the program of the microscope, and open that."
        ) from error


def _scene(image: Any, index: int, request: Request, kind: str) -> Scene:
    """Return what the header says of one scene; bioio's axes are TCZYX, with S for colour."""
    image.set_scene(index)
    axes, shape = str(image.dims.order), tuple(int(n) for n in image.shape)
    title = f" [{image.scenes[index]}]" if len(image.scenes) > 1 else ""
    size = _pixel_size(image, kind)
    return Scene(
        name=request.name + title,
        shape=shape,
        axes=axes,
        dtype=np.dtype(image.dtype),
        load=partial(_load, image, index, request.name, kind),
        n_pages=math.prod(
            n for x, n in zip(axes, shape, strict=True) if x not in "YXS"
        ),
        is_colour="S" in axes,
        pixel_size=size,
        channel_names=tuple(
            str(name) or f"channel {number}"
            for number, name in enumerate(image.channel_names or (), start=1)
        ),
        notes=() if size else ("The file does not tell its pixel size.",),
    )


def _pixel_size(image: Any, kind: str) -> PixelSize | None:
    """Return the pixel size, None if the metadata do not hold it."""
    errors: tuple[type[Exception], ...] = _own_errors(kind)
    errors += (AttributeError, LookupError, TypeError, ValueError)
    try:
        size = image.physical_pixel_sizes
    except errors:
        return None
    z_um, y_um, x_um = (length_um(getattr(size, axis), "µm") for axis in "ZYX")
    return pixel_size_um(y_um, x_um, z_um)


def _load(image: Any, index: int, name: str, kind: str) -> Any:
    """Read the pixels of one scene."""
    with _known_errors(name, kind):
        image.set_scene(index)
        return np.asarray(image.data)
