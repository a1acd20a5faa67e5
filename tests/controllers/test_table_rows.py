"""Order and filter of the table."""

import numpy as np
import pandas as pd
import pytest

from napari_cellseg.controllers.measuring.column_words import column_meaning
from napari_cellseg.controllers.measuring.table_rows import matching_rows, sorted_rows
from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.measuring.measure import measure_cells
from napari_cellseg.core.types import CellImage, PixelSize


@pytest.fixture
def cells():
    return pd.DataFrame(
        {
            "label": [1, 2, 12],
            "source": ["model", "edited", "hand"],
            "confidence": [0.9, 0.25, np.nan],
            "area_px": [100, 9, 250],
            "area_um2": [25.0, 2.25, 62.5],
            "touches_border": [True, False, False],
            "mean_intensity_CD4 and > CD8": [3.0, 2.0, 1.0],
        }
    )


def found(cells, text):
    return cells["label"][matching_rows(cells, text)].tolist()


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", [1, 2, 12]),
        ("  ", [1, 2, 12]),
        ("EDIT", [2]),
        ("nothing like it", []),
        ("12", [12]),
        ("area_px > 9", [1, 12]),
        ("area_px>=9", [1, 2, 12]),
        ("Area px ≤ 100", [1, 2]),
        ("area_um2 = 2.25", [2]),
        ("area_um2 != 2.25", [1, 12]),
        ("confidence < 0.5", [2]),
        ("confidence != 0.9", [2]),
        ("conf > 0.5", [1]),
        ("source = hand", [12]),
        ("source != 'hand'", [1, 2]),
        ("touches_border = yes", [1]),
        ("touches = no and area_px > 10", [12]),
        ("area_px > 9 & area_px < 200", [1]),
        ("mean_intensity_CD4 and > CD8 >= 2", [1, 2]),
        ("label = 12", [12]),
    ],
)
def test_a_filter_leaves_the_rows_that_fit(cells, text, labels):
    assert found(cells, text) == labels


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("area > 3", "area_px or area_um2"),
        ("aera_px > 3", "perhaps area_px"),
        ("qqq > 3", "no column 'qqq'"),
        ("> 3", "column before the sign"),
        ("area_px >", "compared with"),
        ("area_px > 0,5", "'0,5' is none"),
        ("area_px > 1 and", "'1 and' is none"),
        ("area_px > 1 and hand", "'hand' is no condition"),
        ("source > hand", "= or !="),
        ("touches_border = perhaps", "yes or no"),
        ("area", "write a condition"),
    ],
)
def test_what_is_not_understood_is_said(cells, text, words):
    with pytest.raises(OptionsError, match=words):
        matching_rows(cells, text)


def test_equal_is_what_the_table_shows_the_same_but_numbers_of_cells_are_exact():
    cells = pd.DataFrame({"label": [100_000, 100_001], "area_um2": [1.23456, 1.2347]})
    assert found(cells, "label = 100000") == [100_000]
    assert found(cells, "area_um2 = 1.2346") == [100_000]


def test_a_table_without_columns_has_no_rows():
    assert matching_rows(pd.DataFrame(), "area_px > 3").shape == (0,)
    assert sorted_rows(pd.DataFrame(), 0, is_descending=False).shape == (0,)


@pytest.mark.parametrize(
    ("column", "is_descending", "order"),
    [
        ("area_px", False, [1, 0, 2]),  # as numbers: "9" would come last as a word
        ("area_px", True, [2, 0, 1]),
        ("confidence", False, [1, 0, 2]),  # the unknown comes last
        ("confidence", True, [0, 1, 2]),
        ("source", False, [1, 2, 0]),
        ("touches_border", True, [0, 1, 2]),  # equal ones stay
    ],
)
def test_rows_are_sorted_by_value(cells, column, is_descending, order):
    place = list(cells.columns).index(column)
    assert sorted_rows(cells, place, is_descending=is_descending).tolist() == order


def test_every_column_of_a_table_is_explained():
    labels = np.zeros((2, 2, 8, 8), np.int32)
    labels[..., 2:5, 2:5] = 1
    image = CellImage(
        np.zeros((2, 1, 2, 8, 8), np.uint8), "TCZYX", PixelSize(1, 1), ("DAPI",)
    )
    columns = measure_cells(image, labels).cells.columns
    assert [name for name in columns if not column_meaning(name)] == []
    assert "'DAPI'" in column_meaning("mean_intensity_DAPI")
