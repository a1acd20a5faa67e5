"""Text in a CSV is text, and comes back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cellseg.io.writing.csv_text import original_text, safe_text

SIGNS = ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"]
TEXTS = st.text() | st.text(alphabet="'=+-@;\t\r\n ＝＋－＠a1")


@pytest.mark.parametrize("sign", SIGNS, ids=[f"U+{ord(sign):04X}" for sign in SIGNS])
@pytest.mark.parametrize("before", ["", " ", "\u3000", "name;", "name\n", "name\t "])
def test_a_formula_is_quoted_wherever_a_cell_may_begin(before, sign):
    assert "'" in safe_text(f"{before}{sign}cmd|'/C calc'!A0".replace("'", ""))


@pytest.mark.parametrize(
    "text", ["DAPI", "a-b.tif", "x+y", "µm", "", "-0.5", "+3", "1e-5"]
)
def test_names_and_numbers_stay_as_they_are(text):
    assert safe_text(text) == text


@given(TEXTS)
def test_every_text_comes_back(text):
    assert original_text(safe_text(text)) == text


@given(TEXTS)
def test_no_cell_begins_with_a_formula(text):
    for cell in re.split("[;\t\r\n]", safe_text(text)):
        number = re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", cell)
        assert number or not cell.lstrip(" \u00a0\u3000").startswith(tuple(SIGNS))
