"""Many images of a project, one after the other: what a model finds goes into the project."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from psygnal import Signal

from napari_cellseg.controllers.segmenting.run_taking import PreparedRun
from napari_cellseg.controllers.segmenting.segment import SegmentController
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.counted import counted
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.types import CellImage, SegmentationResult

T = TypeVar("T")

#: What came of an image; a sentence where it could not be segmented.
Outcome = tuple[CellImage, SegmentationResult] | str


class ProjectRun:
    """Segments images by their files, with what is set in the dock when each begins.

    Parameters
    ----------
    segment : SegmentController
        Takes what is found, into the cells that the project keeps of an image.
    task : TaskController
        Runs one image at a time, and does nothing else.

    Attributes
    ----------
    taken : Signal
        The cells of an image have been taken.
    finished : Signal(str)
        In a sentence, what came of all.
    problems : list of str
        Why images could not be segmented, each with its name.
    """

    taken = Signal()
    finished = Signal(str)

    def __init__(self, segment: SegmentController, task: TaskController) -> None:
        self._segment = segment
        self.task = task
        self._todo: list[str] = []
        self._n_images = self._n_done = 0
        self.problems: list[str] = []

    def start(self, sources: Sequence[str]) -> None:
        """Segment the images of some files."""
        self._todo = list(sources)
        self._n_images, self._n_done = len(sources), 0
        self.problems = []
        self._next()

    def stop(self) -> None:
        """Stop now; of the image that is looked at nothing is taken."""
        self._todo = []
        self.task.abandon()

    def _next(self) -> None:
        if not self._todo:
            self.finished.emit(self._words)
            return
        source = self._todo.pop(0)
        at = self._n_images - len(self._todo) - 1
        job = self._one(Path(source).name, self._segment.segment_file(source), at)
        self.task.start("Segmenting all", job, self._on_done)

    def _one(self, name: str, job: Job[T], at: int) -> Job[T | str]:
        """Count by images; one that cannot be segmented is no end to the others."""
        try:
            return (yield from self._counted(name, job, at))
        except CellsegError as error:
            return _named(name, error)

    def _counted(self, name: str, job: Job[T], at: int) -> Job[T]:
        """Tell of the steps of a job on one image as steps of all."""
        try:
            while True:
                yield Progress(at, self._n_images, f"{name}: {next(job).message}")
        except StopIteration as stop:
            found: T = stop.value
            return found
        finally:
            job.close()

    def _on_done(self, outcome: Outcome) -> None:
        if isinstance(outcome, str):
            self.problems.append(outcome)
            self._next()
            return
        image, result = outcome
        by = partial(self._merge, image.name)
        self._go_on(image.name, partial(self._segment.take, image, result, by))

    def _merge(
        self, name: str, job: Job[PreparedRun], take: Callable[[PreparedRun], bool]
    ) -> None:
        """Merge what was found with the cells of its image."""
        at = self._n_images - len(self._todo) - 1

        def on_done(prepared: PreparedRun | str) -> None:
            if isinstance(prepared, str):
                self._on_done(prepared)
            else:
                self._go_on(name, partial(take, prepared))

        self.task.start("Segmenting all", self._one(name, job, at), on_done)

    def _go_on(self, name: str, take: Callable[[], bool]) -> None:
        """Take what was found, and go to the next image unless it is merged first."""
        try:
            if not take():
                return
        except CellsegError as error:
            self.problems.append(_named(name, error))
        else:
            self._n_done += 1
            self.taken.emit()
        self._next()

    @property
    def _words(self) -> str:
        done = f"{counted(self._n_done, 'image')} segmented."
        if not self.problems:
            return done
        return f"{done} {len(self.problems)} failed; the first: {self.problems[0]}"


def _named(name: str, error: CellsegError) -> str:
    """Return what went wrong, with the name of the image once."""
    return str(error) if name in str(error) else f"{name}: {error}"
