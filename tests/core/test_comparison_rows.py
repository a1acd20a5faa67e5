"""Old and new model side by side, in words."""

from napari_cellseg.core.training.comparison_rows import (
    comparison_rows,
    comparison_table,
)
from napari_cellseg.core.training.item import Comparison

HELD = Comparison(20, 0.5, 0.75, 0.25, 0.375, 0.3, 0.05, 6, 1)
BASE = Comparison(1300, 0.9, 0.89, 0.7, 0.7, 0.0, 0.01, 0, 2)
NOTHING = Comparison(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0)


def test_every_figure_stands_old_beside_new():
    rows = {title: pair for title, *pair in comparison_rows(HELD, BASE)}
    assert rows["found (AP50)"] == ["0.500 → 0.750", "0.900 → 0.890"]
    assert rows["outlines (mSA)"] == ["0.250 → 0.375", "0.700 → 0.700"]
    assert rows["count error"] == ["30% → 5%", "0% → 1%"]
    assert rows["cells gained"] == ["6", "0"]
    assert rows["cells lost"] == ["1", "2"]
    assert rows["cells"] == ["20", "1,300"]


def test_figures_of_no_cells_are_not_shown():
    _, *rows = comparison_rows(NOTHING, BASE)
    assert {held for _, held, _ in rows} == {"–"}


def test_the_table_of_text_keeps_its_columns():
    lines = comparison_table(HELD, BASE).splitlines()
    assert len({len(line) for line in lines}) == 1
