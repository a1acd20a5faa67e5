"""Training of the model that ships: sets, validation, report, model folder."""

from __future__ import annotations

import copy
import hashlib
import json
import platform
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from napari_cellseg import __version__
from napari_cellseg.core.jobs import Job, Progress, run
from napari_cellseg.core.model_spec import ModelSpec, settled_options
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.decode import labels_from_maps
from napari_cellseg.core.train_options import TrainOptions
from napari_cellseg.io.atomic import replacing
from napari_cellseg.io.datasets.base_sets import BaseSets, base_sets
from napari_cellseg.io.datasets.dataset import Sample
from napari_cellseg.io.datasets.importing import digest_of
from napari_cellseg.io.models.folder import DEFAULT_MODEL
from napari_cellseg.nn.device import choose_device, device_title
from napari_cellseg.nn.evaluate import KindScore, Predict, evaluate, scores_by_kind
from napari_cellseg.nn.inference.looking import Looker
from napari_cellseg.nn.inference.predict import Predictor
from napari_cellseg.nn.network import CellNet
from napari_cellseg.nn.training.curve import (
    STEP,
    VALIDATION_NAME,
    append_row,
    forget_after,
    write_curve,
)
from napari_cellseg.nn.training.data import (
    PERCENTILES,
    kinds_of,
    load_training_images,
    require_folder,
    synthetic_training_images,
)
from napari_cellseg.nn.training.examples import write_examples
from napari_cellseg.nn.training.loop import TrainReport, fit
from napari_cellseg.nn.training.team import ALONE, Team
from napari_cellseg.nn.weights import save_model

REPORT_NAME = "report.json"


@dataclass(frozen=True, slots=True)
class BaseRun:
    """Where a run reads from and writes to.

    Attributes
    ----------
    data : Path
        Folder with the training sets, see `io.datasets.base_sets`.
    out : Path
        Gets checkpoint, curve, figures and pictures of each validation, report and, in
        ``model/``, the model folder.
    command : str
        The command line, for the record.
    device : str
        See `nn.device.choose_device`.
    """

    data: Path
    out: Path
    command: str
    device: str = "auto"


def base_spec(command: str) -> ModelSpec:
    """Return what the shipped model is and expects; figures and digest come later."""
    return ModelSpec(
        name=DEFAULT_MODEL,
        title="Cells, general",
        description=(
            "Nuclei and whole cells in fluorescence, phase contrast, brightfield and "
            "H&E, some 8 to 110 pixels across, and bacteria. One channel, or colour."
        ),
        architecture="CellNet",
        widths=(),
        diameter_px=28.0,
        weights_sha256="",
        low_percentile=PERCENTILES[0],
        high_percentile=PERCENTILES[1],
        foreground_threshold=0.5,
        seed_threshold=0.6,
        min_confidence=0.3,
        training_data=(
            "DSB2018 stage 1 without the 50 images of the StarDist benchmark (CC0); "
            "Usiigaci phase contrast (MIT; Tsai et al. 2019); BBBC005v1 with exact masks "
            "(CC BY 3.0; Ljosa et al. 2012, Lehmussola et al. 2007); synthetic scenes of "
            "this package."
        ),
        licence="BSD-3-Clause",
        command=command,
    )


def train_base(
    place: BaseRun, options: TrainOptions, team: Team = ALONE
) -> Job[TrainReport]:
    """Train the general model; a run that was stopped goes on where it was.

    Parameters
    ----------
    place : BaseRun
        What every process reads, and where the leader writes.
    options : TrainOptions
        How.
    team : Team
        The processes that share each step.

    Raises
    ------
    TrainingError, ImageReadError
        If the sets are not there or the loss is no number.
    """
    sets = base_sets(require_folder(place.data))
    yield Progress(0, 0, "reading the training images")
    images = list(load_training_images(sets.training))
    yield Progress(0, 0, "drawing synthetic scenes")
    images += synthetic_training_images(options.synthetic_images, options.seed)
    spec = base_spec(place.command)
    device = choose_device(place.device)
    validate = _Validation(place.out, sets, spec, device)
    network, report = yield from fit(
        images, options, place.out, device, validate, team=team
    )
    if team.is_leader:
        spec = replace(spec, figures=report.figures)
        spec = save_model(place.out / "model", network.to("cpu"), spec)
        write_curve(place.out)
        _write_report(place, options, sets, report, spec)
    return report


class _Validation:
    """Measures a network on the validation images; keeps figures and pictures of it."""

    def __init__(
        self, out: Path, sets: BaseSets, spec: ModelSpec, device: torch.device
    ) -> None:
        self._out, self._sets, self._spec = out, sets, spec
        self._device = device

    def __call__(self, network: CellNet, step: int) -> dict[str, float]:
        """Return AP50 and mSA of each kind by name."""
        predict = predictor_of(network, self._spec, self._device)
        rows = scores_by_kind(run(evaluate(predict, self._sets.validation)))
        figures = _figures(rows)
        forget_after(self._out / VALIDATION_NAME, step - 1)
        append_row(self._out / VALIDATION_NAME, {STEP: step, **figures})
        write_curve(self._out)
        write_examples(self._out, predict, self._sets.validation)
        return figures


def predictor_of(network: CellNet, spec: ModelSpec, device: torch.device) -> Predict:
    """Return a function that turns (1 or 3, y, x) pixels into labels as they are seen."""
    predictor = Predictor(copy.deepcopy(network), device)
    options = settled_options(SegmentOptions(preset="fast"), spec)

    def predict(plane: NDArray[np.generic]) -> NDArray[np.int32]:
        looker = Looker(predictor, spec, plane, options)
        return labels_from_maps(run(looker.maps_at(1.0)), options)[0]

    return predict


def _figures(rows: list[KindScore]) -> dict[str, float]:
    """Return AP50 and mSA of each kind by name."""
    figures: dict[str, float] = {}
    for row in rows:
        figures[f"{row.kind}/ap50"] = round(row.ap[0.5], 4)
        figures[f"{row.kind}/msa"] = round(row.msa, 4)
    return figures


def _write_report(
    place: BaseRun,
    options: TrainOptions,
    sets: BaseSets,
    report: TrainReport,
    spec: ModelSpec,
) -> None:
    """Write what was trained on what, with which versions and figures."""
    content = {
        "command": place.command,
        "options": options.to_dict(),
        "versions": {
            "napari-cellseg": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "device": device_title(choose_device(place.device)),
        "training_images": kinds_of(sets.training),
        "validation_images": _names_by_kind(sets.validation),
        "training_set_sha256": _digest(sets.training),
        "validation_set_sha256": _digest(sets.validation),
        "weights_sha256": spec.weights_sha256,
        **asdict(report),
    }
    with replacing(place.out / REPORT_NAME) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _names_by_kind(samples: tuple[Sample, ...]) -> dict[str, list[str]]:
    """Return the names of the samples of each kind."""
    return {
        kind: sorted(sample.name for sample in samples if sample.kind == kind)
        for kind in kinds_of(samples)
    }


def _digest(samples: tuple[Sample, ...]) -> str:
    """Return a digest of every byte of the images and labels, whatever their order."""
    digest = hashlib.sha256()
    for sample in sorted(samples, key=lambda sample: (sample.kind, sample.name)):
        for path in (sample.image_path, sample.labels_path):
            # An OME-Zarr is a folder.
            parts = sorted(path.rglob("*")) if path.is_dir() else [path]
            for part in parts:
                digest.update(bytes.fromhex(digest_of(part)))
    return digest.hexdigest()
