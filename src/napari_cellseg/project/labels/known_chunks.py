"""What the chunks of labels were when this program last wrote or read them.

The labels of a project are an OME-Zarr that any program can write to. A chunk whose size
or time differs is hashed; one whose bytes differ was changed outside. What it was is kept
beside, as packed as on the disk, so that such a change can be recorded and undone.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from napari_cellseg.core.errors import ProjectError
from napari_cellseg.io.writing.labels_zarr import ARRAY_NAME
from napari_cellseg.project.database.database import transaction
from napari_cellseg.project.labels.labels_store import LabelsStore, Place

#: Made when labels are first opened; older programs pass over it.
TABLE = (
    "CREATE TABLE IF NOT EXISTS chunks (image INTEGER NOT NULL, number INTEGER NOT NULL, "
    "place TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, "
    "crc INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (image, number, place))"
)
IS_THERE = "SELECT 1 FROM sqlite_master WHERE name = 'chunks'"
READ = "SELECT place, size, mtime_ns, crc FROM chunks WHERE image = ? AND number = ?"
READ_DATA = "SELECT data FROM chunks WHERE image = ? AND number = ? AND place = ?"
FORGET = "DELETE FROM chunks WHERE image = ? AND number = ? AND place = ?"
FORGET_ALL = "DELETE FROM chunks WHERE image = ? AND number = ?"
NOTE = "INSERT OR REPLACE INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?)"
#: Says how the chunks are packed; noted last, so that it stands for all of them.
FRAME = "zarr.json"


class Seen(NamedTuple):
    """Of a file: bytes, time of the last change, and CRC-32."""

    size: int
    mtime_ns: int
    crc: int


@dataclass(frozen=True, slots=True, eq=False)
class FormerChunk:
    """A chunk before it was changed outside.

    Attributes
    ----------
    start : tuple of int
        Its corner in the labels.
    labels : int32 array
        What it held; cut at the edge of the labels.
    """

    start: tuple[int, ...]
    labels: NDArray[np.int32]


class KnownChunks:
    """The chunks of the labels of one image.

    Parameters
    ----------
    connection : sqlite3.Connection
        Of the project, to write.
    image_id : int
        Of the image.
    store : LabelsStore
        Its labels.
    """

    def __init__(
        self, connection: sqlite3.Connection, image_id: int, store: LabelsStore
    ) -> None:
        self._connection = connection
        self._key = image_id, store.number
        self._array = store.folder / ARRAY_NAME
        self._seen: dict[str, Seen] = {}
        if connection.execute(IS_THERE).fetchone():
            for place, *seen in connection.execute(READ, self._key):
                self._seen[place] = Seen(*seen)

    @property
    def is_known(self) -> bool:
        """False where labels are opened for the first time: there is nothing to compare."""
        return FRAME in self._seen

    def note_once(self) -> None:
        """Take everything as it is now, where nothing was noted yet."""
        if self.is_known:
            return
        with transaction(self._connection):
            self._connection.execute(TABLE)
            for name, _ in self._files():
                self._note(name)
            self._note(FRAME)

    def note(self, places: Iterable[Place]) -> None:
        """Take chunks as they are now; inside a transaction of the caller."""
        for place in places:
            self._note(_name(place))

    def changed(self, among: Iterable[Place] | None = None) -> list[Place]:
        """Return the chunks that somebody else changed since they were noted.

        Parameters
        ----------
        among : iterable of tuple of int, optional
            Which to look at; None: all.

        Raises
        ------
        ProjectError
            If the labels were packed anew in another way: their chunks say nothing then.
        """
        if self._has_changed(FRAME, self._stat(FRAME)):
            raise ProjectError(
                f"Another program has written {self._array.parent} anew, in another form "
                "than this one reads. Restore the folder from a backup; import the other "
                "program's labels instead."
            )
        if among is None:
            files = dict(self._files())
            gone = self._seen.keys() - files.keys() - {FRAME}
            found = [*files.items(), *((name, None) for name in gone)]
        else:
            found = [(_name(one), self._stat(_name(one))) for one in among]
        return sorted(
            _place(name) for name, now in found if self._has_changed(name, now)
        )

    def former(self, place: Place, shape: tuple[int, ...]) -> FormerChunk:
        """Return what a chunk was when it was noted; nothing but background if it was not."""
        frame, packed = self._data(FRAME), self._data(_name(place))
        prototype = default_buffer_prototype().buffer
        files = {FRAME: prototype.from_bytes(frame)}
        if packed:
            files[_name(place)] = prototype.from_bytes(packed)
        array = zarr.open_array(MemoryStore(files), mode="r")
        start = tuple(at * size for at, size in zip(place, array.chunks, strict=True))
        box = tuple(
            slice(low, min(low + size, whole))
            for low, size, whole in zip(start, array.chunks, shape, strict=True)
        )
        return FormerChunk(start, np.array(array[box], np.int32))

    def _data(self, name: str) -> bytes:
        row = self._connection.execute(READ_DATA, (*self._key, name)).fetchone()
        return b"" if row is None else bytes(row[0])

    def _has_changed(self, name: str, now: os.stat_result | None) -> bool:
        """Say whether a file holds other bytes; only one of another size or time is read."""
        seen = self._seen.get(name)
        if now is None or seen is None:
            return (now is None) != (seen is None)
        if (now.st_size, now.st_mtime_ns) == seen[:2]:
            return False
        return zlib.crc32(self._path(name).read_bytes()) != seen.crc

    def _note(self, name: str) -> None:
        found = self._stat(name)
        if found is None:
            self._seen.pop(name, None)
            self._connection.execute(FORGET, (*self._key, name))
            return
        data = self._path(name).read_bytes()
        seen = Seen(found.st_size, found.st_mtime_ns, zlib.crc32(data))
        self._seen[name] = seen
        self._connection.execute(NOTE, (*self._key, name, *seen, data))

    def _path(self, name: str) -> Path:
        return self._array / name

    def _stat(self, name: str) -> os.stat_result | None:
        try:
            return self._path(name).stat()
        except FileNotFoundError:
            return None

    def _files(self) -> Iterator[tuple[str, Any]]:
        """Yield name and state of every chunk that is a file."""
        folders = [("c", self._array / "c")]
        while folders:
            name, folder = folders.pop()
            if not folder.is_dir():
                continue
            with os.scandir(folder) as entries:
                for entry in entries:
                    inner = f"{name}/{entry.name}"
                    if not entry.name.isdigit():
                        continue  # a file that is being written
                    if entry.is_dir():
                        folders.append((inner, Path(entry.path)))
                    else:
                        yield inner, entry.stat()


def forget_chunks(connection: sqlite3.Connection, image_id: int, number: int) -> None:
    """Forget labels that were deleted; raises `sqlite3.Error`."""
    if connection.execute(IS_THERE).fetchone():
        connection.execute(FORGET_ALL, (image_id, number))


def _name(place: Place) -> str:
    return "/".join(["c", *map(str, place)])


def _place(name: str) -> Place:
    return tuple(map(int, name.split("/")[1:]))
