"""Matching agrees with what can be counted by hand and by brute force."""

from __future__ import annotations

import tracemalloc
from itertools import permutations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from napari_cellseg.core.errors import LabelsError
from napari_cellseg.core.training.matching import iou_matrix, match_labels, pooled


def squares(*corners: tuple[int, int], size: int = 4) -> np.ndarray:
    labels = np.zeros((20, 20), np.int32)
    for label, (y, x) in enumerate(corners, start=1):
        labels[y : y + size, x : x + size] = label
    return labels


def test_iou_of_shifted_square_is_the_shared_area_over_the_union() -> None:
    iou = iou_matrix(squares((0, 0)), squares((0, 2)))
    assert iou.toarray().tolist() == [[8 / 24]]


def test_perfect_labels_score_one_even_with_other_ids() -> None:
    truth = squares((0, 0), (8, 8))
    matching = match_labels(truth, np.where(truth > 0, truth + 40, 0), [0.9])[0]
    assert (matching.true_positives, matching.average_precision) == (2, 1.0)
    assert matching.panoptic_quality == 1.0


def test_missed_and_false_cells_are_counted() -> None:
    matching = match_labels(squares((0, 0), (8, 8)), squares((0, 0), (14, 14)), [0.5])[
        0
    ]
    assert matching.true_positives == 1
    assert matching.false_positives == 1
    assert matching.false_negatives == 1
    assert matching.average_precision == pytest.approx(1 / 3)
    assert matching.f1 == 0.5


def test_nothing_to_find_and_nothing_found_is_perfect() -> None:
    empty = np.zeros((5, 5), np.int32)
    assert match_labels(empty, empty, [0.5])[0].average_precision == 1.0


def test_false_cells_in_an_empty_image_score_zero() -> None:
    matching = match_labels(np.zeros((20, 20), np.int32), squares((0, 0)), [0.5])[0]
    assert matching.average_precision == 0.0


def test_different_shapes_are_refused_with_both_named() -> None:
    with pytest.raises(LabelsError, match=r"\(5, 5\).*\(4, 5\)"):
        iou_matrix(np.zeros((4, 5), np.int32), np.zeros((5, 5), np.int32))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5])
def test_number_of_matches_is_the_largest_possible(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    truth, labels = rng.integers(0, 5, (2, 8, 8)).astype(np.int32)
    iou = iou_matrix(truth, labels).toarray()
    n = max(iou.shape)
    square = np.zeros((n, n))
    square[: iou.shape[0], : iou.shape[1]] = iou
    best = max(
        sum(square[row, column] >= threshold for row, column in enumerate(order))
        for order in permutations(range(n))
    )
    assert match_labels(truth, labels, [threshold])[0].true_positives == best


def test_pooled_counts_are_sums() -> None:
    one = match_labels(squares((0, 0)), squares((0, 0)), [0.5])[0]
    two = match_labels(squares((0, 0)), squares((9, 9)), [0.5])[0]
    assert pooled([one, two]).average_precision == pytest.approx(1 / 3)


def dense_matching(
    truth: np.ndarray, labels: np.ndarray, threshold: float
) -> tuple[int, float]:
    """Return count and summed IoU as `stardist.matching` finds them, on a full matrix."""
    true_ids, label_ids = (np.unique(each[each > 0]) for each in (truth, labels))
    iou = np.zeros((len(true_ids), len(label_ids)))
    for row, true_id in enumerate(true_ids):
        for column, label_id in enumerate(label_ids):
            both = (truth == true_id) & (labels == label_id)
            either = (truth == true_id) | (labels == label_id)
            iou[row, column] = both.sum() / either.sum()
    gain = (iou >= threshold) + iou / (2 * max(1, min(iou.shape)))
    rows, columns = linear_sum_assignment(-gain)
    found = iou[rows, columns]
    return int((found >= threshold).sum()), float(found[found >= threshold].sum())


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.6, 0.75])
@pytest.mark.parametrize("seed", range(6))
def test_matching_part_by_part_is_that_of_the_full_matrix(
    seed: int, threshold: float
) -> None:
    rng = np.random.default_rng(seed)
    truth = np.kron(rng.integers(0, 12, (6, 6)), np.ones((4, 4), int))
    labels = np.where(rng.random(truth.shape) < 0.3, np.roll(truth, 2, 1), truth)
    (matching,) = match_labels(truth, labels, [threshold])
    n_matched, iou_sum = dense_matching(truth, labels, threshold)
    assert matching.true_positives == n_matched
    assert threshold < 0.5 or matching.iou_sum == pytest.approx(iou_sum)


def test_twenty_thousand_cells_need_little_memory() -> None:
    grid = np.arange(1, 20_001, dtype=np.int32).reshape(100, 200)
    truth = np.kron(grid, np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0]], np.int32))
    tracemalloc.start()
    matching = match_labels(truth, np.roll(truth, 3, 1), [0.5])[0]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert matching.true_positives == 20_000
    assert most < 200e6
