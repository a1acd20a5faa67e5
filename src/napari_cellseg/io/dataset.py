"""Images with their labels on disk, and a split of them that never depends on order."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_cellseg.core.errors import ImageReadError


@dataclass(frozen=True, slots=True)
class Sample:
    """One image and its labels.

    Attributes
    ----------
    name : str
        Stem of the image's file.
    kind : str
        Type of image, such as ``"grey_fluorescence"``; figures are printed per kind.
    group : str
        Images of one field of view or patient share it and never fall on both sides of
        a split.
    image_path, labels_path : Path
        The files.
    """

    name: str
    kind: str
    group: str
    image_path: Path
    labels_path: Path


def pairs_in_folder(folder: Path, kind: str | None = None) -> list[Sample]:
    """Return the pairs ``images/NAME.*`` and ``masks/NAME.tif`` of a folder, by name.

    Raises
    ------
    ImageReadError
        If there is no such folder or no pair in it.
    """
    images = sorted(path for path in (folder / "images").glob("*") if path.is_file())
    pairs = [(path, folder / "masks" / f"{path.stem}.tif") for path in images]
    samples = [
        Sample(
            image.stem,
            kind or folder.name,
            f"{folder.name}/{image.stem}",
            image,
            labels,
        )
        for image, labels in pairs
        if labels.is_file()
    ]
    if not samples:
        raise ImageReadError(
            f"'{folder}' holds no pair images/NAME.* and masks/NAME.tif; "
            "choose the folder that has both."
        )
    return samples


def has_pairs(folder: Path) -> bool:
    """Return True if a folder is meant to hold pairs: it has images/ and masks/."""
    return (folder / "images").is_dir() and (folder / "masks").is_dir()


def read_index(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file with a header."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def fold_of(group: str, n_folds: int) -> int:
    """Return the fold, 0 to `n_folds` - 1, that a group always falls into."""
    digest = hashlib.sha256(group.encode()).digest()
    return int.from_bytes(digest[:8], "big") % n_folds


def split_by_fold(
    samples: Sequence[Sample], n_folds: int, fold: int
) -> tuple[list[Sample], list[Sample]]:
    """Return the samples outside `fold` (to train on) and those in it (to validate)."""
    inside = [fold_of(sample.group, n_folds) == fold for sample in samples]
    kept = [
        sample for sample, is_held in zip(samples, inside, strict=True) if not is_held
    ]
    held = [sample for sample, is_held in zip(samples, inside, strict=True) if is_held]
    return kept, held
