"""The loops against scikit-image, cell for cell, and against reasoning."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label, regionprops_table

from napari_cellseg.core.measuring.cell_features import (
    MAX_TABLE,
    find_cells,
    intensity_columns,
    shape_columns,
)

SAME_NAMES = {
    "area": "area_px",
    "perimeter": "perimeter_px",
    "equivalent_diameter_area": "equivalent_diameter_px",
    "centroid-0": "centroid_y_px",
    "centroid-1": "centroid_x_px",
    "eccentricity": "eccentricity",
    "solidity": "solidity",
    "bbox-0": "bbox_min_y_px",
    "bbox-1": "bbox_min_x_px",
    "bbox-2": "bbox_max_y_px",
    "bbox-3": "bbox_max_x_px",
}
PROPERTIES = (
    "area", "perimeter", "equivalent_diameter_area", "centroid", "eccentricity",
    "solidity", "bbox", "orientation",
)  # fmt: skip


def _ellipses(seed):
    """Touching ellipses of every direction, some cut by the edge."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((150, 170), np.int32)
    yy, xx = np.mgrid[:150, :170]
    for cell in range(1, 61):
        y, x = rng.uniform(0, 150), rng.uniform(0, 170)
        angle, (long, short) = rng.uniform(0, np.pi), rng.uniform(3, 18, 2)
        u = (yy - y) * np.cos(angle) + (xx - x) * np.sin(angle)
        v = (xx - x) * np.cos(angle) - (yy - y) * np.sin(angle)
        labels[(u / long) ** 2 + (v / short) ** 2 < 1] = 3 * cell
    return labels


