"""What shipped finds cells where nobody trained: other ranges, light, noise, sizes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.synthetic import CellOptions, Scene, SceneOptions, make_scene
from napari_cellseg.core.training.matching import match_labels
from napari_cellseg.core.types import CellImage, Labels
from napari_cellseg.nn.inference.local import LocalSegmenter

Pixels = NDArray[np.float64]
RANDOM = np.random.default_rng(5)


@pytest.fixture(scope="module")
def segmenter() -> LocalSegmenter:
    return LocalSegmenter(device="cpu")


def scene_of(
    diameter_px: float, edge_px: int, n_cells: int, kind: str = "nuclei"
) -> Scene:
    cells = CellOptions(kind=kind, n_cells=n_cells, diameter_px=diameter_px)
    return make_scene(SceneOptions((edge_px, edge_px), cells), seed=3)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return scene_of(24, 224, 30)


def unit(scene: Scene) -> Pixels:
    """Return the (y, x) pixels of a scene as 0 to 1."""
    plane = scene.image.plane()[0].astype(np.float64)
    return (plane - plane.min()) / (plane.max() - plane.min())


def labels_of(segmenter: LocalSegmenter, pixels: NDArray[np.generic]) -> Labels:
    return run(segmenter.segment(CellImage(pixels[None]), SegmentOptions())).labels


def precision(truth: Labels, labels: Labels) -> float:
    return match_labels(truth, labels, [0.5])[0].average_precision


RANGES: dict[str, Callable[[Pixels], NDArray[np.generic]]] = {
    "8 bit": lambda p: (p * 255).astype(np.uint8),
    "12 bit": lambda p: (p * 4095).astype(np.uint16),
    "16 bit far from 0": lambda p: (50_000 + p * 3000).astype(np.uint16),
    "float 0 to 0.0001": lambda p: (p * 1e-4).astype(np.float32),
    "float below 0": lambda p: (p * 2000 - 1500).astype(np.float32),
    "signed": lambda p: (p * 60_000 - 30_000).astype(np.int16),
}


@pytest.mark.parametrize("name", RANGES)
def test_the_range_of_the_values_does_not_matter(
    segmenter: LocalSegmenter, scene: Scene, name: str
) -> None:
    expected = labels_of(segmenter, unit(scene))
    labels = labels_of(segmenter, RANGES[name](unit(scene)))
    assert expected.max() > 20
    assert precision(expected, labels) > 0.9


def ramp_of(pixels: Pixels) -> Pixels:
    return np.linspace(0, 0.2, len(pixels))[:, None]


def with_bad_pixels(pixels: Pixels) -> Pixels:
    bad = pixels.copy()
    bad[40:42] = np.nan
    bad[100, 100], bad[120, 90] = np.inf, -np.inf
    bad[RANDOM.random(bad.shape) < 0.001] = 50.0
    return bad


DISTURBANCES: dict[str, Callable[[Pixels], Pixels]] = {
    "inverted": lambda p: 1 - p,
    "uneven light": lambda p: p * np.linspace(0.25, 1, p.shape[1]) + ramp_of(p),
    "noise": lambda p: p + RANDOM.normal(0, 0.1, p.shape),
    "blur": lambda p: ndimage.gaussian_filter(p, 2.0),
    "NaN, infinity and hot pixels": with_bad_pixels,
}  # fmt: skip


@pytest.mark.parametrize("name", DISTURBANCES)
def test_what_disturbs_an_image_leaves_most_cells(
    segmenter: LocalSegmenter, scene: Scene, name: str
) -> None:
    labels = labels_of(segmenter, DISTURBANCES[name](unit(scene)))
    assert precision(scene.labels, labels) > 0.7


@pytest.mark.parametrize(
    ("diameter_px", "edge_px", "n_cells"),
    [
        (8, 128, 60),
        (12, 160, 50),
        (40, 288, 16),
        (80, 448, 10),
        (120, 640, 9),
        (260, 900, 5),
    ],
)
def test_cells_of_every_size_are_found_without_being_told(
    segmenter: LocalSegmenter, diameter_px: float, edge_px: int, n_cells: int
) -> None:
    scene = scene_of(diameter_px, edge_px, n_cells)
    labels = labels_of(segmenter, scene.image.plane()[0])
    assert precision(scene.labels, labels) > 0.6


EMPTY: dict[str, Callable[[], NDArray[np.generic]]] = {
    "constant": lambda: np.full((192, 192), 300, np.uint16),
    "noise of a camera": lambda: RANDOM.normal(100, 5, (192, 192)).astype(np.float32),
    "noise of few photons": lambda: RANDOM.poisson(2, (192, 192)).astype(np.uint8),
    "a slope": lambda: np.add.outer(np.arange(192), np.arange(192)).astype(np.uint16),
    "a slope with noise": lambda: (
        np.add.outer(np.arange(192), np.arange(192)) + RANDOM.normal(0, 20, (192, 192))
    ),
}


@pytest.mark.parametrize("name", EMPTY)
def test_images_without_cells_have_none(segmenter: LocalSegmenter, name: str) -> None:
    assert labels_of(segmenter, EMPTY[name]()).max() == 0


def test_of_two_channels_the_chosen_one_is_segmented(segmenter: LocalSegmenter) -> None:
    cells = CellOptions(
        kind="whole_cells", n_cells=12, diameter_px=44, has_nuclei_channel=True
    )
    scene = make_scene(SceneOptions((256, 256), cells), seed=3)
    assert scene.image.n_channels == 2
    areas = []
    for channel in (0, 1):
        result = run(segmenter.segment(scene.image, SegmentOptions(channel=channel)))
        assert 6 <= result.n_cells <= 18
        areas.append(np.median(np.bincount(result.labels.ravel())[1:]))
    assert areas[0] > 1.5 * areas[1]


def test_cells_with_nuclei_are_found_by_both_channels(
    segmenter: LocalSegmenter,
) -> None:
    cells = CellOptions(
        kind="whole_cells", n_cells=12, diameter_px=44, has_nuclei_channel=True
    )
    scene = make_scene(SceneOptions((256, 256), cells), seed=3)
    options = SegmentOptions(channel=0, nuclei_channel=1)
    result = run(segmenter.segment(scene.image, options))
    n_true = int(scene.labels.max())
    assert abs(result.n_cells - n_true) <= 0.2 * n_true
    assert result.options.nuclei_channel == 1
    covered = (result.labels > 0) & (scene.labels > 0)
    assert covered.sum() > 0.8 * (scene.labels > 0).sum()
