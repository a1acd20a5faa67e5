"""The tools at a place: on one plane or all, and what goes along with a number."""

import numpy as np
import pytest

from napari_cellseg.controllers.labels.cell_tools import CellTools
from napari_cellseg.controllers.labels.proofread import ProofreadController

LINE = np.array([(0.0, 5.0), (12.0, 5.0)])
AROUND = np.array([(1.0, 1.0), (1.0, 11.0), (11.0, 11.0), (11.0, 1.0)])
INSIDE = np.array([(4.0, 4.0), (4.0, 6.0), (6.0, 6.0), (6.0, 4.0)])


def opened(shape=(4, 20, 30)):
    """Return tools on a cell, 8 × 8 with a hole, beside another, on all planes but 2."""
    labels = np.zeros(shape, np.int32)
    labels[..., 2:10, 2:10] = 3
    labels[..., 2:10, 10:14] = 4
    labels[..., 7, 7] = 0
    if len(shape) > 2:
        labels[..., 2, :, :] = 0
    proofread = ProofreadController()
    proofread.open(labels, {3: "model", 4: "hand"}, {3: 0.75})
    return proofread, CellTools(proofread)


TOOLS = {
    "delete": lambda tools, plane: tools.delete(3, plane),
    "delete region": lambda tools, plane: tools.delete_region(AROUND, plane),
    "merge": lambda tools, plane: tools.merge([3, 4], plane),
    "split": lambda tools, plane: tools.split(LINE, plane),
    "fill": lambda tools, plane: tools.fill_holes(3, plane),
    "smooth": lambda tools, plane: tools.smooth(3, plane),
    "grow": lambda tools, plane: tools.grow(3, plane),
    "shrink": lambda tools, plane: tools.shrink(3, plane),
    "new number": lambda tools, plane: tools.new_number(3, plane),
}


@pytest.mark.parametrize("all_planes", [True, False])
@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_changes_all_planes_or_the_one_that_is_shown(tool, all_planes):
    proofread, tools = opened()
    tools.use_all_planes(is_on=all_planes)
    before = proofread.labels.copy()
    TOOLS[tool](tools, (1,))
    changed = [bool((proofread.labels[z] != before[z]).any()) for z in range(4)]
    assert changed == [all_planes, True, False, all_planes]
    proofread.undo()
    np.testing.assert_array_equal(proofread.labels, before)


@pytest.mark.parametrize("tool", TOOLS)
def test_the_tools_work_on_one_plane_images(tool):
    proofread, tools = opened((20, 30))
    before = proofread.labels.copy()
    TOOLS[tool](tools, ())
    assert (proofread.labels != before).any()
    assert set(proofread.sources) == set(np.unique(proofread.labels)) - {0}


def test_a_cell_is_copied_and_the_next_plane_is_asked_for():
    proofread, tools = opened()
    asked = []
    tools.stepped.connect(asked.append)
    tools.copy_to_next(3, (1,))
    assert asked == [(2,)]
    assert (proofread.labels[2] == 3).sum() == 63


def test_a_missing_plane_is_interpolated():
    proofread, tools = opened()
    assert tools.lacks_planes(3)
    tools.interpolate([3], (0,))
    assert not tools.lacks_planes(3)
    assert (proofread.labels[2] == 3).sum() == pytest.approx(63, abs=2)


def test_a_hole_is_cut():
    proofread, tools = opened((20, 30))
    tools.cut_hole(INSIDE, ())
    assert (proofread.labels == 3).sum() == 63 - 9


def test_what_is_known_of_cells_goes_along_with_their_new_numbers():
    proofread, tools = opened((20, 30))
    proofread.set_state([4], "accepted")
    told = []
    proofread.reviewed.connect(told.append)
    tools.number_anew()
    assert proofread.sources == {1: "model", 2: "hand"}
    assert proofread.cells.confidence == {1: 0.75}
    assert proofread.cells.states == {2: "accepted"}
    assert told == [[2, 4]]
    assert not proofread.deleted
    proofread.undo()
    assert proofread.sources == {3: "model", 4: "hand"}
    assert proofread.cells.confidence == {3: 0.75}
    assert proofread.cells.states == {4: "accepted"}
