"""Images of any layout into a data set of ours."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import imwrite

from napari_cellseg.core.errors import (
    CellsegError,
    ImageReadError,
    LabelsError,
    SaveError,
)
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.labels.boxes import pixel_counts
from napari_cellseg.core.types import LABELS_DTYPE, CellImage, Labels
from napari_cellseg.io.atomic import make_folder, replacing, sync_files
from napari_cellseg.io.datasets.aside import Piece, done_aside, refuse
from napari_cellseg.io.datasets.copying import copy_image
from napari_cellseg.io.datasets.manifest import DatasetImage, Manifest, write_manifest
from napari_cellseg.io.datasets.source import Source, SourceImage, safe_name
from napari_cellseg.io.exchange.cells import FoundLabels
from napari_cellseg.io.limits import sizes_in_words
from napari_cellseg.io.reading.images import probe, read_image
from napari_cellseg.io.writing.labels_file import write_labels

IMAGES, LABELS, CHECKED = "images", "labels", "checked"


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did.

    Attributes
    ----------
    manifest : Manifest
        As it was written.
    notes : tuple of str
        What was left out or changed.
    failed : tuple of str
        A sentence for each image that could not be imported.
    """

    manifest: Manifest
    notes: tuple[str, ...]
    failed: tuple[str, ...]


def import_dataset(
    source: Source, folder: Path, out: Path, layout: str
) -> Job[Imported]:
    """Copy images, write their labels and a manifest; a bad image stops no other.

    Parameters
    ----------
    source : Source
        What was found.
    folder : Path
        Where; paths are kept as seen from it.
    out : Path
        New or empty.
    layout : str
        For the record.

    Raises
    ------
    SaveError
        If `out` holds something, or cannot be written.
    ImageReadError
        If not one image could be imported.
    """
    with new_folder(out):
        images, notes, failed = yield from _copied(source, folder, out)
        if not images:
            raise ImageReadError(
                f"None of {len(source.images)} images in '{folder}' could be imported. "
                f"The first: {failed[0]}"
            )
        for kind in (IMAGES, LABELS, CHECKED):
            if (out / kind).is_dir():
                yield from sync_files(out / kind)
        manifest = Manifest(out.name, tuple(images), provenance_of(folder, layout))
        write_manifest(out, manifest)
    return Imported(manifest, (*source.notes, *notes), tuple(failed))


def _copied(
    source: Source, folder: Path, out: Path
) -> Job[tuple[list[DatasetImage], list[str], list[str]]]:
    """Copy images and write their labels; return entries, notes and what failed."""
    images: list[DatasetImage] = []
    failed: list[str] = []
    notes: list[str] = []
    names = told_apart(source.images, folder)
    done = done_aside(_pieces(source.images, names, folder, out))
    with closing(done):
        for place, (one, name) in enumerate(zip(source.images, names, strict=True)):
            yield Progress(place, len(names), one.name)
            try:
                entry, found_notes = next(done).result()
            except SaveError:
                raise
            except CellsegError as error:
                failed.append(f"{one.name}: {error}")
            else:
                images.append(entry)
                notes += [f"{name}: {note}" for note in found_notes]
    return images, notes, failed


