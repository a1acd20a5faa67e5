"""The price table: typed in rows, written, read again, given up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from napari_cellseg.cloud.account import costs
from napari_cellseg.cloud.account.costs import Prices, read_prices
from napari_cellseg.cloud.account.price_table import (
    forget_own_prices,
    rows_of,
    save_prices,
    with_rows,
)
from napari_cellseg.core.errors import OptionsError, SaveError

SHIPPED = Prices(
    Path("prices.toml"), "2026-11-21", "a list", "us-east-1",
    {"ml.g5.xlarge": 1.41, "ml.m5.xlarge": 0.269}, ("ml.g4dn.xlarge",),
)  # fmt: skip


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "a folder" / "prices.toml"
    monkeypatch.setattr(costs, "own_prices_path", lambda: path)
    return path


def test_what_is_wanted_gets_a_row_if_it_has_none() -> None:
    wanted = ("ml.g5.xlarge", "ml.p5.48xlarge", "my laptop", "ml.g4dn.xlarge")
    assert rows_of(SHIPPED, wanted) == [
        ("ml.g5.xlarge", "1.41"),
        ("ml.m5.xlarge", "0.269"),
        ("ml.g4dn.xlarge", ""),
        ("ml.p5.48xlarge", ""),
    ]


def test_rows_are_read_as_people_type_them() -> None:
    rows = [
        ("ml.g5.xlarge", "$ 1,5"),
        (" ml.p5.48xlarge ", " 98 "),
        ("", " "),
        ("ml.g4dn.xlarge", ""),
    ]
    given = with_rows(SHIPPED, rows)
    assert given.per_hour == {"ml.g5.xlarge": 1.5, "ml.p5.48xlarge": 98.0}
    assert given.missing == ("ml.g4dn.xlarge",)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([("g5.xlarge", "1")], "'g5.xlarge' is no computer of SageMaker"),
        ([("", "1")], "'' is no computer"),
        ([("ml.g5.xlarge", "dear")], "The price of ml.g5.xlarge is 'dear'"),
        ([("ml.g5.xlarge", "-1")], "The price of ml.g5.xlarge is '-1'"),
        ([("ml.g5.xlarge", "nan")], "The price of ml.g5.xlarge is 'nan'"),
        ([("ml.g5.xlarge", "1"), ("ml.g5.xlarge", "")], "stands there twice"),
    ],
)
def test_rows_that_cannot_be_read_are_refused(
    rows: list[tuple[str, str]], told: str
) -> None:
    with pytest.raises(OptionsError, match=told):
        with_rows(SHIPPED, rows)


def test_what_is_saved_counts_until_it_is_given_up(own: Path) -> None:
    shipped = read_prices()
    mine = replace(
        with_rows(SHIPPED, [("ml.g5.xlarge", "1.006"), ("ml.p5.48xlarge", "")]),
        source='the "calculator"\\ of Zürich\n\x7f',
    )
    assert save_prices(mine) == own
    assert read_prices() == replace(mine, path=own)
    save_prices(replace(mine, region="eu-central-1"))
    assert read_prices().region == "eu-central-1"
    forget_own_prices()
    forget_own_prices()
    assert read_prices() == shipped


def test_where_nothing_can_be_written_it_is_said(own: Path) -> None:
    own.parent.write_text("a file where the folder should be")
    with pytest.raises(SaveError, match="could not be written"):
        save_prices(SHIPPED)
