"""A step on cells with mothers and daughters, killed before the window hears of it.

    python lineage_run.py PROJECT IMAGE STEP

STEP is "number" (all cells anew), "undo" or "adopt" (the cells are taken in).
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.controllers.labels.cell_tools import CellTools
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.projects.project import ProjectController

LAYER_FIRST = 100


def dividing_cells() -> CellLabels:
    """Return two frames: cell 11, and its daughters 12 and 13."""
    labels = np.zeros((2, 16, 16), np.int32)
    labels[0, 2:6, 2:6], labels[1, 2:6, 2:4], labels[1, 2:6, 5:7] = 11, 12, 13
    cells = CellLabels(labels)
    cells.parents = {12: 11, 13: 11}
    cells.states = {12: "accepted"}
    return cells


def die(*_: object) -> None:
    """End at once, as by ``kill -9``."""
    os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path, image: str, name: str) -> None:
    """Do the step and die."""
    projects = ProjectController()
    projects.open(folder)
    if name == "adopt":
        projects.changed.connect(die)
        projects.adopt(dividing_cells(), image, "TYX", None)
        return
    proofread = ProofreadController()
    proofread.reopen(projects.cells_of(image))
    # Nothing that listens to edits comes to follow the parents or to write them.
    proofread.edited.connect(die, priority=LAYER_FIRST)
    if name == "undo":
        proofread.undo()
    else:
        CellTools(proofread).number_anew()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
