"""What a layout gives for each image that it finds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.io.exchange.cells import FoundLabels
from napari_cellseg.io.reading.images import read_labels
from napari_cellseg.io.sniff import IMAGE_SUFFIXES

#: Files that are named in one note.
N_NAMED = 3
#: What systems leave in folders.
SKIPPED = ("thumbs.db", "desktop.ini", "__macosx")


@dataclass(frozen=True, slots=True)
class SourceImage:
    """An image with labels, found in a folder of some layout; nothing is read yet.

    Attributes
    ----------
    name : str
        What it is to be called.
    image : Path
        Its file.
    labels : callable
        Reads its labels for a shape.
    labels_files : tuple of Path
        Where they come from.
    group : str
        See `DatasetImage`; "" for the name.
    kind, split : str
        See `DatasetImage`.
    plane : tuple of int
        The plane of the image that the labels belong to, () if all of it.
    axes : str
        What the axes of a stack are where its file does not say, "" if the layout does not
        either.
    attributes : mapping
        What the layout says of it.
    """

    name: str
    image: Path
    labels: Callable[[tuple[int, ...]], FoundLabels]
    labels_files: tuple[Path, ...]
    group: str = ""
    kind: str = ""
    split: str = ""
    plane: tuple[int, ...] = ()
    axes: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """All that a layout finds.

    Attributes
    ----------
    images : tuple of SourceImage
        Sorted by name; the order in a folder does not matter.
    notes : tuple of str
        What was left out, and why.
    """

    images: tuple[SourceImage, ...]
    notes: tuple[str, ...] = ()


def labels_reader(path: Path) -> Callable[[tuple[int, ...]], FoundLabels]:
    """Return a function that reads labels from an image file."""

    def read(_: tuple[int, ...]) -> FoundLabels:
        return FoundLabels(read_labels(path)[0])

    return read


def image_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that may be images, sorted, without hidden ones."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        name = path.name.lower()
        if name.startswith(".") or name in SKIPPED:
            continue
        if path.suffix.lower() in IMAGE_SUFFIXES:
            yield path


def index_images(folder: Path) -> dict[str, Path]:
    """Return the images anywhere under a folder by their file name, the first of each."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            found.setdefault(path.name, path)
    return found


def left_out(paths: Sequence[Path], words: str) -> tuple[str, ...]:
    """Return a note of files that were left out, such as "a.tif (no labels)"; () of none."""
    if not paths:
        return ()
    named = ", ".join(path.name for path in paths[:N_NAMED])
    more = f" and {len(paths) - N_NAMED} more" if len(paths) > N_NAMED else ""
    return (f"left out: {named}{more} ({words}).",)


def none_found(folder: Path, what: str) -> ImageReadError:
    """Return the error for a folder in which a layout finds nothing."""
    return ImageReadError(
        f"'{folder}' holds no {what}. Choose its folder, or another --layout."
    )


def folder_is_there(folder: Path) -> None:
    """Raise `ImageReadError` unless something is there."""
    if not folder.exists():
        raise ImageReadError(f"There is no '{folder}'. Check the path.")


def safe_name(name: str) -> str:
    """Return a name that every file system takes."""
    return re.sub(r"[^\w.+=-]+", "_", name).strip("._") or "image"
