"""The table: its columns, its units, and that it follows edits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.core.editing.corrections import (
    delete_cells,
    merge_cells,
)
from napari_cellseg.core.editing.edits import (
    apply_edit,
    edit_on_labels,
    known_sources,
    updated_sources,
)
from napari_cellseg.core.editing.reshape import smooth_cells
from napari_cellseg.core.editing.split import split_cell
from napari_cellseg.core.errors import LabelsError
from napari_cellseg.core.measuring.measure import measure_cells, measure_labels
from napari_cellseg.core.types import CellImage, PixelSize

SHAPES = {
    "YX": (40, 50),
    "ZYX": (3, 40, 50),
    "TYX": (2, 40, 50),
    "TZYX": (2, 3, 40, 50),
}


def _labels(axes):
    """Two touching squares and a bar, with ids of their own on each plane."""
    labels = np.zeros(SHAPES[axes], np.int32)
    for number, index in enumerate(np.ndindex(labels.shape[:-2])):
        labels[index][5:15, 5:15] = 10 * number + 1
        labels[index][5:15, 15:25] = 10 * number + 2
        labels[index][30:40, 30:34] = 10 * number + 7
    return labels


def _image(axes, **values):
    """Two channels of noise for labels with these axes."""
    channel_axis = axes.index("T") + 1 if "T" in axes else 0
    shape = list(SHAPES[axes])
    shape.insert(channel_axis, 2)
    data = np.random.default_rng(0).integers(0, 1000, shape).astype(np.uint16)
    image_axes = axes[:channel_axis] + "C" + axes[channel_axis:]
    return CellImage(data, axes=image_axes, **values)


def test_lengths_and_areas_stand_in_pixels_and_micrometres():
    table = measure_cells(None, _labels("YX"), pixel_size=PixelSize(0.5, 0.5))
    row = table.cells.set_index("label").loc[1]
    assert row["area_px"] == 100
    assert row["area_um2"] == 25
    assert row["perimeter_um"] == row["perimeter_px"] / 2 == 18
    assert row["centroid_y_px"] == 9.5
    assert row["centroid_x_um"] == 4.75


def test_pixels_that_are_not_square_keep_area_and_place():
    table = measure_cells(None, _labels("YX"), pixel_size=PixelSize(2.0, 0.5))
    row = table.cells.set_index("label").loc[1]
    assert row["area_um2"] == 100
    assert (row["centroid_y_um"], row["centroid_x_um"]) == (19, 4.75)


def test_without_a_pixel_size_there_are_no_micrometres():
    table = measure_cells(_image("YX"), _labels("YX"))
    assert [name for name in table.cells if "_um" in name] == []
    assert table.summary["area_mm2"] is None
    assert table.summary["density_per_mm2"] is None


def test_the_pixel_size_comes_from_the_image():
    image = _image("YX", pixel_size=PixelSize(10, 10))
    summary = measure_cells(image, _labels("YX")).summary
    assert summary["area_mm2"] == pytest.approx(40 * 50 * 100 / 1e6)
    assert summary["density_per_mm2"] == pytest.approx(3 / 0.2)


@pytest.mark.parametrize("axes", SHAPES)
def test_every_plane_gives_its_rows(axes):
    image = _image(axes)
    labels = _labels(axes)
    table = measure_cells(image, labels)
    assert table.n_cells == len(table.cells) == 3 * image.n_planes
    keys = {"T": "frame", "Z": "z_plane"}
    names = [keys[axis] for axis in axes[:-2]]
    for row in table.cells.to_dict("records"):
        index = tuple(row[name] for name in names)
        mask = labels[index] == row["label"]
        assert row["area_px"] == mask.sum() > 0
        values = image.plane(index)[1][mask]
        assert row["mean_intensity_channel 2"] == pytest.approx(values.mean())


def test_an_axis_without_a_name_is_called_plane():
    assert "plane" in measure_cells(None, _labels("ZYX")).cells


def test_a_cell_on_several_planes_has_a_row_each_and_counts_once():
    labels = np.zeros((3, 8, 8), np.int32)
    labels[:2, 2:5, 2:5] = 4
    table = measure_cells(None, labels)
    assert table.cells["plane"].tolist() == [0, 1]
    assert table.n_cells == 1


def test_rows_come_in_order_of_the_ids_whatever_their_gaps():
    labels = np.array([[900, 0, 5, 0, 2_000_000_000]], np.int32)
    assert measure_cells(None, labels).cells["label"].tolist() == [
        5,
        900,
        2_000_000_000,
    ]


def test_the_border_is_that_of_the_image():
    table = measure_cells(None, _labels("YX")).cells.set_index("label")
    assert table["touches_border"].to_dict() == {1: False, 2: False, 7: True}


def test_no_cells_give_the_same_columns_without_rows():
    image = _image("TZYX", pixel_size=PixelSize(1, 1))
    empty = measure_cells(image, np.zeros(SHAPES["TZYX"], np.int32))
    full = measure_cells(image, _labels("TZYX"))
    assert list(empty.cells) == list(full.cells)
    assert (empty.cells.dtypes == full.cells.dtypes).all()
    assert len(empty.cells) == empty.summary["n_cells"] == 0
    assert empty.summary["mean_area_px"] is None


def test_confidence_is_empty_where_a_person_made_the_cell():
    table = measure_cells(
        None,
        _labels("YX"),
        confidence={1: 0.5, 2: 0.75},
        sources={1: "model", 2: "hand", 7: "edited"},
    )
    np.testing.assert_array_equal(table.cells["confidence"], [0.5, np.nan, np.nan])
    assert table.n_by_source == {"model": 1, "edited": 1, "hand": 1}


def test_labels_from_elsewhere_have_an_unknown_source():
    assert set(measure_cells(None, _labels("YX")).cells["source"]) == {"unknown"}


def test_cells_that_neither_a_model_nor_a_person_made_here_have_an_unknown_source():
    labels = np.repeat(np.arange(1, 4, dtype=np.int32), 4).reshape(3, 4)
    sources = {1: "model", 2: "edited", 3: "model"}
    table = measure_cells(None, labels, confidence={1: 0.9}, sources=sources)
    assert table.cells["source"].tolist() == ["model", "edited", "unknown"]
    assert table.n_by_source == {"model": 1, "edited": 1, "hand": 0, "unknown": 1}


def test_channels_of_one_name_keep_their_columns():
    image = _image("YX", channel_names=("DAPI", "DAPI"))
    cells = measure_cells(image, _labels("YX")).cells
    assert cells.columns.is_unique
    assert {"mean_intensity_DAPI", "mean_intensity_DAPI (2)"} <= set(cells.columns)


def test_labels_of_another_size_are_refused():
    with pytest.raises(LabelsError, match=r"\(3, 3\)"):
        measure_cells(_image("YX"), np.zeros((3, 3), np.int32))


def test_labels_of_another_type_are_refused():
    with pytest.raises(LabelsError, match="uint8"):
        measure_cells(None, np.zeros((3, 3), np.uint8))


def test_input_is_not_changed():
    image, labels = _image("TZYX"), _labels("TZYX")
    before = image.data.copy(), labels.copy()
    measure_cells(image, labels)
    assert (image.data == before[0]).all()
    assert (labels == before[1]).all()


EDITS = {
    "delete": lambda labels, plane, sources: delete_cells(labels, [1], sources),
    "merge": lambda labels, plane, sources: merge_cells(labels, [2, 1], sources),
    "split": lambda labels, plane, sources: split_cell(
        labels, np.array([[10.0, 0], [10, 40]]), plane, sources
    ),
    "smooth": lambda labels, plane, sources: smooth_cells(labels, [1, 7], sources),
}


@pytest.mark.parametrize("axes", SHAPES)
@pytest.mark.parametrize("name", EDITS)
def test_the_table_follows_an_edit_and_its_undo(name, axes):
    image, labels = _image(axes, pixel_size=PixelSize(0.5, 0.5)), _labels(axes)
    sources = known_sources(labels)
    confidence = dict.fromkeys(sources, 0.5)
    sure = {"confidence": confidence}
    table = measure_cells(image, labels, sources=sources, **sure)
    edit = EDITS[name](labels, (0,) * (len(axes) - 2), sources)
    after = labels.copy()
    apply_edit(after, edit)
    new_sources = updated_sources(sources, edit)
    updated = table.updated(image, after, edit, new_sources, confidence)
    fresh = measure_cells(image, after, sources=new_sources, **sure)
    pd.testing.assert_frame_equal(updated.cells, fresh.cells)
    undone = updated.updated(image, labels, edit.inverted(), sources, confidence)
    pd.testing.assert_frame_equal(undone.cells, table.cells)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_table_follows_any_stroke(data):
    shape = data.draw(st.sampled_from([(12, 14), (2, 9, 8)]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    labels = rng.integers(0, 5, shape).astype(np.int32)
    sources = known_sources(labels)
    table = measure_cells(None, labels, sources=sources)
    start = tuple(data.draw(st.integers(0, size - 1)) for size in shape)
    size = [
        data.draw(st.integers(1, n - low)) for n, low in zip(shape, start, strict=True)
    ]
    crop = np.full(size, data.draw(st.integers(0, 9)), np.int32)
    edit = edit_on_labels(labels, crop, start, "brush stroke", sources)
    apply_edit(labels, edit)
    sources = updated_sources(sources, edit)
    updated = table.updated(None, labels, edit, sources)
    fresh = measure_cells(None, labels, sources=sources)
    pd.testing.assert_frame_equal(updated.cells, fresh.cells)


def test_deleting_the_last_cell_leaves_an_empty_table():
    labels = np.zeros((6, 6), np.int32)
    labels[2:4, 2:4] = 3
    sources = known_sources(labels)
    table = measure_cells(None, labels, sources=sources)
    edit = delete_cells(labels, [3], sources)
    apply_edit(labels, edit)
    updated = table.updated(None, labels, edit, {})
    assert len(updated.cells) == 0
    assert list(updated.cells) == list(table.cells)
    assert (updated.cells.dtypes == table.cells.dtypes).all()


def test_an_edit_that_changes_nothing_changes_no_row():
    labels = _labels("YX")
    sources = known_sources(labels)
    table = measure_cells(None, labels, sources=sources)
    edit = edit_on_labels(labels, labels.copy(), (0, 0), "nothing", sources)
    updated = table.updated(None, labels, edit, sources)
    pd.testing.assert_frame_equal(updated.cells, table.cells)


def test_a_square_cell_on_flat_pixels_is_no_line():
    labels = np.zeros((12, 12), np.int32)
    labels[2:4, 2:6] = 1  # 2 x 4 pixels of 2 x 1 micrometres

    known = measure_labels(labels, "YX", pixel_size=PixelSize(2.0, 1.0))
    unknown = measure_labels(labels, "YX")

    # Sums of squares of 2 and 4 places: (4 - 1) and (16 - 1), by the squares of the sides.
    assert unknown.cells["eccentricity"].item() == pytest.approx((1 - 3 / 15) ** 0.5)
    assert known.cells["eccentricity"].item() == pytest.approx((1 - 12 / 15) ** 0.5)
    assert known.cells["area_um2"].item() == 16
