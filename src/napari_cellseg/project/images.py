"""The images of a project: by reference, recognised when they have moved."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

#: So many bytes of both ends of a file, with its size, tell it from others.
FINGERPRINT_BYTES = 65536


@dataclass(frozen=True, slots=True)
class ProjectImage:
    """An image of a project.

    Attributes
    ----------
    image_id : int
        Its number in the project.
    path : Path
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
    path: Path
    name: str
    group: str
    has_labels: bool
    labels_axes: str = ""

    @property
    def is_missing(self) -> bool:
        """True if nothing is at its path; touches the disk."""
        return not self.path.exists()


def fingerprint(path: Path) -> tuple[int, str]:
    """Return the size in bytes of a file and a digest of its two ends.

    A folder (OME-Zarr) is known by the file that describes it.
    """
    if path.is_dir():
        described = [
            path / name for name in ("zarr.json", ".zattrs", ".zgroup", ".zarray")
        ]
        path = next((file for file in described if file.is_file()), path)
        if path.is_dir():
            return 0, ""
    n_bytes = path.stat().st_size
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(FINGERPRINT_BYTES))
        if n_bytes > 2 * FINGERPRINT_BYTES:
            file.seek(-FINGERPRINT_BYTES, os.SEEK_END)
        digest.update(file.read(FINGERPRINT_BYTES))
    return n_bytes, digest.hexdigest()


def stored_path(path: Path, folder: Path) -> str:
    """Return a path as a project keeps it: relative, so that both can move together."""
    path = path.absolute()
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive of Windows
        return path.as_posix()


def absolute_path(stored: str, folder: Path) -> Path:
    """Return where a stored path leads."""
    return Path(os.path.normpath(folder / stored))


def find_moved(
    missing: Iterable[ProjectImage],
    known: Mapping[int, tuple[int, str]],
    folder: Path,
) -> dict[int, Path]:
    """Return where missing images lie now, by their number.

    Parameters
    ----------
    missing : iterable of ProjectImage
        Images that are not at their path.
    known : mapping of int to (int, str)
        What `fingerprint` gave for each when it was added.
    folder : Path
        Searched with all folders in it.
    """
    wanted = {image.name for image in missing}
    places: dict[str, list[Path]] = {}
    for path in folder.rglob("*"):
        if path.name in wanted:
            places.setdefault(path.name, []).append(path)
    found = {}
    for image in missing:
        for path in places.get(image.name, []):
            if fingerprint(path) == known[image.image_id]:
                found[image.image_id] = path
                break
    return found
