"""The list of classes that cells may have, and the one that is given next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.core.editing.classes import FIRST_NAMES, checked_name, n_by_class
from napari_cellseg.core.editing.corrections import cells_in_region
from napari_cellseg.core.editing.edits import Edit
from napari_cellseg.core.errors import EditError


class ClassController:
    """Gives cells the class that is chosen; the list is kept with the project.

    Parameters
    ----------
    proofread : ProofreadController
        Takes the edits.
    projects : ProjectController
        Keeps the list where a project is open.

    Attributes
    ----------
    chosen : str
        What is given next, "" takes the class away.
    """

    changed = Signal()

    def __init__(
        self, proofread: ProofreadController, projects: ProjectController
    ) -> None:
        self._proofread = proofread
        self._projects = projects
        self._names: list[str] = list(FIRST_NAMES)
        self.chosen = FIRST_NAMES[0]
        proofread.opened.connect(self._follow)
        proofread.edited.connect(self._on_edited)
        projects.changed.connect(self._follow)

    # ------------------------------------------------------------------- the list
    @property
    def names(self) -> list[str]:
        """The list, and the classes that cells have beside it."""
        return list(dict.fromkeys([*self._names, *self._proofread.classes.values()]))

    @property
    def counts(self) -> dict[str, int]:
        """Number of cells of each class that is used."""
        return n_by_class(self._proofread.classes)

    def choose(self, name: str) -> None:
        """Give this class next, "" for none."""
        self.chosen = name if name in self.names else ""
        self.changed.emit()

    def choose_next(self) -> None:
        """Give the next class of the list; after the last comes none."""
        ring = [*self.names, ""]
        self.choose(ring[(ring.index(self.chosen) + 1) % len(ring)])

    def add(self, name: str) -> None:
        """Put a name on the list and choose it; raises `EditError` if it says nothing."""
        clean = checked_name(name)
        if clean not in self._names:
            self._keep([*self._names, clean])
        self.choose(clean)

    def rename(self, old: str, new: str) -> None:
        """Give a class, and the cells of this image that have it, another name.

        Raises
        ------
        EditError
            If the name says nothing.
        """
        clean = checked_name(new)
        self._keep([clean if name == old else name for name in self._names])
        if cells := self._cells_of(old):
            self._proofread.set_class(cells, clean)
        self.choose(clean)

    def remove(self, name: str) -> None:
        """Take a name off the list; raises `EditError` while cells here have it."""
        if n_cells := len(self._cells_of(name)):
            raise EditError(
                f"{n_cells} cell{' is' if n_cells == 1 else 's are'} '{name}'. Give "
                "them another class first, or rename it."
            )
        self._keep([kept for kept in self._names if kept != name])
        self.choose(next(iter(self.names), ""))

    def _cells_of(self, name: str) -> list[int]:
        return [
            cell for cell, found in self._proofread.classes.items() if found == name
        ]

    def _keep(self, names: Iterable[str]) -> None:
        """Take a list over, and write it into the project if one is open to be written."""
        self._names = list(dict.fromkeys(names))
        project = self._projects.project
        if project is not None and not project.is_read_only:
            project.classes().set_names(self._names)

    # ----------------------------------------------------------------- giving them
    def give(self, cell: int) -> None:
        """Give a cell the class that is chosen, on all its planes."""
        self.give_all([cell])

    def give_in_box(self, ends_yx: NDArray[Any], plane: tuple[int, ...]) -> None:
        """Give it to the cells of a plane that lie in a box by half or more.

        Parameters
        ----------
        ends_yx : (2, 2) float
            Two corners in pixels.
        plane : tuple of int
            Which plane.
        """
        (top, left), (bottom, right) = ends_yx
        corners = [(top, left), (top, right), (bottom, right), (bottom, left)]
        cells = self._proofread.cells
        if cells is None:
            raise EditError("There are no cells yet. Segment the image first.")
        self.give_all(cells_in_region(cells.index, np.array(corners, float), plane))

    def give_all(self, ids: Sequence[int]) -> None:
        """Give it to several cells, in one step."""
        self._proofread.set_class(ids, self.chosen)
        # What is used belongs to the project, also where another session made the list.
        if self.chosen and self.chosen not in self._names:
            self._keep([*self._names, self.chosen])

    # ------------------------------------------------------------------- following
    def _follow(self) -> None:
        """Take over the list of the project; one without a list begins with ours."""
        project = self._projects.project
        kept = [] if project is None else project.classes().names()
        self._names = kept or self._names
        self.choose(self.chosen if self.chosen in self.names else "")

    def _on_edited(self, edit: Edit) -> None:
        if edit.classes_before or edit.classes_after:
            self.changed.emit()
