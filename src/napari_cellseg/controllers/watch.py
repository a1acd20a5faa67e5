"""Watching a folder or a bucket: results are listed as they come."""

from __future__ import annotations

from psygnal import Signal

from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.io.writing.finished import (
    FinishedImage,
    describe_finished,
    find_finished,
)

#: Results that are listed; older ones are found where they lie.
MAX_LISTED = 200
#: Records and their states.
States = frozenset[tuple[str, str]]


class WatchController:
    """Looks at a place when it is told to, and keeps what it found.

    Parameters
    ----------
    task : TaskController
        Does the looking.

    Attributes
    ----------
    place : str
        Folder or address; "" while nothing is watched.
    results : list of FinishedImage
        The newest first.
    """

    changed = Signal()

    def __init__(self, task: TaskController) -> None:
        self.task = task
        self.place = ""
        self._listed_of = ""
        self.results: list[FinishedImage] = []
        self._seen: States = frozenset()
        task.changed.connect(self._on_task_changed)

    @property
    def is_watching(self) -> bool:
        """True from `watch` until `stop`."""
        return bool(self.place)

    @property
    def problem(self) -> str:
        """Why the last look failed, in a sentence, or ""."""
        return self.task.failure.message if self.task.failure else ""

    def watch(self, place: str) -> None:
        """Look at a place from now on; what was listed of another one goes."""
        self.place, self.results, self._seen = place.strip(), [], frozenset()
        self._listed_of = self.place
        self.look()

    def stop(self) -> None:
        """Look no more; the list stays."""
        self.place = ""
        self.task.abandon()
        self.changed.emit()

    def look(self) -> None:
        """Look for what is new, unless a look is under way."""
        if self.is_watching and not self.task.is_running:
            self.task.start("Looking", _look_job(self.place, self._seen), self._take)

    def paths_of(self, index: int) -> list[str]:
        """Return the image, if it is known, and the labels of a listed result."""
        result = self.results[index]
        return [path for path in (result.image, result.found.labels) if path]

    def title(self, result: FinishedImage) -> str:
        """Return a result's name with the folders below the place that it lies in."""
        labels = result.found.labels.replace("\\", "/")
        start = self._listed_of.replace("\\", "/").rstrip("/") + "/"
        inside = labels.removeprefix(start) if labels.startswith(start) else ""
        folder, slash, _ = inside.rpartition("/")
        return f"{folder}{slash}{result.name}"

    def _take(self, looked: tuple[list[FinishedImage], States]) -> None:
        """Put what is new on top; what was done again takes the place of the old."""
        new, self._seen = looked
        labels = {one.found.labels for one in new}
        kept = [one for one in self.results if one.found.labels not in labels]
        self.results = [*new, *kept][:MAX_LISTED]
        self.changed.emit()

    def _on_task_changed(self) -> None:
        self.changed.emit()


def _look_job(place: str, seen: States) -> Job[tuple[list[FinishedImage], States]]:
    """Return what is new, the newest first, and the states of all that is there."""
    yield Progress(0, 0, f"looking at {place}")
    found = find_finished(place)
    states = [(one.record, one.state) for one in found]
    new = [one for one, state in zip(found, states, strict=True) if state not in seen]
    described = []
    for one in new[:MAX_LISTED]:
        if (image := describe_finished(one)) is not None:
            described.append(image)
            yield Progress(len(described), len(new), image.name)
    return described, frozenset(states)
