"""Model folders: `model.json` beside `weights.safetensors`, checked before use."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

from napari_cellseg.core.errors import ModelError, SaveError, TrainingError
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.io.atomic import replacing
from napari_cellseg.io.models.folder import SPEC_NAME, WEIGHTS_NAME, read_model_spec
from napari_cellseg.nn.network import CellNet

MAX_WEIGHTS_BYTES = 2**30


def save_model(folder: Path, network: CellNet, spec: ModelSpec) -> ModelSpec:
    """Write a model folder and return its spec with the digest of the weights.

    Weights are stored as float16: half the size, and the loss in accuracy is far below
    what moves a cell's edge by a pixel.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: _stored(value) for name, value in network.state_dict().items()}
    content = save_safetensors(tensors)
    spec = replace(
        spec,
        architecture="CellNet",
        widths=network.widths,
        weights_sha256=hashlib.sha256(content).hexdigest(),
    )
    with replacing(folder / WEIGHTS_NAME) as temporary:
        temporary.write_bytes(content)
    with replacing(folder / SPEC_NAME) as temporary:
        temporary.write_text(spec.to_json(), encoding="utf-8")
    return spec


def _stored(value: Tensor) -> Tensor:
    """Return the tensor as it is written: float16, whole numbers as they are."""
    kept = value.detach().cpu().contiguous()
    return kept.half() if kept.is_floating_point() else kept


def save_state(state: Mapping[str, object], path: Path) -> None:
    """Write what torch can pickle; a full disk is a `SaveError`, as with other files."""
    try:
        torch.save(state, path)
    except RuntimeError as error:
        # torch's writer tells of no reason; on a disk with room it does not fail.
        raise SaveError(
            f"'{path.parent}' could not be written: the disk is probably full. Free some "
            "space; then the training can go on from where it last saved."
        ) from error


def load_state(path: Path) -> dict[str, Any]:
    """Return what `save_state` wrote, on the CPU, or nothing if there is no file.

    Raises
    ------
    TrainingError
        If it is damaged.
    """
    if not path.is_file():
        return {}
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        missing = {"network", "mean", "optimizer", "step"} - state.keys()
    except (
        RuntimeError,
        EOFError,
        ValueError,
        AttributeError,
        pickle.UnpicklingError,
    ) as error:
        raise TrainingError(
            f"'{path}' is damaged and cannot be gone on from. Start a new training, or "
            "delete this file to begin the same one anew."
        ) from error
    if missing:
        raise TrainingError(
            f"'{path}' is no checkpoint of this program: there is no {sorted(missing)} in "
            "it. Delete it to train from the beginning."
        )
    return state


def load_model(folder: Path) -> tuple[CellNet, ModelSpec]:
    """Return the network, in evaluation mode on the CPU, and its spec.

    Raises
    ------
    ModelError
        If a file is missing, the digest differs, the tensors are not those of the
        architecture, or a weight is not a number.
    """
    spec = read_model_spec(folder)
    content = _checked_content(folder / WEIGHTS_NAME, spec)
    if spec.architecture != "CellNet":
        raise ModelError(
            f"'{folder}' is a model for '{spec.architecture}'; this program runs CellNet."
        )
    try:
        tensors = load_safetensors(content)
    except SafetensorError as error:
        raise ModelError(
            f"The weights in '{folder}' are corrupt: {error}. Import the model again."
        ) from error
    with torch.device("meta"):  # widths that weights are not there for cost no memory
        expected = _kinds(CellNet(spec.widths).state_dict())
    found = _kinds(tensors)
    if expected != found:
        wrong = sorted(set(expected.items()) ^ set(found.items()))[0][0]
        raise ModelError(
            f"The weights in '{folder}' are not those of CellNet {spec.widths} "
            f"(first difference: '{wrong}'). Import the model again."
        )
    if not all(bool(value.float().isfinite().all()) for value in tensors.values()):
        raise ModelError(
            f"The weights in '{folder}' hold values that are no numbers. Train the model again."
        )
    network = CellNet(spec.widths)
    network.load_state_dict(tensors)
    return network.float().eval(), spec


def _kinds(tensors: Mapping[str, Tensor]) -> dict[str, tuple[tuple[int, ...], bool]]:
    """Return the shape of each tensor, and whether it is of floating-point numbers."""
    return {
        name: (tuple(value.shape), value.is_floating_point())
        for name, value in tensors.items()
    }


def _checked_content(path: Path, spec: ModelSpec) -> bytes:
    """Return the bytes of the weights file after checking size and digest."""
    if not path.is_file():
        raise ModelError(
            f"There is no '{path.name}' in '{path.parent}'; choose a complete model folder."
        )
    if path.stat().st_size > MAX_WEIGHTS_BYTES:
        raise ModelError(
            f"'{path}' is larger than 1 GiB and not read; a CellNet has some 10 MB."
        )
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != spec.weights_sha256:
        raise ModelError(
            f"'{path}' has the digest {digest[:12]}…, its model.json says "
            f"{spec.weights_sha256[:12]}…; the file was changed or "
            "is damaged. Import the model again."
        )
    return content
