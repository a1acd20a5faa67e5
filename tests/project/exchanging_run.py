"""A session that undoes and redoes an import of large labels, until a test kills it.

    python exchanging_run.py FOLDER LARGE_PX

Prints a line after each step that was completed: which labels are looked at now.
"""

from __future__ import annotations

import sys
from pathlib import Path

from napari_cellseg.core.editing.corrections import delete_cells
from napari_cellseg.core.labels import on_disk as labels_on_disk
from napari_cellseg.project.labels.labels import ProjectLabels
from napari_cellseg.project.store import Project, open_project

N_IMPORTED = 2


def step(project: Project, opened: ProjectLabels, *, back: bool) -> ProjectLabels:
    """Undo or redo a step as a window does, and return the labels after it."""
    edit = opened.journal.undo() if back else opened.journal.redo()
    assert edit is not None
    if edit.is_exchange:
        project.forget_labels(1)
        return project.open_labels(1)
    opened._apply(edit)
    return opened


def tell(opened: ProjectLabels) -> None:
    """Say how many cells there are."""
    print(0 if opened.index is None else len(opened.index), flush=True)  # noqa: T201


def main(folder: Path) -> None:
    """Go back to before the import and forth again."""
    with open_project(folder) as project:
        opened = project.open_labels(1)
        tell(opened)
        # Once: a session that begins where the last one was killed deletes no more.
        if opened.index is not None and len(opened.index) == N_IMPORTED:
            if not opened.journal.redo_name:
                first = min(opened.index.ids)
                opened.take(delete_cells(opened.index, [first], opened.sources))
            tell(opened)
        while True:
            for back in (True, False):
                while opened.journal.undo_name if back else opened.journal.redo_name:
                    opened = step(project, opened, back=back)
                    tell(opened)


if __name__ == "__main__":
    labels_on_disk.LARGE_PX = int(sys.argv[2])
    main(Path(sys.argv[1]))
