"""How often a cell of a given confidence is right, on the validation images.

Prints a row for each tenth of the confidence, and the expected calibration error (Guo et
al. 2017, arXiv:1706.04599).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from napari_cellseg.core.jobs import run
from napari_cellseg.core.matching import iou_matrix, match_pairs
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import CellImage
from napari_cellseg.io.base_sets import base_sets
from napari_cellseg.nn.local import LocalSegmenter
from napari_cellseg.nn.training_data import read_sample

N_BINS = 10


def main(data: Path) -> None:
    """Segment the validation images of a folder of sets, and print the table."""
    segmenter = LocalSegmenter(None, "cpu")
    options = SegmentOptions(min_confidence=0.0)
    confidence, is_right = [], []
    for sample in base_sets(data).validation:
        plane, truth = read_sample(sample)
        image = CellImage(plane, is_rgb=len(plane) == 3)
        result = run(segmenter.segment(image, options))
        iou = iou_matrix(truth, result.labels)
        right = np.zeros(iou.shape[1], dtype=bool)
        right[match_pairs(iou, 0.5)[1]] = True
        confidence.append(result.confidence)
        is_right.append(right)
    shown = np.concatenate(confidence)
    right = np.concatenate(is_right)
    place = np.minimum((shown * N_BINS).astype(int), N_BINS - 1)
    error = 0.0
    print("confidence   cells   said   right")
    for index in range(N_BINS):
        inside = place == index
        if not inside.any():
            continue
        said, found = float(shown[inside].mean()), float(right[inside].mean())
        error += abs(said - found) * float(inside.mean())
        low, high = index / N_BINS, (index + 1) / N_BINS
        print(f"{low:.1f} to {high:.1f}  {inside.sum():7}  {said:.3f}  {found:.3f}")
    print(f"expected calibration error {error:.3f} over {len(shown)} cells")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
