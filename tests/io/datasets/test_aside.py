"""Pieces of work are done beside each other, and come out in their order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

import pytest

from napari_cellseg.io.datasets.aside import (
    HEAVY_BYTES,
    N_THREADS,
    Piece,
    done_aside,
    refuse,
)


def test_what_comes_of_pieces_is_in_their_order_though_later_ones_end_first() -> None:
    may_end = threading.Event()

    def first() -> int:
        assert may_end.wait(10)
        return 0

    def second() -> int:
        may_end.set()
        return 1

    pieces = [Piece(first), Piece(second), Piece(partial(int, "2"))]
    assert [each.result() for each in done_aside(pieces)] == [0, 1, 2]


def test_an_error_is_said_in_its_turn_and_stops_no_other() -> None:
    pieces = [Piece(partial(int, "1")), Piece(partial(refuse, ValueError("no labels")))]
    first, second, third = done_aside([*pieces, Piece(partial(int, "3"))])
    assert (first.result(), third.result()) == (1, 3)
    with pytest.raises(ValueError, match="no labels"):
        second.result()


@pytest.mark.parametrize(
    ("n_bytes", "most"), [(0, N_THREADS + 1), (HEAVY_BYTES + 1, 1)]
)
def test_no_more_is_read_ahead_than_fits(n_bytes: int, most: int) -> None:
    read: list[int] = []

    def pieces() -> Iterator[Piece[int]]:
        for place in range(20):
            read.append(place)
            yield Piece(partial(int, place), n_bytes)

    for n_taken, _ in enumerate(done_aside(pieces())):
        assert len(read) - n_taken <= most


def test_closing_it_drops_what_has_not_begun() -> None:
    done: list[int] = []
    read: list[int] = []

    def pieces() -> Iterator[Piece[None]]:
        for place in range(1000):
            read.append(place)
            yield Piece(partial(done.append, place))

    results = done_aside(pieces())
    next(results)
    results.close()
    assert len(done) <= len(read) <= N_THREADS + 1
    assert not [t for t in threading.enumerate() if t.name.startswith("cellseg-aside")]
