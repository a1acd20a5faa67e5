"""From samples on disk and the synthetic generator to images ready for cropping."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.synthetic import (
    random_blank,
    random_bodies,
    random_rods,
    random_scene,
    random_tissue,
)
from napari_cellseg.io.datasets.dataset import Sample
from napari_cellseg.io.datasets.samples import read_sample, split_pieces
from napari_cellseg.nn.training.batches import TrainingImage, training_image

logger = logging.getLogger(__name__)

PERCENTILES = (1.0, 99.8)
SYNTHETIC_SHAPE_YX = (320, 320)
#: Kinds of synthetic scenes, what draws one, and how many for each of the first kind.
SYNTHETIC_KINDS = (
    ("synthetic", random_scene, 1.0),
    ("rods", random_rods, 0.75),
    ("bodies", random_bodies, 0.5),
    ("blank", random_blank, 0.25),
    ("tissue", random_tissue, 0.75),
)


def load_training_images(samples: Sequence[Sample]) -> Iterator[TrainingImage]:
    """Yield each sample ready for cropping, in order."""
    for sample in samples:
        plane, labels = read_sample(sample)
        yield training_image(
            plane, split_pieces(labels), sample.kind, PERCENTILES, sample.name
        )


def synthetic_training_images(count: int, seed: int) -> Iterator[TrainingImage]:
    """Yield `count` scenes of the first of `SYNTHETIC_KINDS`, its share of the others."""
    for kind, draw, share in SYNTHETIC_KINDS:
        for index in range(round(share * count)):
            scene = draw(seed * 1_000_003 + index, SYNTHETIC_SHAPE_YX)
            yield training_image(
                scene.image.plane(),
                scene.labels,
                kind,
                PERCENTILES,
                f"{kind} scene {index}",
            )


def kinds_of(samples: Sequence[Sample]) -> dict[str, int]:
    """Return how many samples there are of each kind."""
    counts: dict[str, int] = {}
    for sample in samples:
        counts[sample.kind] = counts.get(sample.kind, 0) + 1
    return counts


def require_folder(folder: Path) -> Path:
    """Return `folder`; raises `TrainingError` where it does not exist."""
    if not folder.is_dir():
        raise TrainingError(
            f"There is no folder '{folder}'; name the folder with the training sets."
        )
    return folder
