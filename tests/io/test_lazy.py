"""A lazy array gives what numpy gives."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cellseg.io.reading.axes import to_canonical
from napari_cellseg.io.reading.lazy import LazyArray

KEYS = [
    np.s_[...], np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[..., 3:9, ::2], np.s_[..., ::-1],
    np.s_[..., 8:2:-3], np.s_[0, ..., 5], np.s_[..., -4:], np.s_[..., 5:5], np.s_[1:, ..., 2, 3],
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("YX", (10, 12)),
        ("CYX", (3, 10, 12)),
        ("YXS", (10, 12, 3)),
        ("ZCYX", (4, 3, 10, 12)),
        ("TZCYXS", (2, 4, 3, 10, 12, 1)),
        ("QZCYXS", (1, 4, 1, 10, 12, 3)),
        ("XTY", (12, 2, 10)),
    ],
)
def test_indexing_is_that_of_numpy(axes, shape, key):
    data = np.arange(np.prod(shape), dtype=">i4").reshape(shape)
    lazy = LazyArray(data, axes, shape, data.dtype, "a.tif")
    whole = to_canonical(data, axes)
    assert lazy.shape == whole.shape
    assert lazy.dtype.isnative
    np.testing.assert_array_equal(lazy[key], whole[key])


@pytest.mark.parametrize("key", [10**6, (0,) * 9, [1, 2], "a"], ids=str)
def test_what_cannot_be_an_index(key):
    data = np.zeros((3, 10, 12))
    with pytest.raises(IndexError):
        LazyArray(data, "CYX", data.shape, data.dtype, "a.tif")[key]


def test_only_what_is_asked_for_is_read():
    class Source:
        shape = (5, 100, 100)
        keys: list[tuple[slice, ...]] = []

        def __getitem__(self, key):
            self.keys.append(key)
            return np.zeros(self.shape)[key]

    source = Source()
    LazyArray(source, "ZYX", source.shape, np.dtype(float), "a.tif")[0, 2, 10:20, 30:40]
    assert source.keys == [(slice(2, 3), slice(10, 20), slice(30, 40))]
