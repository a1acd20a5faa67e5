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
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from napari_cellseg.core.errors import LabelsError
from napari_cellseg.core.labels.overlaps import areas, dense, shared_pixels

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


def iou_matrix(truth: NDArray[np.integer], labels: NDArray[np.integer]) -> csr_array:
    """Return the IoU of every true cell (rows) with every predicted one (columns).

    Parameters
    ----------
    truth, labels : integer arrays of one shape
        0 is background; ids may have gaps.

    Returns
    -------
    (n_true, n_labels) sparse float64
        Only cells that overlap are stored, so that many cells need little memory.

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
    (true_ids, true_cells), (label_ids, label_cells) = dense(truth), dense(labels)
    true_areas = areas(true_cells, len(true_ids))
    label_areas = areas(label_cells, len(label_ids))
    overlap = shared_pixels(true_cells, label_cells).tocoo()
    union = true_areas[overlap.row] + label_areas[overlap.col] - overlap.data
    # Ids with gaps to places without.
    places = [np.cumsum(found > 0) - 1 for found in (true_areas, label_areas)]
    rows, columns = places[0][overlap.row], places[1][overlap.col]
    shape = tuple(int((found > 0).sum()) for found in (true_areas, label_areas))
    return csr_array((overlap.data / union, (rows, columns)), shape=shape)


def match_pairs(
    iou: csr_array, threshold: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of the largest one-to-one matching with IoU >= `threshold`.

    Parameters
    ----------
    iou : (n_true, n_labels) sparse float64
        See `iou_matrix`.
    threshold : float
        Above 0.

    Returns
    -------
    rows, columns : (n,) int
        In rising order of the rows.
    """
    pairs = iou.tocoo()
    rows, columns, values = pairs.row, pairs.col, pairs.data
    if threshold >= 0.5:
        # No other pair of a cell can matter then; below, they decide ties.
        is_match = values >= threshold
        rows, columns, values = rows[is_match], columns[is_match], values[is_match]
    if not len(values):
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
    matched = [
        part[_best_of(rows[part], columns[part], values[part], threshold)]
        for part in _connected(rows, columns, iou.shape)
    ]
    chosen = np.concatenate(matched)
    chosen = chosen[np.argsort(rows[chosen])]
    return rows[chosen].astype(np.intp), columns[chosen].astype(np.intp)


def _connected(
    rows: NDArray[np.integer], columns: NDArray[np.integer], shape: tuple[int, int]
) -> list[NDArray[np.intp]]:
    """Return the pairs in groups that share no cell with each other."""
    n_cells = sum(shape)
    links = coo_array(
        (np.ones(len(rows), np.int8), (rows, columns + shape[0])), (n_cells, n_cells)
    )
    _, groups = connected_components(links, directed=False)
    group = groups[rows]
    order = np.argsort(group, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


def _best_of(
    rows: NDArray[np.integer],
    columns: NDArray[np.integer],
    values: NDArray[np.float64],
    threshold: float,
) -> NDArray[np.intp]:
    """Return which pairs of one group match."""
    if len(values) == 1:
        return np.flatnonzero(values >= threshold)
    row_ids, row = np.unique(rows, return_inverse=True)
    column_ids, column = np.unique(columns, return_inverse=True)
    iou = np.zeros((len(row_ids), len(column_ids)))
    place = np.full(iou.shape, -1)
    iou[row, column], place[row, column] = values, np.arange(len(values))
    # The count of pairs above the threshold comes first, their IoU decides ties.
    gain = (iou >= threshold) + iou / (2 * min(iou.shape))
    best = linear_sum_assignment(-gain)
    return np.asarray(place[best][iou[best] >= threshold], dtype=np.intp)


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
