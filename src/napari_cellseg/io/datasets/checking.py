"""What is wrong with a data set, before a model learns it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import cc3d
import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.errors import CellsegError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.labels.boxes import pixel_counts
from napari_cellseg.core.types import CellImage, Labels
from napari_cellseg.io.datasets.aside import Piece, done_aside, refuse
from napari_cellseg.io.datasets.importing import digest_of
from napari_cellseg.io.datasets.looks import MAX_DISTANCE, look_of, near_pairs
from napari_cellseg.io.datasets.manifest import DatasetImage, Manifest
from napari_cellseg.io.limits import sizes_in_words
from napari_cellseg.io.reading.images import read_image, read_labels

#: An error makes a training wrong; a warning is worth a look.
Weight = Literal["error", "warning"]
MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong.

    Attributes
    ----------
    weight : Weight
        How much it matters.
    kind : str
        Such as ``"other size"``; problems are counted by it.
    images : tuple of str
        Names.
    text : str
        A sentence.
    """

    weight: Weight
    kind: str
    images: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What is kept of an image to compare it with others."""

    entry: DatasetImage
    digest: str
    labels_digest: str
    look: NDArray[np.float32]


def check_dataset(folder: Path, manifest: Manifest) -> Job[list[Problem]]:
    """Return everything that is wrong; an empty list if nothing is.

    Parameters
    ----------
    folder : Path
        Of the data set.
    manifest : Manifest
        Its manifest.
    """
    problems: list[Problem] = []
    seen: list[_Seen] = []
    done = done_aside(_pieces(folder, manifest.images))
    with closing(done):
        for place, entry in enumerate(manifest.images):
            yield Progress(place, len(manifest.images), entry.name)
            try:
                found, wrong = next(done).result()
            except (CellsegError, OSError) as error:
                text = f"{entry.name}: {error}"
                problems.append(Problem("error", "cannot be read", (entry.name,), text))
            else:
                seen.append(found)
                problems += wrong
    yield Progress(0, 0, "comparing the images")
    problems += _twins(seen)
    problems += _split_groups(manifest.images)
    return problems


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """An image that was read, with its labels and the shape of the mask, if it has one."""

    image: CellImage
    labels: Labels
    mask_shape: tuple[int, ...] | None


def _pieces(
    folder: Path, images: Sequence[DatasetImage]
) -> Iterator[Piece[tuple[_Seen, list[Problem]]]]:
    """Read one image after the other and yield what is left to do: to look at it."""
    for entry in images:
        try:
            image = read_image(folder / entry.image)
            labels, _ = read_labels(folder / entry.labels)
            mask_shape = None
            if entry.checked:
                mask_shape = read_labels(folder / entry.checked)[0].shape
        except (CellsegError, OSError) as error:
            yield Piece(partial(refuse, error))
        else:
            read = _Read(image, labels, mask_shape)
            yield Piece(partial(_look_at, folder, entry, read), labels.nbytes)


def _look_at(
    folder: Path, entry: DatasetImage, read: _Read
) -> tuple[_Seen, list[Problem]]:
    """Check one image by itself."""
    image, labels = read.image, read.labels
    problems: list[Problem] = []
    if labels.shape != image.labels_shape:
        text = (
            f"{entry.name}: the labels have the size {sizes_in_words(labels.shape)}, but the "
            f"image has {sizes_in_words(image.labels_shape)}."
        )
        problems.append(Problem("error", "other size", (entry.name,), text))
    digest = digest_of(folder / entry.image)
    if entry.sha256 and digest != entry.sha256:
        text = f"{entry.name}: the image is not the one that was imported."
        problems.append(Problem("error", "image changed", (entry.name,), text))
    if read.mask_shape not in (None, labels.shape):
        text = f"{entry.name}: the mask of what is checked has another size."
        problems.append(Problem("error", "other size", (entry.name,), text))
    problems += _problems_of(labels, entry.name)
    plane = image.plane((0,) * (image.data.ndim - 3))
    if plane.dtype.kind == "f" and not np.isfinite(plane).any():
        text = f"{entry.name}: no pixel of the image is a number (NaN or infinite)."
        problems.append(Problem("error", "no number", (entry.name,), text))
    seen = _Seen(entry, digest, _labels_digest(labels), look_of(plane))
    return seen, problems


def _problems_of(labels: Labels, name: str) -> Iterator[Problem]:
    """Yield what is wrong with labels alone."""
    if not labels.any():
        yield Problem("warning", "no cell", (name,), f"{name}: there is no cell in it.")
        return
    parted = cells_in_pieces(labels)
    if parted:
        cells = ", ".join(str(cell) for cell in parted[:MAX_NAMED])
        more = ", …" if len(parted) > MAX_NAMED else ""
        text = (
            f"{name}: in two pieces or more: {len(parted)} ({cells}{more}). Two "
            "cells have one number, or one is cut."
        )
        yield Problem("warning", "in pieces", (name,), text)


def cells_in_pieces(labels: Labels) -> list[int]:
    """Return the ids whose pixels are not all connected, corners counted."""
    planes = [labels] if labels.ndim < 4 else list(labels)
    n_pieces: dict[int, int] = {}
    for part in planes:
        if part.ndim == 2:
            pieces = cc3d.connected_components(part, connectivity=8)
        else:
            pieces = cc3d.connected_components(part, connectivity=26)
        for cell, n in _pieces_by_cell(part, pieces).items():
            n_pieces[cell] = max(n_pieces.get(cell, 0), n)
    return sorted(cell for cell, n in n_pieces.items() if n > 1)


def _pieces_by_cell(labels: Labels, pieces: NDArray[np.integer]) -> dict[int, int]:
    """Return the number of pieces of each cell."""
    _, firsts = np.unique(pieces, return_index=True)
    owners = labels.ravel()[firsts]
    return pixel_counts(owners[owners > 0])


def _labels_digest(labels: Labels) -> str:
    """Return a digest of labels, "" without a cell."""
    if not labels.any():
        return ""
    shape = repr(labels.shape).encode()
    return hashlib.sha256(shape + np.ascontiguousarray(labels).tobytes()).hexdigest()


def _twins(seen: Sequence[_Seen]) -> Iterator[Problem]:
    """Yield images and labels that are there twice, or nearly."""
    by_image = _same({one.entry.name: one.digest for one in seen})
    for names in by_image:
        text = f"{_named(names)} are the same image."
        yield Problem("error", "same image twice", names, text)
    for names in _same({one.entry.name: one.labels_digest for one in seen}):
        if names not in by_image:
            text = f"{_named(names)} have the same labels."
            yield Problem("warning", "same labels twice", names, text)
    digests = [one.digest for one in seen]
    for first, second, distance in near_pairs([one.look for one in seen]):
        one, other = seen[first].entry, seen[second].entry
        if one.split == other.split or digests[first] == digests[second] != "":
            continue
        text = (
            f"'{one.name}' ({one.split or 'no split'}) and '{other.name}' "
            f"({other.split or 'no split'}) look nearly the same (distance {distance:.2f}, "
            f"below {MAX_DISTANCE}): give them one group and split again."
        )
        yield Problem(
            "error", "near twins across the split", (one.name, other.name), text
        )


def _same(digests: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Return the names that share a digest."""
    by_digest: dict[str, list[str]] = {}
    for name, digest in digests.items():
        if digest:
            by_digest.setdefault(digest, []).append(name)
    return [tuple(sorted(names)) for names in by_digest.values() if len(names) > 1]


def _split_groups(images: Sequence[DatasetImage]) -> Iterator[Problem]:
    """Yield groups that are on two sides of the split."""
    sides: dict[str, set[str]] = {}
    names: dict[str, list[str]] = {}
    for one in images:
        if one.split:
            sides.setdefault(one.group, set()).add(one.split)
            names.setdefault(one.group, []).append(one.name)
    for group, found in sides.items():
        if len(found) > 1:
            text = (
                f"The group '{group}' ({len(names[group])} images) is in "
                f"{' and '.join(sorted(found))}: split again."
            )
            yield Problem("error", "group on two sides", tuple(names[group]), text)


def _named(names: Sequence[str]) -> str:
    """Return names in quotes, the first few."""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(f"'{name}'" for name in names[:MAX_NAMED]) + more
