"""The table of a project's images: what they are called, where they lie."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

from napari_cellseg.core.errors import ProjectError
from napari_cellseg.io.reading.paths import ImagePlace
from napari_cellseg.project.cells.cell_facts import read_last_step
from napari_cellseg.project.database.database import told, transaction
from napari_cellseg.project.images.identity import Identity, identity_of
from napari_cellseg.project.images.image_places import (
    ImagePlaces,
    spelled_out,
    split_by_name,
)
from napari_cellseg.project.images.images import (
    ProjectImage,
    absolute_path,
    stored_path,
)
from napari_cellseg.project.images.moved import Sought


class ImageTable:
    """Adds, lists and moves the images of a project.

    Parameters
    ----------
    folder : Path
        ``NAME.cellseg``.
    connection : sqlite3.Connection
        To its database.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self._folder = folder
        self._connection = connection

    def images(self) -> list[ProjectImage]:
        """Return the images in the order in which they were added."""
        with told(self._folder):
            rows = self._connection.execute(
                "SELECT * FROM images ORDER BY id"
            ).fetchall()
        return [
            ProjectImage(
                row["id"],
                absolute_path(row["path"], self._folder),
                row["name"],
                row["group_name"],
                has_labels=bool(row["labels_shape"]),
                labels_axes=row["labels_axes"],
            )
            for row in rows
        ]

    def last_step(self, image_id: int) -> tuple[int, int]:
        """Return the last step of an image, and the last that its labels on disk hold."""
        with told(self._folder):
            return read_last_step(self._connection, image_id)

    def add(self, places: Iterable[ImagePlace], group: str | None = None) -> int:
        """Add images by reference and return how many are new.

        Parameters
        ----------
        places : iterable of Path or S3Address
            Files, OME-Zarr folders, or either in S3; they are not read but for their ends,
            and of those in S3 size and ETag are asked for.
        group : str, optional
            Patient, well or field that they belong to; None: each its own.

        Raises
        ------
        ProjectError
            If one does not exist, or the project cannot be written. If the name of one
            is not UTF-8; the others are added.
        ImageReadError
            If one in S3 cannot be looked at.
        """
        known = {}
        named, unnamed = split_by_name(places)
        with told(self._folder):
            for place in named:
                if isinstance(place, Path) and not place.exists():
                    raise ProjectError(f"{place} does not exist; check the path.")
                known[place] = identity_of(place)
        n_new = self.add_known(known, group)
        if unnamed:
            raise ProjectError(
                f"{n_new} images were added. {spelled_out(unnamed[0])} was not: its name "
                "is not UTF-8, so the project cannot keep it. Rename it."
            )
        return n_new

    def add_known(
        self, known: Mapping[ImagePlace, Identity], group: str | None = None
    ) -> int:
        """Add images whose identity is known; see `add`. S3 is not asked."""
        rows = []
        places = ImagePlaces(self.images())
        for place, identity in known.items():
            if places.find(place) is not None:
                continue
            stored = stored_path(place, self._folder)
            rows.append((stored, place.name, group or stored, *identity))
        with told(self._folder), transaction(self._connection):
            before = self._connection.total_changes
            self._connection.executemany(
                "INSERT OR IGNORE INTO images "
                "(path, name, group_name, n_bytes, fingerprint) VALUES (?, ?, ?, ?, ?)",
                rows,
            )
            return self._connection.total_changes - before

    def identity_of(self, image_id: int) -> Identity:
        """Return by what an image was recognised when it was added."""
        with told(self._folder):
            row = self._connection.execute(
                "SELECT n_bytes, fingerprint FROM images WHERE id = ?", (image_id,)
            ).fetchone()
        return int(row["n_bytes"]), str(row["fingerprint"])

    def sought(self) -> list[Sought]:
        """Return all images with what they are recognised by, for `find_moved`."""
        with told(self._folder):
            rows = self._connection.execute(
                "SELECT id, n_bytes, fingerprint FROM images"
            ).fetchall()
        known = {row["id"]: (row["n_bytes"], row["fingerprint"]) for row in rows}
        return [Sought(image, known[image.image_id]) for image in self.images()]

    def move(self, found: Mapping[int, ImagePlace]) -> int:
        """Note where images lie now, by their number, and return how many."""
        rows = [
            (stored_path(place, self._folder), *identity_of(place), key)
            for key, place in found.items()
        ]
        with told(self._folder), transaction(self._connection):
            self._connection.executemany(
                "UPDATE images SET path = ?, n_bytes = ?, fingerprint = ? WHERE id = ?",
                rows,
            )
        return len(rows)
