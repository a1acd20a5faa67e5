"""A project on disk: opened by one window, read by any number."""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from filelock import FileLock

from napari_cellseg import __version__
from napari_cellseg.core.errors import ProjectError
from napari_cellseg.core.jobs import Job, run
from napari_cellseg.core.labels import on_disk
from napari_cellseg.core.types import PixelSize
from napari_cellseg.io.reading.images import probe
from napari_cellseg.io.reading.paths import ImagePlace
from napari_cellseg.project.cells.lineage import LineageNotes, lineage_notes
from napari_cellseg.project.cells.review import ReviewNotes
from napari_cellseg.project.cells.signs import SignNotes
from napari_cellseg.project.copying import (
    copy_database,
    purge_dropped,
    whole_or_nothing,
    write_waiting,
)
from napari_cellseg.project.database.database import (
    check_place,
    create_database,
    open_database,
    told,
    transaction,
)
from napari_cellseg.project.database.lock import retake, taken_lock
from napari_cellseg.project.database.notes import CLASSES, ClassNotes, Note
from napari_cellseg.project.images.image_table import ImageTable
from napari_cellseg.project.images.images import ProjectImage
from napari_cellseg.project.images.moved import find_moved
from napari_cellseg.project.labels.exchanges import Exchanges, remove_unneeded
from napari_cellseg.project.labels.journal import Journal
from napari_cellseg.project.labels.labels import ProjectLabels
from napari_cellseg.project.labels.labels_store import LABELS_FOLDER, LabelsStore
from napari_cellseg.project.labels.large_labels import LargeNotes
from napari_cellseg.project.labels.large_opening import LargeOpening
from napari_cellseg.project.labels.large_start import start_large
from napari_cellseg.project.labels.new_labels import LargeLabels, NewLabels, Recovered
from napari_cellseg.project.labels.unfinished import remove_unfinished
from napari_cellseg.project.labels.written_ahead import put_labels, written_ahead

SUFFIX = ".cellseg"
MODELS_FOLDER = "models"
#: Labels of so many pixels, 16 MB, are read within 0.1 s.
AT_ONCE_PX = 2**22

