"""Cells chosen by a line in a plot, and the tones that cells are coloured with."""

import numpy as np
import pandas as pd
import pytest
from psygnal import Signal

from napari_cellseg.controllers.measuring.gate import Gate
from napari_cellseg.controllers.measuring.numbers import histogram_of, tones_of_cells
from napari_cellseg.core.measuring.measure import MeasurementTable


class FakeMeasure:
    changed = Signal()

    def __init__(self, cells):
        self.show(cells)

    def show(self, cells):
        self.table = MeasurementTable(pd.DataFrame(cells), None, "YX", 10_000)
        self.changed.emit()


CELLS = {
    "label": [3, 5, 8, 9],
    "area_px": [10.0, 20.0, 30.0, np.nan],
    "solidity": [0.9, 0.5, 0.8, 0.7],
}
AROUND_THE_FIRST_TWO = [(5, 0.4), (25, 0.4), (25, 1.0), (5, 1.0)]


@pytest.fixture
def measure():
    return FakeMeasure(CELLS)


@pytest.fixture
def gate(measure):
    gate = Gate(measure)
    gate.plot("area_px", "solidity")
    return gate


def test_cells_without_a_number_have_no_dot(gate):
    assert gate.dots.ids.tolist() == [3, 5, 8]
    assert gate.dots.xy[1].tolist() == [20, 0.5]
    assert gate.cells == []


def test_a_line_chooses_the_cells_inside_and_follows_edits(gate, measure):
    gate.draw(AROUND_THE_FIRST_TWO)
    assert gate.cells == [3, 5]
    measure.show({**CELLS, "area_px": [10.0, 26.0, 24.0, 12.0]})
    assert gate.cells == [3, 8, 9]


def test_another_column_or_a_slip_of_the_mouse_takes_the_line_away(gate):
    gate.draw(AROUND_THE_FIRST_TWO)
    gate.plot("solidity", "area_px")
    assert not gate.is_drawn
    assert gate.cells == []
    gate.draw([(0, 0), (100, 100)])
    assert not gate.is_drawn


def test_no_table_has_no_dots(gate, measure):
    gate.draw(AROUND_THE_FIRST_TWO)
    measure.table = None
    measure.changed.emit()
    assert gate.dots.ids.size == 0
    assert gate.cells == []


def test_tones_run_between_small_and_large_and_one_odd_cell_does_not_take_them_all():
    areas = [*range(1, 200), 1e6]
    table = FakeMeasure({"label": np.arange(1, 201), "area_px": areas}).table
    tones = tones_of_cells(table, "area_px")
    assert tones[1] == 0
    assert tones[200] == 1
    assert tones[100] == pytest.approx(0.5, abs=0.02)


def test_sections_of_a_cell_have_one_tone_and_the_bars_the_tones_of_their_cells():
    rows = {"label": [1, 1, 2], "area_px": [10.0, 30.0, 40.0]}
    table = FakeMeasure(rows).table
    assert tones_of_cells(table, "area_px").to_dict() == {1: 0.0, 2: 1.0}
    tones = histogram_of(table, "area_px").tones
    assert (tones[0], tones[-1]) == (0.0, pytest.approx(0.97, abs=0.03))


def test_cells_that_are_all_alike_have_a_tone():
    table = FakeMeasure({"label": [1, 2], "area_px": [7.0, 7.0]}).table
    assert tones_of_cells(table, "area_px").tolist() == [0.0, 0.0]
