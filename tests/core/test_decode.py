"""Decoding gives back the cells that perfect maps were made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_cellseg.core.errors import SegmentationError
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.decode import (
    decode_result,
    fill_enclosed,
    labels_from_maps,
)
from napari_cellseg.core.synthetic import sample_scene
from napari_cellseg.core.training.matching import match_labels
from napari_cellseg.core.training.targets import make_targets
from napari_cellseg.core.types import PlaneMaps, SegmentationResult

OPTIONS = SegmentOptions(
    foreground_threshold=0.5, seed_threshold=0.5, decoder="watershed"
)


def perfect_maps(labels: np.ndarray) -> PlaneMaps:
    targets = make_targets(labels)
    flow = np.round(targets.flow.astype(float) / 127 * 127.5 + 127.5)
    maps = np.stack(
        [255 * (labels > 0), targets.distance, np.zeros(labels.shape), flow[0], flow[1]]
    )
    return PlaneMaps(maps.astype(np.uint8), labels.shape)


def discs(
    *circles: tuple[int, int, int], shape: tuple[int, int] = (80, 80)
) -> np.ndarray:
    labels = np.zeros(shape, np.int32)
    y, x = np.ogrid[: shape[0], : shape[1]]
    for label, (cy, cx, r) in enumerate(circles, start=1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= r * r] = label
    return labels


@pytest.mark.parametrize("decoder", ["watershed", "flow"])
@pytest.mark.parametrize("name", ["nuclei", "histology"])
def test_perfect_maps_give_the_cells_back(name: str, decoder: str) -> None:
    truth = sample_scene(name).labels
    labels, confidence = labels_from_maps(
        perfect_maps(truth), replace(OPTIONS, decoder=decoder)
    )
    matching = match_labels(truth, labels, [0.7])[0]
    assert matching.f1 > 0.97
    assert confidence.min() > 0.5


@pytest.mark.parametrize("decoder", ["watershed", "flow"])
def test_touching_cells_stay_apart(decoder: str) -> None:
    truth = discs((40, 28, 12), (40, 52, 12))
    labels, _ = labels_from_maps(perfect_maps(truth), replace(OPTIONS, decoder=decoder))
    assert match_labels(truth, labels, [0.9])[0].true_positives == 2


def test_a_long_cell_with_two_middles_is_one_cell() -> None:
    truth = np.zeros((60, 120), np.int32)
    truth[20:40, 10:50] = truth[21:39, 50:70] = truth[20:40, 70:110] = 1
    labels, _ = labels_from_maps(
        perfect_maps(truth), replace(OPTIONS, seed_threshold=0.9)
    )
    assert labels.max() == 1


def test_ids_run_from_one_without_gaps() -> None:
    labels, confidence = labels_from_maps(
        perfect_maps(discs((20, 20, 9), (60, 60, 2))), OPTIONS
    )
    assert np.unique(labels).tolist() == list(range(len(confidence) + 1))


def test_small_cells_are_left_out() -> None:
    maps = perfect_maps(discs((20, 20, 9), (60, 60, 2)))
    labels, _ = labels_from_maps(maps, replace(OPTIONS, min_area_px=50))
    assert labels.max() == 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (3, 3)])
def test_tiny_and_empty_maps_give_no_cells(shape: tuple[int, int]) -> None:
    labels, confidence = labels_from_maps(
        perfect_maps(np.zeros(shape, np.int32)), OPTIONS
    )
    assert labels.shape == shape
    assert len(confidence) == 0


def test_higher_foreground_threshold_never_adds_area() -> None:
    rng = np.random.default_rng(0)
    maps = PlaneMaps(rng.integers(0, 256, (5, 64, 64)).astype(np.uint8), (64, 64))
    areas = [
        (
            labels_from_maps(
                maps,
                replace(
                    OPTIONS, foreground_threshold=t, fill_holes=False, min_area_px=0
                ),
            )[0]
            > 0
        ).sum()
        for t in (0.2, 0.5, 0.8)
    ]
    assert areas == sorted(areas, reverse=True)


def test_maps_of_an_enlarged_view_give_labels_of_the_plane() -> None:
    truth = discs((20, 20, 9), (60, 60, 12))
    enlarged = np.kron(truth, np.ones((2, 2), np.int32)).astype(np.int32)
    seen = PlaneMaps(perfect_maps(enlarged).maps, truth.shape)
    labels, _ = labels_from_maps(seen, OPTIONS)
    assert match_labels(truth, labels, [0.9])[0].true_positives == 2


def test_holes_of_one_cell_are_filled_and_gaps_between_cells_are_not() -> None:
    labels = np.zeros((9, 9), np.int32)
    labels[1:8, 1:8] = 1
    labels[3, 3] = 0
    labels[5:8, 5:8] = 2
    labels[6, 4] = labels[5, 4] = 0
    labels[5, 5] = 0
    filled = fill_enclosed(labels)
    assert filled[3, 3] == 1
    assert filled[5, 5] == 0
    assert (filled == 2).sum() == 8


def test_decoding_again_with_other_thresholds_needs_the_maps() -> None:
    result = SegmentationResult(discs(), np.zeros(0, np.float32), "m", "d", OPTIONS)
    with pytest.raises(SegmentationError, match="not kept"):
        decode_result(result, OPTIONS)


def test_decoding_again_with_the_same_thresholds_gives_the_same() -> None:
    maps = perfect_maps(sample_scene("nuclei").labels)
    labels, confidence = labels_from_maps(maps, OPTIONS)
    result = SegmentationResult(labels, confidence, "m", "d", OPTIONS, maps=(maps,))
    np.testing.assert_array_equal(
        decode_result(result, SegmentOptions()).labels, labels
    )
