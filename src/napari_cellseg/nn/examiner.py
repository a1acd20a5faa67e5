"""Shows checked parts of images to a network and scores what it finds there."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from napari_cellseg.core.decode import labels_from_maps
from napari_cellseg.core.edits import box_of
from napari_cellseg.core.intensity import intensity_bounds, scale_to_bounds
from napari_cellseg.core.matching import (
    MSA_THRESHOLDS,
    Matching,
    iou_matrix,
    match_pairs,
    pooled,
)
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.resize import resized
from napari_cellseg.core.training_item import Comparison, TrainingItem
from napari_cellseg.core.types import Labels, PlaneMaps
from napari_cellseg.core.zoom import typical_diameter_px, zoom_for
from napari_cellseg.nn.looking import reader_of
from napari_cellseg.nn.network import CellNet
from napari_cellseg.nn.predict import Predictor

#: Pixels around a checked part that the network sees as well.
CONTEXT_PX = 48


@dataclass(frozen=True, slots=True, eq=False)
class _Window:
    """A checked part of an image, as the network sees it."""

    pixels: NDArray[np.float32]  # (3, y, x), zoomed
    shown: NDArray[np.float32]  # (3, y, x), at the size of the image
    truth: Labels  # (y, x), the checked cells only
    valid: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Examination:
    """What a model found on all windows.

    Attributes
    ----------
    matchings : tuple of Matching
        At `MSA_THRESHOLDS`, over all cells.
    found : bool array
        For each true cell, whether it was found (IoU at least 0.5).
    counts : (n windows, 2) int array
        Of each window: true cells, and cells that the model gave.
    aps : (n windows, n thresholds) float array
        AP of each window, at `MSA_THRESHOLDS`.
    labels : tuple of (y, x) int32 array
        The cells that the model gave, for each window.
    """

    matchings: tuple[Matching, ...]
    found: NDArray[np.bool_]
    counts: NDArray[np.int64]
    aps: NDArray[np.float64]
    labels: tuple[Labels, ...] = ()

    @property
    def ap50(self) -> float:
        """AP at IoU 0.5."""
        return self.matchings[0].average_precision

    @property
    def msa(self) -> float:
        """Mean AP over `MSA_THRESHOLDS`."""
        return float(np.mean([each.average_precision for each in self.matchings]))

    @property
    def count_error(self) -> float:
        """Sum over the windows of |found - true|, over all true cells."""
        return float(self._count_errors().sum() / max(int(self.counts[:, 0].sum()), 1))

    @property
    def count_error_by_image(self) -> float:
        """Mean over the windows of |found - true| / max(true, 1)."""
        return float(np.mean(self._count_errors() / np.maximum(self.counts[:, 0], 1)))

    def _count_errors(self) -> NDArray[np.int64]:
        """Return |found - true| of each window: too many here do not make up for there."""
        return np.asarray(np.abs(self.counts[:, 1] - self.counts[:, 0]))


class Examiner:
    """Keeps windows ready, so that many networks and thresholds are scored on them.

    Parameters
    ----------
    items : sequence of TrainingItem
        What is checked; each item gives one window.
    spec : ModelSpec
        How intensities are scaled, and which size of cells is best.
    """

    def __init__(self, items: Sequence[TrainingItem], spec: ModelSpec) -> None:
        self._windows = [_window(item, spec) for item in items if item.valid.any()]

    @property
    def n_cells(self) -> int:
        """True cells in all windows."""
        return sum(
            int(np.count_nonzero(np.unique(each.truth))) for each in self._windows
        )

    @property
    def n_px(self) -> int:
        """Pixels of all windows, at the size of their images."""
        return sum(each.truth.size for each in self._windows)

    def maps(self, network: CellNet, device: torch.device) -> list[PlaneMaps]:
        """Return what a network says of each window; the network is not changed."""
        predictor = Predictor(copy.deepcopy(network), device)
        maps = []
        for window in self._windows:
            size = (int(window.pixels.shape[1]), int(window.pixels.shape[2]))
            *_, (_, _, seen) = predictor.predict_tiles(reader_of(window.pixels), size)
            maps.append(PlaneMaps(seen, window.truth.shape))
        return maps

    def window(self, place: int) -> tuple[NDArray[np.float32], Labels]:
        """Return the (3, y, x) pixels, at the size of the image, and true cells."""
        window = self._windows[place]
        return window.shown, window.truth

    def examine(
        self, maps: Sequence[PlaneMaps], options: SegmentOptions
    ) -> Examination:
        """Decode maps with settled options and score them."""
        matchings: list[list[Matching]] = [[] for _ in MSA_THRESHOLDS]
        found: list[NDArray[np.bool_]] = []
        counts: list[tuple[int, int]] = []
        given: list[Labels] = []
        for window, seen in zip(self._windows, maps, strict=True):
            labels, _ = labels_from_maps(seen, options)
            labels = _mostly_inside(labels, window.valid)
            iou = iou_matrix(window.truth, labels)
            for place, threshold in enumerate(MSA_THRESHOLDS):
                matchings[place].append(_matching(iou, threshold))
            is_found = np.zeros(iou.shape[0], dtype=bool)
            is_found[match_pairs(iou, 0.5)[0]] = True
            found.append(is_found)
            counts.append((iou.shape[0], iou.shape[1]))
            given.append(labels)
        aps = [[one.average_precision for one in each] for each in matchings]
        return Examination(
            tuple(
                pooled([Matching(threshold, 0, 0, 0, 0.0), *each])
                for threshold, each in zip(MSA_THRESHOLDS, matchings, strict=True)
            ),
            np.concatenate(found or [np.zeros(0, dtype=bool)]),
            np.array(counts, np.int64).reshape(-1, 2),
            np.array(aps).T,
            tuple(given),
        )


def compare(old: Examination, new: Examination) -> Comparison:
    """Return two examinations of the same windows side by side, all cells together."""
    errors = old.count_error, new.count_error
    return _compared(old, new, (old.ap50, new.ap50, old.msa, new.msa, *errors))


def compare_by_image(old: Examination, new: Examination) -> Comparison:
    """Return two examinations side by side, every window of the same weight.

    A crowded scene has a hundred times the cells of a sparse one; where the scenes are of
    different kinds, that must not decide.
    """
    before, after = old.aps, new.aps
    ap50 = float(before[:, 0].mean()), float(after[:, 0].mean())
    msa = float(before.mean()), float(after.mean())
    errors = old.count_error_by_image, new.count_error_by_image
    return _compared(old, new, (*ap50, *msa, *errors))


def _compared(
    old: Examination,
    new: Examination,
    figures: tuple[float, float, float, float, float, float],
) -> Comparison:
    """Return a comparison with figures of old and new: AP50, mSA, count error."""
    return Comparison(
        len(old.found),
        *figures,
        int((new.found & ~old.found).sum()),
        int((old.found & ~new.found).sum()),
    )


def _window(item: TrainingItem, spec: ModelSpec) -> _Window:
    """Cut the checked part out of an item, with some context, at the best zoom."""
    box = tuple(
        slice(max(0, part.start - CONTEXT_PX), part.stop + CONTEXT_PX)
        for part in box_of(item.valid)
    )
    bounds = intensity_bounds(item.plane, spec.low_percentile, spec.high_percentile)
    pixels = scale_to_bounds(item.plane[(slice(None), *box)], bounds)
    ids = item.cell_ids()
    truth = np.where(np.isin(item.labels[box], ids), item.labels[box], 0)
    zoom = zoom_for(item_diameter_px(item), spec.diameter_px)
    return _Window(
        resized(pixels, zoom), pixels, truth.astype(np.int32), item.valid[box]
    )


def item_diameter_px(item: TrainingItem) -> float:
    """Return the diameter of the checked cells, measured as when segmenting; 0: none."""
    areas = np.bincount(item.labels.ravel())[item.cell_ids()].astype(float)
    return typical_diameter_px(areas, np.ones(len(areas)))


def _mostly_inside(labels: Labels, valid: NDArray[np.bool_]) -> Labels:
    """Return the cells of which most lies where the truth is known."""
    n_pixels = np.bincount(labels.ravel())
    n_inside = np.bincount(labels[valid], minlength=len(n_pixels))
    return np.where((2 * n_inside > n_pixels)[labels], labels, 0).astype(np.int32)


def _matching(iou: csr_array, threshold: float) -> Matching:
    rows, columns = match_pairs(iou, threshold)
    n_matched = len(rows)
    return Matching(
        threshold,
        n_matched,
        iou.shape[1] - n_matched,
        iou.shape[0] - n_matched,
        float(iou[rows, columns].sum()),
    )
