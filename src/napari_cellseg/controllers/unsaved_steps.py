"""Steps on a project that is open to read only: how many, and how a copy holds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from napari_cellseg.controllers.cell_labels import CellLabels
from napari_cellseg.core.editing.history import History
from napari_cellseg.core.errors import ProjectError, ReadOnlyProjectError
from napari_cellseg.project.store import Project, open_project


def add_steps(folder: Path, read: Mapping[int, CellLabels]) -> None:
    """Write steps that were made on a project that is open to read only into its copy.

    Parameters
    ----------
    folder : Path
        Of the copy.
    read : mapping of int to CellLabels
        By the image's number, as they were read and corrected.

    Raises
    ------
    ProjectError
        If they cannot be written, or are not all known any more.
    """
    changed = {key: cells for key, cells in read.items() if _has_news(cells)}
    if not changed:
        return
    with open_project(folder) as copy:
        for image_id, cells in changed.items():
            _add(copy, image_id, cells)


def open_or_read(folder: Path) -> tuple[Project, str]:
    """Open a project, to read only where it cannot be written; return it and why not.

    Raises
    ------
    ProjectError
        If it is none, or cannot be read.
    """
    try:
        return open_project(folder), ""
    except ReadOnlyProjectError as error:
        return open_project(folder, read_only=True), str(error)


def n_steps(read: Iterable[CellLabels]) -> int:
    """Return how many steps were made on cells of a project that is open to read only."""
    histories = [cells.history for cells in read]
    return sum(len(one.edits()[0]) for one in histories if isinstance(one, History))


def _has_news(cells: CellLabels) -> bool:
    """Say whether anything may have been done to cells since they were read."""
    return cells.history.can_undo or bool(cells.states or cells.areas or cells.parents)


def _add(copy: Project, image_id: int, cells: CellLabels) -> None:
    history = cells.history
    if not isinstance(history, History) or not history.is_whole:
        raise ProjectError(
            f"{copy.name} has the cells as they are in the project, without what was "
            "corrected here: the first steps are not known any more. Export the cells."
        )
    opened = copy.open_labels(image_id)
    for step in history.edits()[0]:
        opened.take(step)
    opened.write(dict(cells.confidence))
    review = copy.review(image_id)
    known = review.states().keys() | cells.states.keys()
    states = {cell: cells.states.get(cell, "unseen") for cell in known}
    review.save(states, cells.areas)
    copy.lineage(image_id).set_steps(cells.around_parents)
    copy.lineage(image_id).set_parents(cells.parents)
