"""The parts of a slide that a person asked for."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cellseg.core.errors import ImageError
from napari_cellseg.core.types import PixelSize
from napari_cellseg.io.exchange.geojson import Annotation
from napari_cellseg.slides.annotations import (
    Region,
    counts,
    in_any,
    regions_of,
    tiles_met,
)
from napari_cellseg.slides.joining import JoinedSlide


def square(low: float, high: float) -> np.ndarray:
    """Return the ring of a square along the diagonal."""
    return np.array([(low, low), (low, high), (high, high), (high, low)], float)


def region(*rings: np.ndarray, name: str = "") -> Region:
    """Return a region of one polygon."""
    return Region(name, "Tumor", [list(rings)])


def box(top: int, bottom: int, left: int, right: int) -> tuple[slice, slice]:
    """Return a box of pixels."""
    return slice(top, bottom), slice(left, right)


def test_a_hole_is_outside() -> None:
    ring = region(square(0, 30), square(10, 20))

    inside = ring.holds(np.array([(5, 5), (15, 15), (25, 5), (40, 5)], float))

    assert inside.tolist() == [True, False, True, False]
    assert ring.area_px == 30 * 30 - 10 * 10


def test_the_middle_of_a_pixel_is_half_a_pixel_from_its_corner() -> None:
    # Corners from 0 to 2 hold the pixels 0 and 1 and no other.
    inside = region(square(0, 2)).holds(np.array([(0, 0), (1, 1), (2, 2)], float))

    assert inside.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("part", "meets"),
    [
        pytest.param(box(12, 14, 12, 14), True, id="inside"),
        pytest.param(box(0, 40, 0, 40), True, id="around"),
        pytest.param(box(0, 40, 14, 16), True, id="crossed by sides only"),
        pytest.param(box(0, 9, 0, 40), False, id="above"),
        pytest.param(box(21, 40, 21, 40), False, id="behind the corner"),
    ],
)
def test_a_box_meets_a_region(part: tuple[slice, slice], meets: bool) -> None:
    assert region(square(10, 20)).meets(part) is meets


def test_a_diagonal_strip_meets_only_the_boxes_on_its_way() -> None:
    strip = region(np.array([(0, 0), (0, 5), (95, 100), (100, 100), (5, 0)], float))
    cores = [box(y, y + 40, x, x + 40) for y in (0, 60) for x in (0, 60)]

    assert tiles_met([strip], cores) == [0, 3]


def test_annotations_of_another_slide_are_refused() -> None:
    with pytest.raises(ImageError, match="No annotation lies on the slide"):
        tiles_met([region(square(500, 600))], [box(0, 100, 0, 100)])


def test_corners_are_those_of_the_level() -> None:
    drawn = Annotation("a", "", [[square(40, 80)]])

    (found,) = regions_of([drawn], (4.0, 4.0))

    np.testing.assert_array_equal(found.polygons[0][0], square(10, 20))


def test_a_cell_in_two_annotations_counts_in_each() -> None:
    regions = [region(square(0, 20), name="a"), region(square(10, 30), name="b")]
    middles = np.array([(5, 5), (15, 15), (50, 50)], float)
    joined = JoinedSlide({}, middles, np.array([10.0, 30.0, 99.0]), 0, 0, 0)

    first, second = counts(regions, joined, PixelSize(0.5, 0.5))

    assert (first["name"], first["n_cells"], first["mean_cell_area_px"]) == ("a", 2, 20)
    assert (second["name"], second["n_cells"]) == ("b", 1)
    # 20 x 20 px of half a micrometre are 100 µm².
    assert first["area_mm2"] == pytest.approx(1e-4)
    assert first["density_per_mm2"] == pytest.approx(2e4)
    assert in_any(regions, middles).tolist() == [True, True, False]


def test_an_annotation_without_cells_has_no_mean() -> None:
    joined = JoinedSlide({}, np.zeros((0, 2)), np.zeros(0), 0, 0, 0)

    (row,) = counts([region(square(0, 20))], joined, PixelSize(0.5, 0.5))

    assert row["n_cells"] == 0
    assert row["mean_cell_area_px"] is None
    assert row["mean_cell_area_um2"] is None
