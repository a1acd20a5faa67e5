"""What the dock says of an image."""

import numpy as np
import pytest

from napari_cellseg.controllers.session import describe_image, is_likely
from napari_cellseg.core.types import CellImage, PixelSize


def test_times_planes_and_channels_are_named_apart():
    image = CellImage(np.zeros((3, 2, 4, 10, 20), np.uint8), "TCZYX")
    facts = describe_image(image)
    assert facts == "20 × 10 · 3 time points · 4 planes · 2 channels"


@pytest.mark.parametrize(
    ("size", "likely"),
    [
        (PixelSize(0.325, 0.325), True),
        (PixelSize(0.004, 0.004), True),  # electron microscopy
        (PixelSize(1e9, 1e9), False),
        (PixelSize(0.325, 1e-7), False),
    ],
)
def test_a_pixel_size_that_no_microscope_has_is_no_likely_one(size, likely):
    assert is_likely(size) is likely
