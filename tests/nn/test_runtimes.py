"""ONNX Runtime and OpenVINO give what torch gives, and say so when they cannot."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cellseg.core.errors import ModelError
from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.training.matching import match_labels
from napari_cellseg.core.types import CellImage
from napari_cellseg.nn.inference import exporting, runtimes
from napari_cellseg.nn.inference.exporting import export_model
from napari_cellseg.nn.inference.local import LocalSegmenter
from napari_cellseg.nn.network import CellNet

HAS_ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))
HAS_OPENVINO = HAS_ONNX and importlib.util.find_spec("openvino") is not None
needs_onnx = pytest.mark.skipif(not HAS_ONNX, reason="napari-cellseg[onnx] is not here")
needs_openvino = pytest.mark.skipif(
    not HAS_OPENVINO, reason="napari-cellseg[openvino] is not here"
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr(runtimes, "user_cache_path", lambda *_, **__: folder)
    return folder


@pytest.mark.parametrize(
    ("device", "least_ap"),
    [
        pytest.param("onnx", 0.99, marks=needs_onnx),
        pytest.param("openvino", 0.95, marks=needs_openvino),
        pytest.param("openvino-int8", 0.75, marks=needs_openvino),
    ],
)
def test_other_runtimes_find_the_same_cells(
    nuclei: CellImage, cache: Path, device: str, least_ap: float
) -> None:
    expected = run(LocalSegmenter(device="cpu").segment(nuclei, SegmentOptions()))
    segmenter = LocalSegmenter(device=device)
    found = run(segmenter.segment(nuclei, SegmentOptions()))
    assert expected.n_cells > 3
    assert (
        match_labels(expected.labels, found.labels, [0.8])[0].average_precision
        >= least_ap
    )
    assert found.device == runtimes.RUNTIMES[device]
    assert found.model_digest == expected.model_digest
    assert any(cache.rglob("*.onnx"))


@needs_onnx
def test_an_exported_model_answers_as_torch_does(
    tiny_model: Path, tiny_network: CellNet, tmp_path: Path
) -> None:
    out = tmp_path / "tiny.onnx"
    export_model(tiny_model, out, is_int8=False)
    pixels = torch.rand(1, 3, 96, 160)
    with torch.inference_mode():
        np.testing.assert_allclose(
            runtimes.OnnxNetwork(out)(pixels), tiny_network.eval()(pixels), atol=0.05
        )


@needs_onnx
def test_a_damaged_file_in_the_cache_is_one_sentence(
    tiny_model: Path, cache: Path
) -> None:
    LocalSegmenter(tiny_model, "onnx")
    file = next(cache.rglob("*.onnx"))
    file.write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"cannot load .* made anew"):
        LocalSegmenter(tiny_model, "onnx")


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("onnx", r"napari-cellseg\[onnx\]"),
        ("openvino-int8", r"napari-cellseg\[openvino\]"),
    ],
)
def test_a_runtime_that_is_not_installed_is_named_with_what_installs_it(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, device: str, words: str
) -> None:
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=words):
        LocalSegmenter(tiny_model, device)
