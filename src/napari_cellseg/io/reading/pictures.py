"""PNG, JPEG, GIF and the other formats that Pillow reads."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_cellseg.core.errors import LimitError
from napari_cellseg.io.foreign import translated
from napari_cellseg.io.limits import check_n_bytes, n_bytes_of
from napari_cellseg.io.reading.scene import Request, Scene

# Mode of Pillow -> mode that is read, dtype, samples, note.
MODES: dict[str, tuple[str, str, int, str]] = {
    "1": ("1", "bool", 1, ""),
    "L": ("L", "uint8", 1, ""),
    "I;16": ("I;16", "uint16", 1, ""),
    "I;16L": ("I;16L", "uint16", 1, ""),
    "I;16B": ("I;16B", "uint16", 1, ""),
    "I": ("I", "int32", 1, ""),
    "F": ("F", "float32", 1, ""),
    "LA": ("L", "uint8", 1, "The alpha channel is left out."),
    "La": ("L", "uint8", 1, "The alpha channel is left out."),
    "RGB": ("RGB", "uint8", 3, ""),
    "P": ("RGB", "uint8", 3, "Palette colours were converted to RGB."),
    "PA": (
        "RGB",
        "uint8",
        3,
        "Palette colours were converted to RGB, alpha is left out.",
    ),
    "RGBA": ("RGB", "uint8", 3, "The alpha channel is left out."),
    "RGBa": ("RGB", "uint8", 3, "The alpha channel is left out."),
    "RGBX": ("RGB", "uint8", 3, "The fourth sample is left out."),
    "CMYK": ("RGB", "uint8", 3, "CMYK was converted to RGB without a colour profile."),
    "YCbCr": ("RGB", "uint8", 3, "YCbCr was converted to RGB."),
    "HSV": ("RGB", "uint8", 3, "HSV was converted to RGB."),
    "LAB": ("RGB", "uint8", 3, "CIE L*a*b* was converted to RGB."),
}
FILM_FORMATS = (
    "GIF",
    "WEBP",
    "PNG",
    "AVIF",
)  # several frames are time; elsewhere, copies
ORIENTATION_TAG = 0x0112
#: Pillow's limit is one for the whole process.
_OPENING = Lock()
SIDEWAYS = (
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.TRANSVERSE,
)
PNG_COLOUR_TYPES = {
    2: (3, 0),
    4: (1, 1),
    6: (3, 1),
}  # colour type: samples, alpha samples


@contextmanager
def _any_size() -> Iterator[None]:
    """Let Pillow open what is larger than 179 million pixels; our limits count bytes."""
    with _OPENING:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


@contextmanager
def picture_scenes(request: Request, kind: str) -> Iterator[list[Scene]]:
    """Open a picture and give what its header says.

    Parameters
    ----------
    kind : str
        Pillow's name of the format, as the first bytes tell; no other is tried.

    Raises
    ------
    ImageReadError
        If it is damaged.
    LimitError
        If it would need more memory than `ReadLimits` allow.
    """
    kinds = (
        [kind, "MPO"] if kind == "JPEG" else [kind, "DIB"] if kind == "BMP" else [kind]
    )
    with translated(request.name), _any_size(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # bad EXIF is announced
        picture = Image.open(request.path, formats=kinds)
    with picture:
        with translated(request.name):
            scene = _deep_png_scene(picture, request) or _scene(picture, request)
        yield [scene]


def _scene(picture: Image.Image, request: Request) -> Scene:
    """Return the scene of a picture in one of Pillow's modes."""
    mode, dtype, n_samples, note = MODES[picture.mode]
    if request.as_stored and picture.mode in ("P", "PA"):
        mode, dtype, n_samples, note = "P", "uint8", 1, ""
    n_frames = _n_frames(picture, request)
    shape: tuple[int, ...] = (picture.height, picture.width)
    axes = "YX"
    if n_samples > 1:
        shape, axes = (*shape, n_samples), axes + "S"
    notes = [note] if note else []
    turn = _orientation(picture)
    if turn is not None:
        notes.append("The picture was turned as its EXIF orientation says.")
        shape = (shape[1], shape[0], *shape[2:]) if turn in SIDEWAYS else shape
    if n_frames > 1 and picture.format in FILM_FORMATS:
        shape, axes = (n_frames, *shape), "T" + axes
        notes.append(f"The {n_frames} frames were read as time.")
    elif n_frames > 1:
        notes.append(f"The file holds {n_frames} pictures; the first is read.")
    n_read = n_frames if axes[0] == "T" else 1
    load = partial(_load, picture, mode, np.dtype(dtype), turn, n_read)
    return _limited(
        Scene(
            name=request.name,
            shape=shape,
            axes=axes,
            dtype=np.dtype(dtype),
            load=load,
            n_pages=n_read,
            is_colour=n_samples == 3,
            notes=tuple(notes),
        ),
        request,
    )


