"""Zeiss CZI, Nikon ND2 and Leica LIF through bioio, where it is installed."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.io.foreign import translated
from napari_cellseg.io.metadata import length_um, pixel_size_um
from napari_cellseg.io.scene import Request, Scene

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
    with translated(request.name):
        bioio, plugin = (
            importlib.import_module("bioio"),
            importlib.import_module(module),
        )
        image = bioio.BioImage(str(request.path), reader=plugin.Reader)
        scenes = [_scene(image, index, request) for index in range(len(image.scenes))]
    yield scenes


def _scene(image: Any, index: int, request: Request) -> Scene:
    """Return what the header says of one scene; bioio's axes are TCZYX, with S for colour."""
    image.set_scene(index)
    axes, shape = str(image.dims.order), tuple(int(n) for n in image.shape)
    size = image.physical_pixel_sizes
    z_um, y_um, x_um = (length_um(getattr(size, axis), "µm") for axis in "ZYX")
    title = f" [{image.scenes[index]}]" if len(image.scenes) > 1 else ""
    return Scene(
        name=request.name + title,
        shape=shape,
        axes=axes,
        dtype=np.dtype(image.dtype),
        load=partial(_load, image, index),
        is_colour="S" in axes,
        pixel_size=pixel_size_um(y_um, x_um, z_um),
        channel_names=tuple(str(name) for name in image.channel_names or ()),
    )


def _load(image: Any, index: int) -> Any:
    """Read the pixels of one scene."""
    image.set_scene(index)
    return np.asarray(image.data)
