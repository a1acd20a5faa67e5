"""The project of a window: whatever is done, it is there when it is opened again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cellseg.controllers.project import ProjectController
from napari_cellseg.controllers.proofread import MOVED, ProofreadController
from napari_cellseg.core.rerun import Merged


def two_cells() -> np.ndarray:
    labels = np.zeros((20, 20), np.int32)
    labels[2:8, 2:8], labels[12:18, 12:18] = 1, 2
    return labels


class Window:
    """A project with the labels of one image, without a viewer."""

    def __init__(self, folder: Path) -> None:
        self.image = folder / "image.tif"
        self.folder = folder / "work.cellseg"
        tifffile.imwrite(self.image, np.zeros((20, 20), np.uint8))
        self.projects = ProjectController()
        self.proofread = ProofreadController()
        self.proofread.reviewed.connect(self._save_review)
        self.proofread.open(two_cells(), confidence={1: 0.9, 2: 0.8})
        self.projects.create(self.folder, [self.image])
        self.projects.adopt(self.proofread.cells, str(self.image), "YX", None)

    def _save_review(self, ids: list[int]) -> None:
        self.projects.save_review(self.proofread.cells, ids)

    def reopen(self) -> None:
        """End the session and begin another."""
        if self.projects.project is not None:
            self.projects.close()
        self.projects.open(self.folder)
        self.proofread.reopen(self.projects.cells_of(str(self.image)))


@pytest.fixture
def window(tmp_path: Path) -> Iterator[Window]:
    made = Window(tmp_path)
    yield made
    if made.projects.project is not None:
        made.projects.close()


def test_a_threshold_that_comes_back_leaves_a_project_that_opens(
    window: Window,
) -> None:
    proofread, fewer = window.proofread, two_cells()
    fewer[fewer == 2] = 0
    proofread.take_run(Merged(fewer, {1: 0.9}), MOVED, keeps=True)
    proofread.take_run(Merged(two_cells(), {1: 0.9, 2: 0.8}), MOVED, keeps=True)
    window.projects.write()
    assert not proofread.history.can_undo
    window.reopen()
    np.testing.assert_array_equal(proofread.labels, two_cells())
    proofread.redo()
    np.testing.assert_array_equal(proofread.labels, fewer)
