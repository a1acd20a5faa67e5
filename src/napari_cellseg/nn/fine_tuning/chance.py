"""Tells whether a new model would be better on other cells too, or was lucky with these.

The images that are held out, and the cells of each, are drawn again and again with return
(bootstrap; Efron 1979, doi:10.1214/aos/1176344552), the same ones for both models. Drawing
cells alone would leave out that a model may suit one image by chance: it called 15 to 22 of
100 equal models better, see `docs/measured/training.md`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from napari_cellseg.core.training.matching import (
    MSA_THRESHOLDS,
    iou_matrix,
    match_pairs,
)
from napari_cellseg.core.types import Labels

#: Of each cell, by threshold: (n cells, 2, n thresholds), whether it was found, and the
#: cells that count there; the sums of both give the AP.
CellCounts = NDArray[np.float64]
N_DRAWS = 400
SEED = 0


def cell_counts(truth: Labels, labels: Labels) -> CellCounts:
    """Return what a model found and made up, cell by cell.

    A cell too many counts with the true cell that is nearest. Where there is none, all
    that was made up counts together.

    Parameters
    ----------
    truth, labels : (y, x) int32
        True cells, and those of a model.

    Returns
    -------
    (n, 2, n thresholds) float64
        See `CellCounts`, at `MSA_THRESHOLDS`.
    """
    iou = iou_matrix(truth, labels)
    n_true, n_given = iou.shape
    found = np.zeros((n_true, len(MSA_THRESHOLDS)))
    extra = np.ones((n_given, len(MSA_THRESHOLDS)))
    for place, threshold in enumerate(MSA_THRESHOLDS):
        rows, columns = match_pairs(iou, threshold)[:2]
        found[rows, place] = 1
        extra[columns, place] = 0
    if not n_true:
        return np.stack([np.zeros(extra.shape[1]), extra.sum(0)])[None]
    total = np.ones_like(found)
    if n_given:
        _, nearest = KDTree(_centres(truth)).query(_centres(labels))
        np.add.at(total, nearest, extra)
    return np.stack([found, total], 1)


def _centres(labels: Labels) -> NDArray[np.float64]:
    """Return the (n, 2) centres of cells in rising order of their ids."""
    ids = np.unique(labels)
    return np.array(ndimage.center_of_mass(labels > 0, labels, ids[ids > 0]))


def sureness(old: Sequence[CellCounts], new: Sequence[CellCounts]) -> float:
    """Return the share of draws in which the new model is better than the old one.

    Parameters
    ----------
    old, new : sequence of CellCounts
        One an image, of the same true cells in both.

    Returns
    -------
    float
        0 to 1; 0 where there are no images.
    """
    return float((drawn_gains(old, new) > 0).mean()) if old else 0.0


def drawn_gains(
    old: Sequence[CellCounts], new: Sequence[CellCounts]
) -> NDArray[np.float64]:
    """Return the gain in mSA for each draw of images and of their cells.

    The same figures always give the same draws.
    """
    rng = np.random.default_rng(SEED)
    pairs = zip(old, new, strict=True)
    gains = np.stack([_gains(*pair, rng) for pair in pairs])  # (n images, N_DRAWS)
    drawn = rng.integers(0, len(gains), gains.shape)
    return np.asarray(np.take_along_axis(gains, drawn, 0).mean(0))


def _gains(
    old: CellCounts, new: CellCounts, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the gain in mSA of one image for each draw of its cells."""
    n_cells = len(old)
    weights = rng.multinomial(n_cells, np.full(n_cells, 1 / n_cells), N_DRAWS)
    return _msa(new, weights) - _msa(old, weights)


def _msa(counts: CellCounts, weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mSA for each (N_DRAWS, n cells) row of weights."""
    found, total = weights @ counts[:, 0], weights @ counts[:, 1]
    aps = np.where(total > 0, found / np.maximum(total, 1), 1.0)
    return np.asarray(aps.mean(1))
