"""Checked areas cover what was drawn; locked cells are those a person vouches for."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cellseg.core.editing import checked
from napari_cellseg.core.editing.checked import (
    CheckedArea,
    area_from_json,
    area_to_json,
    area_within,
    checked_background,
    checked_mask,
    locked_ids,
    whole_plane,
)
from napari_cellseg.core.errors import EditError

SQUARE = np.array([[2.0, 3.0], [2.0, 9.0], [6.0, 9.0], [6.0, 3.0]])


def test_the_area_of_a_rectangle_is_its_height_times_its_width() -> None:
    assert CheckedArea((), SQUARE).area_px == 24


def test_all_of_a_plane_is_filled_without_looking_at_each_pixel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    area, labels = whole_plane((1,), (10, 12)), np.ones((3, 10, 12), np.int32)
    labels[1] = 0
    monkeypatch.setattr(checked, "polygon2mask", None)
    mask = checked_mask([area], (3, 10, 12))
    assert mask[1].all()
    assert not mask[[0, 2]].any()
    (empty,) = checked_background([area], labels)
    assert (empty.start, empty.mask.shape) == ((1, 0, 0), (1, 10, 12))


def test_an_area_covers_its_plane_only() -> None:
    mask = checked_mask([CheckedArea((1,), SQUARE)], (3, 10, 12))
    assert mask[1, 4, 6]
    assert not mask[1, 8, 6]
    assert not mask[[0, 2]].any()


def test_an_area_past_the_edge_is_cut() -> None:
    mask = checked_mask([CheckedArea((), SQUARE - 4)], (10, 12))
    assert mask[0, 0]
    assert mask.sum() < 24


@pytest.mark.parametrize(
    ("moved", "area"), [((0, 0), 24), ((-4, 0), 2.5 * 6), ((7, 6), 0.5 * 2.5)]
)
def test_what_is_drawn_beside_the_image_is_no_part_of_an_area(
    moved: tuple[float, float], area: float
) -> None:
    cut = area_within((), SQUARE + moved, (10, 12))
    assert cut.area_px == pytest.approx(area)


def test_an_area_around_the_whole_image_is_the_image() -> None:
    far = np.array([[-900.0, -900.0], [-900.0, 3000.0], [3000.0, 900.0]])
    assert area_within((), far, (10, 12)).area_px == pytest.approx(10 * 12)


def test_an_area_beside_the_image_is_refused() -> None:
    with pytest.raises(EditError, match="outside the image"):
        area_within((), SQUARE + 40, (10, 12))


def test_a_line_is_no_area() -> None:
    with pytest.raises(EditError, match="three corners"):
        CheckedArea((), SQUARE[:2])


def test_an_area_survives_its_json() -> None:
    area = CheckedArea((0, 2), SQUARE)
    again = area_from_json(area_to_json(area))
    assert again.plane == area.plane
    np.testing.assert_array_equal(again.outline_yx, SQUARE)


def test_cells_by_hand_and_reviewed_cells_are_locked() -> None:
    locked = locked_ids(
        {1: "model", 2: "hand", 3: "edited", 4: "model"},
        {1: "unseen", 4: "accepted", 9: "fixed"},
    )
    assert locked == {2, 3, 4}
