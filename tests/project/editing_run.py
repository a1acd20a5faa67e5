"""A scripted editing session, run in a process that a test kills.

Prints a line after each step that was completed: what a person saw done.

    python editing_run.py FOLDER SEED [LARGE_PX]

Labels of more than LARGE_PX pixels are left on disk.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from napari_cellseg.core.editing import corrections
from napari_cellseg.core.editing.cell_index import IndexedLabels
from napari_cellseg.core.editing.classes import (
    assign_class,
    updated_classes,
    with_classes,
)
from napari_cellseg.core.editing.edits import (
    Edit,
    apply_edit,
    edit_on_labels,
    updated_sources,
)
from napari_cellseg.core.editing.split import split_cell
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.labels import on_disk as labels_on_disk
from napari_cellseg.project.labels.labels import ProjectLabels
from napari_cellseg.project.store import open_project

WRITE_EVERY = 7
#: Everything is done in a square of this edge in the middle, where chunks meet.
WORKED_PX = 96


def whole(opened: ProjectLabels) -> np.ndarray:
    """Return all labels as an array."""
    return opened.labels[:, :]


def indexed(opened: ProjectLabels) -> IndexedLabels:
    """Return what corrections take."""
    return opened.labels if opened.index is None else opened.index


def show(opened: ProjectLabels, edit: Edit) -> None:
    """Write an edit that is in the journal into all that is held."""
    apply_edit(opened.labels, edit)
    if opened.index is not None:
        opened.index.follow(edit)
    opened.sources = updated_sources(opened.sources, edit)
    opened.classes = updated_classes(opened.classes, edit)


def digest(opened: ProjectLabels) -> int:
    """Return a number that two different label arrays, or classes, hardly share."""
    labels = whole(opened)
    weights = np.arange(1, labels.size + 1, dtype=np.uint64) * np.uint64(2654435761)
    known = sum(cell * len(name) * 7919 for cell, name in opened.classes.items())
    return int((labels.ravel().astype(np.uint64) * weights).sum()) + known


def random_edit(opened: ProjectLabels, rng: np.random.Generator) -> Edit | None:
    """Return a stroke, a deletion, a merge, a split or a class."""
    labels, sources = indexed(opened), opened.sources
    corner = (opened.labels.shape[0] - WORKED_PX) // 2
    kinds = ["brush", "delete", "merge", "split", "class"]
    kind = rng.choice(kinds, p=[0.5, 0.1, 0.15, 0.15, 0.1])
    y, x = (corner + int(low) for low in rng.integers(0, WORKED_PX - 16, 2))
    ids = list(sources)
    try:
        if kind == "brush" or len(ids) < 2:
            after = opened.labels[y : y + 16, x : x + 16].copy()
            after[2:12, 2:12] = rng.integers(1, 40)
            return edit_on_labels(labels, after, (y, x), "brush stroke", sources)
        if kind == "class":
            chosen, name = rng.choice(ids, 2).tolist(), "a" * int(rng.integers(0, 4))
            return assign_class(labels, chosen, name, opened.classes)
        if kind == "delete":
            return corrections.delete_cells(labels, [int(rng.choice(ids))], sources)
        if kind == "merge":
            chosen = rng.choice(ids, 2, replace=False).tolist()
            return corrections.merge_cells(labels, chosen, sources)
        line = corner + np.array([[y - corner, 0.0], [y - corner + 5.0, 95.0]])
        return split_cell(labels, line, (), sources)
    except EditError:  # two cells that do not touch, a line that crosses none
        return None


def step(opened: ProjectLabels, rng: np.random.Generator) -> str:
    """Do one thing; return its name, "" if it could not be done."""
    chance = rng.random()
    if chance < 0.2:
        name, edit = "undo", opened.journal.undo()
    elif chance < 0.3:
        name, edit = "redo", opened.journal.redo()
    else:
        edit = random_edit(opened, rng)
        name = "" if edit is None else edit.name
        if edit is not None:
            edit = with_classes(edit, opened.labels, opened.classes)
            opened.journal.push(edit)
    if edit is None:
        return ""
    show(opened, edit)
    return name


def main(folder: Path, seed: int) -> None:
    """Edit until killed."""
    project = open_project(folder)
    opened = project.open_labels(1)
    rng = np.random.default_rng(seed)
    writing: Iterator[object] = iter(())
    print("ready", digest(opened), flush=True)  # noqa: T201
    for n in range(1, 100_000):
        if name := step(opened, rng):
            print(name.replace(" ", "_"), digest(opened), flush=True)  # noqa: T201
        next(writing, None)  # between the steps, as the window does
        if n % WRITE_EVERY == 0:
            writing = opened.writing()


if __name__ == "__main__":
    if len(sys.argv) > 3:
        labels_on_disk.LARGE_PX = int(sys.argv[3])
    main(Path(sys.argv[1]), int(sys.argv[2]))