def _n_frames(picture: Image.Image, request: Request) -> int:
    """Return the number of frames; a broken count is one."""
    n_frames = int(getattr(picture, "n_frames", 1))
    if n_frames > request.limits.max_pages:
        raise LimitError(
            f"{request.name} has {n_frames} frames; the limit is {request.limits.max_pages}. "
            "Split it into several files."
        )
    return max(n_frames, 1)


def _limited(scene: Scene, request: Request) -> Scene:
    """Return the scene, or raise `LimitError` before a pixel is decoded."""
    n_bytes = n_bytes_of(scene.shape, scene.dtype)
    advice = "Crop it, or save it as a tiled TIFF or OME-Zarr."
    check_n_bytes(scene.name, "its pixels", n_bytes, request.limits, advice)
    return scene


def _orientation(picture: Image.Image) -> Image.Transpose | None:
    """Return how the camera says the picture is to be turned, None if not at all."""
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    if picture.format not in ("JPEG", "MPO", "WEBP"):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return turns.get(picture.getexif().get(ORIENTATION_TAG, 1))
        except (SyntaxError, ValueError, TypeError, KeyError, OSError):
            return None  # EXIF is broken: there is no orientation


def _load(
    picture: Image.Image,
    mode: str,
    dtype: np.dtype,
    turn: Image.Transpose | None,
    n_frames: int,
) -> NDArray[Any]:
    """Decode the frames."""
    frames = []
    for index in range(n_frames):
        if n_frames > 1:
            picture.seek(index)
        frame = picture if picture.mode == mode else picture.convert(mode)
        frame = frame if turn is None else frame.transpose(turn)
        frames.append(np.array(frame).astype(dtype, copy=False))
    return np.stack(frames) if n_frames > 1 else frames[0]


def _deep_png_scene(picture: Image.Image, request: Request) -> Scene | None:
    """Return the scene of a colour PNG of 16 bits, which Pillow cuts to 8; else None."""
    with request.path.open("rb") as file:
        head = file.read(33)
    if picture.format != "PNG" or head[24] != 16 or head[25] not in PNG_COLOUR_TYPES:
        return None
    if getattr(picture, "n_frames", 1) > 1:
        return None
    n_samples, n_alpha = PNG_COLOUR_TYPES[head[25]]
    shape = (picture.height, picture.width, n_samples)[: 3 if n_samples > 1 else 2]
    load: Callable[[], NDArray[Any]] = partial(_load_deep_png, request, n_samples)
    return _limited(
        Scene(
            name=request.name,
            shape=shape,
            axes="YXS"[: len(shape)],
            dtype=np.dtype(np.uint16),
            load=load,
            is_colour=n_samples == 3,
            notes=("The alpha channel is left out.",) if n_alpha else (),
        ),
        request,
    )


def _load_deep_png(request: Request, n_samples: int) -> NDArray[Any]:
    """Decode a PNG of 16 bits and drop its alpha."""
    import imagecodecs

    data: NDArray[Any] = imagecodecs.png_decode(request.path.read_bytes())
    if data.ndim == 2:
        return data
    return data[..., 0] if n_samples == 1 else data[..., :n_samples]
