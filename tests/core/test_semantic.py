"""Probability and mask have the shape of the labels and follow the threshold."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cellseg.core.errors import SegmentationError
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.semantic import probability_map, semantic_mask
from napari_cellseg.core.types import PlaneMaps, SegmentationResult


def result_of(seen: list[np.ndarray], shape: tuple[int, ...], threshold: float):
    maps = tuple(
        PlaneMaps(np.stack([one] + [np.zeros_like(one)] * 4), shape[-2:])
        for one in seen
    )
    options = SegmentOptions(foreground_threshold=threshold)
    labels = np.zeros(shape, np.int32)
    return SegmentationResult(
        labels, np.zeros(0, np.float32), "m", "d", options, maps=maps
    )


def test_the_mask_is_where_the_probability_reaches_the_threshold() -> None:
    seen = np.array([[0, 100, 102], [103, 200, 255]], np.uint8)
    result = result_of([seen], (2, 3), 0.4)  # 0.4 * 255 = 102
    np.testing.assert_array_equal(probability_map(result), seen)
    expected = [[0, 0, 255], [255, 255, 255]]
    np.testing.assert_array_equal(semantic_mask(result), expected)


@pytest.mark.parametrize("seen_shape", [(20, 30), (80, 120)], ids=["coarse", "fine"])
def test_maps_of_another_size_come_to_the_size_of_the_image(seen_shape) -> None:
    seen = np.zeros(seen_shape, np.uint8)
    seen[:, : seen_shape[1] // 2] = 255
    found = probability_map(result_of([seen], (40, 60), 0.5))
    assert found.shape == (40, 60)
    assert (found[:, :27] == 255).all()
    assert (found[:, 33:] == 0).all()


def test_planes_of_a_stack_keep_their_order() -> None:
    planes = [np.full((4, 5), value, np.uint8) for value in (10, 20, 30)]
    found = probability_map(result_of(planes, (3, 4, 5), 0.5))
    assert [int(plane.max()) for plane in found] == [10, 20, 30]


def test_without_maps_the_sentence_says_so() -> None:
    with pytest.raises(SegmentationError, match="not what the network sees"):
        probability_map(result_of([], (4, 5), 0.5))
