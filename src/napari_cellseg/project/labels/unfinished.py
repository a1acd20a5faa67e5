"""Labels that a killed program left half written; what somebody still writes stays.

Who writes labels that take long holds a lock beside them. A lock is free as soon as its
program has ended, however it did.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from napari_cellseg.project.labels.exchanges import Exchanges
from napari_cellseg.project.labels.labels_store import LABELS_FOLDER, number_of

logger = logging.getLogger(__name__)

NEW, OLD = ".new.", ".old."


@contextmanager
def being_written(labels: Path) -> Iterator[None]:
    """Hold the lock of a folder of labels, so that `remove_unfinished` leaves it.

    Raises
    ------
    filelock.Timeout
        If somebody else writes these labels.
    """
    lock = FileLock(_lock_of(labels), timeout=0)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()
        with suppress(OSError):  # somebody looks whether it is free
            _lock_of(labels).unlink()


def remove_unfinished(connection: sqlite3.Connection, folder: Path) -> None:
    """Delete labels of a project that were never finished.

    Labels that were being replaced when the program was killed are put back.

    Parameters
    ----------
    connection : sqlite3.Connection
        Of the project.
    folder : Path
        Of the project, which no other window has open to write.
    """
    place = folder / LABELS_FOLDER
    for old in sorted(place.glob(f"{OLD}*.ome.zarr")):
        whole = old.with_name(old.name.removeprefix(OLD))
        if not whole.exists():
            old.rename(whole)
        else:
            shutil.rmtree(old, ignore_errors=True)
    for new in sorted(place.glob(f"{NEW}*.ome.zarr")):
        labels = new.with_name(new.name.removeprefix(NEW))
        _remove(new, labels)
    for labels in sorted(place.glob("[0-9]*.[0-9]*.ome.zarr")):
        image_id = labels.name.partition(".")[0]
        if not image_id.isdigit():
            continue
        if number_of(labels) not in Exchanges(connection, folder, int(image_id)).needed:
            _remove(labels, labels)


def _remove(path: Path, labels: Path) -> None:
    """Delete a folder unless its labels are being written."""
    try:
        with being_written(labels):
            shutil.rmtree(path, ignore_errors=True)
    except Timeout:
        return
    logger.info("Removed labels that were never finished: %s", path)


def _lock_of(labels: Path) -> Path:
    return labels.with_name(f"{NEW}{labels.name}.lock")
