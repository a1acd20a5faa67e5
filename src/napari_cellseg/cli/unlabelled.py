"""Images that a command cannot use, since nobody has labelled them, or not all of them."""

from __future__ import annotations

from pathlib import Path

import typer

from napari_cellseg.io.datasets.dataset import (
    labels_without_image,
    pairs_in_folder,
    unlabelled_in_folder,
)
from napari_cellseg.io.datasets.manifest import is_dataset


def tell_unlabelled(folder: Path) -> None:
    """Say which images of a folder have no mask and which masks no image."""
    _tell(folder, unlabelled_in_folder(folder), "images have no mask")
    _tell(folder, labels_without_image(folder), "masks have no image")


def tell_partly(folder: Path) -> None:
    """Say which images of a data set are labelled in parts only, and so are left out."""
    if is_dataset(folder):
        samples = pairs_in_folder(folder)
        names = [each.name for each in samples if each.checked_path is not None]
        _tell(folder, names, "images are checked in parts only")


def _tell(folder: Path, names: list[str], what: str) -> None:
    """Write a line on what is left out, if anything is."""
    if names:
        some = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
        typer.echo(
            f"'{folder}': {len(names)} {what} and are left out ({some}).",
            err=True,
        )
