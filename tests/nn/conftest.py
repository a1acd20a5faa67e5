"""A tiny network with weights of its own, so that these tests need no shipped model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.synthetic import sample_image
from napari_cellseg.core.types import CellImage
from napari_cellseg.nn.network import CellNet
from napari_cellseg.nn.weights import save_model


@pytest.fixture
def tiny_network() -> CellNet:
    torch.manual_seed(0)
    return CellNet((8, 8, 8, 8, 8)).eval()


@pytest.fixture
def tiny_model(tmp_path: Path, tiny_network: CellNet) -> Path:
    spec = ModelSpec("tiny", "Tiny", "For tests.", "CellNet", (), 28.0, "")
    save_model(tmp_path / "tiny", tiny_network, spec)
    return tmp_path / "tiny"


@pytest.fixture
def nuclei() -> CellImage:
    image = sample_image("nuclei")
    return CellImage(np.asarray(image.data)[:, :200, :230], name="nuclei")
