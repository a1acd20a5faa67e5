"""What stands for "everything else" shows every kind of scene, and never changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from napari_cellseg.core.synthetic import KINDS, CellOptions
from napari_cellseg.nn import fine_tune_data
from napari_cellseg.nn.fine_tune_data import base_scene


def cells_of(seeds: Iterable[int]) -> list[CellOptions]:
    """Return what scenes show, without drawing them."""
    found = []
    for seed in seeds:
        generator = fine_tune_data.GENERATORS[seed % len(fine_tune_data.GENERATORS)]
        rng = np.random.default_rng([seed, generator.stream])
        found.append(generator.draw(fine_tune_data.SCENE_SHAPE_YX, rng).cells)
    return found


def test_every_kind_of_scene_is_measured_and_replayed() -> None:
    for seeds in (fine_tune_data.BASE_SEEDS, fine_tune_data.REPLAY_SEEDS):
        kinds = Counter(cells.kind for cells in cells_of(seeds))
        assert set(kinds) == set(KINDS)


def test_no_scene_is_both_measured_and_replayed() -> None:
    assert not set(fine_tune_data.BASE_SEEDS) & set(fine_tune_data.REPLAY_SEEDS)


def test_only_the_empty_field_of_what_is_measured_is_without_cells() -> None:
    cells = cells_of(fine_tune_data.BASE_SEEDS)
    assert [each.kind for each in cells if each.n_cells == 0] == ["blank"]


def test_a_scene_of_the_base_set_is_the_same_at_every_call() -> None:
    first, second = base_scene(3), base_scene(3)
    assert first.options.cells.kind == "tissue"
    assert np.array_equal(first.image.data, second.image.data)
    assert np.array_equal(first.labels, second.labels)
