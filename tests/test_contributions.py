"""Readers, the writer and the samples, without a window."""

import numpy as np
import pytest
import tifffile

pytest.importorskip("pint")

from napari_cellseg.core.errors import LabelsError, SaveError
from napari_cellseg.core.types import CellImage, PixelSize
from napari_cellseg.io.images import read_labels
from napari_cellseg.widgets.contributions import (
    get_reader,
    layers_of,
    read_layers,
    sample_histology,
    sample_two_channels,
    write_labels_layer,
)

KEY = "napari-cellseg"


def test_a_channel_is_a_layer_and_they_know_each_other():
    image = CellImage(
        np.zeros((2, 3, 8, 9), np.uint8), "CZYX", PixelSize(0.5, 0.25, 2), ("DAPI", "actin"),
        name="a.tif",
    )  # fmt: skip
    layers = layers_of(image)
    assert [values["name"] for _, values, _ in layers] == ["DAPI", "actin"]
    assert len({values["metadata"][KEY]["group"] for _, values, _ in layers}) == 1
    for data, values, kind in layers:
        assert kind == "image"
        assert data.shape == (3, 8, 9)
        assert np.shares_memory(data, image.data)
        assert values["scale"] == [2, 0.5, 0.25]
        assert values["units"] == ["micrometer"] * 3
        assert values["axis_labels"] == ("z", "y", "x")


def test_a_colour_image_is_one_layer():
    (data, values, _), *rest = sample_histology()
    assert rest == []
    assert values["rgb"]
    assert data.shape[-1] == 3


def test_without_a_pixel_size_there_is_no_scale():
    ((_, values, _),) = layers_of(CellImage(np.zeros((1, 8, 9))))
    assert "scale" not in values


def test_samples_have_a_pixel_size():
    for _, values, _ in sample_two_channels():
        assert values["units"] == ["micrometer"] * 2


def test_a_stack_that_says_nothing_leaves_its_axes_open(tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.zeros((5, 16, 17), np.uint8), metadata=None)
    reader = get_reader(str(path))
    ((data, values, _),) = reader(str(path))
    assert data.shape == (5, 16, 17)
    assert "axes" not in values["metadata"][KEY]
    assert "axis_labels" not in values


def test_files_that_are_no_images_are_left_to_others(tmp_path):
    path = tmp_path / "a.tif"
    path.write_text("hello")
    assert get_reader(str(path)) is None
    assert get_reader([]) is None


def test_several_files_are_several_layers(tmp_path):
    paths = [str(tmp_path / f"{name}.tif") for name in "ab"]
    for path in paths:
        tifffile.imwrite(path, np.zeros((16, 17), np.uint8))
    assert len(read_layers(paths)) == 2


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ((8, 9), ("y", "x")),
        ((3, 8, 9), ("t", "y", "x")),
        ((3, 8, 9), ("-3", "-2", "-1")),
    ],
)
def test_labels_keep_numbers_and_pixel_size(tmp_path, shape, names):
    labels = np.zeros(shape, np.uint8)
    labels[..., 2:4, 2:4] = 200
    meta = {
        "scale": [1.0] * (len(shape) - 2) + [0.5, 0.25],
        "units": ["pixel"] * (len(shape) - 2) + ["micrometer"] * 2,
        "axis_labels": names,
    }
    path = str(tmp_path / "ä labels.tif")
    assert write_labels_layer(path, labels, meta) == [path]
    read, size = read_labels(path)
    np.testing.assert_array_equal(read, labels)
    assert (size.y_um, size.x_um) == (0.5, 0.25)


def test_what_are_no_labels_is_refused(tmp_path):
    with pytest.raises(LabelsError):
        write_labels_layer(str(tmp_path / "a.tif"), np.full((5, 5), -1), {})
    with pytest.raises(SaveError):
        write_labels_layer(str(tmp_path / "a.tif"), [np.zeros((5, 5), int)], {})
