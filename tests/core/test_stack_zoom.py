"""The size of the cells comes from a plane that has some."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cellseg.core.jobs import Job, run
from napari_cellseg.core.segmentation.stack_zoom import Found, PlaneIndex, StackZoom
from napari_cellseg.core.types import CellImage


class Looks:
    """Finds a diameter of 50 px on the planes that have cells, and counts the looks."""

    def __init__(self, *with_cells: PlaneIndex) -> None:
        self.with_cells = with_cells
        self.seen: list[PlaneIndex] = []

    def find(self, index: PlaneIndex) -> Job[Found]:
        self.seen.append(index)
        return (0.5, 50.0) if index in self.with_cells else (1.0, None)
        yield


def stack(n_planes: int) -> CellImage:
    return CellImage(np.zeros((1, n_planes, 2, 2), np.uint8), "CZYX")


def zooms(looks: Looks, n_planes: int, *, is_given: bool = False) -> list[float]:
    image = stack(n_planes)
    zoom = StackZoom(image, looks.find, is_given=is_given)
    return [run(zoom.at(index))[0] for index in image.plane_indices()]


def test_the_middle_plane_is_enough_where_it_has_cells() -> None:
    looks = Looks((5,), (6,))
    assert zooms(looks, 11) == [0.5] * 11
    assert looks.seen == [(5,)]


@pytest.mark.parametrize("place", [0, 3, 8, 10])
def test_a_few_others_are_looked_at_where_the_middle_is_empty(place: int) -> None:
    looks = Looks((place,))
    assert zooms(looks, 11) == [0.5] * 11
    assert len(looks.seen) <= 5


def test_cells_between_the_looks_settle_it_when_their_turn_comes() -> None:
    looks = Looks((4,))
    assert zooms(looks, 11) == [1.0] * 4 + [0.5] * 7
    assert len(looks.seen) == len(set(looks.seen))


def test_no_plane_is_looked_at_twice_where_there_is_nothing() -> None:
    looks = Looks()
    assert zooms(looks, 6) == [1.0] * 6
    assert sorted(looks.seen) == [(z,) for z in range(6)]


def test_what_is_given_is_asked_for_once() -> None:
    looks = Looks()
    assert zooms(looks, 6, is_given=True) == [1.0] * 6
    assert len(looks.seen) == 1


def test_one_plane_is_looked_at_once() -> None:
    image = CellImage(np.zeros((1, 2, 2), np.uint8))
    looks = Looks()
    assert run(StackZoom(image, looks.find).at(())) == (1.0, None)
    assert looks.seen == [()]
