"""A folder goes on with the training that it holds, and says why not with another."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.train_options import FineTuneOptions
from napari_cellseg.core.training.item import TrainingItem
from napari_cellseg.io.models.training_files import (
    REQUEST_NAME,
    TrainingRequest,
    read_request,
    write_request,
)

REQUEST = TrainingRequest("a model", "cpu", FineTuneOptions(steps=9), "mine", "Mine")


def item_of(plane: np.ndarray | None = None, group: str = "field 1") -> TrainingItem:
    labels = np.zeros((20, 20), np.int32)
    labels[3:9, 3:9] = 1
    pixels = np.ones((1, 20, 20), np.float32) if plane is None else plane
    return TrainingItem(pixels, labels, labels > 0, "one.tif", group)


@pytest.mark.parametrize(
    ("other", "item", "words"),
    [
        (replace(REQUEST, options=FineTuneOptions(steps=7)), item_of(), "steps 9"),
        (replace(REQUEST, model="b"), item_of(), "the model 'a model'"),
        (REQUEST, item_of(group="field 2"), "other images, labels or groups"),
    ],
    ids=["options", "model", "groups"],
)
def test_what_another_training_was_begun_with_is_told(
    tmp_path: Path, other: TrainingRequest, item: TrainingItem, words: str
) -> None:
    write_request(tmp_path, REQUEST, [item_of()])
    with pytest.raises(TrainingError, match=words) as caught:
        write_request(tmp_path, other, [item])
    assert "older version" in str(caught.value)
    assert "Choose another folder, or delete it" in str(caught.value)


def change_request(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    path = folder / REQUEST_NAME
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_an_option_that_an_older_version_did_not_know_stops_nothing(
    tmp_path: Path,
) -> None:
    write_request(tmp_path, REQUEST, [item_of()])

    def forget(content: dict[str, object]) -> None:
        options = content["options"]
        assert isinstance(options, dict)
        del options["replay_share"]

    change_request(tmp_path, forget)
    write_request(tmp_path, REQUEST, [item_of()])
    assert read_request(tmp_path)[0] == REQUEST


def test_a_damaged_request_is_told_of(tmp_path: Path) -> None:
    write_request(tmp_path, REQUEST, [item_of()])
    (tmp_path / REQUEST_NAME).write_text('{"model": "a mo')
    with pytest.raises(TrainingError, match="delete it to begin anew"):
        write_request(tmp_path, REQUEST, [item_of()])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_image_without_a_number_is_refused_by_name(value: float) -> None:
    with pytest.raises(
        TrainingError, match=r"'one\.tif' has no pixel that is a number"
    ):
        item_of(np.full((1, 20, 20), value, np.float32))


def test_a_few_broken_pixels_are_no_reason_to_refuse() -> None:
    plane = np.ones((1, 20, 20), np.float32)
    plane[0, :5] = np.nan
    assert item_of(plane).cell_ids().tolist() == [1]
