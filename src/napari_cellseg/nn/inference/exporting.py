"""A network as an ONNX file, in float32 or int8, for runtimes that are faster on CPUs."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from napari_cellseg.core.errors import ModelError
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.segmentation.intensity import normalize
from napari_cellseg.core.synthetic import CellOptions, SceneOptions, make_scene
from napari_cellseg.core.synthetic.options import KINDS
from napari_cellseg.io.atomic import replacing
from napari_cellseg.nn.inference.predict import folded
from napari_cellseg.nn.network import CellNet
from napari_cellseg.nn.weights import load_model

PIXELS, MAPS = "pixels", "maps"
OPSET = 17
#: Scenes that the ranges of int8 are found on: each kind of synthetic cells, twice.
CALIBRATION_SCENES = 2
CALIBRATION_PX = 256
#: These stay in float32: what reads pixels, and what answers, is hurt by 8 bits.
KEPT_PARTS = ("/stem/", "/detail/", "/merge/", "/head/")


def needs(package: str, extra: str) -> None:
    """Raise `ModelError` if an optional package is not installed."""
    if find_spec(package) is None:
        raise ModelError(
            f"This needs '{package}', which is not installed: "
            f"pip install 'napari-cellseg[{extra}]'"
        )


def export_model(folder: Path, out: Path, *, is_int8: bool) -> None:
    """Write the network of a model folder as ONNX; raises as the two below."""
    network, spec = load_model(folder)
    if not is_int8:
        export_onnx(network, out)
        return
    with tempfile.TemporaryDirectory(prefix="cellseg-onnx-") as name:
        plain = Path(name) / "plain.onnx"
        export_onnx(network, plain)
        export_int8(plain, spec, out)


def export_onnx(network: CellNet, out: Path) -> None:
    """Write a network as ONNX, batch norm folded in: (n, 3, h, w) to (n, 5, h, w).

    Parameters
    ----------
    network : CellNet
        Changed in place (see `Predictor`).
    out : Path
        File to write; h and w of its input must be multiples of `STRIDE`.

    Raises
    ------
    ModelError
        If the package onnx is not installed.
    SaveError
        If the file cannot be written.
    """
    needs("onnx", "onnx")
    # Sizes of this trace are free afterwards.
    pixels = torch.zeros(1, 3, 64, 96)
    axes = {0: "n", 2: "height", 3: "width"}
    with replacing(out) as temporary, warnings.catch_warnings():
        # The newer exporter needs one more package and gives the same graph.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            folded(network.eval()),
            (pixels,),
            str(temporary),
            input_names=[PIXELS],
            output_names=[MAPS],
            dynamic_axes={PIXELS: axes, MAPS: axes},
            opset_version=OPSET,
            dynamo=False,
        )


def export_int8(onnx_file: Path, spec: ModelSpec, out: Path) -> None:
    """Write an ONNX file with 8-bit convolutions, ranges found on synthetic scenes.

    Parameters
    ----------
    onnx_file : Path
        From `export_onnx`.
    spec : ModelSpec
        How the model wants its pixels.
    out : Path
        File to write.

    Raises
    ------
    ModelError
        If onnx or onnxruntime is not installed.
    SaveError
        If the file cannot be written.
    """
    needs("onnx", "onnx")
    needs("onnxruntime", "onnx")
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    nodes = [node.name for node in onnx.load(onnx_file).graph.node]
    kept = [name for name in nodes if name.startswith(KEPT_PARTS)]
    # It recommends a preparation that serves graphs of fixed size only.
    logging.getLogger().addFilter(_is_not_advice)
    try:
        with replacing(out) as temporary:
            quantize_static(
                str(onnx_file),
                str(temporary),
                _Scenes(spec),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv"],
                nodes_to_exclude=kept,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
    finally:
        logging.getLogger().removeFilter(_is_not_advice)


def _is_not_advice(record: logging.LogRecord) -> bool:
    """Return False for the quantizer's advice to preprocess."""
    return "pre-processing before quantization" not in str(record.msg)


class _Scenes:
    """Gives one scene after another, as the quantizer asks for them."""

    def __init__(self, spec: ModelSpec) -> None:
        self._scenes = _calibration_pixels(spec)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """Return the next (1, 3, y, x) pixels, or None after the last."""
        pixels = next(self._scenes, None)
        return None if pixels is None else {PIXELS: pixels}


def _calibration_pixels(spec: ModelSpec) -> Iterator[NDArray[np.float32]]:
    """Yield normalised pixels of every kind of scene; the same at every call."""
    for number in range(CALIBRATION_SCENES):
        for kind in KINDS:
            cells = CellOptions(kind=kind, n_cells=60)
            options = SceneOptions((CALIBRATION_PX, CALIBRATION_PX), cells)
            plane = make_scene(options, seed=number + 1).image.plane()
            chosen = plane if len(plane) == 3 else plane[:1]
            shown = normalize(chosen, spec.low_percentile, spec.high_percentile)
            yield np.ascontiguousarray(shown[None])
