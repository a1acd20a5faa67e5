"""What the training benchmarks share: a model's score on images, and a line a minute."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_cellseg.core.jobs import Progress, run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import CellImage
from napari_cellseg.io.datasets.dataset import Sample
from napari_cellseg.nn.evaluate import KindScore, evaluate, scores_by_kind
from napari_cellseg.nn.inference.local import LocalSegmenter

SECONDS_BETWEEN_LINES = 60.0
_said_at = [0.0]


def model_score(model: Path, samples: Sequence[Sample]) -> KindScore:
    """Return the figures of a model on images, with every option as the model says."""
    segmenter = LocalSegmenter(model, "auto")

    def predict(plane: np.ndarray) -> np.ndarray:
        image = CellImage(plane, is_rgb=len(plane) == 3)
        return run(segmenter.segment(image, SegmentOptions())).labels

    return scores_by_kind(run(evaluate(predict, samples)))[-1]


def say_now_and_then(progress: Progress) -> None:
    """Print a line a minute."""
    if time.monotonic() - _said_at[0] > SECONDS_BETWEEN_LINES:
        _said_at[0] = time.monotonic()
        print(f"  {progress.done}/{progress.total} {progress.message}", flush=True)
