"""Numbers as the tab Measure and the table show them."""

import numpy as np
import pytest

from napari_cellseg.controllers.measuring.numbers import number_text, table_words
from napari_cellseg.core.measuring.measure import measure_cells
from napari_cellseg.core.types import CellImage, PixelSize


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (91.2634, "91.26"),
        (12345.6, "12346"),
        (9999.6, "10000"),
        (3_200_000_000.0, "3200000000"),
        (-123456.0, "-123456"),
        (0.000012, "1.2e-05"),
        (float("inf"), "inf"),
    ],
)
def test_no_number_is_shown_with_a_large_exponent(value, text):
    assert number_text(value) == text


def test_many_cells_are_counted_the_same_way_everywhere():
    """1,600 cells on 200 × 200 px of 1 µm are 40,000 to the square millimetre."""
    rows, columns = np.meshgrid(np.arange(40), np.arange(40), indexing="ij")
    labels = np.kron(rows * 40 + columns + 1, np.ones((5, 5))).astype(np.int32)
    image = CellImage(
        np.zeros((1, 200, 200), np.uint8), axes="CYX", pixel_size=PixelSize(1.0, 1.0)
    )

    table = measure_cells(image, labels, sources=dict.fromkeys(range(1, 1601), "model"))

    words = table_words(table, is_measuring=False)

    assert words.count == "1,600 cells"
    assert words.density == "40,000 / mm²"
    assert "1,600 by the model" in words.sources
    elsewhere = table_words(measure_cells(image, labels), is_measuring=False)
    assert "1,600 from elsewhere" in elsewhere.sources


def test_the_density_of_a_series_says_that_it_is_a_mean():
    """A cell at each of 4 time points, on 100 × 100 µm: 100 to the square millimetre."""
    labels = np.zeros((4, 100, 100), np.int32)
    labels[:, 10:20, 10:20] = 1
    image = CellImage(
        np.zeros((4, 1, 100, 100), np.uint8), "TCYX", pixel_size=PixelSize(1.0, 1.0)
    )

    words = table_words(measure_cells(image, labels), is_measuring=False)

    assert (words.count, words.density) == ("1 cell", "100 / mm²")
    assert "mean of all time points, on 0.04 mm² together" in words.sources


def test_cells_of_another_size_than_the_image_do_not_ask_for_its_pixel_size():
    labels = np.zeros((20, 20), np.int32)
    labels[5:9, 5:9] = 1
    table = measure_cells(None, labels)

    words = table_words(table, is_measuring=False, fits=False)

    assert words.density == ""
    assert "another size" in words.sources
    assert "pixel size" not in words.sources
