"""How often a cell of a given confidence is right, on the validation images.

``python benchmarks/calibration.py DATA [--plot OUT.png]`` prints a row for each tenth of
the confidence, and the expected calibration error (Guo et al. 2017, arXiv:1706.04599).
The plot needs matplotlib.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.training.matching import iou_matrix, match_pairs
from napari_cellseg.core.types import CellImage
from napari_cellseg.engines import open_segmenter
from napari_cellseg.io.datasets.base_sets import base_sets
from napari_cellseg.io.datasets.samples import read_sample

N_BINS = 10


@dataclass(frozen=True)
class Row:
    """Cells of similar confidence: how many, what was said, how many were right."""

    index: int
    n_cells: int
    said: float
    right: float


def main() -> None:
    """Segment the validation images of a folder of sets; print and draw the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with the image sets")
    parser.add_argument("--model", help="name or folder of a model")
    parser.add_argument("--plot", type=Path, help="PNG to write")
    arguments = parser.parse_args()
    shown, is_right = cells_of(arguments.data, arguments.model)
    rows = rows_of(shown, is_right)
    print("confidence   cells   said   right")
    for row in rows:
        low, high = row.index / N_BINS, (row.index + 1) / N_BINS
        print(
            f"{low:.1f} to {high:.1f}  {row.n_cells:7}  {row.said:.3f}  {row.right:.3f}"
        )
    print(
        f"expected calibration error {error_of(rows):.3f} over {len(shown)} cells, "
        f"ranking (AUC) {ranking(shown, is_right):.3f}"
    )
    if arguments.plot:
        draw(rows, arguments.plot)


def cells_of(
    data: Path, model: str | None
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the confidence of every cell found, and whether a true one matches it."""
    segmenter = open_segmenter(model=model, device="cpu")
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
    return np.concatenate(confidence), np.concatenate(is_right)


def rows_of(shown: NDArray[np.float32], is_right: NDArray[np.bool_]) -> list[Row]:
    """Return the bins that have cells in them, from low to high."""
    place = np.minimum((shown * N_BINS).astype(int), N_BINS - 1)
    rows = []
    for index in np.unique(place).tolist():
        inside = place == index
        said, right = float(shown[inside].mean()), float(is_right[inside].mean())
        rows.append(Row(index, int(inside.sum()), said, right))
    return rows


def error_of(rows: list[Row]) -> float:
    """Return the mean of |said - right|, weighted by cells."""
    n_cells = sum(row.n_cells for row in rows)
    return sum(row.n_cells * abs(row.said - row.right) for row in rows) / max(
        n_cells, 1
    )


def ranking(shown: NDArray[np.float32], is_right: NDArray[np.bool_]) -> float:
    """Return the chance that a right cell stands above a wrong one; ties count half."""
    right, wrong = shown[is_right], np.sort(shown[~is_right])
    below = np.searchsorted(wrong, right, "left") + np.searchsorted(
        wrong, right, "right"
    )
    return float(below.mean() / 2 / max(len(wrong), 1))


def draw(rows: list[Row], out: Path) -> None:
    """Write the plot: the rate of right cells over what was said, and how many cells."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 5.4), dpi=110, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    above.plot([0, 1], [0, 1], color="0.6", linewidth=1, label="as often as said")
    said, right = [row.said for row in rows], [row.right for row in rows]
    n_cells = np.array([row.n_cells for row in rows])
    # One standard error of a share.
    doubt = np.sqrt(np.array(right) * (1 - np.array(right)) / n_cells)
    above.errorbar(said, right, yerr=doubt, fmt="o-", color="#0072b2", label="measured")
    above.set(ylabel="share with a true cell at IoU 0.5", ylim=(0, 1.02))
    above.set_title(f"Confidence of {n_cells.sum()} cells, error {error_of(rows):.3f}")
    above.legend(loc="upper left", frameon=False)
    middles = [(row.index + 0.5) / N_BINS for row in rows]
    below.bar(middles, n_cells, width=0.9 / N_BINS, color="0.7")
    below.set(xlabel="confidence said", ylabel="cells", yscale="log", xlim=(0, 1))
    figure.savefig(out)


if __name__ == "__main__":
    main()
