"""Images with their labels on disk, and a split of them that never depends on order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.io.datasets.manifest import Manifest, is_dataset, read_manifest
from napari_cellseg.io.datasets.source import folder_is_there
from napari_cellseg.io.reading.paths import stem_of


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
    split : str
        ``"train"``, ``"val"`` or ``"test"`` where a manifest says so, else "".
    checked_path : Path or None
        Mask of what is labelled; None if that is everything.
    """

    name: str
    kind: str
    group: str
    image_path: Path
    labels_path: Path
    split: str = ""
    checked_path: Path | None = None


def samples_of(folder: Path, manifest: Manifest) -> list[Sample]:
    """Return the samples of a data set, in the order of its manifest."""
    return [
        Sample(
            one.name,
            one.kind,
            one.group,
            folder / one.image,
            folder / one.labels,
            one.split,
            folder / one.checked if one.checked else None,
        )
        for one in manifest.images
    ]


def whole_samples(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples of which every cell is labelled.

    Those labelled in parts only are left out: the rest would count as background.

    Raises
    ------
    ImageReadError
        If there are samples, and all of them are labelled in parts only.
    """
    partly = [sample.name for sample in samples if sample.checked_path is not None]
    if partly and len(partly) == len(samples):
        raise ImageReadError(
            f"{len(partly)} images, such as '{partly[0]}', are checked in parts only, so "
            "the rest is not known. Use them with `cellseg fine-tune`."
        )
    return [sample for sample in samples if sample.checked_path is None]


def pairs_in_folder(folder: Path, kind: str | None = None) -> list[Sample]:
    """Return the pairs ``images/NAME.*`` and ``masks/NAME.*`` of a folder, by name.

    Of a folder with a manifest (`io.datasets`), the images that it names. Images without
    a mask are left out, see `unlabelled_in_folder`.

    Raises
    ------
    ImageReadError
        If there is no such folder or no pair in it.
    """
    folder_is_there(folder)
    if is_dataset(folder):
        return samples_of(folder, read_manifest(folder))
    masks = {stem_of(path): path for path in _files(folder / "masks")}
    samples = [
        Sample(
            image.stem,
            kind or folder.name,
            f"{folder.name}/{image.stem}",
            image,
            masks[stem_of(image)],
        )
        for image in _files(folder / "images")
        if stem_of(image) in masks
    ]
    if not samples:
        raise ImageReadError(
            f"'{folder}' holds no pair images/NAME.* and masks/NAME.*; "
            "choose the folder that has both, or make a data set of it with "
            "`cellseg dataset import`."
        )
    return samples


def unlabelled_in_folder(folder: Path) -> list[str]:
    """Return the names of the files in images/ that `pairs_in_folder` leaves out."""
    if is_dataset(folder):
        return []
    labelled = {stem_of(path) for path in _files(folder / "masks")}
    return [p.name for p in _files(folder / "images") if stem_of(p) not in labelled]


def labels_without_image(folder: Path) -> list[str]:
    """Return the names of the label files in masks/ that belong to no image."""
    if is_dataset(folder):
        return []
    images = {stem_of(path) for path in _files(folder / "images")}
    masks = (folder / "masks").glob("[!.]*.tif")
    return sorted(path.name for path in masks if stem_of(path) not in images)


def _files(folder: Path) -> list[Path]:
    """Return the files of a folder by name, OME-Zarr folders too, without hidden ones."""
    return sorted(
        path
        for path in folder.glob("[!.]*")
        if path.is_file() or path.suffix == ".zarr"
    )


def has_pairs(folder: Path) -> bool:
    """Return True if a folder is meant to hold pairs: it has images/ and masks/."""
    return (folder / "images").is_dir() and (folder / "masks").is_dir()


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
