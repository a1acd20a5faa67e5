"""From a file to a `CellImage`: the reader is chosen by the first bytes, not by the name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_cellseg.core.errors import CellsegError, ImageReadError, LabelsError
from napari_cellseg.core.labels.arrays import check_labels
from napari_cellseg.core.segmentation.region_text import Box
from napari_cellseg.core.types import CellImage, Labels, PixelSize
from napari_cellseg.io.limits import ReadLimits, check_n_bytes, n_bytes_of
from napari_cellseg.io.reading.axes import KNOWN, known_axes
from napari_cellseg.io.reading.region import cut_scene
from napari_cellseg.io.reading.scene import Request, Scene, check_scene, read_scene
from napari_cellseg.io.s3.address import is_s3_address
from napari_cellseg.io.sniff import IMAGE_SUFFIXES, sniff

#: For planes that are read in windows: their size does not matter.
BY_WINDOWS = replace(ReadLimits(), lazy_bytes=0, max_plane_bytes=2**50, max_ratio=1e6)
#: Images of one file that an error names.
MAX_NAMED = 12


def read_image(
    path: str | Path,
    *,
    axes: str | None = None,
    level: int = 0,
    limits: ReadLimits = ReadLimits(),  # noqa: B008 -- frozen
) -> CellImage:
    """Read the first image of a file; a note says if there are more.

    Parameters
    ----------
    path : str or Path
        TIFF of any kind, PNG, JPEG and what else Pillow reads, or an OME-Zarr folder; or
        the address of one in S3, such as ``"s3://plates/run 7/A01.tif"``.
    axes : str or None
        What the axes are, one letter each of T, C, Z, Y, X, where the file does not say; None
        takes what the file says.
    level : int
        Resolution level of a pyramid; 0 is the full resolution.
    limits : ReadLimits
        Checked from the header, before anything is allocated.

    Returns
    -------
    CellImage
        Its data are an array, or a lazy one above `ReadLimits.lazy_bytes` where the format
        can be read in parts. What was converted or is missing stands in its notes.

    Raises
    ------
    AmbiguousAxesError
        If an axis is not known and `axes` is None.
    ImageReadError
        If it is no image, damaged, or not there.
    LimitError
        If it is larger than `limits`.
    """
    request = _request(path, limits, level)
    with open_scenes(request) as scenes:
        image = read_scene(scenes[0], request, axes)
    if len(scenes) > 1:
        note = f"The file holds {len(scenes)} images; this is the first."
        image = replace(image, notes=(*image.notes, note))
    return image


def read_one_image(
    path: str | Path,
    number: int | None,
    *,
    axes: str | None = None,
    level: int = 0,
    region: Box | None = None,
    limits: ReadLimits = ReadLimits(),  # noqa: B008 -- frozen
) -> CellImage:
    """Read one image of a file by its number, counted from 1; see `read_image`.

    Parameters
    ----------
    number : int or None
        None: the file must hold one image only.
    region : (top, left, bottom, right) or None
        What is read of each plane, in pixels of the level; None: all.
    path, axes, level, limits
        As in `read_image`.

    Raises
    ------
    ImageReadError
        If the file holds several and none is chosen, or has none of that number; and as
        `read_image`.
    """
    request = _request(path, limits, level)
    with open_scenes(request) as scenes:
        if not 1 <= (number or 1) <= len(scenes) or (number is None and scenes[1:]):
            raise ImageReadError(_which_image(request.name, scenes, number))
        scene = scenes[(number or 1) - 1]
        if region is not None:
            scene = cut_scene(scene, request, axes, region)
        return read_scene(scene, request, axes)


def _which_image(name: str, scenes: list[Scene], number: int | None) -> str:
    """Return the sentence that asks which image of a file is meant."""
    named = [f"{place} is {scene.name}" for place, scene in enumerate(scenes, start=1)]
    more = f" and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else ""
    none = "" if number is None else f"None of them has the number {number}. "
    return (
        f"{name} holds {len(scenes)} image{'s' if scenes[1:] else ''}: "
        f"{', '.join(named[:MAX_NAMED])}{more}. {none}Choose one with --scene NUMBER."
    )


@dataclass(frozen=True, slots=True)
class ImageDescription:
    """What the header says of the first image of a file.

    Attributes
    ----------
    shape : tuple of int
        As in the file, after colours are converted.
    axes : str
        One letter an axis; ``?`` for what is not known, S for samples of a pixel.
    n_bytes : int
        Size in memory.
    pixel_size : PixelSize or None
        None if unknown.
    n_images : int
        Images in the file.
    level_shapes : tuple of shapes
        Of every resolution level; empty or one for a plain image.
    """

    shape: tuple[int, ...]
    axes: str
    n_bytes: int
    pixel_size: PixelSize | None
    n_images: int
    level_shapes: tuple[tuple[int, ...], ...]


def probe(path: str | Path, *, limits: ReadLimits = ReadLimits()) -> ImageDescription:  # noqa: B008
    """Return what the header says, without reading a pixel.

    Raises
    ------
    ImageReadError, LimitError
        As `read_image`; too large an image is described, not refused.
    """
    request = _request(path, limits)
    with open_scenes(request) as scenes:
        scene = scenes[0]
        check_scene(scene, request)
        return ImageDescription(
            shape=scene.shape,
            axes=known_axes(scene.axes, scene.shape),
            n_bytes=n_bytes_of(scene.shape, scene.dtype),
            pixel_size=scene.pixel_size,
            n_images=len(scenes),
            level_shapes=scene.level_shapes,
        )


def read_labels(
    path: str | Path,
    *,
    limits: ReadLimits = ReadLimits(),  # noqa: B008 -- frozen
) -> tuple[Labels, PixelSize | None]:
    """Read labels, and the pixel size if the file tells it.

    Values are taken as they are stored: no palette and no inversion is applied. Axes that
    the file does not name are taken in the order T, Z.

    Parameters
    ----------
    path, limits
        As in `read_image`.

    Returns
    -------
    labels : (Y, X), (Z, Y, X), (T, Y, X) or (T, Z, Y, X) int32
        0 is background; a copy that may be written to.
    pixel_size : PixelSize or None

    Raises
    ------
    ImageReadError, LimitError
        As `read_image`.
    LabelsError
        If it holds several channels or colours, or values that are no labels.
    """
    labels, pixel_size, _ = read_labels_with_axes(path, limits=limits)
    return labels, pixel_size


def read_labels_with_axes(
    path: str | Path,
    *,
    axes: str | None = None,
    limits: ReadLimits = ReadLimits(),  # noqa: B008 -- frozen
) -> tuple[Labels, PixelSize | None, str]:
    """Read labels as `read_labels` does, and say what their axes are.

    Returns
    -------
    labels, pixel_size
        As of `read_labels`.
    axes : str
        Of the labels, such as ``"ZYX"``; ``"?YX"`` if neither the file nor `axes` says
        what the planes are.
    """
    image, is_known = _opened_labels(path, axes, limits)
    n_bytes = n_bytes_of(image.shape, np.dtype(image.data.dtype))
    check_n_bytes(image.name, "the labels", n_bytes, limits, "Crop them.")
    planes = np.squeeze(np.asarray(image.data), axis=image.axes.index("C"))
    named = image.labels_axes
    if not is_known and len(named) == len("?YX"):
        named = "?YX"
    return check_labels(planes), image.pixel_size, named


def open_labels(
    path: str | Path,
    *,
    limits: ReadLimits = ReadLimits(),  # noqa: B008 -- frozen
) -> CellImage:
    """Return labels as an image of one channel, which may be lazy as by `read_image`.

    Raises
    ------
    ImageReadError, LimitError
        As `read_image`.
    LabelsError
        If it holds several channels or colours.
    """
    return _opened_labels(path, None, limits)[0]


def _opened_labels(
    path: str | Path, axes: str | None, limits: ReadLimits
) -> tuple[CellImage, bool]:
    """Return labels as an image of one channel, and whether its axes are known."""
    request = replace(_request(path, limits), as_stored=True)
    with open_scenes(request) as scenes:
        is_known = bool(axes) or "?" not in known_axes(scenes[0].axes, scenes[0].shape)
        image = read_scene(scenes[0], request, axes or _labels_axes(scenes[0]))
    if image.n_channels != 1:
        raise LabelsError(
            f"'{image.name}' holds {image.n_channels} channels; labels are one channel of "
            "whole numbers. Choose the file with the labels."
        )
    return image, is_known


def _labels_axes(scene: Scene) -> str | None:
    """Name the unknown axes of labels, which only have to fit the image; None: as known."""
    known = known_axes(scene.axes, scene.shape)
    for letter in "ZT":
        if "?" in known and letter not in known:
            place = known.rindex("?")
            known = known[:place] + letter + known[place + 1 :]
    return known if set(known) <= set(KNOWN) else None


def is_readable(path: str | Path) -> bool:
    """Say whether a path begins like an image that can be read here; opens nothing else.

    Of an address in S3, only the ending is looked at.
    """
    if is_s3_address(path):
        return str(path).rstrip("/").lower().endswith(IMAGE_SUFFIXES)
    try:
        sniff(Path(path))
    except CellsegError:
        return False
    return True


def _request(path: str | Path, limits: ReadLimits, level: int = 0) -> Request:
    """Return the request for a path, or raise if the level is below 0."""
    if level < 0:
        raise ImageReadError(
            f"Resolution level {level} does not exist; levels count from 0."
        )
    if is_s3_address(path):
        from napari_cellseg.io.reading.from_s3 import s3_request

        return s3_request(str(path), limits, level)
    return Request(Path(path), limits, level)


def _kind(request: Request) -> str:
    """Return what kind of file is to be opened."""
    return sniff(request.path) if request.remote is None else request.remote.kind


@contextmanager
def open_scenes(request: Request) -> Iterator[list[Scene]]:
    """Open a file with the reader that its first bytes ask for, and give its images.

    Raises
    ------
    ImageReadError, LimitError
        As `read_image`.
    """
    kind = _kind(request)
    if kind == "tiff":
        from napari_cellseg.io.reading.tiff import tiff_scenes

        opened = tiff_scenes(request)
    elif kind == "zarr":
        from napari_cellseg.io.reading.ome_zarr import zarr_scenes

        opened = zarr_scenes(request)
    elif kind in ("czi", "nd2", "lif"):
        from napari_cellseg.io.reading.vendors import vendor_scenes

        opened = vendor_scenes(request, kind)
    else:
        from napari_cellseg.io.reading.pictures import picture_scenes

        opened = picture_scenes(request, kind)
    with opened as scenes:
        yield scenes
