"""Going round what is to be looked at."""

from __future__ import annotations

import pytest

from napari_cellseg.core.review.in_turn import follower, next_of


@pytest.mark.parametrize(
    ("current", "by", "expected"),
    [(3, 1, 5), (7, 1, 3), (3, -1, 7), (9, 1, 3), (9, -1, 3)],
    ids=["next", "round", "back", "of none", "back of none"],
)
def test_the_next_one_comes_round(current: int, by: int, expected: int) -> None:
    assert next_of([3, 5, 7], current, by) == expected


@pytest.mark.parametrize(
    ("current", "expected"), [(3, 5), (7, 3), (9, 3)], ids=["next", "round", "of none"]
)
def test_what_follows_is_not_the_one_that_is_decided(
    current: int, expected: int
) -> None:
    assert follower([3, 5, 7], current) == expected


@pytest.mark.parametrize("items", [[], [3]])
def test_nothing_follows_the_last(items: list[int]) -> None:
    assert follower(items, 3) is None
