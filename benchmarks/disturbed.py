"""What disturbed images cost in accuracy: ``python benchmarks/disturbed.py DATA``.

The validation images of `io.datasets.base_sets`, each as it is and disturbed in every way
below; by-image AP at IoU 0.5, default preset, nothing given. Then synthetic nuclei of many
sizes.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.synthetic import CellOptions, SceneOptions, make_scene
from napari_cellseg.core.training.matching import match_labels
from napari_cellseg.core.types import CellImage, Labels
from napari_cellseg.engines import open_segmenter
from napari_cellseg.io.datasets.base_sets import base_sets
from napari_cellseg.io.datasets.dataset import Sample
from napari_cellseg.io.datasets.samples import read_sample

Pixels = NDArray[np.float64]
Segmented = Callable[[CellImage], Labels]

KINDS = ("grey_fluorescence", "purple_H&E", "purple_on_white_H&E", "usiigaci_phase")
#: Diameter of synthetic nuclei, edge of their field, and how many, in pixels.
SIZES = (
    (8, 256, 150), (12, 256, 100), (20, 320, 60), (60, 640, 30), (120, 1024, 20),
    (200, 1280, 12), (260, 1400, 10), (400, 1800, 7),
)  # fmt: skip


def noisy(sigma: float) -> Callable[[Pixels], Pixels]:
    """Add Gaussian noise, `sigma` of the range."""
    return lambda p: p + np.random.default_rng(1).normal(0, sigma, p.shape)


def blurred(sigma_px: float) -> Callable[[Pixels], Pixels]:
    """Blur each channel."""
    return lambda p: ndimage.gaussian_filter(p, (0, sigma_px, sigma_px))


def few_photons(p: Pixels) -> Pixels:
    """Draw 20 photons where it is brightest."""
    return np.random.default_rng(1).poisson(20 * p).astype(np.float64)


def compressed(p: Pixels) -> Pixels:
    """Return what JPEG at quality 30 leaves."""
    file = io.BytesIO()
    levels = np.round(255 * p).astype(np.uint8)
    Image.fromarray(levels[0] if len(p) == 1 else levels.transpose(1, 2, 0)).save(
        file, "JPEG", quality=30
    )
    back = np.asarray(Image.open(file), dtype=np.float64)
    return back[None] if back.ndim == 2 else back.transpose(2, 0, 1)


def spoilt(p: Pixels) -> Pixels:
    """Set single pixels to 50 times the range, two rows to NaN and a pixel to infinity."""
    bad = np.where(np.random.default_rng(1).random(p.shape) < 0.001, 50.0, p)
    bad[:, 40:42] = np.nan
    bad[:, 100, 100] = np.inf
    return bad


#: Each takes (channel, y, x) values from 0 to 1.
DISTURBANCES: dict[str, Callable[[Pixels], NDArray[np.generic]]] = {
    "as it is": lambda p: p,
    "12 bit": lambda p: np.round(4095 * p).astype(np.uint16),
    "16 bit far from 0": lambda p: np.round(50_000 + 3000 * p).astype(np.uint16),
    "float below 0": lambda p: 2000 * p - 1500,
    "light falls to a quarter": lambda p: p * np.linspace(0.25, 1, p.shape[-1]),
    "inverted": lambda p: 1 - p,
    "gamma 0.5": lambda p: p**0.5,
    "gamma 2": lambda p: p**2,
    "noise 0.1": noisy(0.1),
    "noise 0.2": noisy(0.2),
    "20 photons": few_photons,
    "blur 2 px": blurred(2),
    "blur 3 px": blurred(3),
    "JPEG, quality 30": compressed,
    "hot pixels, NaN, infinity": spoilt,
}


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
    disturbed(base_sets(arguments.data).validation, segmented)
    sizes(segmented)


def disturbed(samples: Sequence[Sample], segmented: Segmented) -> None:
    """Print AP50 for each disturbance and kind of image."""
    by_kind = [[s for s in samples if s.kind == kind] for kind in KINDS]
    heads = [f"{kind} ({len(of)})" for kind, of in zip(KINDS, by_kind, strict=True)]
    print(f"| | {' | '.join(heads)} |\n|{' --- |' * (len(KINDS) + 1)}")
    for name, disturb in DISTURBANCES.items():
        means = [
            np.mean([precision(sample, disturb, segmented) for sample in of])
            for of in by_kind
        ]
        print(f"| {name} | {' | '.join(f'{m:.3f}' for m in means)} |", flush=True)


def precision(
    sample: Sample,
    disturb: Callable[[Pixels], NDArray[np.generic]],
    segmented: Segmented,
) -> float:
    """Return AP50 of one disturbed image."""
    plane, truth = read_sample(sample)
    low, high = float(plane.min()), float(plane.max())
    unit = (plane.astype(np.float64) - low) / max(high - low, 1e-9)
    image = CellImage(disturb(unit), is_rgb=len(plane) == 3)
    return match_labels(truth, segmented(image), [0.5])[0].average_precision


def sizes(segmented: Segmented) -> None:
    """Print AP50 for synthetic nuclei of many sizes."""
    print("\n| diameter, px | cells | AP50 |\n| --- | --- | --- |")
    for diameter_px, edge_px, n_cells in SIZES:
        cells = CellOptions(n_cells=n_cells, diameter_px=diameter_px)
        scene = make_scene(SceneOptions((edge_px, edge_px), cells), seed=3)
        found = segmented(CellImage(scene.image.plane()[:1]))
        score = match_labels(scene.labels, found, [0.5])[0]
        print(
            f"| {diameter_px} | {scene.labels.max()} | {score.average_precision:.2f} |"
        )


if __name__ == "__main__":
    main()
