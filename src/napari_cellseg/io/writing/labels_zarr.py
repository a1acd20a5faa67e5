"""Labels as an OME-Zarr 0.5 folder."""

from __future__ import annotations

import itertools
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import zarr

from napari_cellseg.core.errors import SaveError
from napari_cellseg.core.types import LABELS_DTYPE, Labels, PixelSize
from napari_cellseg.io.atomic import move

ARRAY_NAME = "0"
CHUNK_PX = 1024
#: Smaller levels follow until one has at most so many pixels a side.
SMALLEST_PX = 1024
#: Labels are copied in boxes of this edge, 64 MB each.
BOX_PX = 4 * CHUNK_PX
AXIS_KINDS = {"T": "time", "Z": "space", "Y": "space", "X": "space"}


class LabelsByBoxes(Protocol):
    """Labels that are read a box at a time: an array, or what lies on a disk."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes in pixels."""
        ...

    @property
    def ndim(self) -> int:
        """Number of axes."""
        ...

    def __getitem__(self, box: tuple[slice, ...], /) -> Labels:
        """Return the labels in a box; a slice an axis, with start and stop."""
        ...


def write_labels_zarr(
    path: str | Path, labels: LabelsByBoxes, *, axes: str, pixel_size: PixelSize | None
) -> None:
    """Write labels as an OME-Zarr folder, whole or not at all.

    Parameters
    ----------
    path : str or Path
        By custom it ends in ``.ome.zarr``. An OME-Zarr of this name is replaced.
    labels : int32 array or LabelsByBoxes
        2-D to 4-D. Above `SMALLEST_PX` smaller levels are written as well.
    axes : str
        One letter an axis of the labels, such as ``"ZYX"``.
    pixel_size : PixelSize or None
        Written as the scale, in micrometres.

    Raises
    ------
    SaveError
        If it cannot be written, or something else lies there.
    """
    folder = Path(path)
    if folder.exists() and not (folder / "zarr.json").is_file():
        raise SaveError(
            f"'{folder}' is there already and no OME-Zarr; it is left as it is. Choose "
            "another name."
        )
    new = folder.with_name(f".new.{folder.name}")
    try:
        shutil.rmtree(new, ignore_errors=True)
        group = zarr.open_group(new, mode="w", zarr_format=3)
        arrays = [
            group.create_array(
                str(level),
                shape=level_shape(labels.shape, level),
                dtype=LABELS_DTYPE,
                chunks=(1,) * (labels.ndim - 2) + (CHUNK_PX, CHUNK_PX),
                dimension_names=[axis.lower() for axis in axes],
            )
            for level in range(n_levels_of(labels.shape))
        ]
        for box in _boxes_of(labels.shape):
            block = labels[box]
            for level, array in enumerate(arrays):
                seen = seen_at(block, level)
                array[at_level(box, level, seen.shape)] = seen
        group.attrs["ome"] = labels_metadata(axes, pixel_size, len(arrays))
        _put_in_place(new, folder)
    except OSError as error:
        raise SaveError(
            f"'{folder}' could not be written: {error.strerror or error}. Choose another "
            "folder, or free some space."
        ) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _put_in_place(new: Path, folder: Path) -> None:
    """Let a folder take the place of another one, which comes back if that fails."""
    if not folder.exists():
        move(new, folder)
        return
    old = folder.with_name(f".old.{folder.name}")
    shutil.rmtree(old, ignore_errors=True)
    move(folder, old)
    try:
        move(new, folder)
    except OSError:
        move(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _boxes_of(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Yield boxes that cover labels, one plane and whole chunks each."""
    starts = [range(0, n, BOX_PX) for n in shape[-2:]]
    for place in itertools.product(*map(range, shape[:-2]), *starts):
        lead = (slice(at, at + 1) for at in place[:-2])
        ends = zip(place[-2:], shape[-2:], strict=True)
        yield (*lead, *(slice(low, min(low + BOX_PX, n)) for low, n in ends))


def n_levels_of(shape: tuple[int, ...]) -> int:
    """Return how many levels labels are written in, each half the one before."""
    return 1 + max(0, math.ceil(math.log2(max(shape[-2:]) / SMALLEST_PX)))


def level_shape(shape: tuple[int, ...], level: int) -> tuple[int, ...]:
    """Return the shape of a level; 0 is the full resolution."""
    return (*shape[:-2], *(-(-n // 2**level) for n in shape[-2:]))


def seen_at(block: Labels, level: int) -> Labels:
    """Return a block of the full resolution as a level shows it.

    It is the nearest pixel, so that every number in a smaller level is a cell.
    """
    step = 2**level
    return block[..., ::step, ::step]


def at_level(
    box: tuple[slice, ...], level: int, shape: tuple[int, ...]
) -> tuple[slice, ...]:
    """Return where a box of the full resolution lies in a level.

    Parameters
    ----------
    box : tuple of slice
        Begins at a multiple of the level's step.
    level : int
        0 is the full resolution.
    shape : tuple of int
        Of the box as the level shows it.
    """
    corner = [part.start // 2**level for part in box[-2:]]
    spans = zip(corner, shape[-2:], strict=True)
    return (*box[:-2], *(slice(low, low + n) for low, n in spans))


def labels_metadata(
    axes: str, pixel_size: PixelSize | None, n_levels: int = 1
) -> dict[str, Any]:
    """Return the metadata of an OME-Zarr 0.5 label image."""
    known = {} if pixel_size is None else _sizes(pixel_size)
    items = []
    for axis in axes:
        item = {"name": axis.lower(), "type": AXIS_KINDS[axis]}
        if axis in known:
            item["unit"] = "micrometer"
        items.append(item)
    scale = [known.get(axis, 1.0) for axis in axes]
    return {
        "version": "0.5",
        "multiscales": [
            {
                "axes": items,
                "datasets": [level_metadata(scale, level) for level in range(n_levels)],
            }
        ],
        "image-label": {"version": "0.5"},
    }


def level_metadata(scale: list[float], level: int) -> dict[str, Any]:
    """Return the metadata of a level, `scale` being that of the full resolution."""
    seen = [*scale[:-2], *(size * 2**level for size in scale[-2:])]
    transform = {"type": "scale", "scale": seen}
    return {"path": str(level), "coordinateTransformations": [transform]}


def _sizes(pixel_size: PixelSize) -> dict[str, float]:
    """Return the known sizes by axis."""
    sizes = {"Z": pixel_size.z_um, "Y": pixel_size.y_um, "X": pixel_size.x_um}
    return {axis: size for axis, size in sizes.items() if size is not None}
