"""Labels to a TIFF that other programs read, with axes and pixel size."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tifffile import TiffFile, TiffFileError, imwrite

from napari_cellseg.core.errors import LabelsError, SaveError
from napari_cellseg.core.labels.on_disk import LabelsOnDisk, is_on_disk
from napari_cellseg.core.types import LABELS_DTYPE, Labels, PixelSize
from napari_cellseg.io.atomic import replacing

LABELS_AXES = ("YX", "ZYX", "TYX", "TZYX")
#: A classic TIFF ends at 4 GiB; compressed labels may not shrink, so half a GiB is left
#: for tags and bad luck.
BIG_TIFF_BYTES = 7 * 2**29
UM_PER_CM = 1e4
#: Edge of the tiles of labels that are too large for memory.
TILE_PX = 512


def write_labels(
    path: str | Path,
    labels: Labels,
    *,
    axes: str,
    pixel_size: PixelSize | None,
    is_synced: bool = True,
) -> None:
    """Write labels as a compressed uint32 OME-TIFF, and read them back to check.

    Parameters
    ----------
    path : str or Path
        The file; its folder must exist.
    labels : int32 array
        From 0 up, with the axes `axes`. `LabelsOnDisk` become a tiled file, a tile at a
        time.
    axes : str
        One of `LABELS_AXES`.
    pixel_size : PixelSize or None
        Goes into the OME description and the resolution tags; None if unknown.
    is_synced : bool
        See `io.atomic.replacing`.

    Raises
    ------
    LabelsError
        If the labels do not fit the axes or are not int32 from 0 up.
    SaveError
        If they cannot be written, or do not read back the same; what was there before
        is untouched.
    """
    if axes not in LABELS_AXES or labels.ndim != len(axes) or labels.size == 0:
        raise LabelsError(
            f"Labels of shape {labels.shape} were given the axes '{axes}'; one of "
            f"{', '.join(LABELS_AXES)} with as many sizes above 0 is needed."
        )
    if is_on_disk(labels):
        _write_by_tiles(path, labels, axes, pixel_size)
        return
    if labels.dtype != LABELS_DTYPE or int(labels.min()) < 0:
        raise LabelsError(
            f"Labels are int32 from 0 up; {labels.dtype} from {labels.min()} was "
            "given. Convert them with check_labels."
        )
    unsigned = np.ascontiguousarray(labels).view(np.uint32)
    write_pixels(path, unsigned, axes=axes, pixel_size=pixel_size, is_synced=is_synced)


def write_pixels(
    path: str | Path,
    pixels: np.ndarray[Any, Any],
    *,
    axes: str,
    pixel_size: PixelSize | None,
    is_synced: bool = True,
) -> None:
    """Write an array as a compressed OME-TIFF of its own type, and read it back to check.

    Parameters
    ----------
    path, axes, pixel_size, is_synced
        As in `write_labels`.
    pixels : uint8 or uint32 array
        With the axes `axes`.

    Raises
    ------
    SaveError
        As `write_labels`.
    """
    with replacing(path, is_synced=is_synced) as new:
        imwrite(
            new,
            pixels,
            ome=True,
            bigtiff=pixels.nbytes > BIG_TIFF_BYTES,
            photometric="minisblack",
            compression="zlib",
            metadata=_ome_values(axes, pixel_size),
            **_resolution(pixel_size),
        )
        _check_written(new, pixels, Path(path))


def _write_by_tiles(
    path: str | Path, labels: LabelsOnDisk, axes: str, pixel_size: PixelSize | None
) -> None:
    """Write labels on disk as a tiled OME-TIFF, and read it back to check."""
    with replacing(path) as new:
        imwrite(
            new,
            (labels[box].astype(np.uint32) for box in _boxes_of(labels.shape, TILE_PX)),
            shape=labels.shape,
            dtype=np.uint32,
            tile=(TILE_PX, TILE_PX),
            ome=True,
            bigtiff=4 * labels.size > BIG_TIFF_BYTES,
            photometric="minisblack",
            compression="zlib",
            metadata=_ome_values(axes, pixel_size),
            **_resolution(pixel_size),
        )
        _check_tiles(new, labels, Path(path))


def _boxes_of(shape: tuple[int, ...], edge: int) -> Iterator[tuple[int | slice, ...]]:
    """Yield the boxes of all tiles in the order of a file."""
    starts = [range(0, n, edge) for n in shape[-2:]]
    for place in itertools.product(*map(range, shape[:-2]), *starts):
        ends = zip(place[-2:], shape[-2:], strict=True)
        spans = (slice(low, min(low + edge, n)) for low, n in ends)
        yield (*place[:-2], *spans)


def _check_tiles(new: Path, labels: LabelsOnDisk, path: Path) -> None:
    """Raise unless the file holds the labels; a row of tiles at a time."""
    rows = len(range(0, labels.shape[-2], TILE_PX))
    columns = len(range(0, labels.shape[-1], TILE_PX))
    boxes = _boxes_of(labels.shape, TILE_PX)
    try:
        with TiffFile(new) as tiff:
            for page in tiff.pages:
                tiles = (tile for tile, _, _ in page.aspage().segments())
                here = itertools.islice(boxes, rows * columns)
                for tile, box in zip(tiles, here, strict=True):
                    if not _is_tile(tile, labels[box]):
                        raise SaveError(_broken(path))
    except (TiffFileError, ValueError, RuntimeError) as error:
        raise SaveError(_broken(path)) from error


def _is_tile(tile: Any, crop: Labels) -> bool:
    """Say whether a tile of a file holds a crop; a tile of nothing is not stored."""
    if tile is None:
        return not crop.any()
    height, width = crop.shape
    return np.array_equal(tile.reshape(tile.shape[-3:-1])[:height, :width], crop)


def _ome_values(axes: str, pixel_size: PixelSize | None) -> dict[str, Any]:
    """Return what goes into the OME description."""
    values: dict[str, Any] = {"axes": axes}
    if pixel_size is None:
        return values
    sizes = {"X": pixel_size.x_um, "Y": pixel_size.y_um, "Z": pixel_size.z_um}
    for axis, size in sizes.items():
        if size is not None:
            values[f"PhysicalSize{axis}"] = size
            values[f"PhysicalSize{axis}Unit"] = "µm"
    return values


def _resolution(pixel_size: PixelSize | None) -> dict[str, Any]:
    """Return the resolution tags, for programs that do not read OME."""
    if pixel_size is None:
        return {}
    per_cm = (UM_PER_CM / pixel_size.x_um, UM_PER_CM / pixel_size.y_um)
    return {"resolution": per_cm, "resolutionunit": "CENTIMETER"}


def _check_written(new: Path, labels: np.ndarray[Any, Any], path: Path) -> None:
    """Raise unless the file holds the labels; a plane at a time, to save memory."""
    planes = labels.reshape(-1, *labels.shape[-2:])
    try:
        with TiffFile(new) as tiff:
            same = len(tiff.pages) == len(planes) and all(
                np.array_equal(page.asarray(), plane)
                for page, plane in zip(tiff.pages, planes, strict=True)
            )
    except (TiffFileError, ValueError, RuntimeError) as error:
        # imagecodecs raises RuntimeErrors for data that it cannot unpack.
        raise SaveError(_broken(path)) from error
    if not same:
        raise SaveError(_broken(path))


def _broken(path: Path) -> str:
    """Return the sentence for a file that does not read back."""
    return (
        f"'{path}' could not be written: what was written does not read back the same. "
        "What was there is untouched; check the disk and save again."
    )
