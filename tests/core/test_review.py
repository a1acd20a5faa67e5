"""Doubt orders the cells; the hint says how many like the last ones are wrong."""

from __future__ import annotations

import pandas as pd
import pytest

from napari_cellseg.core.review.queue import doubts, review_queue, stop_hint


def cells(**columns: list[float]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    usual = {
        "label": list(range(1, n + 1)),
        "area_px": [100.0 + i for i in range(n)],
        "solidity": [0.95] * n,
        "touches_border": [False] * n,
    }
    return pd.DataFrame({**usual, **columns})


def test_the_least_confident_cell_comes_first() -> None:
    doubt = doubts(cells(area_px=[100, 101, 102]), {1: 0.9, 2: 0.2, 3: 0.6})
    assert list(doubt.index) == [2, 3, 1]


def test_an_odd_size_is_doubtful_however_sure_the_model_is() -> None:
    table = cells(area_px=[100, 104, 98, 102, 101, 900])
    doubt = doubts(table, dict.fromkeys(range(1, 7), 0.95))
    assert doubt.index[0] == 6
    assert doubt.loc[6] > 5 * doubt.loc[1]


def test_a_cell_twice_as_large_is_more_doubtful_than_one_half_as_large() -> None:
    table = cells(area_px=[100, 104, 98, 102, 101, 50, 200])
    doubt = doubts(table, dict.fromkeys(range(1, 8), 0.9))
    assert list(doubt.index[:2]) == [7, 6]


def test_cells_of_nearly_one_size_are_not_odd() -> None:
    table = cells(area_px=[100, 100, 100, 100, 101, 105])
    doubt = doubts(table, dict.fromkeys(range(1, 7), 0.9))
    assert doubt.nunique() == 1


def test_an_odd_shape_is_doubtful() -> None:
    table = cells(solidity=[0.95, 0.94, 0.96, 0.93, 0.5, 0.95])
    assert doubts(table, dict.fromkeys(range(1, 7), 0.9)).index[0] == 5


def test_a_cell_cut_by_the_edge_may_be_small() -> None:
    table = cells(
        area_px=[100, 104, 98, 102, 101, 10],
        touches_border=[False] * 5 + [True],
    )
    doubt = doubts(table, dict.fromkeys(range(1, 7), 0.9))
    assert doubt.loc[6] == pytest.approx(doubt.loc[1])


def test_a_cell_cut_by_the_edge_may_not_be_as_large_as_two() -> None:
    table = cells(
        area_px=[100, 104, 98, 102, 101, 250],
        touches_border=[False] * 5 + [True],
    )
    assert doubts(table, dict.fromkeys(range(1, 7), 0.9)).index[0] == 6


def test_cells_of_large_labels_have_no_shape_and_are_judged_without() -> None:
    table = cells(solidity=[float("nan")] * 4, area_px=[100, 101, 99, 400])
    doubt = doubts(table, dict.fromkeys(range(1, 5), 0.9))
    assert doubt.notna().all()
    assert doubt.index[0] == 4


def test_doubt_stays_between_0_and_1() -> None:
    table = cells(area_px=[1, 100, 101, 1e6], solidity=[0.1, 0.95, 0.94, 1.7])
    doubt = doubts(table, {1: 0.0, 2: 1.0, 3: 1.3})
    assert doubt.between(0, 1).all()


def test_cells_that_were_looked_at_leave_the_queue() -> None:
    doubt = doubts(cells(area_px=[100, 101, 102]), {1: 0.9, 2: 0.2, 3: 0.6})
    made = dict.fromkeys((1, 2, 3, 9), "model")
    assert review_queue(doubt, {2: "accepted", 3: "unseen"}, made) == [3, 1]
    assert review_queue(doubt, {}, {**made, 2: "edited"}) == [3, 1]


def test_numbers_may_be_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_cellseg.core.review.queue.MAX_TABLE", 1)
    doubt = doubts(cells(area_px=[100, 101, 102]), {1: 0.9, 2: 0.2, 3: 0.6})
    made = dict.fromkeys((1, 2, 3), "model")
    assert review_queue(doubt, {2: "accepted"}, made) == [3, 1]


def test_the_hint_is_the_wilson_interval_of_the_last_fifty() -> None:
    hint = stop_hint([True] * 30 + [False] * 45 + [True] * 5)
    assert hint is not None
    assert (hint.n_looked_at, hint.n_wrong) == (50, 5)
    # Wilson's interval for 5 of 50, from the formula: up to 0.2136.
    assert hint.high == pytest.approx(0.2136, abs=5e-4)


def test_no_error_in_fifty_still_leaves_some_per_cent() -> None:
    hint = stop_hint([False] * 50)
    assert hint is not None
    assert 0.05 < hint.high < 0.09


@pytest.mark.parametrize("n", [0, 1, 9])
def test_few_cells_say_nothing_of_the_rest(n: int) -> None:
    assert stop_hint([False] * n) is None
    assert stop_hint([False] * 10) is not None
