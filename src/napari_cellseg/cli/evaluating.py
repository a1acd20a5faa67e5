"""True labels of folders against those that a segmenter finds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_cellseg.core.jobs import Job, run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmenter import Segmenter
from napari_cellseg.core.types import CellImage, Labels
from napari_cellseg.io.dataset import pairs_in_folder
from napari_cellseg.nn.evaluate import evaluate, score_table, scores_by_kind


def evaluate_folders(
    folders: Sequence[Path], segmenter: Segmenter, options: SegmentOptions
) -> Job[str]:
    """Return a table of figures as text, one line a folder and one for all.

    Raises
    ------
    ImageReadError
        If a folder holds no pair of image and labels, or one cannot be read.
    TrainingError
        If labels do not fit their image.
    """
    samples = [sample for folder in folders for sample in pairs_in_folder(folder)]

    def predict(plane: NDArray[Any]) -> Labels:
        image = CellImage(plane, is_rgb=len(plane) == 3)
        return run(segmenter.segment(image, options)).labels

    scores = yield from evaluate(predict, samples)
    return score_table(scores_by_kind(scores))
