"""The cells of a tile on the disk: a tile that is there is never done again."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.io.atomic import replacing
from napari_cellseg.slides.tile import TileCells

#: In front of the columns of the table, which may have any name.
COLUMN = "column "
FACTS = (
    "boxes",
    "confidence",
    "is_owned",
    "is_near",
    "is_cut",
    "tissue",
    "is_glass",
)


def tile_path(folder: Path, number: int) -> Path:
    """Return where the cells of a tile lie."""
    return folder / f"tile_{number:06d}.npz"


def write_tile(path: Path, cells: TileCells) -> None:
    """Write the cells of a tile, whole or not at all.

    Raises
    ------
    SaveError
        If it cannot be written.
    """
    flat = [mask.reshape(-1) for mask in cells.masks]
    bits = np.concatenate(flat) if flat else np.zeros(0, bool)
    arrays = {name: getattr(cells, name) for name in FACTS}
    arrays |= {COLUMN + name: each for name, each in cells.columns.items()}
    with replacing(path) as new, new.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, masks=np.packbits(bits), **arrays)


def read_tile(
    path: Path, *, with_masks: bool = True, columns: Collection[str] | None = None
) -> TileCells:
    """Return the cells of a tile.

    Parameters
    ----------
    path : Path
        See `tile_path`.
    with_masks : bool
        False leaves the masks out, which are most of what a tile holds.
    columns : collection of str or None
        Which columns of the table are read; None: all.

    Raises
    ------
    FileNotFoundError
        If the tile is not done.
    """
    with np.load(path, allow_pickle=False) as file:
        facts = {name: file[name] for name in FACTS}
        there = (
            each.removeprefix(COLUMN) for each in file.files if each.startswith(COLUMN)
        )
        found = {
            name: file[COLUMN + name]
            for name in there
            if columns is None or name in columns
        }
        masks = _unpacked(file["masks"], facts["boxes"]) if with_masks else ()
    is_glass = bool(facts.pop("is_glass"))
    return TileCells(**facts, masks=masks, columns=found, is_glass=is_glass)


def is_whole(path: Path) -> bool:
    """Return True if the file of a tile is there and can be read to its end."""
    try:
        with zipfile.ZipFile(path) as file:
            return file.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


def _unpacked(
    packed: NDArray[np.uint8], boxes: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], ...]:
    """Return one mask a box."""
    shapes = boxes[:, 2:] - boxes[:, :2]
    ends = np.cumsum(shapes.prod(axis=1))
    bits = np.unpackbits(packed, count=int(ends[-1]) if len(ends) else 0).astype(bool)
    parts = np.split(bits, ends[:-1]) if len(ends) else []
    return tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
