"""Shows checked parts of images to a network and scores what it finds there."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from napari_cellseg.core.labels.boxes import box_of
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.decode import labels_from_maps
from napari_cellseg.core.segmentation.intensity import intensity_bounds, scale_to_bounds
from napari_cellseg.core.segmentation.resize import resized
from napari_cellseg.core.segmentation.zoom import typical_diameter_px, zoom_for
from napari_cellseg.core.training.item import Comparison, TrainingItem
from napari_cellseg.core.training.matching import (
    MSA_THRESHOLDS,
    iou_matrix,
    match_pairs,
)
from napari_cellseg.core.types import Labels, PlaneMaps
from napari_cellseg.nn.fine_tuning.chance import CellCounts, cell_counts
from napari_cellseg.nn.inference.looking import reader_of
from napari_cellseg.nn.inference.predict import Predictor
from napari_cellseg.nn.network import CellNet

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
    """What a model found, image by image.

    An image with a hundred times the cells of another weighs the same: a new model may be
    better on one and worse on the other, and the crowded one must not decide alone.

    Attributes
    ----------
    found : bool array
        For each true cell, whether it was found (IoU at least 0.5).
    counts : (n images, 2) int array
        Of each image: true cells, and cells that the model gave.
    aps : (n images, n thresholds) float array
        AP of each image, all its windows together, at `MSA_THRESHOLDS`.
    wrong : (n images, 2) float array
        Of each image: cells missed and cells too many, averaged over `MSA_THRESHOLDS`.
    labels : tuple of (y, x) int32 array
        The cells that the model gave, for each window.
    """

    found: NDArray[np.bool_]
    counts: NDArray[np.int64]
    aps: NDArray[np.float64]
    wrong: NDArray[np.float64]
    labels: tuple[Labels, ...] = ()

    @property
    def ap50(self) -> float:
        """Mean AP at IoU 0.5; 0 where there are no images."""
        return float(self.aps[:, 0].mean()) if len(self.aps) else 0.0

    @property
    def msa(self) -> float:
        """Mean AP over `MSA_THRESHOLDS` and images; 0 where there are no images."""
        return float(self.aps.mean()) if len(self.aps) else 0.0

    @property
    def count_error(self) -> float:
        """Mean over the images of |found - true| / max(true, 1)."""
        if not len(self.counts):
            return 0.0
        errors = np.abs(self.counts[:, 1] - self.counts[:, 0])
        return float(np.mean(errors / np.maximum(self.counts[:, 0], 1)))


class Examiner:
    """Keeps windows ready, so that many networks and thresholds are scored on them.

    Parameters
    ----------
    items : sequence of TrainingItem
        What is checked; each item gives one window, those of one name and group one image.
    spec : ModelSpec
        How intensities are scaled, and which size of cells is best.
    """

    def __init__(self, items: Sequence[TrainingItem], spec: ModelSpec) -> None:
        shown = [item for item in items if item.valid.any()]
        self._windows = [_window(item, spec) for item in shown]
        names = list(dict.fromkeys((item.group, item.name) for item in shown))
        #: Of each window, the place of its image.
        self.owners = [names.index((item.group, item.name)) for item in shown]

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

    def by_cell(self, found: Examination) -> list[CellCounts]:
        """Return what a model found, cell by cell, for each image."""
        images: dict[int, list[CellCounts]] = {}
        windows = zip(self.owners, self._windows, found.labels, strict=True)
        for owner, window, labels in windows:
            images.setdefault(owner, []).append(cell_counts(window.truth, labels))
        return [np.concatenate(parts) for parts in images.values()]

    def examine(
        self, maps: Sequence[PlaneMaps], options: SegmentOptions
    ) -> Examination:
        """Decode maps with settled options and score them."""
        n_images = len(set(self.owners))
        hits = np.zeros((n_images, len(MSA_THRESHOLDS), 3))  # found, too many, missed
        counts = np.zeros((n_images, 2), np.int64)
        found: list[NDArray[np.bool_]] = [np.zeros(0, dtype=bool)]
        given: list[Labels] = []
        for owner, window, seen in zip(self.owners, self._windows, maps, strict=True):
            labels, _ = labels_from_maps(seen, options)
            labels = _mostly_inside(labels, window.valid)
            iou = iou_matrix(window.truth, labels)
            hits[owner] += [_hits(iou, threshold) for threshold in MSA_THRESHOLDS]
            counts[owner] += iou.shape
            is_found = np.zeros(iou.shape[0], dtype=bool)
            is_found[match_pairs(iou, MSA_THRESHOLDS[0])[0]] = True
            found.append(is_found)
            given.append(labels)
        total = hits.sum(2)  # (n images, n thresholds)
        aps = np.where(total > 0, hits[..., 0] / np.maximum(total, 1), 1.0)
        wrong = hits[..., [2, 1]].mean(1)
        return Examination(np.concatenate(found), counts, aps, wrong, tuple(given))


def compare(old: Examination, new: Examination) -> Comparison:
    """Return two examinations of the same windows side by side."""
    return Comparison(
        len(old.found),
        old.ap50,
        new.ap50,
        old.msa,
        new.msa,
        old.count_error,
        new.count_error,
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


def _hits(iou: csr_array, threshold: float) -> tuple[int, int, int]:
    """Return how many cells are found, too many, and missed."""
    n_found = len(match_pairs(iou, threshold)[0])
    n_true, n_given = iou.shape
    return n_found, n_given - n_found, n_true - n_found
