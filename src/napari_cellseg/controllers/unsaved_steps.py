"""Steps on a project that is open to read only: how many, how they come to the disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from napari_cellseg.controllers.cell_labels import CellLabels, cells_in
from napari_cellseg.core.editing.history import History
from napari_cellseg.core.errors import ProjectError, ReadOnlyProjectError
from napari_cellseg.project.labels import ProjectLabels
from napari_cellseg.project.store import Project, open_project

READ_ONLY = (
    "What you change here stays in memory and is saved once that can be done; Project › "
    "Save a copy… keeps it now."
)


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
        return open_project(folder, read_only=True), f"{error} {READ_ONLY}"


def as_read(cells: CellLabels, opened: ProjectLabels) -> CellLabels:
    """Return cells as they are read, with what tells later who has changed them."""
    cells.left_at, cells.left_as = opened.last_step, _said(cells)
    return cells


def opened_to_write(old: Project, read: Mapping[int, CellLabels]) -> Project | None:
    """Open a project to write that could only be read so far; None where it still is so.

    Cells that were changed elsewhere alone lose their home: the project has newer ones.

    Raises
    ------
    ProjectError
        If cells were changed elsewhere as well as here, or cannot be read.
    """
    try:
        project = open_project(old.folder)
    except ProjectError:
        return None
    try:
        for image_id, cells in list(read.items()):
            _part_from(project, image_id, cells)
    except ProjectError:
        project.close()
        raise
    return project


def _part_from(project: Project, image_id: int, cells: CellLabels) -> None:
    """Take the home of cells that were changed elsewhere; raises where here as well."""
    now, opened = cells_in(project, image_id)
    if (opened.last_step, _said(now)) == (cells.left_at, cells.left_as):
        return
    if n_steps([cells]) or _said(cells) != cells.left_as:
        raise ProjectError(
            f"Another window has changed cells in {project.name} that were changed here as "
            "well, so those of here can be kept in a copy only: Project › Save a copy…"
        )
    cells.home = ""


def _said(cells: CellLabels) -> tuple[Any, ...]:
    """Return what a person has said of cells, beside the steps, to be compared."""
    areas = [(area.plane, area.outline_yx.tolist()) for area in cells.areas]
    return cells.notes.states, areas, dict(cells.parents)


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
