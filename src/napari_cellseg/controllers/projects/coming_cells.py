"""Cells of large images on their way into a project, a few chunks at a time.

The window goes on meanwhile: steps are in the history of the cells, and the project takes
both at once in the end. Until then it has nothing of them, and they count as unsaved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from napari_cellseg.controllers.labels.cell_labels import CellLabels, steps_in_between
from napari_cellseg.controllers.labels.cells_before import is_done_at_once
from napari_cellseg.core.editing.history import History
from napari_cellseg.core.editing.lineage_steps import Lineage
from napari_cellseg.core.errors import ProjectError
from napari_cellseg.core.jobs import Job, Progress, run
from napari_cellseg.project.labels.labels import ProjectLabels
from napari_cellseg.project.labels.new_labels import NewLabels
from napari_cellseg.project.store import Project

#: What is to become of cells that are in the project now.
Keep = Callable[[int, CellLabels, ProjectLabels], None]


@dataclass(slots=True, eq=False)
class _Coming:
    """Cells, all that is known of them when it is asked for, and how far they are."""

    cells: CellLabels
    new: Callable[[], NewLabels]
    job: Job[ProjectLabels] | None = None


class ComingCells:
    """What is on its way into the project of one window.

    Parameters
    ----------
    keep : callable
        Called with image, cells and labels once they are in the project.
    """

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._waiting: dict[int, _Coming] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, image_id: int) -> bool:
        return image_id in self._waiting

    def add(
        self,
        project: Project,
        image_id: int,
        cells: CellLabels,
        new: Callable[[], NewLabels],
    ) -> None:
        """Take cells of few pixels in; let others wait until `writing` takes them in.

        Raises
        ------
        ProjectError
            If few cannot be written; they do not wait.
        """
        self._waiting[image_id] = _Coming(cells, new)
        if is_done_at_once(cells.labels.shape):
            try:
                run(self.taking(project, image_id))
            finally:
                self._waiting.pop(image_id, None)

    def taking(self, project: Project, image_id: int) -> Job[None]:
        """Take the cells of one image in; another such job may do a part of it.

        Raises
        ------
        ProjectError
            If they cannot be written; they go on to wait, and begin anew.
        """
        coming = self._waiting[image_id]
        while self._waiting.get(image_id) is coming:
            if coming.job is None:
                coming.job = project.starting_labels(image_id, coming.new)
            try:
                yield next(coming.job)
            except StopIteration as stop:
                del self._waiting[image_id]
                self._keep(image_id, coming.cells, stop.value)
                # What follows in the same job can wait a turn of the window.
                yield Progress(0, 0, "writing the cells")
            except ProjectError:
                coming.job = None
                raise

    def writing(self, project: Project | None) -> Job[str]:
        """Take all in; return why the last that could not be written could not, or ""."""
        problem = ""
        for image_id in list(self._waiting):
            if project is not None and image_id in self._waiting:
                try:
                    yield from self.taking(project, image_id)
                except ProjectError as error:
                    problem = str(error)
        return problem

    def copy_to(self, copy: Project) -> None:
        """Write all into a copy of the project; they go on to wait.

        Raises
        ------
        ProjectError
            If they cannot be written.
        """
        for image_id, coming in self._waiting.items():
            copy.start_labels(image_id, replace(coming.new(), is_handed_over=False))


def rejoined(
    opened: ProjectLabels, cells: CellLabels, history: History
) -> ProjectLabels | None:
    """Return labels with every step made on cells since, None if they are others."""
    steps = steps_in_between(opened, cells, history)
    if steps is None:
        return None
    # With the first step: killed before the end, the parents are there.
    final = Lineage(cells.parents, cells.around_parents)
    opened.journal.lineage_after = lambda _step: final
    for step in steps:
        opened.journal.push(step)
    return opened
