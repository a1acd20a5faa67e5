"""Labels from files of other programs."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_cellseg.core.errors import ImageReadError, LabelsError, LimitError
from napari_cellseg.core.types import PixelSize
from napari_cellseg.io.limits import ReadLimits
from napari_cellseg.io.reading.images import read_labels


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a_labels.tif"


def _labels(shape=(8, 9)):
    return np.arange(np.prod(shape)).reshape(shape)


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.uint16, np.uint32, np.int32, np.int64, np.float32]
)
def test_whole_numbers_of_any_type(path, dtype):
    tifffile.imwrite(path, _labels().astype(dtype))
    labels, size = read_labels(path)
    assert labels.dtype == np.int32
    assert labels.flags.writeable
    np.testing.assert_array_equal(labels, _labels())
    assert size is None


@pytest.mark.parametrize("shape", [(3, 8, 9), (2, 3, 8, 9)], ids=["3-D", "4-D"])
def test_axes_need_no_names(path, shape):
    tifffile.imwrite(path, _labels(shape).astype(np.uint16), photometric="minisblack")
    labels, _ = read_labels(path)
    np.testing.assert_array_equal(labels, _labels(shape))


def test_imagej_labels_keep_their_pixel_size(path):
    tifffile.imwrite(
        path,
        _labels((3, 8, 9)).astype(np.uint16),
        imagej=True,
        resolution=(2, 4),
        metadata={"axes": "ZYX", "unit": "um", "spacing": 3},
    )
    labels, size = read_labels(path)
    assert labels.shape == (3, 8, 9)
    assert size == PixelSize(0.25, 0.5, 3)


@pytest.mark.parametrize("photometric", ["miniswhite", "palette"])
def test_values_are_taken_as_stored(path, photometric):
    colours = np.random.default_rng(0).integers(0, 65535, (3, 256)).astype(np.uint16)
    options = {"colormap": colours} if photometric == "palette" else {}
    tifffile.imwrite(path, _labels().astype(np.uint8), photometric=photometric, metadata=None,
                     **options)  # fmt: skip
    np.testing.assert_array_equal(read_labels(path)[0], _labels())


@pytest.mark.parametrize(
    "data",
    [
        np.full((4, 4), 0.5, np.float32),
        np.full((4, 4), np.nan, np.float32),
        np.full((4, 4), -1, np.int16),
        np.full((4, 4), 2**31, np.uint32),
    ],
    ids=["half", "NaN", "negative", "too high"],
)
def test_what_is_no_label_is_refused(path, data):
    tifffile.imwrite(path, data)
    with pytest.raises(LabelsError):
        read_labels(path)


def test_a_colour_image_is_no_labels(path):
    tifffile.imwrite(path, np.zeros((4, 5, 3), np.uint8), photometric="rgb")
    with pytest.raises(LabelsError, match="3 channels"):
        read_labels(path)


def test_labels_over_the_limit_are_refused(path):
    tifffile.imwrite(path, _labels((3, 8, 9)).astype(np.uint16), imagej=True,
                     metadata={"axes": "ZYX"})  # fmt: skip
    with pytest.raises(LimitError):
        read_labels(path, limits=ReadLimits(max_bytes=200, lazy_bytes=0))


def test_text_is_no_labels(path):
    path.write_text("none")
    with pytest.raises(ImageReadError):
        read_labels(path)
