"""Regions that a person types."""

from __future__ import annotations

import pytest

from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.segmentation.region_text import parse_region


@pytest.mark.parametrize("text", ["10:30,5:25", " 10 : 30, 5:25 "])
def test_rows_come_before_columns(text: str) -> None:
    assert parse_region(text) == (10, 5, 30, 25)


@pytest.mark.parametrize(
    "text",
    ["", "3", "0:10", "0:10,5", "-1:10,0:10", "0:10,0:10,0:10", "a:b,c:d", "٣:9,0:9"],
)
def test_what_is_no_region_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(OptionsError, match="such as 0:2048"):
        parse_region(text)


@pytest.mark.parametrize("text", ["10:10,0:50", "30:10,0:50", "0:50,7:10"])
def test_a_region_without_room_for_a_cell_is_refused(text: str) -> None:
    with pytest.raises(OptionsError, match="at least 4"):
        parse_region(text)