def _scattered(seed):
    """Cells in many pieces, with gaps in the ids and single pixels."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, 40, (50, 60)) * (rng.random((50, 60)) < 0.3)
    return cells.astype(np.int32)


def _ragged(seed):
    """Ragged bodies with holes that touch at corners."""
    rng = np.random.default_rng(seed)
    return label(rng.random((70, 60)) < 0.55).astype(np.int32)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("draw", [_ellipses, _scattered, _ragged])
def test_shapes_are_those_of_scikit_image(draw, seed):
    labels = draw(seed)
    ours = shape_columns(find_cells(labels))
    theirs = regionprops_table(labels, properties=PROPERTIES)
    for their_name, our_name in SAME_NAMES.items():
        np.testing.assert_allclose(
            ours[our_name], theirs[their_name], rtol=1e-9, atol=1e-7, err_msg=our_name
        )


@pytest.mark.parametrize("seed", range(4))
def test_orientation_is_that_of_scikit_image(seed):
    labels = _ellipses(seed)
    ours = shape_columns(find_cells(labels))["orientation_deg"]
    theirs = np.degrees(regionprops_table(labels, properties=PROPERTIES)["orientation"])
    # -90 and 90 degrees are the same direction.
    turn = (ours - theirs + 90) % 180 - 90
    np.testing.assert_allclose(turn, 0, atol=1e-6)


@pytest.mark.parametrize(
    "dtype", [bool, np.uint8, np.uint16, np.int64, np.float16, float]
)
def test_intensities_are_those_of_numpy_in_float64(dtype):
    labels = _ellipses(0)
    values = (np.random.default_rng(0).random(labels.shape) * 200).astype(dtype)
    cells = find_cells(labels)
    ours = intensity_columns(cells, values)
    for place, cell in enumerate(cells.ids):
        inside = values[labels == cell].astype(np.float64)
        expected = (
            inside.mean(),
            inside.min(),
            inside.max(),
            inside.std(),
            inside.sum(),
        )
        found = [ours[name][place] for name in ("mean", "min", "max", "sd", "sum")]
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_small_spread_on_a_large_offset_is_not_lost():
    labels = np.ones((1000, 1), np.int32)
    values = 1e9 + np.arange(1000)[:, None] % 2
    assert intensity_columns(find_cells(labels), values)["sd"][0] == pytest.approx(0.5)


def test_the_sum_of_whole_numbers_is_exact():
    values = np.full((700, 3), 65535, np.uint16)
    found = intensity_columns(find_cells(np.ones((700, 3), np.int32)), values)
    assert found["sum"][0] == 700 * 3 * 65535


def test_nan_stays_in_its_cell():
    labels = np.array([[1, 1, 2, 2]], np.int32)
    found = intensity_columns(find_cells(labels), np.array([[np.nan, 1, 2, 4]]))
    assert all(np.isnan(found[name][0]) for name in found)
    assert [found[name][1] for name in ("mean", "min", "max", "sd", "sum")] == [
        3,
        2,
        4,
        1,
        6,
    ]


def test_nan_after_the_first_pixel_is_seen_as_well():
    found = intensity_columns(
        find_cells(np.ones((1, 2), np.int32)), np.array([[1, np.nan]])
    )
    assert np.isnan([found["min"][0], found["max"][0], found["mean"][0]]).all()


def test_an_infinite_value_is_the_maximum():
    found = intensity_columns(
        find_cells(np.ones((1, 2), np.int32)), np.array([[1, np.inf]])
    )
    assert found["max"][0] == np.inf
    assert found["min"][0] == 1


@pytest.mark.parametrize(
    ("cell", "degrees"),
    [
        (np.ones((9, 2)), 0),
        (np.ones((2, 9)), 90),
        (np.eye(9), 45),
        (np.eye(9)[::-1], -45),
    ],
    ids=["upright", "flat", "falling", "rising"],
)
def test_orientation_turns_from_y_to_x(cell, degrees):
    found = shape_columns(find_cells(np.pad(cell.astype(np.int32), 3)))
    assert found["orientation_deg"][0] == pytest.approx(degrees)


def test_a_single_pixel_has_every_number():
    labels = np.zeros((5, 5), np.int32)
    labels[2, 3] = 9
    found = {
        name: values[0] for name, values in shape_columns(find_cells(labels)).items()
    }
    assert found["area_px"] == 1
    assert found["perimeter_px"] == 0
    assert found["eccentricity"] == 0
    assert found["solidity"] == 1
    assert (found["centroid_y_px"], found["centroid_x_px"]) == (2, 3)


def test_touching_cells_are_measured_each_for_itself():
    labels = np.array([[1, 1, 1, 2, 2, 2]] * 3, np.int32)
    found = shape_columns(find_cells(labels))
    alone = shape_columns(find_cells(np.where(labels == 1, 1, 0).astype(np.int32)))
    assert found["area_px"].tolist() == [9, 9]
    assert found["perimeter_px"].tolist() == [alone["perimeter_px"][0]] * 2


def test_very_large_ids_are_measured_like_small_ones():
    small = _ellipses(1)
    large = np.where(small > 0, small + (2**31 - 1000), 0).astype(np.int32)
    ours, expected = find_cells(large), find_cells(small)
    assert large.max() > MAX_TABLE
    assert (ours.ids - (2**31 - 1000)).tolist() == expected.ids.tolist()
    for name, column in shape_columns(ours).items():
        np.testing.assert_array_equal(column, shape_columns(expected)[name])


def test_chosen_ids_are_measured_alone():
    labels = _scattered(0)
    cells = find_cells(labels, [5, 7, 999])
    assert cells.ids.tolist() == [5, 7]
    assert shape_columns(cells)["area_px"].tolist() == [
        int((labels == 5).sum()),
        int((labels == 7).sum()),
    ]


@pytest.mark.parametrize("shape", [(6, 6), (1, 9), (9, 1), (1, 1)])
def test_labels_without_cells_give_empty_columns(shape):
    cells = find_cells(np.zeros(shape, np.int32))
    columns = {**shape_columns(cells), **intensity_columns(cells, np.zeros(shape))}
    assert {len(column) for column in columns.values()} == {0}


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (1, 1), (300, 2)])
def test_a_cell_that_fills_a_narrow_image_is_solid(shape):
    found = shape_columns(find_cells(np.ones(shape, np.int32)))
    assert found["solidity"][0] == 1
    assert found["area_px"][0] == shape[0] * shape[1]


def test_form_on_pixels_that_are_not_square_is_that_of_scikit_image_with_a_spacing():
    labels = _ellipses(1)
    names = ("eccentricity", "orientation")
    theirs = regionprops_table(labels, spacing=(3.0, 1.5), properties=names)

    ours = shape_columns(find_cells(labels), y_to_x=2.0)

    np.testing.assert_allclose(ours["eccentricity"], theirs["eccentricity"], atol=1e-7)
    turn = ours["orientation_deg"] - np.degrees(theirs["orientation"])
    np.testing.assert_allclose((turn + 90) % 180 - 90, 0, atol=1e-6)