UNWRITTEN = """
SELECT images.name AS name, count(*) AS n_steps
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
    table : ImageTable
        Its images.
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
        self.recovered = tuple(Recovered(*row) for row in rows)
        self._last_edit_id = int(last or 0)
        self._opened: dict[int, ProjectLabels] = {}
        self._large = LargeOpening(folder, is_read_only=lock is None)
        self.table = ImageTable(folder, connection)
        self._is_closed = False

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
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if not self.is_read_only:
                for opened in self._opened.values():
                    opened.write()
                with told(self.folder):
                    purge_dropped(self._connection)
                remove_unneeded(self._connection, self.folder)
        finally:
            self._opened.clear()
            self._connection.close()
            if self._lock is not None:
                self._lock.release()

    # --------------------------------------------------------------------- images
    def images(self) -> list[ProjectImage]:
        """Return the images in the order in which they were added."""
        return self.table.images()

    def add_images(self, places: Iterable[ImagePlace], group: str | None = None) -> int:
        """Add images by reference and return how many are new; see `ImageTable.add`."""
        return self.table.add(places, group)

    def relocate(self, where: ImagePlace) -> int:
        """Look for missing images under a folder, here or in S3; return how many it are."""
        with told(self.folder):
            return self.table.move(run(find_moved(self.table.sought(), where)))

    # --------------------------------------------------------------------- labels
    def start_labels(self, image_id: int, new: NewLabels) -> ProjectLabels:
        """Take labels into the project, with what can be undone, and open them.

        Raises
        ------
        ProjectError
            If the image has labels already, or nothing can be written.
        """
        return run(self.starting_labels(image_id, lambda: new))

    def starting_labels(
        self, image_id: int, new: Callable[[], NewLabels]
    ) -> Job[ProjectLabels]:
        """Do what `start_labels` does, a few chunks at a time; on the main thread.

        `new` says what they are now: they may be edited between two steps. The project has
        all of it with the last step, or nothing.
        """
        self._check_no_labels(image_id)
        (now := new()).check_axes()
        with told(self.folder):
            store = self._labels_store(image_id)
            yield from written_ahead(store, now)
        now = new()
        put_labels(self._connection, store, image_id, now, self._next_edit_id)
        self._large.hand_over(self._connection, image_id, store, now)
        return self.open_labels(image_id)

    def start_by_blocks(self, image_id: int, new: LargeLabels) -> Job[None]:
        """Take labels in that may be larger than memory, or none yet; on any thread.

        Raises
        ------
        ProjectError
            If the image has cells already, or nothing can be written.
        """
        if self._labels_shape(image_id) and self.has_cells(image_id):
            self._check_no_labels(image_id)
        if (opened := self._opened.get(image_id)) is not None:
            opened.settle()  # they are as they were left when undo shows them again
        self._labels_store(image_id)  # makes the folder, or says why not
        return start_large(self.folder, image_id, new, self._next_edit_id())

    def has_cells(self, image_id: int) -> bool:
        """Say whether an image has cells; of large labels they are not looked through."""
        if not self._labels_shape(image_id):
            return False
        opened = self._opened.get(image_id)
        if opened is not None and opened.index is not None:
            return len(opened.index) > 0
        number = self._exchanges(image_id).current
        notes = LargeNotes(self._connection, self.folder, image_id, number)
        last, written = self.table.last_step(image_id)
        return last != written or notes.has_cells

    def _exchanges(self, image_id: int) -> Exchanges:
        return Exchanges(self._connection, self.folder, image_id)

    def _check_no_labels(self, image_id: int) -> None:
        if self._labels_shape(image_id):
            raise ProjectError(
                f"Image {image_id} of {self.folder.name} has labels already; open those."
            )

    def review(self, image_id: int) -> ReviewNotes:
        """Return what a person has checked on an image."""
        return ReviewNotes(self._connection, self.folder, image_id)

    def lineage(self, image_id: int) -> LineageNotes:
        """Return which cell of an image came of which."""
        return lineage_notes(self._connection, self.folder, image_id)

    def signs(self, image_id: int) -> SignNotes:
        """Return what was seen of the cells of an image."""
        return SignNotes(self._connection, self.folder, image_id)

    def classes(self) -> ClassNotes:
        """Return the classes that are offered."""
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
            raise ProjectError(f"Image {image_id} has no labels yet; segment it.")
        journal = Journal(
            self._connection, self.folder, image_id, new_id=self._next_edit_id
        )
        store = self._labels_store(image_id)
        is_large = on_disk.is_large((self._n_pixels(image_id),))
        take = self._large.take if is_large else self._large.give_pixels
        ahead = take(self._connection, image_id, store)
        opened = ProjectLabels(self._connection, store, journal, image_id, ahead)
        if not self.is_read_only:
            opened.take_outside()
            self._opened[image_id] = opened
        return opened

    def _n_pixels(self, image_id: int) -> int:
        """Return of how many pixels the labels of an image are, 0 without any."""
        return math.prod(json.loads(self._labels_shape(image_id) or "[0]"))

    def preparation(self, image_id: int) -> Job[None] | None:
        """Return what is to run before labels that are not small are opened.

        None where nothing has to. It may run off the main thread; `open_labels` does it
        itself otherwise. Of labels too large for memory it takes seconds, and minutes the
        first time.
        """
        is_there = image_id in self._opened or self._large.has(image_id)
        if is_there or self._n_pixels(image_id) <= min(AT_ONCE_PX, on_disk.LARGE_PX):
            return None
        return self._large.job(image_id, self._labels_store(image_id))

    def labels_frame(self, image_id: int) -> tuple[tuple[int, ...], PixelSize | None]:
        """Return shape and pixel size of the labels of an image; they are not read.

        Raises
        ------
        ProjectError, ImageReadError
            If there are none, or they cannot be read.
        """
        shape = self._labels_shape(image_id)
        if not shape:
            raise ProjectError(f"Image {image_id} of {self.folder.name} has no labels.")
        return tuple(json.loads(shape)), probe(self._labels_folder(image_id)).pixel_size

    def _labels_folder(self, image_id: int) -> Path:
        return self._exchanges(image_id).labels_folder

    def forget_labels(self, image_id: int) -> None:
        """Hold labels that are written no more; `open_labels` reads them again."""
        self._opened.pop(image_id, None)

    def _labels_store(self, image_id: int) -> LabelsStore:
        folder = self._labels_folder(image_id)
        if not self.is_read_only:
            with told(folder):
                check_place(self._connection)
                folder.parent.mkdir(exist_ok=True)
        return LabelsStore(folder)

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
        with told(self.folder):
            check_place(self._connection)
        for opened in self._opened.values():
            # The journal goes along: what the labels of a full disk lack is replayed.
            with suppress(ProjectError):
                opened.write()
        with told(folder):
            folder.mkdir(parents=True)
        with whole_or_nothing(folder), told(folder):
            create_database(folder)
            # First: a job may take labels in meanwhile, and the copy has none but these.
            copy_database(self._connection, self.folder, folder)
            for part in (LABELS_FOLDER, MODELS_FOLDER):
                if (self.folder / part).is_dir():
                    unfinished = shutil.ignore_patterns(".new.*", ".old.*")
                    shutil.copytree(
                        self.folder / part, folder / part, ignore=unfinished
                    )
            journals = [opened.journal for opened in self._opened.values()]
            write_waiting(journals, folder)


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
    lock = taken_lock(folder)
    again = partial(retake, lock, folder)
    try:
        connection = open_database(folder, writable=True, retake=again)
        with told(folder):
            remove_unfinished(connection, folder)
        return Project(folder, connection, lock)
    except ProjectError:
        lock.release()
        raise
