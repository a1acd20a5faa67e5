"""The comparison of a server with this computer says what it found, and no more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.fakes import FakeSegmenter

from napari_cellseg.cloud.client.parity import (
    WINDOW_PX,
    compare_places,
    labels_digest,
    middle_of,
)
from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import CellImage

OPTIONS = SegmentOptions(channel=1, join_planes=False)


class Other(FakeSegmenter):
    """Finds other cells than the fake, or runs another model."""

    def __init__(self, *, shifted: int = 0, digest: str = "f" * 64) -> None:
        super().__init__()
        self._shifted, self._digest = shifted, digest

    def segment(self, image: Any, options: Any) -> Any:
        result = yield from super().segment(image, options)
        labels = result.labels.copy()
        labels[:, : self._shifted] = 0
        return replace(result, labels=labels, model_digest=self._digest)


@pytest.fixture
def image() -> CellImage:
    data = np.zeros((3, 2, 900, 400), np.uint8)
    data[1, 1, 440:460, 100:120] = 200
    data[1, 1, 440:460, 0:20] = 200
    return CellImage(data, "TCYX")


def test_the_middle_is_a_plane_with_all_channels(image: CellImage) -> None:
    window = middle_of(image)
    assert window.axes == "CYX"
    assert window.shape == (2, WINDOW_PX, 400)
    np.testing.assert_array_equal(
        np.asarray(window.data), np.asarray(image.data)[1, :, 66 : 66 + WINDOW_PX]
    )


def test_equal_labels_of_one_model_are_the_same(image: CellImage) -> None:
    parity = run(compare_places(FakeSegmenter(), FakeSegmenter(), image, OPTIONS))
    assert parity.is_same
    assert parity.digest_there == parity.digest_here
    assert parity.words.startswith("The same: 2 cells both ways")


def test_other_pixels_are_told_of(image: CellImage) -> None:
    parity = run(compare_places(Other(shifted=10), FakeSegmenter(), image, OPTIONS))
    assert not parity.is_same
    assert parity.n_agree == 1
    assert "1 of them" in parity.words
    assert parity.digest_there != parity.digest_here


def test_another_model_is_told_of_even_if_the_labels_are_equal(
    image: CellImage,
) -> None:
    parity = run(
        compare_places(Other(digest="a" * 64), FakeSegmenter(), image, OPTIONS)
    )
    assert parity.is_same
    assert parity.words.startswith("Different models")


def test_a_digest_knows_the_shape() -> None:
    labels = np.arange(6, dtype=np.int32)
    assert labels_digest(labels.reshape(2, 3)) != labels_digest(labels.reshape(3, 2))
