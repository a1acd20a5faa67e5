"""The labels of one image on disk: OME-Zarr 0.5 in small chunks.

A save writes the chunks that an edit touched and no more. A chunk appears whole or not at
all (zarr writes it beside and renames), and it is synced before the database says so.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_cellseg.core.errors import ProjectError
from napari_cellseg.core.jobs import Job, Progress, run
from napari_cellseg.core.labels.arrays import check_labels
from napari_cellseg.core.labels.rows import CellRows
from napari_cellseg.core.types import LABELS_DTYPE, Labels, PixelSize
from napari_cellseg.io.atomic import sync_file, sync_folder
from napari_cellseg.io.writing.labels_zarr import ARRAY_NAME, labels_metadata
from napari_cellseg.project.cells.cell_facts import CellFacts

LABELS_FOLDER = "labels"
#: Edge of a chunk in pixels: one stroke writes one to four of them, 2 ms each.
CHUNK_PX = 512

#: Edge of the blocks in which large labels are gone through: 64 chunks, 64 MB.
BLOCK_PX = 8 * CHUNK_PX
#: The same of labels in memory, which a window may show: 20 ms each.
SMALL_BLOCK_PX = 2 * CHUNK_PX

Box = tuple[slice, ...]
Place = tuple[int, ...]


def labels_folder(folder: Path, image_id: int, number: int = 0) -> Path:
    """Return where a project keeps labels of an image, see `project.labels.exchanges`."""
    name = f"{image_id}.{number}" if number else str(image_id)
    return folder / LABELS_FOLDER / f"{name}.ome.zarr"


def number_of(folder: Path) -> int:
    """Return the number of labels by their folder."""
    parts = folder.name.removesuffix(".ome.zarr").split(".")
    return int(parts[1]) if len(parts) > 1 else 0


@dataclass(frozen=True, slots=True, eq=False)
class PixelsAhead:
    """Labels that were read before they are opened, with what takes as long as reading.

    Attributes
    ----------
    labels : int32 array
        All labels.
    copy : int32 array or None
        A copy for who shows them.
    rows : CellRows or None
        Where their cells lie.
    facts : CellFacts or None
        What the project knows of them.
    """

    labels: Labels
    copy: Labels | None = None
    rows: CellRows | None = None
    facts: CellFacts | None = None


class LabelsStore:
    """Labels as an OME-Zarr folder.

    Parameters
    ----------
    folder : Path
        ``labels/ID.ome.zarr`` of a project.

    Attributes
    ----------
    ahead : int32 array or None
        What `read` returns once instead of reading; see `project.labels.large_opening`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._array: Any = None
        self.ahead: PixelsAhead | None = None

    @property
    def number(self) -> int:
        """Which labels of their image they are, see `project.labels.exchanges`."""
        return number_of(self.folder)

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
        run(self.create_by_blocks(labels, axes, pixel_size))

    def create_by_blocks(
        self, labels: Any, axes: str, pixel_size: PixelSize | None
    ) -> Job[int]:
        """Write labels that may be larger than memory; as `create`, block by block.

        Returns the highest id, 0 if there is no cell.

        Parameters
        ----------
        labels : array
            Whole numbers of 2-D to 4-D; anything with a shape that gives boxes.
        axes, pixel_size
            As in `create`.

        Raises
        ------
        LabelsError
            If a block holds anything but ids; what was there before stays.
        """
        new = self.folder.with_name(f".new.{self.folder.name}")
        shutil.rmtree(new, ignore_errors=True)
        try:
            array = _new_array(new, labels.shape, axes, pixel_size)
            highest = yield from _fill(array, labels)
            yield from self._taking_place(new)
            return highest
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def create_empty(
        self, shape: tuple[int, ...], axes: str, pixel_size: PixelSize | None
    ) -> None:
        """Write labels without a cell: no chunk is written, whatever their size."""
        new = self.folder.with_name(f".new.{self.folder.name}")
        shutil.rmtree(new, ignore_errors=True)
        _new_array(new, shape, axes, pixel_size)
        run(self._taking_place(new))

    def _taking_place(self, new: Path) -> Job[None]:
        """Put a folder that is complete in the place of what was there."""
        for path in [new, *new.rglob("*")]:
            yield Progress(0, 0, "writing the cells")
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
        """Return all labels, an int32 array of the caller."""
        return self.read_all().labels

    def read_all(self) -> PixelsAhead:
        """Return all labels with what was made of them ahead, if they were read before."""
        if self.ahead is not None:
            ahead, self.ahead = self.ahead, None
            return ahead
        with readable(self.folder):
            # What zarr returns is nobody else's: it is not copied once more.
            return PixelsAhead(np.asarray(self.array()[...], dtype=LABELS_DTYPE))

    def array(self) -> Any:
        """Return the zarr array of all labels, to read only."""
        with readable(self.folder):
            return zarr.open_array(self.folder / ARRAY_NAME, mode="r")

    def is_blank(self, box: Box) -> bool:
        """Say whether no chunk of a box was ever written: it holds no cell then."""
        places = self.chunks_of([box])
        folder = self.folder / ARRAY_NAME / "c"
        return not any(folder.joinpath(*map(str, one)).is_file() for one in places)

    def writing(self, labels: Labels, boxes: list[Box]) -> Job[set[Place]]:
        """Write the chunks that boxes touch, and wait until they are on the disk.

        A chunk a step: what is edited in between is in the chunks that follow.

        Parameters
        ----------
        labels : int32 array
            All labels as they are now.
        boxes : list of tuple of slice
            Where they differ from what is written.

        Returns
        -------
        set of tuple of int
            Places of the chunks that were written.
        """
        folders: set[Path] = set()
        chunks = self.chunks_of(boxes)
        for chunk in chunks:
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
            yield Progress(0, 0, "writing the cells")
        for folder in folders:
            sync_folder(folder)
            yield Progress(0, 0, "writing the cells")
        return set(chunks)

    def _opened(self) -> Any:
        if self._array is None:
            self._array = zarr.open_array(self.folder / ARRAY_NAME, mode="r+")
        return self._array

    def chunks_of(self, boxes: list[Box]) -> list[tuple[int, ...]]:
        """Return the places of the chunks that boxes touch, each once."""
        sizes = self.array().chunks if self._array is None else self._array.chunks
        touched: set[tuple[int, ...]] = set()
        for box in boxes:
            ranges = [
                range(part.start // size, -(-part.stop // size))
                for part, size in zip(box, sizes, strict=True)
            ]
            grid = np.stack(np.meshgrid(*ranges, indexing="ij"), -1)
            touched |= {tuple(map(int, row)) for row in grid.reshape(-1, len(ranges))}
        return sorted(touched)


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Turn what zarr raises into a `ProjectError`."""
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ProjectError(
            f"The labels in {folder} cannot be read ({error}). Restore the folder from a "
            "backup, or segment the image again."
        ) from error


def blocks_of(shape: tuple[int, ...], edge: int = BLOCK_PX) -> list[Box]:
    """Return boxes of some edge that cover labels, one plane each."""
    lead = [range(n) for n in shape[:-2]]
    starts = [range(0, n, edge) for n in shape[-2:]]
    return [
        (
            *(slice(at, at + 1) for at in place[:-2]),
            *(
                slice(low, min(low + edge, n))
                for low, n in zip(place[-2:], shape[-2:], strict=True)
            ),
        )
        for place in itertools.product(*lead, *starts)
    ]


def _new_array(
    folder: Path, shape: tuple[int, ...], axes: str, pixel_size: PixelSize | None
) -> Any:
    """Return the array of a new OME-Zarr; no chunk is written yet."""
    group = zarr.open_group(folder, mode="w", zarr_format=3)
    group.attrs["ome"] = labels_metadata(axes, pixel_size)
    return group.create_array(
        ARRAY_NAME,
        shape=shape,
        dtype=LABELS_DTYPE,
        chunks=(1,) * (len(shape) - 2) + (CHUNK_PX, CHUNK_PX),
        dimension_names=[axis.lower() for axis in axes],
    )


def _fill(array: Any, labels: Any) -> Job[int]:
    """Copy labels block by block, those with a cell; return the highest id."""
    is_here = isinstance(labels, np.ndarray)
    edge = SMALL_BLOCK_PX if is_here else BLOCK_PX
    blocks, highest = blocks_of(array.shape, edge), 0
    for n_done, box in enumerate(blocks):
        yield Progress(n_done, len(blocks), "writing the cells")
        block = labels[box]
        if not (isinstance(block, np.ndarray) and block.dtype == LABELS_DTYPE):
            block = check_labels(block)
        if block.any():
            array[box] = block
            highest = max(highest, int(block.max()))
    return highest
