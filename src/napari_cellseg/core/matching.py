"""One-to-one matching of two label images, and the figures made from it.

Definitions as in `stardist.matching` (Schmidt et al. 2018, doi:10.1007/978-3-030-00934-2_30)
and the 2018 Data Science Bowl: AP at a threshold is TP / (TP + FP + FN).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from napari_cellseg.core.errors import LabelsError

#: Thresholds of mSA, the mean AP over IoU 0.50, 0.55, ... 0.95.
MSA_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))


@dataclass(frozen=True, slots=True)
class Matching:
    """Counts at one IoU threshold.

    Attributes
    ----------
    threshold : float
        A pair matches at IoU >= threshold.
    true_positives, false_positives, false_negatives : int
        Matched cells, predicted cells without a partner, true cells without one.
    iou_sum : float
        Sum of the IoU over the matched pairs.
    """

    threshold: float
    true_positives: int
    false_positives: int
    false_negatives: int
    iou_sum: float

    @property
    def average_precision(self) -> float:
        """TP / (TP + FP + FN); 1 where there is nothing to find and nothing found."""
        total = self.true_positives + self.false_positives + self.false_negatives
        return self.true_positives / total if total else 1.0

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN); 1 where there is nothing to find and nothing found."""
        total = 2 * self.true_positives + self.false_positives + self.false_negatives
        return 2 * self.true_positives / total if total else 1.0

    @property
    def panoptic_quality(self) -> float:
        """Sum of matched IoU / (TP + FP / 2 + FN / 2) (Kirillov et al. 2019)."""
        total = 2 * self.true_positives + self.false_positives + self.false_negatives
        return 2 * self.iou_sum / total if total else 1.0


def iou_matrix(
    truth: NDArray[np.integer], labels: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return the IoU of every true cell (rows) with every predicted one (columns).

    Parameters
    ----------
    truth, labels : integer arrays of one shape
        0 is background; ids may have gaps.

    Raises
    ------
    LabelsError
        If the shapes differ.
    """
    if truth.shape != labels.shape:
        raise LabelsError(
            f"Labels of shape {labels.shape} cannot be compared with a truth of shape "
            f"{truth.shape}; both must be of one size."
        )
    true_ids, true_index = np.unique(truth, return_inverse=True)
    label_ids, label_index = np.unique(labels, return_inverse=True)
    n_true, n_labels = len(true_ids), len(label_ids)
    pairs = true_index.ravel().astype(np.int64) * n_labels + label_index.ravel()
    overlap = np.bincount(pairs, minlength=n_true * n_labels).reshape(n_true, n_labels)
    union = overlap.sum(1, keepdims=True) + overlap.sum(0, keepdims=True) - overlap
    iou = overlap / np.maximum(union, 1)
    return np.asarray(iou[np.ix_(true_ids != 0, label_ids != 0)], dtype=np.float64)


def match_pairs(
    iou: NDArray[np.float64], threshold: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of the largest one-to-one matching with IoU >= `threshold`."""
    if iou.size == 0:
        empty = np.zeros(0, dtype=np.intp)
        return empty, empty
    # The count of pairs above the threshold comes first, their IoU decides ties.
    gain = (iou >= threshold) + iou / (2 * min(iou.shape))
    rows, columns = linear_sum_assignment(-gain)
    is_match = iou[rows, columns] >= threshold
    return rows[is_match], columns[is_match]


def match_labels(
    truth: NDArray[np.integer],
    labels: NDArray[np.integer],
    thresholds: Sequence[float] = MSA_THRESHOLDS,
) -> list[Matching]:
    """Return one `Matching` for each threshold; arguments as in `iou_matrix`."""
    iou = iou_matrix(truth, labels)
    matchings = []
    for threshold in thresholds:
        rows, columns = match_pairs(iou, threshold)
        n_matched = len(rows)
        matchings.append(
            Matching(
                threshold,
                n_matched,
                iou.shape[1] - n_matched,
                iou.shape[0] - n_matched,
                float(iou[rows, columns].sum()),
            )
        )
    return matchings


def pooled(matchings: Sequence[Matching]) -> Matching:
    """Return the sum of the counts of several images at one threshold."""
    return Matching(
        matchings[0].threshold,
        sum(item.true_positives for item in matchings),
        sum(item.false_positives for item in matchings),
        sum(item.false_negatives for item in matchings),
        sum(item.iou_sum for item in matchings),
    )
