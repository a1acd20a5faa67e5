"""Arrays of layers become one image."""

import dask.array
import numpy as np
import pytest

from napari_cellseg.controllers.labels.layer_arrays import (
    StackedChannels,
    image_from_arrays,
)
from napari_cellseg.core.errors import ImageError


@pytest.mark.parametrize(
    ("shape", "axes", "kept", "ordered"),
    [
        ((5, 6), "YX", "CYX", (1, 5, 6)),
        ((4, 5, 6), "ZYX", "CZYX", (1, 4, 5, 6)),
        ((4, 5, 6), "TYX", "TCYX", (4, 1, 5, 6)),
        ((4, 5, 6), "CYX", "CYX", (4, 5, 6)),
        ((2, 3, 5, 6), "ZCYX", "CZYX", (3, 2, 5, 6)),
        ((5, 6, 3), "YXS", "CYX", (3, 5, 6)),
        ((2, 5, 6, 4), "TYXS", "TCYX", (2, 3, 5, 6)),
    ],
)
@pytest.mark.parametrize(
    "kind", [np.asarray, dask.array.from_array], ids=["numpy", "dask"]
)
def test_axes_are_put_in_order(shape, axes, kept, ordered, kind):
    data = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    image = image_from_arrays([kind(data)], axes, name="x")
    assert (image.axes, image.shape) == (kept, ordered)
    position = (0,) * (len(image.labels_axes) - 2)
    plane = image.plane(position)
    assert plane.shape == (image.n_channels, 5, 6)
    assert plane[0, 0, 0] == data.reshape(-1)[0]
    assert plane[0, -1, -1] == data[(*(0,) * axes.index("Y"), -1, -1)].flat[0]


def test_numpy_is_not_copied():
    data = np.zeros((4, 5, 6), np.uint8)
    assert np.shares_memory(image_from_arrays([data], "ZYX", name="x").data, data)


@pytest.mark.parametrize(
    "key", [..., 1, (0, slice(1, 3)), (slice(None), 1, 2), (1, [0, 1])]
)
def test_stacked_channels_index_as_one_array(key):
    channels = [np.random.default_rng(i).random((2, 1, 4, 5)) for i in range(3)]
    whole = np.concatenate(channels, axis=1)
    stacked = StackedChannels(channels, 1)
    np.testing.assert_array_equal(stacked[key], whole[key])
    np.testing.assert_array_equal(np.asarray(stacked), whole)


@pytest.mark.parametrize(
    ("arrays", "axes", "words"),
    [
        ([np.zeros((0, 5))], "YX", "empty"),
        ([np.zeros((4, 5), complex)], "YX", "complex"),
        ([np.zeros((3, 4, 5))], "YX", "do not fit"),
        ([np.zeros((4, 5)), np.zeros((4, 6))], "YX", "different shapes"),
    ],
    ids=["empty", "complex", "axes", "shapes"],
)
def test_what_is_no_image_is_refused_in_words(arrays, axes, words):
    with pytest.raises(ImageError, match=words):
        image_from_arrays(arrays, axes, name="x")
