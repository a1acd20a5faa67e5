"""How good a segmenter is on labelled images: by image, pooled, and for each kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.training.matching import (
    MSA_THRESHOLDS,
    Matching,
    match_labels,
    pooled,
)
from napari_cellseg.io.datasets.dataset import Sample
from napari_cellseg.io.datasets.samples import read_sample

Predict = Callable[[NDArray[np.generic]], NDArray[np.int32]]
SHOWN_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
ALL_KINDS = "all"


@dataclass(frozen=True, slots=True)
class ImageScore:
    """One image: its matchings at `MSA_THRESHOLDS` and both counts."""

    kind: str
    matchings: tuple[Matching, ...]
    n_true: int
    n_found: int


@dataclass(frozen=True, slots=True)
class KindScore:
    """Figures of one kind of image.

    Attributes
    ----------
    kind : str
        The kind, or ``"all"``.
    n_images, n_true, n_found : int
        Counts.
    ap, ap_pooled : dict of float to float
        By IoU threshold; the mean over images, and from the summed counts.
    msa : float
        Mean over images of the mean AP over `MSA_THRESHOLDS`.
    f1, pq : float
        Mean over images at IoU 0.5.
    count_error : float
        Mean over images of |found - true| / max(true, 1).
    """

    kind: str
    n_images: int
    n_true: int
    n_found: int
    ap: dict[float, float]
    ap_pooled: dict[float, float]
    msa: float
    f1: float
    pq: float
    count_error: float


def score_image(
    kind: str, truth: NDArray[np.int32], labels: NDArray[np.int32]
) -> ImageScore:
    """Return the score of one image; both label images are (y, x) int32."""
    matchings = tuple(match_labels(truth, labels, MSA_THRESHOLDS))
    first = matchings[0]
    n_true = first.true_positives + first.false_negatives
    n_found = first.true_positives + first.false_positives
    return ImageScore(kind, matchings, n_true, n_found)


def evaluate(
    predict: Predict,
    samples: Sequence[Sample],
    channel: int | None = None,
    nuclei_channel: int | None = None,
) -> Job[list[ImageScore]]:
    """Return one `ImageScore` for each sample.

    Parameters
    ----------
    predict : callable
        Gets (1 or 3, y, x) pixels, or (2, y, x) of cells and nuclei, and returns (y, x)
        labels.
    samples : sequence of Sample
        Images with labels.
    channel : int, optional
        Which one shows the cells; needed where there are several.
    nuclei_channel : int, optional
        Which one shows their nuclei; None: it is not looked at.
    """
    scores: list[ImageScore] = []
    for place, sample in enumerate(samples, start=1):
        plane, truth = read_sample(sample, channel)
        if nuclei_channel is not None:
            nuclei, _ = read_sample(sample, nuclei_channel)
            plane = np.concatenate([plane, nuclei])
        scores.append(score_image(sample.kind, truth, predict(plane)))
        yield Progress(place, len(samples), sample.name)
    return scores


def scores_by_kind(scores: Sequence[ImageScore]) -> list[KindScore]:
    """Return the figures of each kind, by name, and of all images last."""
    kinds = sorted({score.kind for score in scores})
    rows = [_kind_score(kind, [s for s in scores if s.kind == kind]) for kind in kinds]
    return [*rows, _kind_score(ALL_KINDS, scores)]


def _kind_score(kind: str, scores: Sequence[ImageScore]) -> KindScore:
    """Return the figures of some images."""
    by_threshold = {
        threshold: [score.matchings[place] for score in scores]
        for place, threshold in enumerate(MSA_THRESHOLDS)
    }
    ap = {
        t: _mean([m.average_precision for m in each])
        for t, each in by_threshold.items()
    }
    at_half = by_threshold[0.5]
    errors = [abs(s.n_found - s.n_true) / max(s.n_true, 1) for s in scores]
    return KindScore(
        kind,
        len(scores),
        sum(score.n_true for score in scores),
        sum(score.n_found for score in scores),
        {t: ap[t] for t in SHOWN_THRESHOLDS},
        {t: pooled(by_threshold[t]).average_precision for t in SHOWN_THRESHOLDS},
        _mean(list(ap.values())),
        _mean([m.f1 for m in at_half]),
        _mean([m.panoptic_quality for m in at_half]),
        _mean(errors),
    )


def _mean(values: Sequence[float]) -> float:
    """Return the mean; 0 of nothing."""
    return float(np.mean(values)) if len(values) else 0.0


def score_table(rows: Sequence[KindScore]) -> str:
    """Return the figures as a table of plain text."""
    thresholds = " ".join(f" AP{round(100 * t)}" for t in SHOWN_THRESHOLDS)
    lines = [
        f"{'kind':24} images  true found  {thresholds}   mSA    F1    PQ  count-err  AP50-pooled"
    ]
    for row in rows:
        aps = " ".join(
            f"{row.ap[t]:.3f}".removeprefix("0").rjust(5) for t in SHOWN_THRESHOLDS
        )
        lines.append(
            f"{row.kind:24} {row.n_images:6} {row.n_true:5} {row.n_found:5}  {aps}  {row.msa:.3f} "
            f"{row.f1:.3f} {row.pq:.3f}     {row.count_error:6.3f}        {row.ap_pooled[0.5]:.3f}"
        )
    return "\n".join(lines)
