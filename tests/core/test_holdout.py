"""Held out is some of each: what is easy, what is hard; and it stays held out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from napari_cellseg.core.training.holdout import (
    HELD_OUT,
    LEARNED,
    ItemErrors,
    choose_sides,
    hold_out,
    key_of,
    n_learned_before,
    sides_from_json,
    sides_to_json,
)
from napari_cellseg.core.training.image_cuts import Cut
from napari_cellseg.core.training.item import TrainingItem


def item(name: str, n_cells: int = 10) -> TrainingItem:
    """Return an image with cells of 4 × 4 pixels in two columns."""
    labels = np.zeros((8 * -(-n_cells // 2), 16), np.int32)
    for cell in range(n_cells):
        y, x = 8 * (cell // 2) + 2, 8 * (cell % 2) + 2
        labels[y : y + 4, x : x + 4] = cell + 1
    plane = np.zeros((1, *labels.shape), np.uint8)
    return TrainingItem(plane, labels, np.ones(labels.shape, bool), name, name)


def names(items: Sequence[TrainingItem]) -> set[str]:
    return {one.name for one in items}


def errors(*missed: float) -> list[ItemErrors]:
    return [ItemErrors(each, 0.0) for each in missed]


@pytest.mark.parametrize("draw", range(20))
def test_of_easy_and_hard_images_both_are_held_out(draw: int) -> None:
    items = [item(f"{draw}-{n}") for n in range(10)]
    easy = names(items[:5])
    _, held = hold_out(items, 0.2, errors(*[0] * 5, *[9] * 5))
    assert len(held) == 2
    assert len(names(held) & easy) == 1


@pytest.mark.parametrize("draw", range(20))
def test_several_images_are_held_out_with_about_their_share_of_the_cells(
    draw: int,
) -> None:
    sizes = (80, 60, 40, 30, 20, 16, 12, 10, 8, 6)
    items = [item(f"{draw}-{n}", size) for n, size in enumerate(sizes)]
    learned, held = hold_out(items, 0.2, errors(*[size / 3 for size in sizes]))
    n_held = sum(len(one.cell_ids()) for one in held)
    assert len(held) >= 2
    assert n_held <= 1.3 * 0.2 * sum(sizes)
    assert len(learned) + len(held) == 10


def test_the_order_of_images_and_equal_errors_change_nothing() -> None:
    items = [item(str(n)) for n in range(12)]
    wrong = errors(*[n % 3 for n in range(12)])
    _, held = hold_out(items, 0.2, wrong)
    _, again = hold_out(items[::-1], 0.2, wrong[::-1])
    assert names(held) == names(again)


def test_many_images_are_chosen_by_name_whatever_is_wrong_on_them() -> None:
    items = [item(str(n), 4) for n in range(100)]
    _, held = hold_out(items, 0.2, errors(*range(100)))
    _, again = hold_out(items, 0.2)
    assert names(held) == names(again)
    assert len(held) == 20


def test_what_was_held_out_is_not_learned_from_later() -> None:
    first = [item(str(n)) for n in range(6)]
    sides = choose_sides(first, 0.2, errors(*range(6)))
    held = names(hold_out(first, 0.2, known=sides)[1])
    more = [*first, *(item(f"new {n}") for n in range(14))]
    # What is wrong has changed as well: without memory other images would be chosen.
    learned, still = hold_out(more, 0.2, errors(*range(20, 0, -1)), sides)
    assert held
    assert held <= names(still)
    assert not (names(first) - held) & names(still)
    assert names(still) - held  # some of the new ones are held out as well
    assert len(learned) + len(still) == 20


def test_an_image_that_was_parted_stays_parted_when_there_are_more() -> None:
    few = [item(str(n)) for n in range(2)]
    sides = choose_sides(few, 0.2)
    assert all(isinstance(side, Cut) for side in sides.values())
    _, held_before = hold_out(few, 0.2, known=sides)
    learned, held = hold_out(
        [*few, *(item(f"b{n}") for n in range(6))], 0.2, None, sides
    )
    for one in held_before:
        (now,) = [other for other in held if other.name == one.name]
        assert set(now.cell_ids()) == set(one.cell_ids())
        (rest,) = [other for other in learned if other.name == one.name]
        assert not set(rest.cell_ids()) & set(one.cell_ids())


def test_of_images_that_were_all_held_out_a_part_stays_so() -> None:
    known = {key_of("a"): HELD_OUT}
    learned, held = hold_out([item("a")], 0.2, None, known)
    assert learned
    assert held
    assert n_learned_before(held, known) == 0


def test_cells_that_the_old_model_has_learned_from_are_counted() -> None:
    items = [item(str(n)) for n in range(5)]
    known = {key_of(one.group): LEARNED for one in items}
    learned, held = hold_out(items, 0.2, None, known)
    assert learned
    assert n_learned_before(held, known) == sum(len(one.cell_ids()) for one in held) > 0


def test_images_of_one_group_are_on_one_side() -> None:
    items = [replace(item(str(n)), group=f"patient {n % 5}") for n in range(20)]
    learned, held = hold_out(items, 0.2, errors(*range(20)))
    assert held
    assert not {one.group for one in learned} & {one.group for one in held}


def test_sides_are_kept_as_text_without_names() -> None:
    sides = choose_sides([item("secret patient"), item("other")], 0.2)
    text = json.dumps(sides_to_json(sides))
    assert "secret" not in text
    assert sides_from_json(json.loads(text)) == sides


@pytest.mark.parametrize(
    "values",
    [None, [], {"a": 3}, {"a": [7, 1.0]}, {"a": [0, float("nan")]}, {"a": "x"}],
)
def test_damaged_sides_are_as_if_nothing_were_known(values: object) -> None:
    assert sides_from_json(values) == {}
