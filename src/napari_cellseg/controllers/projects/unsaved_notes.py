"""Review marks, checked areas and lineage that are not on the disk yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.core.errors import ProjectError
from napari_cellseg.project.store import Project


class UnsavedNotes:
    """What a person said of cells; what cannot be written waits.

    Attributes
    ----------
    problem : str
        Why something waits, "" if nothing does.
    n_waiting : int
        How many times something was said that is not on the disk.
    """

    def __init__(self) -> None:
        self.problem = ""
        self.n_waiting = 0
        self._reviews: dict[int, set[int]] = {}
        self._lineages: set[int] = set()

    def add_review(self, image_id: int, ids: Iterable[int]) -> None:
        """Note that a person said something of cells, or of areas."""
        self._reviews.setdefault(image_id, set()).update(ids)
        self.n_waiting += 1

    def add_lineage(self, image_id: int) -> None:
        """Note that cells have other parents."""
        self._lineages.add(image_id)
        self.n_waiting += 1

    def write(self, project: Project, kept: Mapping[int, CellLabels]) -> None:
        """Write what waits; `problem` says why it could not be.

        Parameters
        ----------
        project : Project
            Where to.
        kept : mapping of int to CellLabels
            By the image's number; each as it is now.
        """
        if not self.n_waiting:
            return
        try:
            self.copy_to(project, kept)
        except ProjectError as error:
            self.problem = str(error)
        else:
            self.clear()

    def copy_to(self, project: Project, kept: Mapping[int, CellLabels]) -> None:
        """Write what waits; it goes on to wait. Raises `ProjectError`."""
        for image_id, ids in self._reviews.items():
            cells = kept[image_id]
            states = {cell: cells.states.get(cell, "unseen") for cell in ids}
            project.review(image_id).save(states, cells.areas)
        for image_id in self._lineages:
            lineage = project.lineage(image_id)
            lineage.set_steps(kept[image_id].around_parents)
            lineage.set_parents(kept[image_id].parents)

    def forget(self, image_id: int) -> None:
        """Write nothing of an image: its cells are not held any more."""
        self._reviews.pop(image_id, None)
        self._lineages.discard(image_id)

    def clear(self) -> None:
        """Forget what waits."""
        self.problem = ""
        self.n_waiting = 0
        self._reviews.clear()
        self._lineages.clear()
