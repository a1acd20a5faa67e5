"""A project on disk: opened by one window, read by any number."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from napari_cellseg import __version__
from napari_cellseg.core.errors import ProjectError
from napari_cellseg.project.copying import copy_database, purge_dropped
from napari_cellseg.project.database import (
    check_place,
    create_database,
    open_database,
    told,
    transaction,
)
from napari_cellseg.project.images import (
    ProjectImage,
    absolute_path,
    find_moved,
    fingerprint,
    stored_path,
)
from napari_cellseg.project.journal import Journal
from napari_cellseg.project.labels import SAVE_CELL, ProjectLabels, shape_text
from napari_cellseg.project.labels_store import LabelsStore
from napari_cellseg.project.lineage import LineageNotes
from napari_cellseg.project.new_labels import NewLabels, Recovered
from napari_cellseg.project.notes import CLASSES, ClassNotes, Note
from napari_cellseg.project.review import ReviewNotes

SUFFIX = ".cellseg"
LOCK_NAME = ".lock"
LABELS_FOLDER = "labels"
MODELS_FOLDER = "models"

UNWRITTEN = """
SELECT images.name AS name, count(*) AS n_steps, max(steps.at) AS last_at
FROM images JOIN steps ON steps.image = images.id AND steps.id > images.written_step
GROUP BY images.id ORDER BY images.id
"""


class Project:
    """A project folder that is open; made by `create_project` or `open_project`.

    Attributes
    ----------
    folder : Path
        ``NAME.cellseg``.
    is_read_only : bool
        True if nothing can be written.
    recovered : tuple of Recovered
        What the last session did not bring to its end; empty after a clean close.
    """

    def __init__(
        self, folder: Path, connection: sqlite3.Connection, lock: FileLock | None
    ) -> None:
        self.folder = folder
        self._connection = connection
        self._lock = lock
        with told(folder):
            rows = connection.execute(UNWRITTEN).fetchall()
            last = connection.execute("SELECT max(id) FROM edits").fetchone()[0]
        self.recovered = tuple(
            Recovered(row["name"], row["n_steps"], row["last_at"]) for row in rows
        )
        self._last_edit_id = int(last or 0)
        self._opened: dict[int, ProjectLabels] = {}

    @property
    def name(self) -> str:
        """Name without the suffix."""
        return self.folder.name.removesuffix(SUFFIX)

    @property
    def is_read_only(self) -> bool:
        """True if nothing can be written."""
        return self._lock is None

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what is open and let other windows in; safe to call twice."""
        try:
            if not self.is_read_only:
                for opened in self._opened.values():
                    opened.write()
                with told(self.folder):
                    purge_dropped(self._connection)
        finally:
            self._opened.clear()
            self._connection.close()
            if self._lock is not None:
                self._lock.release()

    # --------------------------------------------------------------------- images
    def images(self) -> list[ProjectImage]:
        """Return the images in the order in which they were added."""
        with told(self.folder):
            rows = self._connection.execute(
                "SELECT * FROM images ORDER BY id"
            ).fetchall()
        return [
            ProjectImage(
                row["id"],
                absolute_path(row["path"], self.folder),
                row["name"],
                row["group_name"],
                has_labels=bool(row["labels_shape"]),
                labels_axes=row["labels_axes"],
            )
            for row in rows
        ]

    def add_images(self, paths: Iterable[Path], group: str | None = None) -> int:
        """Add images by reference and return how many are new.

        Parameters
        ----------
        paths : iterable of Path
            Files, or OME-Zarr folders; they are not read but for their ends.
        group : str, optional
            Patient, well or field that they belong to; None: each its own.

        Raises
        ------
        ProjectError
            If one does not exist, or the project cannot be written.
        """
        rows = []
        with told(self.folder):
            for path in paths:
                if not path.exists():
                    raise ProjectError(f"{path} does not exist; check the path.")
                stored = stored_path(path, self.folder)
                rows.append((stored, path.name, group or stored, *fingerprint(path)))
            with transaction(self._connection):
                before = self._connection.total_changes
                self._connection.executemany(
                    "INSERT OR IGNORE INTO images "
                    "(path, name, group_name, n_bytes, fingerprint) VALUES (?, ?, ?, ?, ?)",
                    rows,
                )
                return self._connection.total_changes - before

    def image_at(self, path: Path) -> ProjectImage | None:
        """Return the image that lies at a path, or None if it is not in the project."""
        wanted = stored_path(path, self.folder)
        return next(
            (
                one
                for one in self.images()
                if stored_path(one.path, self.folder) == wanted
            ),
            None,
        )

    def relocate(self, folder: Path) -> int:
        """Look for missing images under a folder and return how many were found.

        An image is known by its name, its size and what its two ends hold.
        """
        missing = {one.image_id: one for one in self.images() if one.is_missing}
        with told(self.folder):
            rows = self._connection.execute(
                "SELECT id, n_bytes, fingerprint FROM images"
            ).fetchall()
            known = {
                row["id"]: (row["n_bytes"], row["fingerprint"])
                for row in rows
                if row["id"] in missing
            }
            found = find_moved(missing.values(), known, folder)
            with transaction(self._connection):
                self._connection.executemany(
                    "UPDATE images SET path = ? WHERE id = ?",
                    [
                        (stored_path(path, self.folder), key)
                        for key, path in found.items()
                    ],
                )
        return len(found)

    # --------------------------------------------------------------------- labels
    def start_labels(self, image_id: int, new: NewLabels) -> ProjectLabels:
        """Take labels into the project, with what can be undone, and open them.

        Raises
        ------
        ProjectError
            If the image has labels already, or nothing can be written.
        """
        if self._labels_shape(image_id):
            raise ProjectError(
                f"Image {image_id} of {self.folder.name} has labels already; open those."
            )
        with told(self.folder):
            store = self._labels_store(image_id)
            store.create(new.labels, new.axes, new.pixel_size)
            with transaction(self._connection):
                self._connection.executemany(
                    SAVE_CELL,
                    [
                        (
                            image_id,
                            cell,
                            source,
                            new.confidence.get(cell),
                            new.classes.get(cell, ""),
                        )
                        for cell, source in new.sources.items()
                    ],
                )
                self._connection.execute(
                    "UPDATE images SET labels_shape = ?, labels_axes = ? WHERE id = ?",
                    (shape_text(new.labels), new.axes, image_id),
                )
        opened = self.open_labels(image_id)
        opened.journal.adopt(new.history)
        return opened

    def review(self, image_id: int) -> ReviewNotes:
        """Return what a person has checked on an image."""
        return ReviewNotes(self._connection, self.folder, image_id)

    def lineage(self, image_id: int) -> LineageNotes:
        """Return which cell of an image came of which."""
        note = Note(self._connection, self.folder, f"parents of image {image_id}")
        return LineageNotes(note)

    def classes(self) -> ClassNotes:
        """Return which classes are offered for cells."""
        return ClassNotes(Note(self._connection, self.folder, CLASSES))

    def open_labels(self, image_id: int) -> ProjectLabels:
        """Return the labels of an image, with every step that was ever completed.

        Raises
        ------
        ProjectError
            If the image has no labels, or they cannot be read.
        """
        if image_id in self._opened:
            return self._opened[image_id]
        if not self._labels_shape(image_id):
            raise ProjectError(
                f"Image {image_id} of {self.folder.name} has no labels yet; segment it."
            )
        journal = Journal(
            self._connection, self.folder, image_id, new_id=self._next_edit_id
        )
        opened = ProjectLabels(
            self._connection, self._labels_store(image_id), journal, image_id
        )
        if not self.is_read_only:
            self._opened[image_id] = opened
        return opened

    def _labels_store(self, image_id: int) -> LabelsStore:
        folder = self.folder / LABELS_FOLDER
        if not self.is_read_only:
            check_place(self._connection)
            with told(folder):
                folder.mkdir(exist_ok=True)
        return LabelsStore(folder / f"{image_id}.ome.zarr")

    def _labels_shape(self, image_id: int) -> str:
        with told(self.folder):
            row = self._connection.execute(
                "SELECT labels_shape FROM images WHERE id = ?", (image_id,)
            ).fetchone()
        if row is None:
            raise ProjectError(f"{self.folder.name} has no image {image_id}.")
        return str(row["labels_shape"])

    def _next_edit_id(self) -> int:
        self._last_edit_id += 1
        return self._last_edit_id

    # ----------------------------------------------------------------------- copies
    def save_as(self, folder: Path) -> None:
        """Write a copy of the whole project to a new folder.

        Raises
        ------
        ProjectError
            If there is a project already, or it cannot be written.
        """
        folder = with_suffix(folder)
        if folder.exists():
            raise ProjectError(f"{folder} exists already; choose a new name.")
        check_place(self._connection)
        for opened in self._opened.values():
            opened.write()
        with told(folder):
            folder.mkdir(parents=True)
            create_database(folder)
            for part in (LABELS_FOLDER, MODELS_FOLDER):
                if (self.folder / part).is_dir():
                    shutil.copytree(self.folder / part, folder / part)
            copy_database(self._connection, self.folder, folder)