@contextmanager
def new_folder(out: Path) -> Iterator[None]:
    """Make the folder of a data set; whatever stops the block, nothing of it is left.

    Raises
    ------
    SaveError
        If something lies there already, or it cannot be made.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SaveError(
            f"'{out}' is there already and not empty; a data set needs a folder of its "
            "own. Choose a new one."
        )
    try:
        for name in (IMAGES, LABELS):
            (out / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SaveError(
            f"'{out}' could not be made: {error.strerror}. Choose another folder."
        ) from error
    try:
        yield
    except BaseException:
        # It held nothing before, and without a manifest it is no data set: the same
        # command would be refused for what lies there.
        for kind in (IMAGES, LABELS, CHECKED):
            shutil.rmtree(out / kind, ignore_errors=True)
        with suppress(OSError):  # something else came to lie there
            out.rmdir()
        raise


def provenance_of(folder: Path, layout: str) -> dict[str, Any]:
    """Return where a data set comes from, as plain JSON values."""
    try:
        ours = version("napari-cellseg")
    except PackageNotFoundError:  # run from a folder that was not installed
        ours = "unknown"
    return {
        "layout": layout,
        "folder": folder.absolute().name,
        "imported_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "napari-cellseg": ours,
    }


def told_apart(images: Iterable[SourceImage], folder: Path) -> list[str]:
    """Return a name for each image, all different, whatever the order of the files."""
    names = []
    taken: set[str] = set()
    for one in images:
        name = safe_name(one.name)
        if name.casefold() in taken:
            name = safe_name("_".join(_relative(one.image, folder).split("/")))
        start, number = name, 2
        while name.casefold() in taken:
            name, number = f"{start}_{number}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return names


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """An image that was read, with its labels."""

    one: SourceImage
    image: CellImage
    found: FoundLabels
    is_copied: bool


def _pieces(
    images: Sequence[SourceImage], names: Sequence[str], folder: Path, out: Path
) -> Iterator[Piece[tuple[DatasetImage, tuple[str, ...]]]]:
    """Read one image after the other and yield what is left to do: to write it."""
    for one, name in zip(images, names, strict=True):
        try:
            read = _read_one(replace(one, name=name))
        except CellsegError as error:
            yield Piece(partial(refuse, error))
        else:
            n_bytes = read.found.labels.nbytes
            yield Piece(partial(_write_one, read, folder, out), n_bytes)


def _read_one(one: SourceImage) -> _Read:
    """Return an image with its labels; raises `CellsegError` if they do not fit."""
    image, is_said = _read(one)
    if one.plane:
        image = _plane_of(image, one)
    found = one.labels(image.labels_shape)
    if found.labels.shape != image.labels_shape:
        raise LabelsError(
            f"the labels have the size {sizes_in_words(found.labels.shape)}, but the image has "
            f"{sizes_in_words(image.labels_shape)}. Look whether they belong together."
        )
    return _Read(one, image, found, is_said and not one.plane)


def _write_one(
    read: _Read, folder: Path, out: Path
) -> tuple[DatasetImage, tuple[str, ...]]:
    """Copy an image and write its labels; return its entry, and notes."""
    one, image, found = read.one, read.image, read.found
    suffix = one.image.suffix if read.is_copied else ".tif"
    file = out / IMAGES / f"{one.name}{suffix}"
    if read.is_copied:
        copy_image(one.image, file, is_synced=False)
    else:
        write_pixels(file, np.asarray(image.data), image.axes, is_synced=False)
    entry = DatasetImage(
        one.name,
        f"{IMAGES}/{file.name}",
        save_labels(out, one.name, found.labels, image, is_synced=False),
        group=one.group or f"{one.kind}/{one.name}",
        kind=one.kind,
        split=one.split,
        source={
            "image": _relative(one.image, folder),
            "labels": ", ".join(
                _relative(path, folder) for path in one.labels_files[:3]
            ),
        },
        attributes=dict(one.attributes),
    )
    if found.unknown is not None:
        is_checked = ~found.unknown
        checked = save_checked(out, one.name, is_checked, image, is_synced=False)
        entry = replace(entry, checked=checked)
    return described(entry, out, image, found.labels), found.notes


def save_labels(
    out: Path, name: str, labels: Labels, image: CellImage, *, is_synced: bool = True
) -> str:
    """Write labels into a data set and return their path in it; raises `SaveError`."""
    path = f"{LABELS}/{name}.tif"
    axes, size = image.labels_axes, image.pixel_size
    write_labels(out / path, labels, axes=axes, pixel_size=size, is_synced=is_synced)
    return path


def save_checked(
    out: Path,
    name: str,
    is_checked: NDArray[np.bool_],
    image: CellImage,
    *,
    is_synced: bool = True,
) -> str:
    """Write where labels hold and return the path in the data set; raises `SaveError`."""
    path = f"{CHECKED}/{name}.tif"
    make_folder(out / CHECKED)
    mask = is_checked.astype(LABELS_DTYPE)
    axes, size = image.labels_axes, image.pixel_size
    write_labels(out / path, mask, axes=axes, pixel_size=size, is_synced=is_synced)
    return path


def write_pixels(
    path: Path, pixels: NDArray[Any], axes: str, *, is_synced: bool = True
) -> None:
    """Write pixels as TIFF that says what its axes are; raises `SaveError`.

    Parameters
    ----------
    path : Path
        Ends in ``.tif``.
    pixels : array
        Three channels of uint8 on one plane are written as colour.
    axes : str
        One letter for each axis, C among them.
    is_synced : bool
        See `io.atomic.replacing`.
    """
    channel = axes.index("C")
    is_colour = axes == "CYX" and pixels.shape[0] == 3 and pixels.dtype == np.uint8
    if is_colour:
        pixels = np.moveaxis(pixels, 0, -1)  # (y, x, c)
    elif pixels.shape[channel] == 1:
        pixels, axes = np.squeeze(pixels, axis=channel), axes.replace("C", "")
    with replacing(path, is_synced=is_synced) as new:
        imwrite(
            new,
            pixels,
            ome=len(axes) > 2 and not is_colour,
            metadata=None if is_colour or len(axes) == 2 else {"axes": axes},
            photometric="rgb" if is_colour else "minisblack",
            compression="zlib",
        )


def _read(one: SourceImage) -> tuple[CellImage, bool]:
    """Return an image, and whether its file says itself what its axes are."""
    if (
        one.axes
        and "?" in (said := probe(one.image).axes)
        and len(said) == len(one.axes)
    ):
        return read_image(one.image, axes=one.axes), False
    return read_image(one.image), True


def described(
    entry: DatasetImage, out: Path, image: CellImage, labels: Labels
) -> DatasetImage:
    """Return an entry with what was seen of its image and labels."""
    file = out / entry.image
    return replace(
        entry,
        n_cells=len(pixel_counts(labels)),
        axes=image.axes,
        shape=image.shape,
        dtype=str(np.dtype(image.data.dtype)),
        sha256=digest_of(file),
    )


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, "" for a folder."""
    if path.is_dir():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plane_of(image: CellImage, one: SourceImage) -> CellImage:
    """Return one plane of a stack as an image."""
    sizes = image.labels_shape[:-2]
    if len(sizes) != len(one.plane) or any(
        not 0 <= index < size for index, size in zip(one.plane, sizes, strict=True)
    ):
        raise LabelsError(
            f"the labels are of plane {one.plane}, which an image of shape "
            f"{image.shape} does not have. Look whether they belong together."
        )
    return replace(image, data=image.plane(one.plane), axes="CYX")


def _relative(path: Path, folder: Path) -> str:
    """Return a path as seen from a folder, or the name where it is not in it."""
    try:
        return path.relative_to(folder).as_posix()
    except ValueError:
        return path.name
