"""The size of cells is told alike when segmenting, when examining and when learning."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cellseg.core.jobs import run
from napari_cellseg.core.model_spec import ModelSpec, settled_options
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.zoom import look_at, zoom_for
from napari_cellseg.core.training.item import TrainingItem
from napari_cellseg.core.types import CellImage
from napari_cellseg.io.models.folder import find_model
from napari_cellseg.nn.fine_tuning.data import training_images
from napari_cellseg.nn.fine_tuning.examiner import Examiner, item_diameter_px
from napari_cellseg.nn.inference.looking import Looker
from napari_cellseg.nn.inference.predict import Predictor
from napari_cellseg.nn.training.batches import _random_zoom
from napari_cellseg.nn.weights import load_model

BEST_PX = 28.0


@pytest.fixture
def uneven() -> TrainingItem:
    """Return an item of 60 cells of 10 x 10 pixels and 4 of 120 x 120: as in neuropil."""
    labels = np.zeros((420, 420), np.int32)
    for number in range(60):
        y, x = 14 * (number // 30), 14 * (number % 30)
        labels[y : y + 10, x : x + 10] = number + 1
    for number in range(4):
        y, x = 40 + 140 * (number // 2), 10 + 140 * (number % 2)
        labels[y : y + 120, x : x + 120] = 61 + number
    everywhere = np.ones(labels.shape, bool)
    plane = (labels[None] > 0).astype(np.float32)
    return TrainingItem(plane, labels, everywhere, "uneven", "uneven")


def test_checked_cells_are_measured_as_found_ones(uneven: TrainingItem) -> None:
    seen = look_at(uneven.labels, np.ones(64, np.float32), 1.0)
    # Most of the area is in the four: 2 sqrt(14400 / pi).
    assert seen.diameter_px == pytest.approx(135.4, abs=0.1)
    assert item_diameter_px(uneven) == pytest.approx(seen.diameter_px)


def test_held_out_cells_are_examined_at_the_zoom_of_a_segmentation(
    uneven: TrainingItem,
) -> None:
    spec = ModelSpec("tiny", "Tiny", "", "CellNet", (), BEST_PX, "")
    (window,) = Examiner([uneven], spec)._windows
    zoom = zoom_for(135.4, BEST_PX)
    assert zoom < 0.5
    assert window.pixels.shape[1] == pytest.approx(420 * zoom, abs=1)


def test_cells_are_learned_at_the_size_at_which_they_are_segmented(
    uneven: TrainingItem,
) -> None:
    image = training_images([uneven], BEST_PX)[0]
    rng = np.random.default_rng(1)
    zooms = [_random_zoom(image, rng) for _ in range(400)]
    zoom = zoom_for(135.4, BEST_PX)
    near = [0.65 * zoom <= drawn <= 1.5 * zoom for drawn in zooms]
    assert np.mean(near) > 0.6


@pytest.mark.parametrize("seed", [0.6, 0.75, 0.9])
def test_thresholds_tuned_high_do_not_change_the_size(
    nuclei: CellImage, seed: float
) -> None:
    network, spec = load_model(find_model(None))
    predictor = Predictor(network, torch.device("cpu"))

    def size(seed_threshold: float | None) -> float | None:
        options = SegmentOptions(seed_threshold=seed_threshold)
        looker = Looker(predictor, spec, nuclei.plane(), settled_options(options, spec))
        return run(looker.find_zoom())[1]

    assert size(seed) == size(None)


def test_what_a_look_found_is_not_taken_for_the_cells_of_other_thresholds(
    nuclei: CellImage,
) -> None:
    network, spec = load_model(find_model(None))
    predictor = Predictor(network, torch.device("cpu"))
    options = settled_options(SegmentOptions(foreground_threshold=0.9), spec)
    looker = Looker(predictor, spec, nuclei.plane(), options)
    zoom, _ = run(looker.find_zoom())
    labels, _ = looker.labels_of(run(looker.maps_at(zoom)), options)
    plain = settled_options(SegmentOptions(), spec)
    other = Looker(predictor, spec, nuclei.plane(), plain)
    run(other.find_zoom())
    larger, _ = other.labels_of(run(other.maps_at(zoom)), plain)
    assert (labels > 0).sum() < (larger > 0).sum()
