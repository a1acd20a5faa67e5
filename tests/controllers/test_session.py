"""What the dock says of an image."""

import numpy as np

from napari_cellseg.controllers.session import describe_image
from napari_cellseg.core.types import CellImage


def test_times_planes_and_channels_are_named_apart():
    image = CellImage(np.zeros((3, 2, 4, 10, 20), np.uint8), "TCZYX")
    facts = describe_image(image)
    assert facts == "20 × 10 · 3 time points · 4 planes · 2 channels"