def with_suffix(folder: Path) -> Path:
    """Return the folder with the suffix of projects."""
    return folder if folder.suffix == SUFFIX else folder.with_name(folder.name + SUFFIX)


def create_project(folder: Path) -> Project:
    """Make a new, empty project and open it.

    Parameters
    ----------
    folder : Path
        The suffix ``.cellseg`` is added where it is not there.

    Raises
    ------
    ProjectError
        If something is there already, or it cannot be written.
    """
    folder = with_suffix(folder.absolute())
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
    create_database(folder)
    project = open_project(folder)
    with told(folder), transaction(project._connection):
        project._connection.executemany(
            "INSERT INTO meta VALUES (?, ?)",
            [("made_with", __version__), ("made_at", str(time.time()))],
        )
    return project


def open_project(folder: Path, *, read_only: bool = False) -> Project:
    """Open a project; one window at a time may write.

    Raises
    ------
    ProjectError
        If it is no project or is damaged; or is open in another window, unless
        `read_only`.
    """
    folder = folder.absolute()
    if read_only:
        return Project(folder, open_database(folder, writable=False), None)
    if not folder.is_dir():
        raise ProjectError(
            f"{folder} does not exist; check the path, or make a project."
        )
    lock = _taken_lock(folder)
    try:
        return Project(folder, open_database(folder, writable=True), lock)
    except ProjectError:
        lock.release()
        raise


def _taken_lock(folder: Path) -> FileLock:
    """Return the lock of a project, taken; a killed program's lock is free."""
    lock = FileLock(folder / LOCK_NAME, timeout=0)
    with told(folder):
        try:
            lock.acquire()
        except Timeout as error:
            raise ProjectError(
                f"{folder.name} is open in another window or program. Close it there, or "
                "open it to read only."
            ) from error
    return lock


def project_facts(project: Project) -> dict[str, Any]:
    """Return what ``cellseg project info`` prints."""
    images = project.images()
    return {
        "images": len(images),
        "with labels": sum(image.has_labels for image in images),
        "missing": sum(image.is_missing for image in images),
        "recovered steps": sum(one.n_steps for one in project.recovered),
    }
