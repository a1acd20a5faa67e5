"""The images of a project: by reference, to a file here or an object in S3."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from napari_cellseg.io.reading.paths import ImagePlace, full_address
from napari_cellseg.io.s3.address import S3Address, is_s3_address, parse_s3_address


@dataclass(frozen=True, slots=True)
class ProjectImage:
    """An image of a project.

    Attributes
    ----------
    image_id : int
        Its number in the project.
    place : Path or S3Address
        Where it was last, absolute; it may be gone.
    name : str
        File name.
    group : str
        Images of one group (patient, well) are never split in training.
    has_labels : bool
        Whether labels were made.
    labels_axes : str
        One letter an axis of the labels, "" without labels.
    """

    image_id: int
    place: ImagePlace
    name: str
    group: str
    has_labels: bool
    labels_axes: str = ""

    @property
    def address(self) -> str:
        """Where it was last, as text that `io.reading.images.read_image` takes."""
        return full_address(self.place)

    @property
    def is_in_s3(self) -> bool:
        """True if it is an object in S3."""
        return isinstance(self.place, S3Address)

    @property
    def is_missing(self) -> bool:
        """True if no file is at its path; touches the disk, but never asks S3."""
        return isinstance(self.place, Path) and not self.place.exists()


def stored_path(place: ImagePlace, folder: Path) -> str:
    """Return a place as a project keeps it: relative, so that both can move together.

    An address in S3 is kept as it is.
    """
    if isinstance(place, S3Address):
        return str(place)
    path = place.absolute()
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive of Windows
        return path.as_posix()


def absolute_path(stored: str, folder: Path) -> ImagePlace:
    """Return where a stored path leads."""
    if is_s3_address(stored):
        return parse_s3_address(stored)
    return Path(os.path.normpath(folder / stored))
