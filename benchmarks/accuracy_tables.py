"""Two tables behind the model card: ``python benchmarks/accuracy_tables.py DATA``.

Counting on BBBC005 (SIMCEP, true counts known): mean relative error of the count for each
blur and stain, over all images and over those that nothing was trained on. Phase contrast
(Usiigaci): each fold of `io.datasets.base_sets`, with what the shipped weights were trained on.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.training.matching import match_labels
from napari_cellseg.core.types import CellImage, Labels
from napari_cellseg.engines import open_segmenter
from napari_cellseg.io.datasets.base_sets import HELD_FOLD, N_FOLDS, base_sets
from napari_cellseg.io.datasets.dataset import Sample, fold_of
from napari_cellseg.io.datasets.samples import read_sample
from napari_cellseg.io.plain_files import read_index
from napari_cellseg.io.reading.images import read_image

PHASE = "usiigaci_phase"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with the image sets")
    parser.add_argument("--model", help="name or folder of a model")
    arguments = parser.parse_args()
    segmenter = open_segmenter(model=arguments.model, device="cpu")

    def segmented(image: CellImage) -> Labels:
        return run(segmenter.segment(image, SegmentOptions())).labels

    print(f"model {segmenter.spec.weights_sha256[:16]}\n")
    sets = base_sets(arguments.data)
    trained = {
        sample.name for sample in sets.training if "bbbc005" in str(sample.image_path)
    }
    counting(arguments.data / "bbbc005", trained, segmented)
    phase = [
        s for s in (*sets.training, *sets.validation) if PHASE in str(s.image_path)
    ]
    folds(phase, segmented)


def counting(
    folder: Path, trained: set[str], segmented: Callable[[CellImage], Labels]
) -> None:
    """Print the error of the count for each blur and stain."""
    errors: dict[tuple[int, str], list[tuple[float, bool]]] = defaultdict(list)
    for row in read_index(folder / "counts.csv"):
        image = read_image(next((folder / "images").glob(f"{row['name']}.*")))
        true = int(row["true_count"])
        error = (int(segmented(image).max()) - true) / true
        errors[int(row["blur"]), row["stain"]].append((error, row["name"] in trained))
    print("| blur | stain | images | error | bias | not trained on | error there |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for (blur, stain), found in sorted(errors.items()):
        everything = np.array([error for error, _ in found])
        unseen = np.array([error for error, was_trained in found if not was_trained])
        there = f"{np.abs(unseen).mean():.1%}" if unseen.size else ""
        print(
            f"| {blur} | {stain} | {len(found)} | {np.abs(everything).mean():.1%} "
            f"| {everything.mean():+.1%} | {unseen.size} | {there} |"
        )


def folds(samples: Iterable[Sample], segmented: Callable[[CellImage], Labels]) -> None:
    """Print accuracy for each fold of the phase-contrast images."""
    found: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for sample in samples:
        plane, truth = read_sample(sample)
        matches = match_labels(
            truth, segmented(CellImage(plane, is_rgb=len(plane) == 3))
        )
        precision = [match.average_precision for match in matches]
        fold = fold_of(sample.group, N_FOLDS[PHASE])
        found[fold].append((precision[0], float(np.mean(precision))))
    print(
        "\n| fold | images | trained on | AP50 | mSA |\n| --- | --- | --- | --- | --- |"
    )
    for fold, values in sorted(found.items()):
        ap50, msa = np.mean(values, axis=0)
        was_trained = "no" if fold == HELD_FOLD else "yes"
        print(f"| {fold} | {len(values)} | {was_trained} | {ap50:.3f} | {msa:.3f} |")


if __name__ == "__main__":
    main()
