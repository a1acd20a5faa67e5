"""What is left to the model is filled in from it; what a person sets stays."""

from __future__ import annotations

import pytest

from napari_cellseg.core.model_spec import ModelSpec, settled_options
from napari_cellseg.core.options import SegmentOptions

SPEC = ModelSpec(
    "cells",
    "Cells",
    "",
    "CellNet",
    (8, 16),
    28.0,
    "",
    decoder="flow",
    foreground_threshold=0.4,
    seed_threshold=0.6,
    min_confidence=0.3,
)
LEFT_TO_THE_MODEL = {
    "decoder": ("auto", "flow", "watershed"),
    "foreground_threshold": (None, 0.4, 0.7),
    "seed_threshold": (None, 0.6, 0.2),
    "min_confidence": (None, 0.3, 0.0),
}


@pytest.mark.parametrize("name", LEFT_TO_THE_MODEL)
def test_the_model_settles_what_is_left_to_it(name: str) -> None:
    left, of_model, _ = LEFT_TO_THE_MODEL[name]
    settled = settled_options(SegmentOptions(**{name: left}), SPEC)
    assert getattr(settled, name) == of_model


@pytest.mark.parametrize("name", LEFT_TO_THE_MODEL)
def test_what_a_person_sets_stays(name: str) -> None:
    _, _, by_hand = LEFT_TO_THE_MODEL[name]
    settled = settled_options(SegmentOptions(**{name: by_hand}), SPEC)
    assert getattr(settled, name) == by_hand
