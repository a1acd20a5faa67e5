"""Large labels seen from further away: smaller copies of them in the same OME-Zarr.

A level holds every second pixel, in y and x, of the one before: nearest, so that every
number in it is a cell. After an edit only what lies above the changed chunks is written.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import zarr

from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.types import LABELS_DTYPE, Labels
from napari_cellseg.io.atomic import sync_file
from napari_cellseg.io.writing.labels_zarr import (
    ARRAY_NAME,
    SMALLEST_PX,
    at_level,
    level_metadata,
    level_shape,
    seen_at,
)
from napari_cellseg.project.labels.labels_store import CHUNK_PX, Box, Place, readable

#: Beyond it a chunk has no whole pixel any more.
MAX_LEVELS = int(math.log2(CHUNK_PX))


def n_levels_of(shape: tuple[int, ...]) -> int:
    """Return how many levels labels have, the full resolution counted; two at least."""
    n_halved = math.ceil(math.log2(max(max(shape[-2:]) / SMALLEST_PX, 1)))
    return min(max(n_halved, 1), MAX_LEVELS) + 1


class Pyramid:
    """The smaller levels of one OME-Zarr of labels.

    Parameters
    ----------
    folder : Path
        ``labels/ID.ome.zarr`` of a project.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._arrays: list[Any] = []

    def create(self) -> None:
        """Begin all levels anew, empty, and say so in the metadata."""
        group = zarr.open_group(self._folder, mode="r+")
        full: Any = group[ARRAY_NAME]
        n_levels = n_levels_of(full.shape)
        for level in range(1, n_levels):
            group.create_array(
                str(level),
                shape=level_shape(full.shape, level),
                dtype=LABELS_DTYPE,
                chunks=full.chunks,
                dimension_names=full.metadata.dimension_names,
                overwrite=True,
            )
        ome: Any = dict(group.attrs)["ome"]
        first = ome["multiscales"][0]["datasets"][0]
        scale = first["coordinateTransformations"][0]["scale"]
        ome["multiscales"][0]["datasets"] = [
            level_metadata(scale, level) for level in range(n_levels)
        ]
        group.attrs["ome"] = ome
        self._arrays = []

    def levels(self) -> list[Any]:
        """Return the arrays of all levels, the full resolution first."""
        with readable(self._folder):
            group: Any = zarr.open_group(self._folder, mode="r")
            names = sorted((name for name in group if name.isdigit()), key=int)
            return [group[name] for name in names]

    def take_block(self, block: Labels, box: Box) -> None:
        """Write all levels of a block of the full resolution; it begins at a chunk."""
        for level, array in enumerate(self._opened(), start=1):
            seen = seen_at(block, level)
            if seen.size:
                array[at_level(box, level, seen.shape)] = seen

    def renew(self, labels: Labels, places: Iterable[Place]) -> Job[None]:
        """Write what lies above some chunks, and wait until it is on the disk.

        Parameters
        ----------
        labels : int32 array or LabelsOnDisk
            All labels as they are now.
        places : iterable of tuple of int
            Places of the chunks that have changed.
        """
        paths: set[Path] = set()
        for place in places:
            sizes = (1,) * (len(place) - 2) + (CHUNK_PX, CHUNK_PX)
            box = tuple(
                slice(at * size, min((at + 1) * size, whole))
                for at, size, whole in zip(place, sizes, labels.shape, strict=True)
            )
            self.take_block(labels[box], box)
            yield Progress(0, 0, "making the overview")
            paths |= {
                self._folder.joinpath(str(level), "c", *_above(place, level))
                for level in range(1, len(self._opened()) + 1)
            }
        for path in paths:
            if path.is_file():  # without a cell there is none
                sync_file(path)

    def _opened(self) -> list[Any]:
        if not self._arrays:
            group: Any = zarr.open_group(self._folder, mode="r+")
            names = sorted((name for name in group if name.isdigit()), key=int)
            self._arrays = [group[name] for name in names if name != ARRAY_NAME]
        return self._arrays


def _above(place: Place, level: int) -> list[str]:
    """Return the place of the chunk of a level that lies above a chunk."""
    return [*map(str, place[:-2]), *(str(at // 2**level) for at in place[-2:])]
