"""Training: the same seed gives the same weights, a kill is resumed, bad input is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.jobs import run
from napari_cellseg.core.train_options import TrainOptions
from napari_cellseg.nn.training import loop as training
from napari_cellseg.nn.training.augment import PLAIN_SHARE, augment
from napari_cellseg.nn.training.batches import (
    CropSampler,
    TrainingImage,
    touching_border,
    training_image,
)
from napari_cellseg.nn.training.data import synthetic_training_images
from napari_cellseg.nn.training.losses import Targets, map_losses

OPTIONS = TrainOptions(
    steps=4, batch_size=2, crop_px=64, checkpoint_every=2, warmup_steps=1
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def images() -> list[TrainingImage]:
    return list(synthetic_training_images(3, 0))


def weights_of(network: torch.nn.Module) -> np.ndarray:
    return torch.cat([p.flatten() for p in network.parameters()]).detach().numpy()


def test_the_same_seed_gives_the_same_weights(
    images: list[TrainingImage], tmp_path: Path
) -> None:
    one, _ = run(training.fit(images, OPTIONS, tmp_path / "1", CPU))
    two, _ = run(training.fit(images, OPTIONS, tmp_path / "2", CPU))
    np.testing.assert_array_equal(weights_of(one), weights_of(two))


def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    images: list[TrainingImage], tmp_path: Path
) -> None:
    whole, _ = run(training.fit(images, OPTIONS, tmp_path / "whole", CPU))
    job = training.fit(images, OPTIONS, tmp_path / "cut", CPU)
    for _ in range(2):
        next(job)
    job.close()
    resumed, report = run(training.fit(images, OPTIONS, tmp_path / "cut", CPU))
    assert report.steps == 4
    np.testing.assert_allclose(weights_of(resumed), weights_of(whole), atol=1e-6)


def test_a_run_goes_on_with_its_own_options_only(
    images: list[TrainingImage], tmp_path: Path
) -> None:
    run(training.fit(images, OPTIONS, tmp_path, CPU))
    longer = replace(OPTIONS, steps=OPTIONS.steps + 1)
    _, report = run(training.fit(images, longer, tmp_path, CPU))
    assert report.steps == longer.steps
    other = replace(longer, seed=7, batch_size=OPTIONS.batch_size + 1)
    with pytest.raises(TrainingError, match=r"batch_size 3, seed 7\. Give the same"):
        run(training.fit(images, other, tmp_path, CPU))


def test_a_loss_that_is_no_number_stops_with_its_parts(
    images: list[TrainingImage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        training,
        "map_losses",
        lambda *_: {"dice": torch.tensor(float("nan"), requires_grad=True)},
    )
    with pytest.raises(TrainingError, match=r"step 0.*dice.*'\w+ scene \d'"):
        run(training.fit(images, OPTIONS, tmp_path, CPU))


def test_nothing_to_train_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no images"):
        run(training.fit([], OPTIONS, tmp_path, CPU))


def test_the_rate_rises_stays_and_falls() -> None:
    options = TrainOptions(steps=100, warmup_steps=10, decay_share=0.5)
    rates = [
        training.learning_rate(step, options) / options.learning_rate
        for step in range(100)
    ]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10:51] == [1.0] * 41
    assert rates[75] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.02)


def test_more_than_half_of_the_crops_are_seen_as_they_are(
    images: list[TrainingImage],
) -> None:
    rng = np.random.default_rng(0)
    batch = CropSampler(images, {}, 64, 200).batch(rng)
    is_plain = (augment(batch, rng) == batch.pixels).flatten(1).all(1)
    assert abs(float(is_plain.float().mean()) - PLAIN_SHARE) < 0.1
    assert 0.4 <= PLAIN_SHARE <= 0.8


def test_pixels_that_are_not_valid_do_not_count() -> None:
    zeros = torch.zeros(1, 8, 8)
    valid = zeros.clone()
    valid[:, :4] = 1
    wrong = torch.zeros(1, 5, 8, 8)
    wrong[:, :, 4:] = 50
    targets = Targets(zeros, zeros, zeros, torch.zeros(1, 2, 8, 8), valid)
    right = map_losses(torch.zeros(1, 5, 8, 8), targets)
    assert map_losses(wrong, targets) == right


def test_flow_turns_with_the_crop() -> None:
    y, x = np.mgrid[-40:41, -40:41]
    labels = (y**2 + x**2 <= 30**2).astype(np.int32)
    image = training_image(labels[None] * 100, labels, "disc", (1.0, 99.8))
    sampler = CropSampler([image], {}, 192, 8)
    targets = sampler.batch(np.random.default_rng(0)).targets
    for flow, distance, valid in zip(
        targets.flow, targets.distance, targets.valid, strict=True
    ):
        depth = (distance * valid).numpy()
        middle = np.argwhere(depth > 0.9 * depth.max()).mean(0)
        yy, xx = np.mgrid[:192, :192]
        to_y, to_x = middle[0] - yy, middle[1] - xx
        along = (flow[0].numpy() * to_y + flow[1].numpy() * to_x) / np.hypot(
            to_y, to_x
        ).clip(1)
        ring = (depth > 0.2) & (depth < 0.7)
        assert np.median(along[ring]) > 0.95


@pytest.mark.parametrize("first", [1, 2**15 - 1], ids=["short", "long"])
def test_a_crop_has_the_cells_of_its_image_whatever_their_numbers(first: int) -> None:
    labels = np.zeros((64, 64), np.int32)
    labels[8:24, 8:24], labels[40:56, 40:56] = first, first + 1
    image = training_image(labels[None], labels, "squares", (1.0, 99.8))
    batch = CropSampler([image], {}, 64, 8).batch(np.random.default_rng(0))
    assert set(batch.labels.unique().tolist()) == {0, first, first + 1}
    assert batch.targets.distance.max() > 0.9
    lengths = batch.targets.flow.norm(dim=1)
    np.testing.assert_allclose(lengths[batch.labels > 0].median(), 1, atol=0.01)


def test_only_touching_cells_have_a_border() -> None:
    labels = torch.zeros(1, 20, 20)
    labels[0, 2:8, 2:8] = 1
    labels[0, 2:8, 8:14] = 2
    labels[0, 14:18, 2:8] = 3
    border = touching_border(labels)[0]
    assert border[4, 7] == border[4, 8] == 1
    assert border[4, 2] == 0
    assert border[14:18].sum() == 0
