"""What a step does to the parents of cells, small enough to be kept with each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

#: By a daughter the mother that she has on the other side of a step; None is no mother.
ParentsDifference: TypeAlias = dict[int, int | None]


class Lineage(NamedTuple):
    """Which cell came of which, and what steps did to that.

    Attributes
    ----------
    parents : mapping of int to int
        By a daughter its mother.
    steps : mapping of float to ParentsDifference
        By the time of an edit: what differs in the parents on its other side.
    """

    parents: Mapping[int, int] = {}
    steps: Mapping[float, ParentsDifference] = {}


def parents_difference(
    here: Mapping[int, int], there: Mapping[int, int]
) -> ParentsDifference:
    """Return what must change in the parents `here` to have those `there`."""
    return {
        child: there.get(child)
        for child in here.keys() | there.keys()
        if here.get(child) != there.get(child)
    }


def with_difference(
    parents: Mapping[int, int], difference: Mapping[int, int | None]
) -> dict[int, int]:
    """Return the parents on the other side of a step."""
    both = {**parents, **difference}
    return {child: mother for child, mother in both.items() if mother is not None}
