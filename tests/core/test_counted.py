"""Numbers with their nouns."""

from napari_cellseg.core.counted import counted


def test_one_has_no_s_and_thousands_have_a_comma():
    assert [counted(n, "cell") for n in (0, 1, 2, 1500)] == [
        "0 cells",
        "1 cell",
        "2 cells",
        "1,500 cells",
    ]
