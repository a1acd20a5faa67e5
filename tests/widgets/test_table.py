"""The table of cells, without a viewer."""

import time

import numpy as np
import pandas as pd
import pytest
from psygnal import Signal
from qtpy.QtCore import Qt

from napari_cellseg.core.measuring.measure import MeasurementTable
from napari_cellseg.widgets.measuring.table import CellTable


class FakeMeasure:
    """What the table needs of a MeasureController."""

    changed = Signal()
    selected = Signal(int)

    def __init__(self):
        self.table = None
        self.selected_cell = 0

    def show(self, cells):
        self.table = MeasurementTable(cells, None, "YX", 10_000)
        self.changed.emit()

    def select(self, cell):
        self.selected_cell = cell
        self.selected.emit(cell)


def cells_of(areas, first=1):
    """Return rows whose cells count from `first`."""
    return pd.DataFrame(
        {
            "label": np.arange(first, first + len(areas)),
            "source": "model",
            "area_px": areas,
            "solidity": 1.0,
        }
    )


@pytest.fixture
def measure():
    return FakeMeasure()


@pytest.fixture
def table(qtbot, measure):
    widget = CellTable(measure)
    qtbot.addWidget(widget)
    measure.show(cells_of([100, 9, 25]))
    widget.resize(400, 200)
    widget.show()
    yield widget
    widget.release()


@pytest.fixture
def heard(table):
    cells = []
    table.chosen.connect(cells.append)
    yield cells
    table.chosen.disconnect(cells.append)


def shown(table, column=0):
    """Return the texts of a column as they are shown."""
    rows = range(table.sorted.rowCount())
    return [table.sorted.index(row, column).data() for row in rows]


def marked(table):
    """Return the cells whose rows are selected."""
    rows = table.view.selectionModel().selectedRows()
    return [int(index.data()) for index in rows]


def test_cells_begin_in_the_order_of_their_numbers(table):
    assert shown(table) == ["1", "2", "3"]


def test_a_click_and_the_keys_choose_a_cell(table, heard, qtbot):
    place = table.view.visualRect(table.sorted.index(1, 0)).center()
    qtbot.mouseClick(table.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.keyClick(table.view, Qt.Key.Key_Down)
    assert heard == [2, 3]


def test_enter_chooses_the_same_cell_again(table, heard, qtbot):
    table.view.selectRow(1)
    qtbot.keyClick(table.view, Qt.Key.Key_Return)
    assert heard == [2, 2]


def test_selecting_from_outside_has_no_echo(table, measure, heard):
    measure.select(3)
    assert marked(table) == [3]
    measure.select(0)
    assert marked(table) == []
    table.select_cell(999)
    assert marked(table) == []
    assert heard == []


def test_keys_go_on_from_a_cell_selected_outside(table, measure, heard, qtbot):
    measure.select(2)
    qtbot.keyClick(table.view, Qt.Key.Key_Down)
    assert heard == [3]


def test_columns_sort_by_number_and_keep_the_selection(table, measure, heard):
    measure.select(3)
    table.view.sortByColumn(2, Qt.SortOrder.AscendingOrder)
    assert shown(table, 2) == ["9", "25", "100"]
    table.view.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    assert shown(table) == ["1", "3", "2"]
    assert marked(table) == [3]
    assert heard == []


def test_new_measurements_keep_selection_order_filter_and_scrolling(
    table, measure, heard
):
    measure.show(cells_of(np.arange(1000)))
    table.view.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    table.filter.setText("area_px > 9")
    table.view.setColumnWidth(2, 123)
    measure.select(500)
    table.view.verticalScrollBar().setValue(300)
    measure.show(cells_of(np.arange(1001)))
    assert table.sorted.rowCount() == 991
    assert shown(table, 2)[0] == "1000"
    assert marked(table) == [500]
    assert table.view.verticalScrollBar().value() == 300
    assert table.view.columnWidth(2) == 123
    assert heard == []


def test_the_order_stays_with_its_column_when_others_appear(table, measure):
    table.view.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    cells = cells_of([100, 9, 25])
    cells.insert(1, "confidence", [0.1, 0.2, 0.3])
    measure.show(cells)
    assert shown(table) == ["1", "3", "2"]
    assert table.view.horizontalHeader().sortIndicatorSection() == 3


def test_a_filter_that_is_not_understood_says_so_and_hides_nothing(table):
    table.filter.setText("arae_px > 10")
    assert "perhaps area_px" in table.message.text()
    assert table.message.isVisible()
    assert table.sorted.rowCount() == 3
    table.filter.setText("area_px > 10")
    assert not table.message.isVisible()
    assert table.count.text() == "2 of 3"


def test_a_selected_cell_that_the_filter_hid_is_selected_again(table, measure, heard):
    measure.select(2)
    table.filter.setText("area_px > 10")
    assert marked(table) == []
    table.filter.clear()
    assert marked(table) == [2]
    assert heard == []


def test_columns_say_what_they_mean(table):
    horizontal = Qt.Orientation.Horizontal
    tips = [
        table.sorted.headerData(column, horizontal, Qt.ItemDataRole.ToolTipRole)
        for column in range(4)
    ]
    assert tips[2] == "Area in pixels."
    assert all(tips)


def test_no_table_has_no_rows(table, measure):
    measure.table = None
    measure.changed.emit()
    assert table.sorted.rowCount() == table.sorted.columnCount() == 0
    assert table.count.text() == "0 rows"


def test_a_hundred_thousand_rows_stay_usable(table, measure, qtbot):
    areas = np.random.default_rng(0).integers(1, 5000, 100_000)
    begin = time.process_time()  # a busy machine is slow
    measure.show(cells_of(areas))
    table.view.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    table.filter.setText("area_px > 2000 and source = model")
    measure.select(int(np.argmax(areas)) + 1)
    qtbot.wait(1)
    # About 0.1 s here; asking for values one by one takes over 20 s.
    assert time.process_time() - begin < 3
    assert table.sorted.rowCount() == np.count_nonzero(areas > 2000)
    assert marked(table) == [int(np.argmax(areas)) + 1]
