"""Readers, the writer and the samples, without a window."""

import numpy as np
import pytest
import tifffile

pytest.importorskip("pint")

from napari_cellseg.core.errors import LabelsError, SaveError
from napari_cellseg.core.types import CellImage, PixelSize
from napari_cellseg.io.reading.images import read_labels
from napari_cellseg.io.writing.labels_zarr import write_labels_zarr
from napari_cellseg.widgets import contributions
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


def write_slide(path, edge=600):
    """Write a colour TIFF with a smaller level; returns its pixels."""
    pixels = np.random.default_rng(0).integers(0, 255, (edge, edge, 3), np.uint8)
    with tifffile.TiffWriter(path) as file:
        file.write(pixels, tile=(128, 128), photometric="rgb", subifds=1)
        file.write(pixels[::4, ::4], tile=(128, 128), photometric="rgb", subfiletype=1)
    return pixels


def test_a_large_slide_is_shown_from_its_levels_and_read_in_parts(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(contributions, "PYRAMID_BYTES", 2**19)
    path = tmp_path / "slide.tif"
    pixels = write_slide(path)

    ((levels, values, kind),) = read_layers(str(path))

    assert kind == "image"
    assert values["multiscale"]
    assert values["rgb"]
    assert [level.shape for level in levels] == [(600, 600, 3), (150, 150, 3)]
    assert not isinstance(levels[0], np.ndarray)
    np.testing.assert_array_equal(levels[0][100:200, 40:50], pixels[100:200, 40:50])
    np.testing.assert_array_equal(levels[0][7, 8:10, 1], pixels[7, 8:10, 1])
    np.testing.assert_array_equal(np.asarray(levels[1]), pixels[::4, ::4])


def test_a_small_image_with_levels_is_shown_as_it_is(tmp_path):
    path = tmp_path / "slide.tif"
    pixels = write_slide(path)

    ((data, values, _),) = read_layers(str(path))

    assert "multiscale" not in values
    np.testing.assert_array_equal(data, pixels)


def test_labels_that_a_slide_came_to_open_as_labels(tmp_path):
    labels = np.zeros((2100, 1500), np.int32)
    labels[5:9, 7:12] = 3
    path = tmp_path / "slide_labels.ome.zarr"
    write_labels_zarr(path, labels, axes="YX", pixel_size=PixelSize(0.5, 0.5))

    ((data, values, kind),) = read_layers(str(path))

    assert kind == "labels"
    assert values["scale"] == [0.5, 0.5]
    np.testing.assert_array_equal(data, labels)


def test_labels_of_a_large_slide_are_shown_from_their_levels(tmp_path, monkeypatch):
    monkeypatch.setattr(contributions, "PYRAMID_BYTES", 2**19)
    labels = np.zeros((2100, 1500), np.int32)
    labels[5:9, 7:12] = 3
    path = tmp_path / "slide_labels.ome.zarr"
    write_labels_zarr(path, labels, axes="YX", pixel_size=PixelSize(0.5, 0.5))

    ((levels, values, kind),) = read_layers(str(path))

    assert kind == "labels"
    assert values["multiscale"]
    assert values["scale"] == [0.5, 0.5]
    assert [level.shape for level in levels] == [(2100, 1500), (1050, 750), (525, 375)]
    assert not isinstance(levels[0], np.ndarray)
    np.testing.assert_array_equal(levels[0][0:20, 5:15], labels[:20, 5:15])


def test_the_density_of_a_slide_lies_over_it_and_is_no_image_to_work_on(tmp_path):
    path = tmp_path / "slide_density.tif"
    tifffile.imwrite(path, np.ones((5, 6), np.float32))

    ((_, values, kind),) = read_layers(str(path))

    assert kind == "image"
    assert values["opacity"] < 1
    assert values["metadata"]["napari-cellseg"]["is_seen"]
