"""What stands for "everything else" shows every kind of scene, and never changes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from napari_cellseg.core.synthetic import KINDS, CellOptions
from napari_cellseg.nn.fine_tuning import data as fine_tune_data
from napari_cellseg.nn.fine_tuning.data import base_scene


def cells_of(seeds: Iterable[int]) -> list[CellOptions]:
    """Return what scenes show, without drawing them."""
    found = []
    for seed in seeds:
        generator = fine_tune_data.GENERATORS[seed % len(fine_tune_data.GENERATORS)]
        rng = np.random.default_rng([seed, generator.stream])
        found.append(generator.draw(fine_tune_data.SCENE_SHAPE_YX, rng).cells)
    return found


def test_every_kind_of_scene_is_replayed_and_all_with_cells_are_measured() -> None:
    replayed = cells_of(fine_tune_data.REPLAY_SEEDS)
    assert {cells.kind for cells in replayed} == set(KINDS)
    measured = cells_of(fine_tune_data.BASE_SEEDS)
    assert {cells.kind for cells in measured} == set(KINDS) - {"blank"}
    assert all(cells.n_cells for cells in measured)


def test_no_scene_is_both_measured_and_replayed() -> None:
    assert not set(fine_tune_data.BASE_SEEDS) & set(fine_tune_data.REPLAY_SEEDS)


def test_a_scene_of_the_base_set_is_the_same_at_every_call() -> None:
    first, second = base_scene(3), base_scene(3)
    assert first.options.cells.kind == "tissue"
    assert np.array_equal(first.image.data, second.image.data)
    assert np.array_equal(first.labels, second.labels)
