"""Normalising keeps to the percentiles whatever the values are."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from napari_cellseg.core.errors import ImageError
from napari_cellseg.core.segmentation.intensity import (
    UPPER_CLIP,
    choose_channels,
    intensity_bounds,
    normalize,
)
from napari_cellseg.core.types import CellImage


@pytest.fixture
def plane() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, (1, 64, 64))


@pytest.mark.parametrize(
    ("dtype", "gain", "offset"),
    [
        (np.uint8, 1, 0),
        (np.uint16, 300, 17),
        (np.float16, 0.5, -20),
        (np.float32, 1e-6, 3e-5),
        (np.float64, 1e9, -1e12),
        (np.int64, 2**50, -(2**59)),
        (">u2", 10, 0),
    ],
    ids=str,
)
def test_gain_offset_and_type_change_nothing(
    plane: np.ndarray, dtype: str, gain: float, offset: float
) -> None:
    changed = (plane * gain + offset).astype(dtype)
    np.testing.assert_allclose(
        normalize(changed, 1, 99.8), normalize(plane, 1, 99.8), atol=0.01
    )


def test_bool_becomes_zero_and_one(plane: np.ndarray) -> None:
    assert set(np.unique(normalize(plane > 100, 1, 99.8))) == {0.0, 1.0}


@pytest.mark.parametrize("value", [0, 7, -3.5, np.nan, np.inf])
def test_constant_planes_are_all_zero(value: float) -> None:
    assert not normalize(np.full((1, 5, 7), value), 1, 99.8).any()


def test_not_numbers_do_not_spread(plane: np.ndarray) -> None:
    broken = plane.astype(float)
    broken[0, :8, 0] = (np.nan, np.inf, -np.inf, np.nan, 0, 0, 0, 0)
    values = normalize(broken, 1, 99.8)
    assert np.isfinite(values).all()
    assert values.max() <= UPPER_CLIP


def test_input_is_not_changed(plane: np.ndarray) -> None:
    before = plane.astype(np.float32)
    given = before.copy()
    normalize(given, 1, 99.8)
    np.testing.assert_array_equal(given, before)


def test_colour_keeps_its_proportions() -> None:
    plane = np.stack([np.full((32, 32), v) for v in (0.0, 50.0, 100.0)])
    values = normalize(plane, 0, 100)
    assert values[:, 0, 0].tolist() == [0.0, 0.5, 1.0]


def test_several_channels_without_a_choice_are_refused_by_name() -> None:
    image = CellImage(np.zeros((2, 4, 4)), channel_names=("DAPI", "actin"))
    with pytest.raises(ImageError, match=r"0 = DAPI, 1 = actin"):
        choose_channels(image, None)


def test_a_channel_that_is_not_there_is_refused() -> None:
    with pytest.raises(ImageError, match="no channel 3; it has 1, which is number 0"):
        choose_channels(CellImage(np.zeros((1, 4, 4))), 3)
    with pytest.raises(ImageError, match="it has 2, which are numbers 0 to 1"):
        choose_channels(CellImage(np.zeros((2, 4, 4))), 2)


def test_one_channel_among_several_is_not_copied():
    stack = np.zeros((4, 3, 2048, 1024), np.uint8)
    stack[:, 1] = np.arange(1024) // 4
    channel = stack[:, 1]
    tracemalloc.start()
    try:
        assert intensity_bounds(channel, 0, 100) == (0, 255)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < channel.nbytes
