"""Other runtimes behind the same `Predictor`: ONNX Runtime, OpenVINO, OpenVINO in int8.

The exported network is kept in the user's cache under the digest of its weights, so that
only the first run waits for it.
"""

from __future__ import annotations

from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from platformdirs import user_cache_path
from torch import Tensor

from napari_cellseg.core.errors import ModelError, SaveError
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.nn.device import choose_device, device_title
from napari_cellseg.nn.inference.exporting import (
    PIXELS,
    export_int8,
    export_onnx,
    needs,
)
from napari_cellseg.nn.inference.predict import Predictor
from napari_cellseg.nn.network import CellNet

#: What stands for a device, and what it is called.
RUNTIMES = {
    "onnx": "CPU, ONNX Runtime",
    "openvino": "CPU, OpenVINO",
    "openvino-int8": "CPU, OpenVINO int8",
}
#: Changes when an exported file of the same weights would.
EXPORT_VERSION = 1


def open_predictor(
    network: CellNet, spec: ModelSpec, device: str, thread: Executor | None = None
) -> tuple[Predictor, str]:
    """Return a network ready to run on a device or in a runtime, and where, in words.

    Parameters
    ----------
    network : CellNet
        Changed in place.
    spec : ModelSpec
        What it is.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"``, or a key of `RUNTIMES`.
    thread : Executor or None
        See `Predictor`.

    Raises
    ------
    SegmentationError
        If the device is not there.
    ModelError
        If the runtime is not installed or cannot load the network.
    """
    if device not in RUNTIMES:
        predictor = Predictor(network, choose_device(device), thread)
        return predictor, device_title(predictor.device)
    needs("onnxruntime" if device == "onnx" else "openvino", device.split("-")[0])
    file = exported_file(network, spec, is_int8=device == "openvino-int8")
    runtime = OnnxNetwork(file) if device == "onnx" else OpenVinoNetwork(file)
    return Predictor(runtime, torch.device("cpu"), thread), RUNTIMES[device]


def exported_file(network: CellNet, spec: ModelSpec, *, is_int8: bool) -> Path:
    """Return the ONNX file of a model from the cache, exported first if it is not there."""
    folder = user_cache_path("napari-cellseg", appauthor=False) / "exported"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SaveError(f"'{folder}' could not be made: {error.strerror}.") from error
    stem = f"{spec.weights_sha256[:24]}-{EXPORT_VERSION}"
    plain, small = folder / f"{stem}.onnx", folder / f"{stem}-int8.onnx"
    if not plain.is_file():
        export_onnx(network, plain)
    if is_int8 and not small.is_file():
        export_int8(plain, spec, small)
    return small if is_int8 else plain


class OnnxNetwork(torch.nn.Module):
    """An ONNX file in ONNX Runtime, on as many threads as torch would use."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as reasons

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"]
            )
        except (reasons.Fail, reasons.InvalidGraph, reasons.InvalidProtobuf) as error:
            raise _unusable(file, "ONNX Runtime") from error

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) to (n, 5, h, w); h and w are multiples of `STRIDE`."""
        pixels = np.ascontiguousarray(x.numpy())
        return torch.from_numpy(self._session.run(None, {PIXELS: pixels})[0])


class OpenVinoNetwork(torch.nn.Module):
    """An ONNX file in OpenVINO, on as many threads as torch would use."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        import openvino

        n_threads = torch.get_num_threads()
        try:
            self._compiled: Any = openvino.Core().compile_model(
                str(file), "CPU", {"INFERENCE_NUM_THREADS": n_threads}
            )
        except RuntimeError as error:
            raise _unusable(file, "OpenVINO") from error

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) to (n, 5, h, w); h and w are multiples of `STRIDE`."""
        pixels = np.ascontiguousarray(x.numpy())
        return torch.from_numpy(np.array(self._compiled(pixels)[0]))


def _unusable(file: Path, runtime: str) -> ModelError:
    """Return the error for a file that a runtime does not load."""
    return ModelError(
        f"{runtime} cannot load '{file}'; delete it, and it is made anew, or run on the "
        "device 'cpu'."
    )
