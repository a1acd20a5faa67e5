"""What is left to the model is filled in from it; what a person sets stays."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from napari_cellseg.core.errors import ModelError
from napari_cellseg.core.model_spec import (
    ModelSpec,
    check_model_spec,
    model_spec_from_json,
    settled_options,
)
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


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "[]"])
def test_a_description_that_is_no_json_object_is_one_sentence(text: str) -> None:
    with pytest.raises(ModelError, match=r"^it ") as caught:
        model_spec_from_json(text, "it")
    assert "\n" not in str(caught.value)


def test_what_a_description_lacks_is_named() -> None:
    values = json.loads(SPEC.to_json())
    del values["widths"], values["name"]
    with pytest.raises(ModelError, match="lacks name, widths"):
        model_spec_from_json(json.dumps(values), "it")


def text_of(**values: object) -> str:
    whole = json.loads(replace(SPEC, weights_sha256="a" * 64).to_json())
    return json.dumps({**whole, **values})


def test_a_description_survives_being_written() -> None:
    spec = replace(SPEC, weights_sha256="a" * 64, name="Zellen, grün (2)")
    assert model_spec_from_json(spec.to_json(), "model.json") == spec
    check_model_spec(spec, "model.json")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "../../elsewhere"),
        ("name", "..\\elsewhere"),
        ("name", ".hidden"),
        ("name", ""),
        ("name", 7),
        ("name", "x" * 101),
        ("name", "half a sign \ud800"),
        ("title", 5),
        ("title", "half a sign \ud800"),
        ("description", None),
        ("figures", 5),
        ("sides", ["A01"]),
        ("widths", 8),
        ("widths", [10**9, 10**9]),
        ("widths", [8] * 40),
        ("widths", [8, -8]),
        ("widths", ["8", "8"]),
        ("widths", [True, True]),
        ("weights_sha256", ""),
        ("weights_sha256", None),
        ("decoder", "magic"),
        ("diameter_px", float("nan")),
        ("diameter_px", 0),
        ("diameter_px", "28"),
        ("foreground_threshold", 1.5),
        ("seed_threshold", None),
        ("min_confidence", -1),
        ("low_percentile", -3),
        ("high_percentile", 0.5),
    ],
)
def test_values_that_no_model_has_are_refused_in_one_sentence(
    key: str, value: object
) -> None:
    with pytest.raises(ModelError, match=f"says {key} = ") as caught:
        check_model_spec(model_spec_from_json(text_of(**{key: value}), "it"), "it")
    assert "\n" not in str(caught.value)
