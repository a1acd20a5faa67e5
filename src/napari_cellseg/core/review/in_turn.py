"""Going round what is to be looked at, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def next_of(items: Sequence[T], current: object, by: int = 1) -> T:
    """Return the one `by` places on from the current one, or the first of `items`."""
    place = items.index(current) + by if current in items else 0
    return items[place % len(items)]


def follower(items: Sequence[T], current: object) -> T | None:
    """Return where to go once the current one is decided on; None if nothing is left."""
    others = [one for one in items if one != current]
    if not others:
        return None
    return others[items.index(current) % len(others) if current in items else 0]
