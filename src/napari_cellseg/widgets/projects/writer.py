"""Writes the labels of a project while the window goes on."""

from __future__ import annotations

import time

from qtpy.QtCore import QObject

from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.core.jobs import Job
from napari_cellseg.widgets.basics.jobs import Later

#: So long at a time; a chunk takes some 10 ms with the wait for the disk.
SECONDS_AT_ONCE = 0.03


class Writer(QObject):
    """Writes some chunks, lets the window have its turn, and goes on.

    On the main thread: the database belongs to it, and so do the labels.

    Parameters
    ----------
    projects : ProjectController
        Whose labels are written.
    parent : QObject
        Dies with it.
    """

    def __init__(self, projects: ProjectController, parent: QObject) -> None:
        super().__init__(parent)
        self._projects = projects
        self._job: Job[None] | None = None
        self._is_behind = False
        self._later = Later(self._go_on, 0, self)

    def start(self) -> None:
        """Write what is not written; where that is under way, once more after it."""
        self._is_behind = self._job is not None
        if self._job is None:
            self._job = self._projects.writing()
            self._go_on()

    def stop(self) -> None:
        """Write no more; the journal has every step."""
        self._later.stop()
        if self._job is not None:
            self._job.close()
        self._job = None

    def _go_on(self) -> None:
        until = time.monotonic() + SECONDS_AT_ONCE
        try:
            while self._job is not None:
                next(self._job)
                if time.monotonic() > until:
                    self._later.call()
                    return
        except StopIteration:
            self._job = None
            if self._is_behind:
                self.start()
        except BaseException:
            # What failed is told; the next step begins anew.
            self._job = None
            raise
