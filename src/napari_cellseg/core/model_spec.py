"""What a set of weights is and expects: the `model.json` beside `weights.safetensors`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from napari_cellseg.core.errors import ModelError
from napari_cellseg.core.options import SegmentOptions

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a set of weights is and expects.

    Attributes
    ----------
    name : str
        Short name, such as ``"cells-general"``.
    title : str
        What the model menu shows.
    description : str
        What it is for, in one or two sentences.
    architecture : str
        Name of the network class, such as ``"CellNet"``.
    widths : tuple of int
        Channels of each level of the network.
    diameter_px : float
        Cell diameter that the network is at its best with; images are rescaled to it.
    low_percentile, high_percentile : float
        Intensities that become 0 and 1, in percent.
    decoder : str
        Decoder for ``decoder="auto"``: ``"watershed"`` or ``"flow"``.
    foreground_threshold, seed_threshold : float
        Thresholds found on validation data, from 0 to 1.
    min_confidence : float
        Cells below it are left out; found on validation data, from 0 to 1.
    parent_sha256 : str
        Digest of the weights that it was fine-tuned from; "" if from none.
    weights_sha256 : str
        Digest of the weights file.
    training_data, licence : str
        What it was trained on, and the licence of the weights.
    command : str
        The command that trained it, seed included.
    figures : mapping
        Measured figures, such as ``{"dsb2018_stardist_test/ap50": 0.87}``.
    """

    name: str
    title: str
    description: str
    architecture: str
    widths: tuple[int, ...]
    diameter_px: float
    weights_sha256: str
    low_percentile: float = 1.0
    high_percentile: float = 99.8
    decoder: str = "watershed"
    foreground_threshold: float = 0.5
    seed_threshold: float = 0.5
    min_confidence: float = 0.0
    parent_sha256: str = ""
    training_data: str = ""
    licence: str = ""
    command: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the text of `model.json`."""
        values = {"format_version": FORMAT_VERSION, **asdict(self)}
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def model_spec_from_json(text: str, where: str) -> ModelSpec:
    """Return the spec that the text of a `model.json` holds.

    Parameters
    ----------
    text : str
        JSON.
    where : str
        Path named in errors.

    Raises
    ------
    ModelError
        If it is no JSON, of another format version, or keys are missing or unknown.
    """
    try:
        values = json.loads(text)
        version = values.pop("format_version")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelError(
            f"{where} is no model description: {error!r}. Choose a model folder "
            "that holds model.json and weights.safetensors."
        ) from error
    if version != FORMAT_VERSION:
        raise ModelError(
            f"{where} has format version {version}; this program reads "
            f"{FORMAT_VERSION}. Update napari-cellseg."
        )
    known = {item.name for item in fields(ModelSpec)}
    if unknown := sorted(set(values) - known):
        raise ModelError(f"{where} holds unknown keys: {', '.join(unknown)}.")
    try:
        return ModelSpec(**{**values, "widths": tuple(values["widths"])})
    except (TypeError, KeyError) as error:
        raise ModelError(f"{where} is incomplete: {error}.") from error


def settled_options(options: SegmentOptions, spec: ModelSpec) -> SegmentOptions:
    """Return the options with what is left to the model filled in from it."""
    return replace(
        options,
        decoder=spec.decoder if options.decoder == "auto" else options.decoder,
        foreground_threshold=(
            spec.foreground_threshold
            if options.foreground_threshold is None
            else options.foreground_threshold
        ),
        seed_threshold=(
            spec.seed_threshold
            if options.seed_threshold is None
            else options.seed_threshold
        ),
        min_confidence=(
            spec.min_confidence
            if options.min_confidence is None
            else options.min_confidence
        ),
    )
