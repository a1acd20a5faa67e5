"""How long a model learns from corrections."""

from __future__ import annotations

import pytest

from napari_cellseg.core.train_options import (
    FINE_TUNE_PRESETS,
    MOST_STEPS,
    FineTuneOptions,
)


@pytest.mark.parametrize(
    ("options", "n_cells", "steps"),
    [
        (FineTuneOptions("thorough"), 200, FINE_TUNE_PRESETS["thorough"][0]),
        (FineTuneOptions("thorough"), 20_000, 8_000),
        (FineTuneOptions("thorough"), 10**6, MOST_STEPS),
        (FineTuneOptions("from_scratch"), 20_000, 8_000),
        # What a person sets holds, and quick means quick.
        (FineTuneOptions("thorough", steps=50), 20_000, 50),
        (FineTuneOptions("quick"), 20_000, FINE_TUNE_PRESETS["quick"][0]),
    ],
)
def test_more_checked_cells_are_learned_from_for_longer(
    options: FineTuneOptions, n_cells: int, steps: int
) -> None:
    assert options.steps_for(n_cells) == steps
