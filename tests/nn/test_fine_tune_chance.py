"""A gain that a few cells or images make by chance is not taken for a better model."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cellseg.core.training.matching import MSA_THRESHOLDS, match_labels
from napari_cellseg.nn.fine_tuning.chance import CellCounts, cell_counts, sureness

N = len(MSA_THRESHOLDS)


def squares(*corners_yx: tuple[int, int], edge: int = 10) -> np.ndarray:
    labels = np.zeros((60, 60), np.int32)
    for cell, (y, x) in enumerate(corners_yx, start=1):
        labels[y : y + edge, x : x + edge] = cell
    return labels


@pytest.mark.parametrize(
    ("truth", "labels"),
    [
        (squares((0, 0), (0, 30), (30, 0)), squares((0, 1), (30, 30), (45, 45))),
        (squares((0, 0), (0, 30)), squares()),
        (squares((0, 0), (0, 30)), squares((0, 0), (0, 30))),
        (squares(), squares((0, 0), (5, 30))),
        (squares(), squares()),
    ],
    ids=["some", "nothing found", "all", "nothing there", "empty"],
)
def test_counts_of_all_cells_give_the_ap_of_the_image(
    truth: np.ndarray, labels: np.ndarray
) -> None:
    found, total = cell_counts(truth, labels).sum(0)
    aps = [
        each.average_precision for each in match_labels(truth, labels, MSA_THRESHOLDS)
    ]
    if total.any():
        assert found / total == pytest.approx(aps)
    else:
        assert aps == [1.0] * N


def test_a_cell_too_many_counts_with_the_nearest_true_one() -> None:
    counts = cell_counts(squares((0, 0), (40, 40)), squares((0, 0), (40, 40), (20, 45)))
    assert counts[:, 0].tolist() == [[1] * N, [1] * N]
    assert counts[:, 1].tolist() == [[1] * N, [2] * N]


def image(*found: int) -> CellCounts:
    """Return an image of cells that are found at all thresholds, or at none."""
    hits = np.repeat(np.array(found, float)[:, None], N, axis=1)
    return np.stack([hits, np.ones_like(hits)], 1)


def test_a_model_that_is_better_everywhere_is_surely_better() -> None:
    old, new = [image(*[0, 1] * 10)] * 4, [image(*[1, 1] * 10)] * 4
    assert sureness(old, new) == 1.0
    assert sureness(new, old) == 0.0


def test_a_model_that_is_the_same_is_not_better() -> None:
    same = [image(0, 1, 1), image(1, 0)]
    assert sureness(same, same) == 0.0
    assert sureness([], []) == 0.0


def test_a_gain_on_one_image_of_three_is_not_sure_however_many_cells_it_has() -> None:
    old = [image(*[0] * 200), image(1, 1), image(1, 1)]
    new = [image(*[1] * 200), image(1, 1), image(1, 1)]
    # In (2 / 3) ** 3 of the draws this image is not among them.
    assert sureness(old, new) == pytest.approx(19 / 27, abs=0.08)


@pytest.mark.parametrize(
    ("chance", "fewest", "most"),
    [(0.7, 0, 20), (0.9, 180, 200)],
    ids=["same", "better"],
)
def test_of_equally_good_models_few_look_surely_better_of_better_ones_most(
    chance: float, fewest: int, most: int
) -> None:
    rng = np.random.default_rng(3)
    n_sure = 0
    for _ in range(200):
        old = [image(*(rng.random(20) < 0.7)) for _ in range(8)]
        new = [image(*(rng.random(20) < chance)) for _ in range(8)]
        n_sure += sureness(old, new) >= 0.9
    assert fewest <= n_sure <= most
