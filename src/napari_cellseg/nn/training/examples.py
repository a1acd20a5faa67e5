"""Pictures of what a network finds in images that it does not learn from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_cellseg.core.segmentation.intensity import normalize
from napari_cellseg.io.datasets.dataset import Sample
from napari_cellseg.io.datasets.samples import read_sample, split_pieces
from napari_cellseg.io.datasets.source import safe_name
from napari_cellseg.nn.evaluate import Predict
from napari_cellseg.nn.side_by_side import write_picture
from napari_cellseg.nn.training.data import PERCENTILES

EXAMPLES_FOLDER = "examples"


def write_examples(out: Path, predict: Predict, samples: Sequence[Sample]) -> None:
    """Write a picture for one image of each kind: left the image, right the cells.

    The picture of a kind replaces the one of the validation before.

    Parameters
    ----------
    out : Path
        Gets ``examples/KIND.png``; true cells in green, found ones in orange.
    predict : callable
        Turns (1 or 3, y, x) pixels into labels.
    samples : sequence of Sample
        The first of each kind, by name, is shown.

    Raises
    ------
    SaveError
        If a picture cannot be written.
    """
    folder = out / EXAMPLES_FOLDER
    folder.mkdir(exist_ok=True)
    shown: dict[str, Sample] = {}
    for sample in sorted(samples, key=_name_of):
        shown.setdefault(sample.kind, sample)
    for kind, sample in shown.items():
        plane, labels = read_sample(sample)
        pixels = np.broadcast_to(normalize(plane, *PERCENTILES), (3, *labels.shape))
        path = folder / f"{safe_name(kind)}.png"
        nothing = np.zeros_like(labels)
        write_picture(
            path, pixels, (nothing, nothing), (split_pieces(labels), predict(plane))
        )


def _name_of(sample: Sample) -> str:
    return sample.name
