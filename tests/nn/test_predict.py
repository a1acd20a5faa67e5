"""The network's answer does not depend on tiles, and vectors turn with the image."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cellseg.core.errors import SegmentationError
from napari_cellseg.core.jobs import run
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.decode import labels_from_maps
from napari_cellseg.core.segmentation.intensity import normalize
from napari_cellseg.core.segmentation.tiling import plan_tiles
from napari_cellseg.core.synthetic import CellOptions, SceneOptions, make_scene
from napari_cellseg.core.training.matching import match_labels
from napari_cellseg.core.types import CellImage, PlaneMaps
from napari_cellseg.io.models.folder import find_model
from napari_cellseg.nn.inference import local
from napari_cellseg.nn.inference.predict import Predictor, _undone
from napari_cellseg.nn.network import CellNet
from napari_cellseg.nn.weights import load_model

OPTIONS = SegmentOptions(
    foreground_threshold=0.5, seed_threshold=0.5, decoder="watershed"
)


def reader(pixels: np.ndarray):
    return lambda window: pixels[(slice(None), *window)]


def maps_of(predictor: Predictor, pixels: np.ndarray, **options: object) -> np.ndarray:
    *_, (_, _, maps) = predictor.predict_tiles(
        reader(pixels), pixels.shape[1:], **options
    )
    return maps


@pytest.mark.parametrize("augmented", [False, True])
@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 70), (33, 5), (64, 64), (100, 37)], ids=str
)
def test_maps_have_the_size_of_the_plane(
    tiny_network: CellNet, shape: tuple[int, int], augmented: bool
) -> None:
    predictor = Predictor(tiny_network, torch.device("cpu"))
    maps = maps_of(predictor, np.zeros((3, *shape), np.float32), augmented=augmented)
    assert maps.shape == (5, *shape)


def test_folding_the_norms_keeps_the_answer(tiny_network: CellNet) -> None:
    pixels = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        before = tiny_network(pixels)
        after = Predictor(tiny_network, torch.device("cpu"))._network(pixels)
    np.testing.assert_allclose(before, after, atol=1e-4)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("is_flipped", [False, True])
def test_vectors_of_a_turned_image_are_turned_back(
    turns: int, is_flipped: bool
) -> None:
    # The potential's gradient is a vector field whose turned version is known exactly.
    y, x = np.mgrid[-4.0:5, -4.0:5]
    seen_y, seen_x = np.mgrid[-4.0:5, -4.0:5]
    potential = np.rot90(2 * y + 5 * x, turns)
    potential = potential[:, ::-1] if is_flipped else potential
    flow_y, flow_x = np.gradient(potential)
    scalars = np.stack([potential] * 3)
    maps = torch.from_numpy(np.concatenate([scalars, flow_y[None], flow_x[None]]))[None]
    back = _undone(maps, turns, is_flipped=is_flipped)[0].numpy()
    np.testing.assert_allclose(back[0], 2 * y + 5 * x)
    np.testing.assert_allclose(back[3], np.full_like(seen_y, 2))
    np.testing.assert_allclose(back[4], np.full_like(seen_x, 5))


class Uphill(torch.nn.Module):
    """Answers with the image itself, and with the direction in which it grows brighter."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        grey = pixels.mean(1)
        flow = torch.stack(torch.gradient(grey, dim=(1, 2)), 1)
        flow = flow / (flow.norm(dim=1, keepdim=True) + 1e-6)
        return torch.cat(
            [torch.logit(grey, 1e-3)[:, None].expand(-1, 3, -1, -1), flow], 1
        )


def test_averaged_views_lie_on_each_other() -> None:
    y, x = np.mgrid[:71, :96]
    hill = np.exp(-((y - 30.0) ** 2 / 800 + (x - 50.0) ** 2 / 1800)).astype(np.float32)
    pixels = np.stack([hill] * 3)
    predictor = Predictor(Uphill(), torch.device("cpu"))
    one, averaged = (
        maps_of(predictor, pixels, augmented=augmented).astype(int)
        for augmented in (False, True)
    )
    assert np.abs(averaged[:3] - one[:3]).max() <= 3
    # Around the top the direction changes within a pixel.
    is_slope = np.hypot(y - 30, x - 50) > 6
    inside = is_slope & (y > 2) & (y < 68) & (x > 2) & (x < 93)
    assert np.abs(averaged[3:] - one[3:])[:, inside].max() <= 6


def test_tiled_labels_equal_those_of_the_whole_plane() -> None:
    network, _ = load_model(find_model(None))
    predictor = Predictor(network, torch.device("cpu"))
    scene = make_scene(SceneOptions((512, 512), CellOptions(kind="nuclei")), 3)
    pixels = normalize(scene.image.plane(), 1, 99.8)
    whole = maps_of(predictor, pixels)
    tiles = plan_tiles((512, 512), core_px=192, halo_px=64, whole_px=192)
    tiled = maps_of(predictor, pixels, tiles=tiles)
    both = [
        labels_from_maps(PlaneMaps(maps, (512, 512)), OPTIONS)[0]
        for maps in (whole, tiled)
    ]
    assert both[0].max() > 10
    assert match_labels(*both, [0.9])[0].average_precision > 0.98


def test_out_of_memory_is_said_in_words(
    tiny_network: CellNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor(tiny_network, torch.device("cpu"))

    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(predictor, "_forward", fail)
    with pytest.raises(
        SegmentationError, match="ran out of memory on a tile of 8 × 9 px"
    ):
        maps_of(predictor, np.zeros((3, 8, 9), np.float32))


def test_one_thread_opens_and_runs_the_network_for_all_that_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []
    load = local.load_model

    def note(*_: object) -> None:
        seen.append(threading.get_ident())

    def loading(folder: Path) -> tuple[CellNet, ModelSpec]:
        note()
        network, spec = load(folder)
        network.register_forward_pre_hook(note)
        return network, spec

    monkeypatch.setattr(local, "load_model", loading)
    segmenter = local.for_many_threads(None, "cpu")
    # Loaded, and warmed up with an image of its own.
    n_before = len(seen)
    assert n_before > 1
    image = CellImage(np.zeros((1, 40, 40), np.uint8))
    with ThreadPoolExecutor(2) as hands:
        for _ in range(2):
            hands.submit(run, segmenter.segment(image, SegmentOptions())).result()
    assert len(seen) >= n_before + 2
    assert len(set(seen)) == 1
    assert threading.get_ident() not in seen


def test_out_of_memory_on_the_other_thread_is_said_in_words(
    tiny_network: CellNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError

    with ThreadPoolExecutor(1) as thread:
        predictor = Predictor(tiny_network, torch.device("cpu"), thread)
        monkeypatch.setattr(predictor, "_forward", fail)
        with pytest.raises(SegmentationError, match="on a tile of 8 × 9 px"):
            maps_of(predictor, np.zeros((3, 8, 9), np.float32))
