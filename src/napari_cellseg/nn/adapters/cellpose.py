"""Cellpose 3 and 4 (Stringer et al. 2021, doi:10.1038/s41592-020-01018-x), if installed."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import Labels
from napari_cellseg.nn.adapters.offers import ForeignModel, Offer

WEIGHTS_LICENCE = "trained on CC-BY-NC data, not for commercial use"
#: Models of Cellpose 3 that come with a second one that finds the diameter.
SIZED = ("cyto3", "cyto2", "cyto", "nuclei")


def _models(version: str) -> tuple[ForeignModel, ...]:
    """Return the models that a version knows by name."""
    if int(version.split(".")[0]) >= 4:
        return (
            ForeignModel(
                "cpsam_v2",
                "Cells and nuclei of every kind; 305 million parameters (1.2 GB), slow "
                "without a GPU.",
                WEIGHTS_LICENCE,
            ),
            ForeignModel("cpdino-vitb", "Cells and nuclei; smaller.", WEIGHTS_LICENCE),
        )
    return (
        ForeignModel("cyto3", "Whole cells of every kind.", WEIGHTS_LICENCE),
        ForeignModel("nuclei", "Nuclei in fluorescence.", WEIGHTS_LICENCE, 17.0),
    )


class CellposeProgram:
    """Cellpose with a model loaded.

    Parameters
    ----------
    name : str
        A name that Cellpose knows, or the path of a weights file.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    """

    def __init__(self, name: str, device: str) -> None:
        from cellpose import models

        from napari_cellseg.nn.device import choose_device, device_title

        chosen = choose_device(device)
        self.device = device_title(chosen)
        gpu = chosen.type != "cpu"
        if Path(name).is_file() or not hasattr(models, "Cellpose"):
            found = models.CellposeModel(gpu=gpu, device=chosen, pretrained_model=name)
        elif name in SIZED:
            found = models.Cellpose(gpu=gpu, device=chosen, model_type=name)
        else:
            found = models.CellposeModel(gpu=gpu, device=chosen, model_type=name)
        self._model: Any = found
        network = getattr(found, "cp", found)
        self.digest = digest_of(getattr(network, "pretrained_model", ""))

    def segment_plane(
        self, plane: NDArray[np.generic], options: SegmentOptions
    ) -> tuple[Labels, NDArray[np.float32]]:
        """Return labels, and the mean probability of "cell" in each of them."""
        values: dict[str, Any] = {"diameter": options.diameter_px}
        if options.foreground_threshold is not None:
            share = options.foreground_threshold
            values["cellprob_threshold"] = float(np.log(share / (1 - share)))
        if "channels" in inspect.signature(self._model.eval).parameters:
            values["channels"] = [0, 0]
        is_grey = len(plane) == 1
        pixels = plane[0] if is_grey else np.moveaxis(plane, 0, -1)
        axis = None if is_grey else -1
        answer = self._model.eval(pixels, channel_axis=axis, **values)
        labels = np.asarray(answer[0]).astype(np.int32)
        return labels, mean_in_cells(labels, np.asarray(answer[1][2]))


def digest_of(weights: object) -> str:
    """Return the SHA-256 of a weights file, or "" if there is no such file."""
    path = Path(str(weights))
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def mean_in_cells(labels: Labels, odds: NDArray[Any]) -> NDArray[np.float32]:
    """Return for ids 1..max the mean probability, from (y, x) log-odds."""
    n_ids = int(labels.max(initial=0)) + 1
    chance = 1 / (1 + np.exp(-np.clip(odds.astype(np.float64), -30, 30)))
    n_pixels = np.bincount(labels.ravel(), minlength=n_ids)
    total = np.bincount(labels.ravel(), chance.ravel(), n_ids)
    return np.asarray(total[1:] / np.maximum(n_pixels[1:], 1), dtype=np.float32)


CELLPOSE = Offer(
    "cellpose",
    "Cellpose",
    "cellpose",
    "cellpose",
    "pip install cellpose",
    "BSD-3-Clause",
    _models,
    CellposeProgram,
)
