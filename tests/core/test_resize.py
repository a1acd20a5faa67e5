"""Windows of a resized plane fit together, and are what torch makes of it."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cellseg.core.segmentation.resize import (
    MIN_SEEN_PX,
    resized,
    resized_reader,
    seen_size,
)

ZOOMS = (0.1, 0.25, 0.37, 0.5, 0.93, 1.31, 2.0, 4.0)


def plane(shape_yx: tuple[int, int], n_channels: int = 3) -> np.ndarray:
    return np.random.default_rng(1).random((n_channels, *shape_yx), dtype=np.float32)


@pytest.mark.parametrize("zoom", ZOOMS)
@pytest.mark.parametrize("shape_yx", [(90, 131), (200, 64)])
def test_windows_are_the_whole_to_the_last_bit(
    zoom: float, shape_yx: tuple[int, int]
) -> None:
    pixels = plane(shape_yx)
    whole = resized(pixels, zoom)
    read, (height, width) = resized_reader(
        lambda window: pixels[(slice(None), *window)], shape_yx, zoom
    )
    middle_y, middle_x = height // 3, width // 2
    for rows in (slice(0, middle_y), slice(middle_y, height)):
        for columns in (slice(0, middle_x), slice(middle_x, width)):
            window = read((rows, columns))
            np.testing.assert_array_equal(window, whole[:, rows, columns])


@pytest.mark.parametrize("zoom", ZOOMS)
def test_it_is_what_torch_does(zoom: float) -> None:
    torch = pytest.importorskip("torch")
    pixels = plane((90, 131))
    size = list(seen_size((90, 131), zoom))
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(pixels)[None], size=size, mode="bilinear", antialias=zoom < 1
    )
    np.testing.assert_allclose(resized(pixels, zoom), expected[0].numpy(), atol=2e-4)


def test_a_constant_plane_stays_constant() -> None:
    pixels = np.full((1, 50, 70), 0.25, np.float32)
    np.testing.assert_allclose(resized(pixels, 0.3), 0.25, rtol=1e-6)


def test_a_grey_plane_is_one_channel_shown_three_times() -> None:
    grey = plane((40, 40), 1)
    shown = np.broadcast_to(grey, (3, 40, 40))
    seen = resized(shown, 0.5)
    assert seen.strides[0] == 0
    np.testing.assert_array_equal(seen[:1], resized(grey, 0.5))


def test_nothing_is_seen_smaller_than_the_network_takes() -> None:
    assert seen_size((20, 300), 0.1) == (MIN_SEEN_PX, 30)
