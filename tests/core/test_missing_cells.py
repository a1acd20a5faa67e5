"""Places where the model, looking harder, sees a cell that a run does not have."""

from __future__ import annotations

import numpy as np
import pytest
from tests.core.test_doubt_signs import SETTLED, as_ndim, disc_maps

from napari_cellseg.core.review.missing_cells import missing_places, outlines_of
from napari_cellseg.core.types import PlaneMaps


def dim_maps() -> PlaneMaps:
    """Return maps of three discs of radius 8; the network is unsure of the third."""
    seen = disc_maps((40, 90), [(12, 12), (12, 44), (12, 76)])
    maps = seen.maps.copy()
    maps[:2, :, 60:] = (maps[:2, :, 60:] * 0.4).astype(np.uint8)
    return PlaneMaps(maps, seen.shape_yx)


def disc(x: int) -> np.ndarray:
    rows, columns = np.ogrid[:40, :90]
    return np.asarray(np.hypot(rows - 12, columns - x) < 8)


def labels() -> np.ndarray:
    """Return the cells that a run would have found: the first two discs."""
    found = np.zeros((40, 90), np.int32)
    found[disc(12)], found[disc(44)] = 1, 2
    return found


def seen(maps: PlaneMaps, ndim: int) -> tuple[PlaneMaps, ...]:
    empty = PlaneMaps(np.zeros_like(maps.maps), maps.shape_yx)
    return (maps,) if ndim == 2 else (empty, maps, empty)


@pytest.mark.parametrize("ndim", [2, 3])
def test_what_the_network_is_unsure_of_is_a_place(ndim: int) -> None:
    taken = as_ndim(labels(), ndim)
    (place,) = missing_places(taken, seen(dim_maps(), ndim), SETTLED)
    assert place.plane == (() if ndim == 2 else (1,))
    np.testing.assert_allclose(place.centre[-2:], (12, 76), atol=1)
    here = np.zeros(taken.shape, bool)
    here[place.box] = place.mask
    wanted = as_ndim(disc(76).astype(np.int32), ndim) > 0
    assert (here & wanted).sum() > 0.8 * (here | wanted).sum()
    assert place.is_free(taken)
    taken[place.box][place.mask.reshape(taken[place.box].shape)] = 5
    assert not place.is_free(taken)


def test_a_place_where_nothing_may_be_is_none() -> None:
    taken = labels()
    taken[disc(76)] = -1
    assert missing_places(taken, seen(dim_maps(), 2), SETTLED) == []


def test_the_likeliest_place_comes_first_and_specks_are_none() -> None:
    only_first = np.where(labels() == 1, 1, 0).astype(np.int32)
    places = missing_places(only_first, seen(dim_maps(), 2), SETTLED)
    assert [round(place.centre[1] / 32 - 0.4) for place in places] == [1, 2]
    assert places[0].score > places[1].score
    # Beside cells of five times their size they would be specks.
    large = np.zeros((40, 90), np.int32)
    large[20:40] = 1
    assert missing_places(large, seen(dim_maps(), 2), SETTLED) == []


def test_a_place_of_a_part_lies_where_the_part_does() -> None:
    (place,) = missing_places(labels(), seen(dim_maps(), 2), SETTLED)
    moved = place.moved((100, 7))
    np.testing.assert_allclose(np.subtract(moved.centre, place.centre), (100, 7))
    (outline,) = outlines_of(moved)
    low = [part.start - 0.5 for part in moved.box]
    assert outline.min(0).tolist() == low
