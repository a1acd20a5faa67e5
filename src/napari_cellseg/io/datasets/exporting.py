"""Data sets of ours to the formats of other programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from napari_cellseg.core.errors import CellsegError, DiskFullError, ImageReadError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.io.atomic import make_folder
from napari_cellseg.io.datasets.aside import Piece, done_aside, refuse
from napari_cellseg.io.datasets.copying import copy_image
from napari_cellseg.io.datasets.manifest import DatasetImage
from napari_cellseg.io.exchange.cells import Cells
from napari_cellseg.io.exchange.cells_file import cells_for_coco
from napari_cellseg.io.exchange.formats import COCO, COCO_NAME, Format
from napari_cellseg.io.reading.images import read_labels

AXES = {2: "YX", 3: "ZYX", 4: "TZYX"}


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes
    ----------
    n_files : int
        Files of cells.
    notes : tuple of str
        What the format does not hold.
    failed : tuple of str
        A sentence for each image that could not be exported.
    """

    n_files: int
    notes: tuple[str, ...]
    failed: tuple[str, ...]


def export_dataset(
    folder: Path,
    images: Sequence[DatasetImage],
    one: Format,
    out: Path,
    *,
    with_images: bool = False,
) -> Job[Exported]:
    """Write the labels of images in a format; one that fails stops no other.

    Parameters
    ----------
    folder : Path
        Of the data set.
    images : sequence of DatasetImage
        Which.
    one : Format
        Of COCO, one file ``coco.json`` holds all.
    out : Path
        Made where it does not exist.
    with_images : bool
        Whether the images are copied beside them.

    Raises
    ------
    ImageReadError
        If there is no image.
    SaveError
        If something cannot be written.
    """
    if not images:
        raise ImageReadError(
            f"'{folder}' has no image on this side of the split. Split it first, or "
            "export all."
        )
    make_folder(out)
    failed: list[str] = []
    notes: list[str] = []
    n_files = 0
    if one.name == COCO:
        from napari_cellseg.io.exchange.coco import write_coco_images

        planes = cells_for_coco(images, partial(cells_of, folder), failed)
        notes += yield from write_coco_images(out / COCO_NAME, planes, len(images))
        n_files = 1
    if one.name == COCO and not with_images:
        return Exported(n_files, tuple(notes), tuple(failed))
    wish = _Wish(folder, one, out, with_images)
    with closing(done_aside(wish.pieces(images))) as done:
        for place, entry in enumerate(images):
            yield Progress(place, len(images), entry.name)
            try:
                notes += next(done).result()
            except DiskFullError:
                raise
            except CellsegError as error:
                failed.append(f"{entry.name}: {error}")
            else:
                n_files += one.name != COCO
    return Exported(n_files, tuple(dict.fromkeys(notes)), tuple(failed))


def exported_paths(
    images: Sequence[DatasetImage], one: Format, out: Path, *, with_images: bool = False
) -> list[Path]:
    """Return what `export_dataset` writes."""
    paths = [out / COCO_NAME] if one.name == COCO else []
    if one.name != COCO:
        paths += [_path_of(entry, one, out) for entry in images]
    if with_images:
        paths += [out / PurePosixPath(entry.image).name for entry in images]
    return paths


def _path_of(entry: DatasetImage, one: Format, out: Path) -> Path:
    return out / f"{entry.name}{one.suffix}"


def cells_of(folder: Path, entry: DatasetImage) -> Cells:
    """Return the cells of an image of a data set; raises as `read_labels`."""
    labels, size = read_labels(folder / entry.labels)
    axes = entry.axes.replace("C", "")
    axes = axes if len(axes) == labels.ndim else AXES[labels.ndim]
    return Cells(labels, axes, PurePosixPath(entry.image).name, size)


@dataclass(frozen=True, slots=True)
class _Wish:
    """Where files go, in which format, and whether the images go with them."""

    folder: Path
    one: Format
    out: Path
    with_images: bool

    def pieces(
        self, images: Sequence[DatasetImage]
    ) -> Iterator[Piece[tuple[str, ...]]]:
        """Read the labels of one image after the other and yield what is to be written."""
        for entry in images:
            if self.one.name == COCO:
                yield Piece(partial(self._write, entry, None))
                continue
            try:
                cells = cells_of(self.folder, entry)
            except CellsegError as error:
                yield Piece(partial(refuse, error))
            else:
                yield Piece(partial(self._write, entry, cells), cells.labels.nbytes)

    def _write(self, entry: DatasetImage, cells: Cells | None) -> tuple[str, ...]:
        """Write the files of one image; return what the format does not hold."""
        notes: tuple[str, ...] = ()
        if cells is not None:
            notes = self.one.write(_path_of(entry, self.one, self.out), cells)
        if self.with_images:
            image = self.folder / entry.image
            copy_image(image, self.out / image.name)
        return notes
