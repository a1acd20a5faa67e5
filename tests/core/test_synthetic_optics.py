"""The camera adds what its options say; the random fields keep their scale."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cellseg.core.synthetic.arrangement import depth_px
from napari_cellseg.core.synthetic.optics import digitize, expose, focus, light_field
from napari_cellseg.core.synthetic.options import OpticsOptions
from napari_cellseg.core.synthetic.textures import fibre_noise, smooth_noise, wide_blur


@pytest.mark.parametrize("scale_px", [0.0, 1.0, 5.0, 12.0])
def test_smooth_noise_has_mean_0_and_deviation_about_1(scale_px: float) -> None:
    field = smooth_noise((600, 500), scale_px, np.random.default_rng(0))

    assert field.shape == (600, 500)
    assert field.mean() == pytest.approx(0, abs=0.2)
    assert field.std() == pytest.approx(1, abs=0.2)


def test_fibre_noise_has_deviation_about_1() -> None:
    field = fibre_noise((400, 400), 40, 4, np.random.default_rng(0))

    assert field.std() == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("sigma_px", [1.0, 4.0, 15.0])
def test_wide_blur_keeps_shape_and_an_even_field(sigma_px: float) -> None:
    blurred = wide_blur(np.full((70, 101), 0.5, np.float32), sigma_px)

    assert blurred.shape == (70, 101)
    assert np.allclose(blurred, 0.5, atol=1e-5)


def test_noise_at_full_light_is_what_was_asked_for() -> None:
    seen = expose(
        np.ones((1, 300, 300), np.float32),
        OpticsOptions(noise=0.1),
        np.random.default_rng(0),
    )

    assert seen.mean() == pytest.approx(1, abs=0.01)
    assert seen.std() == pytest.approx(0.1, rel=0.05)


def test_without_noise_the_light_is_unchanged() -> None:
    light = np.linspace(0, 1, 100, dtype=np.float32).reshape(1, 10, 10)

    seen = expose(light, OpticsOptions(noise=0), np.random.default_rng(0))

    assert np.array_equal(seen, light)


def test_negative_light_counts_as_none() -> None:
    light = np.full((1, 20, 20), -1, np.float32)

    seen = expose(light, OpticsOptions(noise=0), np.random.default_rng(0))

    assert not seen.any()


def test_vignetting_takes_light_from_the_corners() -> None:
    optics = OpticsOptions(uneven_light=0, vignetting=0.8)

    lamp = light_field((100, 100), optics, np.random.default_rng(0))

    assert lamp[50, 50] > max(lamp[0, 0], lamp[0, -1], lamp[-1, 0], lamp[-1, -1])
    assert lamp.min() > 0


def test_blur_keeps_the_amount_of_light() -> None:
    light = np.zeros((101, 101), np.float32)
    light[50, 50] = 1

    sharp = focus(light, OpticsOptions(blur_px=3, haze=0))

    assert sharp.sum() == pytest.approx(1, rel=1e-3)
    assert sharp[50, 50] < 0.05


def test_light_beyond_the_camera_is_clipped() -> None:
    numbers = digitize(np.array([[0, 0.5, 7]], np.float32), OpticsOptions(bit_depth=8))

    assert numbers.tolist() == [[0, 128, 255]]


def test_depth_counts_from_the_edge_of_each_cell() -> None:
    labels = np.zeros((7, 12), np.int32)
    labels[1:6, 1:6] = 1
    labels[1:6, 6:11] = 2

    depth = depth_px(labels)

    assert depth[0, 0] == 0
    assert depth[3, 3] == 3
    assert depth[3, 8] == 3
    assert depth[3, 5] == depth[3, 6] == 1
