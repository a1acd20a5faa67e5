"""Targets have their middle inside the cell and lead there."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cellseg.core.synthetic import random_scene
from napari_cellseg.core.training.targets import make_targets


@pytest.mark.parametrize("seed", range(4))
def test_distance_reaches_its_maximum_once_in_every_cell(seed: int) -> None:
    labels = random_scene(seed, (128, 128)).labels
    distance = make_targets(labels).distance
    assert (distance[labels == 0] == 0).all()
    for cell in range(1, labels.max() + 1):
        assert distance[labels == cell].max() == 255


def test_distance_does_not_fall_at_the_edge_of_the_image() -> None:
    labels = np.ones((9, 9), np.int32)
    assert (make_targets(labels).distance > 0).all()


def test_flow_points_to_the_middle_of_a_disc() -> None:
    y, x = np.mgrid[-15:16, -15:16]
    labels = (y**2 + x**2 <= 144).astype(np.int32)
    flow = make_targets(labels).flow.astype(float)
    inside = (y**2 + x**2 <= 144) & (y**2 + x**2 > 16)
    along = -(flow[0] * y + flow[1] * x)[inside] / np.hypot(y, x)[inside]
    assert along.min() > 0.9 * 127


def test_gaps_in_the_ids_are_allowed() -> None:
    labels = np.zeros((20, 20), np.int32)
    labels[2:8, 2:8] = 7
    assert make_targets(labels).distance.max() == 255
