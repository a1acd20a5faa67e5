"""3-D numbers of stacks, from those of the sections."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_cellseg.controllers.measuring.numbers import histogram_of
from napari_cellseg.core.editing.edits import (
    apply_edit,
    edit_on_labels,
    updated_sources,
)
from napari_cellseg.core.measuring.measure import measure_cells
from napari_cellseg.core.review.queue import doubts
from napari_cellseg.core.types import CellImage, PixelSize

SIZE = PixelSize(0.5, 0.5, 2.0)


def stack():
    """A box of 3 planes of 4 × 5 pixels, and a square on the last plane."""
    labels = np.zeros((5, 20, 30), np.int32)
    labels[1:4, 4:8, 10:15] = 7
    labels[4, 12:15, 12:15] = 9
    return labels


def noisy_image(labels, pixel_size=SIZE):
    values = np.random.default_rng(0).normal(100, 20, (1, *labels.shape))
    return CellImage(values, "CZYX", pixel_size, ("DNA",))


def test_each_section_says_the_volume_of_its_cell():
    cells = measure_cells(noisy_image(stack()), stack()).cells

    box = cells[cells["label"] == 7]
    assert box["n_planes"].tolist() == [3, 3, 3]
    assert box["volume_px"].tolist() == [60, 60, 60]
    assert box["volume_um3"].tolist() == [30.0, 30.0, 30.0]


def test_one_row_a_cell_has_volume_centre_and_planes():
    whole = measure_cells(noisy_image(stack()), stack()).in_3d.set_index("label")

    row = whole.loc[7]
    assert (row["first_plane"], row["last_plane"]) == (1, 3)
    assert (row["centroid_z_px"], row["centroid_y_px"], row["centroid_x_px"]) == (
        2,
        5.5,
        12,
    )
    assert row["centroid_z_um"] == 4.0
    assert row["largest_area_px"] == 20
    assert row["equivalent_diameter_um"] == pytest.approx((6 * 30 / np.pi) ** (1 / 3))
    assert not row["touches_border"]
    assert whole.loc[9, "touches_border"]


def test_intensities_are_those_of_all_voxels():
    labels = stack()
    image = noisy_image(labels)
    row = measure_cells(image, labels).in_3d.set_index("label").loc[7]

    voxels = image.data[0][labels == 7]
    assert row["mean_intensity_DNA"] == pytest.approx(voxels.mean())
    assert row["sd_intensity_DNA"] == pytest.approx(voxels.std())
    assert row["min_intensity_DNA"] == voxels.min()
    assert row["max_intensity_DNA"] == voxels.max()
    assert row["sum_intensity_DNA"] == pytest.approx(voxels.sum())


def test_a_small_spread_on_a_large_offset_is_not_lost():
    labels = stack()
    values = 1e9 + np.random.default_rng(0).normal(0, 2, (1, *labels.shape))
    image = CellImage(values, "CZYX", SIZE, ("DNA",))

    row = measure_cells(image, labels).in_3d.set_index("label").loc[7]

    spread = (values[0] - 1e9)[labels == 7].std()
    assert row["sd_intensity_DNA"] == pytest.approx(spread, rel=1e-6)


def test_nan_in_one_section_is_not_passed_over():
    labels = stack()
    image = noisy_image(labels)
    image.data[0, 2, 5, 12] = np.nan

    row = measure_cells(image, labels).in_3d.set_index("label").loc[7]

    assert np.isnan(row["mean_intensity_DNA"])
    assert np.isnan(row["max_intensity_DNA"])


def test_without_the_distance_of_planes_there_are_no_cubic_micrometres():
    table = measure_cells(noisy_image(stack(), PixelSize(0.5, 0.5)), stack())

    assert "volume_um3" not in table.cells
    assert "volume_um3" not in table.in_3d
    assert table.in_3d.set_index("label").loc[7, "volume_px"] == 60


def test_time_is_no_depth():
    labels = stack()
    image = CellImage(np.zeros((5, 1, 20, 30)), "TCYX", SIZE)

    table = measure_cells(image, labels)

    assert table.in_3d is None
    assert "volume_px" not in table.cells


def test_a_cell_of_several_frames_has_a_volume_in_each():
    labels = np.stack([stack(), stack()])
    labels[1, 3] = 0
    image = CellImage(np.zeros((2, 1, *labels.shape[1:])), "TCZYX", SIZE)

    whole = measure_cells(image, labels).in_3d

    assert whole[whole["label"] == 7][["frame", "volume_px"]].values.tolist() == [
        [0, 60],
        [1, 40],
    ]


def test_the_volume_follows_an_edit_on_one_plane():
    labels = stack()
    image = noisy_image(labels)
    table = measure_cells(image, labels)
    sources = {7: "model", 9: "model"}
    gone = np.zeros((1, 20, 30), np.int32)
    edit = edit_on_labels(labels, gone, (3, 0, 0), "delete", sources)
    apply_edit(labels, edit)

    after = table.updated(image, labels, edit, updated_sources(sources, edit))

    fresh = measure_cells(image, labels, sources=updated_sources(sources, edit))
    pd.testing.assert_frame_equal(after.cells, fresh.cells)
    assert set(after.cells.loc[after.cells["label"] == 7, "volume_px"]) == {40}


def test_the_summary_and_the_histogram_count_a_cell_once():
    table = measure_cells(noisy_image(stack()), stack())

    assert table.summary["n_cells"] == 2
    assert table.summary["mean_volume_px"] == (60 + 9) / 2
    assert "n = 2" in histogram_of(table, "volume_px").words


def test_a_stack_without_cells_has_empty_tables():
    empty = np.zeros((5, 20, 30), np.int32)

    table = measure_cells(noisy_image(empty), empty)

    assert len(table.in_3d) == 0
    assert "volume_px" in table.in_3d


def test_a_cell_is_doubted_once_by_its_largest_section():
    table = measure_cells(noisy_image(stack()), stack())

    doubt = doubts(table.cells, {7: 0.9, 9: 0.2})

    assert doubt.index.tolist() == [9, 7]
