"""Only what a person vouches for is learned from, and a part of it is held out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_cellseg.core.editing.checked import CheckedArea
from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.training.holdout import hold_out
from napari_cellseg.core.training.item import (
    RING_PX,
    TrainingItem,
    items_of,
    known_around,
    supply_of,
)
from napari_cellseg.core.types import CellImage


def grid_of_cells(rows: int, columns: int) -> np.ndarray:
    """Return labels with cells of 8 × 8 pixels, 16 pixels apart."""
    labels = np.zeros((16 * rows, 16 * columns), np.int32)
    for index in range(rows * columns):
        y, x = 16 * (index // columns) + 4, 16 * (index % columns) + 4
        labels[y : y + 8, x : x + 8] = index + 1
    return labels


def item(name: str, rows: int = 4, columns: int = 5) -> TrainingItem:
    labels = grid_of_cells(rows, columns)
    plane = np.zeros((1, *labels.shape), np.uint8)
    return TrainingItem(plane, labels, np.ones(labels.shape, bool), name, name)


def test_outside_checked_areas_and_locked_cells_nothing_is_known() -> None:
    labels = grid_of_cells(2, 4)
    image = CellImage(np.zeros((1, *labels.shape), np.uint8))
    area = CheckedArea(
        (), np.array([[0.0, 0.0], [0.0, 16.0], [16.0, 16.0], [16.0, 0.0]])
    )
    (found,) = items_of(image, labels, [area], locked=[8])
    assert found.valid[1, 1]  # background in the checked area counts
    assert not found.valid[8, 24]  # a cell nobody looked at
    assert not found.valid[1, 40]  # background nobody looked at
    assert found.valid[labels == 8].all()
    assert set(found.cell_ids()) == {1, 8}


def test_the_ring_around_a_locked_cell_leaves_other_cells_out() -> None:
    labels = np.zeros((12, 20), np.int32)
    labels[2:10, 2:10] = 1
    labels[2:10, 11:19] = 2
    known = known_around(labels, {1})
    assert known[5, 10]
    assert not known[labels == 2].any()
    assert known[5, 0]
    assert known.sum() <= 12 * (10 + RING_PX)


def test_nothing_checked_gives_no_item() -> None:
    labels = grid_of_cells(2, 2)
    assert items_of(CellImage(np.zeros((1, 32, 32), np.uint8)), labels) == []


def test_each_checked_plane_of_a_stack_is_an_item() -> None:
    labels = np.stack([grid_of_cells(2, 2)] * 3)
    image = CellImage(np.zeros((1, 3, 32, 32), np.uint8), "CZYX")
    square = np.array([[0.0, 0.0], [0.0, 32.0], [32.0, 32.0], [32.0, 0.0]])
    found = items_of(image, labels, [CheckedArea((1,), square)])
    assert len(found) == 1
    assert found[0].plane.shape == (1, 32, 32)


def test_labels_of_another_shape_are_told_of() -> None:
    image = CellImage(np.zeros((1, 32, 32), np.uint8), name="cells.tif")
    with pytest.raises(TrainingError, match=r"cells\.tif.*\(16, 16\)"):
        items_of(image, np.zeros((16, 16), np.int32))


def test_the_supply_counts_images_cells_and_pixels() -> None:
    supply = supply_of([item("a"), item("b")])
    assert (supply.n_images, supply.n_cells, supply.area_px) == (2, 40, 2 * 64 * 80)


def test_images_of_one_patient_are_several_images() -> None:
    items = [replace(item(name), group="patient 7") for name in "abc"]
    assert supply_of(items).n_images == 3


def test_whole_images_are_held_out_where_there_are_enough() -> None:
    items = [item(name) for name in "abcdefghij"]
    learned, held = hold_out(items, 0.2)
    assert len(held) == 2
    assert not {one.group for one in learned} & {one.group for one in held}
    again, held_again = hold_out(items[::-1], 0.2)
    assert {one.group for one in held_again} == {one.group for one in held}
    assert len(again) == 8


@pytest.mark.parametrize("n_images", [1, 2, 3])
def test_a_strip_is_held_out_of_few_images_and_no_cell_is_on_both_sides(
    n_images: int,
) -> None:
    learned, held = hold_out([item(str(n)) for n in range(n_images)], 0.2)
    assert len(learned) == len(held) == n_images
    for one, other in zip(learned, held, strict=True):
        assert not (one.valid & other.valid).any()
        assert not set(one.cell_ids()) & set(other.cell_ids())
        assert 0 < len(other.cell_ids()) <= 8
        assert len(one.cell_ids()) >= 12


def test_one_image_with_few_cells_is_learned_from_whole() -> None:
    few = item("few", 1, 3)
    learned, held = hold_out([few], 0.2)
    assert learned[0] is few
    assert held == []


def test_an_image_with_far_more_cells_than_the_others_is_learned_from() -> None:
    for place in range(20):
        names = [f"{place}-{n}" for n in range(5)]
        items = [item(names[0], 40, 25), *(item(name, 2, 5) for name in names[1:])]
        learned, held = hold_out(items, 0.2)
        assert names[0] in {one.name for one in learned}
        assert held


def test_a_cell_of_a_stack_is_on_one_side_in_all_its_planes() -> None:
    labels = grid_of_cells(4, 5)
    end = np.where(labels > 17, labels, 0)  # the last plane shows three cells only
    planes = [
        TrainingItem(
            np.zeros((1, *each.shape), np.uint8),
            each,
            np.ones(each.shape, bool),
            "stack",
            "stack",
        )
        for each in (labels, labels, end)
    ]
    learned, held = hold_out(planes, 0.2)
    learned_ids = {int(cell) for one in learned for cell in one.cell_ids()}
    held_ids = {int(cell) for one in held for cell in one.cell_ids()}
    assert held_ids
    assert not learned_ids & held_ids


def test_large_ids_are_numbered_anew_for_training() -> None:
    labels = np.zeros((16, 16), np.int32)
    labels[2:6, 2:6], labels[8:12, 8:12] = 2_000_000_000, 2**24 + 1
    one = TrainingItem(
        np.zeros((1, 16, 16), np.uint8), labels, np.ones((16, 16), bool), "a", "a"
    )
    assert list(one.cell_ids()) == [1, 2]
