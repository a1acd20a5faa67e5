"""Images that look nearly the same are never learned from and held out at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from napari_cellseg.core.synthetic import random_scene
from napari_cellseg.core.training.holdout import (
    HELD_OUT,
    hold_out,
    image_key,
    key_of,
)
from napari_cellseg.core.training.image_cuts import Cut
from napari_cellseg.core.training.item import TrainingItem
from napari_cellseg.nn.fine_tuning.twins import twins_together

SHAPE = (160, 160)


def frame(scene_seed: int, number: int, group: str = "") -> TrainingItem:
    """Return a frame of a sequence: the scene moves by a pixel, its cells are numbered anew."""
    scene = random_scene(scene_seed, SHAPE)
    plane = np.roll(scene.image.plane(), number, axis=-1)
    labels = np.roll(scene.labels, number, axis=-1)
    rng = np.random.default_rng(number)
    plane = plane + rng.normal(0, 0.05 * plane.std(), plane.shape)
    ids = np.r_[0, 1 + rng.permutation(int(labels.max()))].astype(np.int32)
    name = f"t{number}"
    everywhere = np.ones(SHAPE, bool)
    return TrainingItem(plane, ids[labels], everywhere, name, group or name)


def area(items: Sequence[TrainingItem]) -> np.ndarray:
    return np.any([item.valid for item in items], axis=0)


def test_frames_in_files_of_their_own_are_parted_in_the_same_place() -> None:
    frames = [frame(13, number) for number in range(5)]

    learned, held = hold_out(twins_together(frames, {}), 0.2)

    both = area(learned) & area(held)
    assert len(learned) == len(held) == 5
    # A cell belongs whole to the side of its middle, which moves by four pixels.
    assert both.sum() < 0.15 * area(held).sum()


def test_twins_fall_on_one_side_among_other_images() -> None:
    scenes = [frame(seed, 0, f"scene {seed}") for seed in (13, 25, 4, 7)]
    twins = [frame(seed, 1, f"again {seed}") for seed in (13, 25, 4, 7)]

    learned, held = hold_out(twins_together([*scenes, *twins], {}), 0.3)

    assert learned
    assert held
    assert not {item.group for item in learned} & {item.group for item in held}
    assert all(
        len([i for i in [*learned, *held] if i.group == g]) == 2
        for g in {item.group for item in [*learned, *held]}
    )


def test_other_images_keep_name_group_and_cells() -> None:
    items = [frame(seed, 0, f"scene {seed}") for seed in (13, 25)]

    found = twins_together(items, {})

    assert [(i.group, i.name) for i in found] == [(i.group, i.name) for i in items]
    assert all(a.labels is b.labels for a, b in zip(found, items, strict=True))


@pytest.mark.parametrize("by_image", [True, False], ids=["a strip", "a group"])
def test_a_twin_takes_the_side_of_the_one_that_was_trained_with(by_image: bool) -> None:
    old, new = frame(13, 3), frame(13, 0)
    known = {image_key(old): Cut(1, 100.0)} if by_image else {key_of("t3"): HELD_OUT}

    found = twins_together([new, old], known)

    assert [(item.group, item.name) for item in found] == [("t3", "t3")] * 2


def test_two_that_were_trained_with_stay_as_they_were() -> None:
    known = {key_of("t0"): HELD_OUT, key_of("t1"): "learned"}

    found = twins_together([frame(13, 0), frame(13, 1)], known)

    assert [item.group for item in found] == ["t0", "t1"]
