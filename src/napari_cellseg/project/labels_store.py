"""The labels of one image on disk: OME-Zarr 0.5 in small chunks.

A save writes the chunks that an edit touched and no more. A chunk appears whole or not at
all (zarr writes it beside and renames), and it is synced before the database says so.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_cellseg.core.errors import ProjectError
from napari_cellseg.core.types import LABELS_DTYPE, Labels, PixelSize
from napari_cellseg.io.atomic import sync_file, sync_folder
from napari_cellseg.io.labels_zarr import ARRAY_NAME, labels_metadata

#: Edge of a chunk in pixels: one stroke writes one to four of them, 2 ms each.
CHUNK_PX = 512

Box = tuple[slice, ...]


class LabelsStore:
    """Labels as an OME-Zarr folder.

    Parameters
    ----------
    folder : Path
        ``labels/ID.ome.zarr`` of a project.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._array: Any = None

    @property
    def exists(self) -> bool:
        """True if labels were written."""
        return (self.folder / ARRAY_NAME / "zarr.json").is_file()

    def create(self, labels: Labels, axes: str, pixel_size: PixelSize | None) -> None:
        """Write labels whole; what was there before is replaced in one step.

        Parameters
        ----------
        labels : int32 array
            2-D to 4-D.
        axes : str
            One letter an axis of the labels, such as ``"ZYX"``.
        pixel_size : PixelSize or None
            Written as the scale, in micrometres.
        """
        new = self.folder.with_name(f".new.{self.folder.name}")
        shutil.rmtree(new, ignore_errors=True)
        group = zarr.open_group(new, mode="w", zarr_format=3)
        array = group.create_array(
            ARRAY_NAME,
            shape=labels.shape,
            dtype=LABELS_DTYPE,
            chunks=(1,) * (labels.ndim - 2) + (CHUNK_PX, CHUNK_PX),
            dimension_names=[axis.lower() for axis in axes],
        )
        array[...] = labels
        group.attrs["ome"] = labels_metadata(axes, pixel_size)
        for path in (new, *new.rglob("*")):
            if path.is_file():
                sync_file(path)
            else:
                sync_folder(path)
        old = self.folder.with_name(f".old.{self.folder.name}")
        shutil.rmtree(old, ignore_errors=True)
        if self.folder.exists():
            self.folder.rename(old)
        new.rename(self.folder)
        sync_folder(self.folder.parent)
        shutil.rmtree(old, ignore_errors=True)
        self._array = None

    def read(self) -> Labels:
        """Return all labels, a new int32 array."""
        try:
            array: Any = zarr.open_array(self.folder / ARRAY_NAME, mode="r")
            return np.array(array[...], dtype=LABELS_DTYPE)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ProjectError(
                f"The labels in {self.folder} cannot be read ({error}). Restore the "
                "folder from a backup, or segment the image again."
            ) from error

    def write(self, labels: Labels, boxes: list[Box]) -> None:
        """Write the chunks that boxes touch, and wait until they are on the disk.

        Parameters
        ----------
        labels : int32 array
            All labels as they are now.
        boxes : list of tuple of slice
            Where they differ from what is written.
        """
        folders: set[Path] = set()
        for chunk in self._chunks_of(boxes):
            box = tuple(
                slice(place * size, min((place + 1) * size, whole))
                for place, size, whole in zip(
                    chunk, self._opened().chunks, labels.shape, strict=True
                )
            )
            self._opened()[box] = labels[box]
            path = self.folder.joinpath(ARRAY_NAME, "c", *map(str, chunk))
            # A chunk without a cell is no file; its folder may not be there either.
            if path.is_file():
                sync_file(path)
            folders.update(one for one in path.parents if self.folder in one.parents)
        for folder in folders:
            sync_folder(folder)

    def _opened(self) -> Any:
        if self._array is None:
            self._array = zarr.open_array(self.folder / ARRAY_NAME, mode="r+")
        return self._array

    def _chunks_of(self, boxes: list[Box]) -> list[tuple[int, ...]]:
        """Return the places of the chunks that boxes touch, each once."""
        sizes = self._opened().chunks
        touched: set[tuple[int, ...]] = set()
        for box in boxes:
            ranges = [
                range(part.start // size, -(-part.stop // size))
                for part, size in zip(box, sizes, strict=True)
            ]
            grid = np.stack(np.meshgrid(*ranges, indexing="ij"), -1)
            touched |= {tuple(map(int, row)) for row in grid.reshape(-1, len(ranges))}
        return sorted(touched)
