"""Model folders are checked before a byte of them is used."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from napari_cellseg.core.errors import ModelError
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.io.models.folder import find_model, list_models, read_model_spec
from napari_cellseg.nn import weights
from napari_cellseg.nn.network import CellNet
from napari_cellseg.nn.weights import load_model, save_model


def change_spec(folder: Path, **values: object) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_saved_model_gives_the_same_maps_up_to_half_precision(
    tiny_model: Path, tiny_network: CellNet
) -> None:
    network, _ = load_model(tiny_model)
    pixels = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        np.testing.assert_allclose(network(pixels), tiny_network(pixels), atol=0.05)


def test_weights_that_were_changed_are_refused(tiny_model: Path) -> None:
    path = tiny_model / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ModelError, match="changed or is damaged"):
        load_model(tiny_model)


def test_weights_of_another_shape_are_refused(tiny_model: Path) -> None:
    change_spec(tiny_model, widths=[8, 8, 16, 8, 8])
    with pytest.raises(ModelError, match="not those of CellNet"):
        load_model(tiny_model)


def test_weights_of_another_shape_cost_no_memory(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[CellNet] = []

    def make(widths: tuple[int, ...]) -> CellNet:
        made.append(CellNet(widths))
        return made[-1]

    monkeypatch.setattr(weights, "CellNet", make)
    change_spec(tiny_model, widths=[64, 64])  # 2048 of each took 6 GB and a minute
    with pytest.raises(ModelError, match="not those of CellNet"):
        load_model(tiny_model)
    assert all(value.is_meta for value in made[0].state_dict().values())


@pytest.mark.parametrize("dtype", [torch.int8, torch.complex64, torch.float8_e4m3fn])
def test_weights_of_other_numbers_are_refused(
    tiny_model: Path, tiny_network: CellNet, dtype: torch.dtype
) -> None:
    content = save({k: v.to(dtype) for k, v in tiny_network.state_dict().items()})
    (tiny_model / "weights.safetensors").write_bytes(content)
    change_spec(tiny_model, weights_sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(ModelError, match="not those of CellNet"):
        load_model(tiny_model)


def test_another_architecture_is_refused(tiny_model: Path) -> None:
    change_spec(tiny_model, architecture="StarNet")
    with pytest.raises(ModelError, match="StarNet"):
        load_model(tiny_model)


def test_weights_that_are_no_numbers_are_refused(
    tmp_path: Path, tiny_network: CellNet
) -> None:
    with torch.no_grad():
        tiny_network.head.weight[0, 0] = float("nan")
    spec = ModelSpec("bad", "Bad", "", "CellNet", (), 28.0, "")
    save_model(tmp_path / "bad", tiny_network, spec)
    with pytest.raises(ModelError, match="no numbers"):
        load_model(tmp_path / "bad")


@pytest.mark.parametrize(
    "text",
    ["", "<html>403</html>", "[]", '{"format_version": 99}', '{"format_version": 1}'],
)
def test_a_model_json_that_is_none_is_one_sentence(tiny_model: Path, text: str) -> None:
    (tiny_model / "model.json").write_text(text)
    with pytest.raises(ModelError, match=r"model\.json") as caught:
        read_model_spec(tiny_model)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_unknown_lists_those_that_are() -> None:
    with pytest.raises(ModelError, match="cells-general"):
        find_model("no-such-model")


def test_a_model_of_another_program_is_not_looked_for_among_ours() -> None:
    with pytest.raises(ModelError, match=r"'cellpose:cyto3'.*only segments"):
        find_model("cellpose:cyto3")


def test_the_shipped_model_is_whole_and_below_25_megabytes() -> None:
    folder, spec = list_models()[0]
    assert spec.name == "cells-general"
    assert (folder / "weights.safetensors").stat().st_size < 25e6
    load_model(folder)


def test_models_of_the_user_are_listed(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLSEG_MODELS", str(tiny_model.parent))
    assert find_model("tiny") == tiny_model
