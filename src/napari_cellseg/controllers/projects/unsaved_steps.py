"""Steps on a project that is open to read only: how many, how they come to the disk."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.core.counted import counted
from napari_cellseg.core.editing.checked import CheckedArea
from napari_cellseg.core.editing.history import History
from napari_cellseg.core.errors import ProjectError, ReadOnlyProjectError
from napari_cellseg.core.jobs import Job
from napari_cellseg.project.labels.labels import ProjectLabels
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
    changed = {key: cells for key, cells in read.items() if _is_changed(cells)}
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


def unsaved_words(n_waiting: int, read: Collection[CellLabels]) -> str:
    """Say what is not on the disk, "" if everything is.

    Parameters
    ----------
    n_waiting : int
        Steps and marks that could not be written.
    read : collection of CellLabels
        Of a project that is open to read only.
    """
    n = n_waiting + n_steps(read)
    steps = counted(n, "step") if n else ""
    marks = "what was marked" if any(map(_has_marks, read)) else ""
    words = " and ".join(filter(None, (steps, marks)))
    are = "are" if n > 1 or (n and marks) else "is"
    return f"{words[:1].upper()}{words[1:]} {are} not on the disk yet." if words else ""


def opened_to_write(old: Project, read: Mapping[int, CellLabels]) -> Project | None:
    """Open a project to write that could only be read so far; None where it still is so.

    Cells that were changed elsewhere alone lose their home: the project has newer ones.

    Raises
    ------
    ProjectError
        If cells were changed elsewhere as well as here, or it cannot be read.
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


def cells_read(project: Project, image_ids: Iterable[int]) -> Job[None]:
    """Return the job that reads labels of images, so that they are opened at once.

    Raises
    ------
    ProjectError
        If the project cannot be read.
    """
    # Now: only the jobs have connections of their own.
    return _in_turn([project.preparation(one) for one in image_ids])


def _in_turn(jobs: Iterable[Job[None] | None]) -> Job[None]:
    for job in jobs:
        if job is not None:
            yield from job


def _part_from(project: Project, image_id: int, cells: CellLabels) -> None:
    """Take the home of cells that were changed elsewhere; raises where here as well."""
    notes, parents = project.review(image_id), project.lineage(image_id).parents()
    now = notes.states(), _outlines(notes.areas()), parents
    if (project.table.last_step(image_id)[0], now) == (cells.left_at, cells.left_as):
        return
    if _is_changed(cells):
        raise _changed_in_both(project)
    cells.home = ""


def check_parted(project: Project, read: Iterable[CellLabels]) -> None:
    """Raise `ProjectError` if cells without a home were changed since they lost it."""
    if any(not one.home and _is_changed(one) for one in read):
        raise _changed_in_both(project)


def _changed_in_both(project: Project) -> ProjectError:
    return ProjectError(
        f"Another window has changed cells in {project.name} that were changed here as "
        "well, so those of here can be kept in a copy only: Project › Save a copy…"
    )


def _said(cells: CellLabels) -> tuple[Any, ...]:
    """Return what a person has said of cells, beside the steps, to be compared."""
    return cells.notes.states, _outlines(cells.areas), dict(cells.parents)


def _outlines(areas: Iterable[CheckedArea]) -> list[Any]:
    return [(area.plane, area.outline_yx.tolist()) for area in areas]


def n_steps(read: Iterable[CellLabels]) -> int:
    """Return how many steps were made on cells of a project that is open to read only."""
    histories = [cells.history for cells in read]
    return sum(len(one.edits()[0]) for one in histories if isinstance(one, History))


def _is_changed(cells: CellLabels) -> bool:
    return bool(n_steps([cells])) or _has_marks(cells)


def _has_marks(cells: CellLabels) -> bool:
    """Say whether something else is said of cells than when they were read."""
    return _said(cells) != cells.left_as


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
