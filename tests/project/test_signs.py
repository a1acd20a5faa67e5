"""What was seen of cells, and where one may be missing, is there after a restart."""

import numpy as np
import pytest

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.controllers.labels.cell_tools import CellTools
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.controllers.reviewing.missing import MissingController
from napari_cellseg.core.editing.rerun import Merged
from napari_cellseg.core.review.doubt_signs import NO_SIGNS, Signs
from napari_cellseg.core.review.missing_cells import MissingPlace
from napari_cellseg.project.store import create_project

DIGEST = "a" * 64


def labels_of_three():
    labels = np.zeros((40, 40), np.int32)
    for cell, left in enumerate((2, 14, 26), start=1):
        labels[2:10, left : left + 8] = cell
    return labels


def seen():
    mask = np.ones((5, 7), bool)
    mask[0, 0] = False
    return Signs(
        {1: 0.5},
        {1: 0.25, 2: 0.75},
        frozenset({3}),
        frozenset({2}),
        (MissingPlace((), (20, 3), mask, 0.4), MissingPlace((), (30, 30), mask, 0.2)),
        {3: 0.9},
    )


class Window:
    """A project and the cells of its one image under correction."""

    def __init__(self, image):
        self.image = image
        self.projects, self.proofread = ProjectController(), ProofreadController()
        self.missing = MissingController(self.proofread)
        self.missing.decided.connect(self.projects.save_signs)
        self.projects.open(image.with_name("work.cellseg"))

    def take_up(self):
        self.proofread.reopen(self.projects.cells_of(str(self.image)))
        self.missing.take_signs(self.cells.signs)
        return self

    @property
    def cells(self):
        return self.proofread.cells

    def restarted(self):
        self.projects.close()
        return Window(self.image).take_up()


@pytest.fixture
def window(tmp_path):
    image = tmp_path / "image.tif"
    image.write_bytes(b"pixels")
    with create_project(tmp_path / "work") as project:
        project.add_images([image])
    one = Window(image)
    cells = CellLabels(labels_of_three())
    cells.signs, cells.model_digest = seen(), DIGEST
    assert one.projects.adopt(cells, str(image), "YX", None)
    return one.restarted()


def test_what_was_seen_is_there_after_a_restart(window):
    signs = window.cells.signs
    assert signs.disagreement == {1: 0.25, 2: 0.75}
    assert (signs.cut_off, signs.on_seam) == ({3}, {2})
    assert signs.other_model == {3: 0.9}
    assert window.cells.model_digest == DIGEST
    first, second = signs.missing
    assert (first.corner_yx, second.corner_yx) == ((20, 3), (30, 30))
    assert np.array_equal(first.mask, seen().missing[0].mask)
    window.projects.close()


def test_a_cell_that_was_corrected_since_is_doubtful_no_more(window):
    window.proofread.delete_cells([3])
    CellTools(window.proofread).shrink(2, ())
    again = window.restarted()
    assert again.cells.signs.disagreement == {1: 0.25}
    assert again.cells.signs.on_seam == frozenset()
    assert again.cells.signs.other_model == {}
    again.projects.close()


def test_a_place_that_was_filled_or_refused_is_not_offered_again(window):
    window.missing.next()
    window.missing.refuse()
    again = window.restarted()
    (left,) = again.missing.places
    assert left.corner_yx == (30, 30)
    again.missing.next()
    again.missing.add()
    last = again.restarted()
    assert last.missing.places == []
    last.proofread.undo()
    assert len(last.missing.places) == 1
    last.projects.close()


def test_a_new_run_drops_what_was_seen_before(window):
    other = np.zeros_like(window.cells.labels)
    other[20:30, 20:30] = 9
    window.proofread.take_run(Merged(other, {9: 0.8}), "segment", keeps=True)
    again = window.restarted()
    assert again.cells.signs is NO_SIGNS
    assert again.cells.model_digest == ""
    again.projects.close()
