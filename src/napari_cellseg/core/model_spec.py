"""What a set of weights is and expects: the `model.json` beside `weights.safetensors`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, replace
from typing import Any

from napari_cellseg.core.errors import ModelError
from napari_cellseg.core.options import SegmentOptions

FORMAT_VERSION = 1
#: Of a file that any system can have, up to 100 characters.
NO_NAME = r"/\\:*?\"<>|\x00-\x1f\ud800-\udfff"
NAME = re.compile(rf"[^\s.{NO_NAME}](?:[^{NO_NAME}]{{0,98}}[^\s.{NO_NAME}])?")
DIGEST = re.compile(r"[0-9a-f]{64}")
HALF_SIGN = re.compile(r"[\ud800-\udfff]")
TEXTS = (
    "title",
    "description",
    "architecture",
    "parent_sha256",
    "training_data",
    "licence",
    "command",
)
LEVELS = range(2, 9)
MAX_WIDTH = 2048


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
    sides : mapping
        Of corrections that it and its parents were trained with: what was held out, see
        `core.training.holdout.sides_to_json`. Names of images are in it as digests only.
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
    sides: Mapping[str, Any] = field(default_factory=dict)

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
        If it is no JSON, of another format version, or keys are missing or unknown. Widths
        that are no list become (), which `check_model_spec` refuses.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(
            f"{where} is no JSON ({error}). Choose a model folder that holds model.json "
            "and weights.safetensors."
        ) from error
    version = values.pop("format_version", None) if isinstance(values, dict) else None
    if version != FORMAT_VERSION:
        raise ModelError(
            f"{where} has format version {version!r}; this program reads "
            f"{FORMAT_VERSION}. Choose a model of napari-cellseg, or update it."
        )
    known = {item.name: item for item in fields(ModelSpec)}
    if unknown := sorted(set(values) - known.keys()):
        raise ModelError(
            f"{where} holds unknown keys: {', '.join(unknown)}. Update napari-cellseg, or "
            "export the model again."
        )
    needed = [name for name, item in known.items() if _is_needed(item)]
    if missing := [name for name in needed if name not in values]:
        raise ModelError(f"{where} lacks {', '.join(missing)}. Export the model again.")
    widths = values["widths"]
    return ModelSpec(
        **{**values, "widths": tuple(widths) if isinstance(widths, list) else ()}
    )


def _is_needed(item: Field[Any]) -> bool:
    """Return True for a key that has no default."""
    return item.default is MISSING and item.default_factory is MISSING


def check_model_spec(spec: ModelSpec, where: str) -> None:
    """Raise `ModelError` for the first value that no model in a folder can have.

    Parameters
    ----------
    spec : ModelSpec
        As it was read.
    where : str
        Path named in the error.
    """
    for key, is_right, wanted in _claims(spec):
        if not is_right:
            raise ModelError(
                f"{where} says {key} = {getattr(spec, key)!r}; {wanted} is needed. The "
                "file was changed by hand or comes from another program; import the "
                "model again."
            )


def _claims(spec: ModelSpec) -> Iterator[tuple[str, bool, str]]:
    """Yield each key that could do harm, whether its value is right, and what is."""
    # A name becomes a folder, widths become memory, before a weight is read.
    is_name = isinstance(spec.name, str) and NAME.fullmatch(spec.name) is not None
    yield "name", is_name, "the name of a file, without folders,"
    are_widths = len(spec.widths) in LEVELS and all(
        type(width) is int and 1 <= width <= MAX_WIDTH for width in spec.widths
    )
    yield "widths", are_widths, f"2 to 8 whole numbers up to {MAX_WIDTH}"
    digest = spec.weights_sha256
    is_digest = isinstance(digest, str) and DIGEST.fullmatch(digest) is not None
    yield "weights_sha256", is_digest, "a SHA-256 of 64 hexadecimal digits"
    yield "decoder", spec.decoder in ("watershed", "flow"), "watershed or flow"
    yield "diameter_px", _lies(spec.diameter_px, 2, 2000), "a number from 2 to 2000"
    for key in ("foreground_threshold", "seed_threshold"):
        yield key, _lies(getattr(spec, key), 0.05, 0.95), "a number from 0.05 to 0.95"
    yield "min_confidence", _lies(spec.min_confidence, 0, 1), "a number from 0 to 1"
    yield "low_percentile", _lies(spec.low_percentile, 0, 100), "a number from 0 to 100"
    is_above = _lies(spec.high_percentile, 0, 100) and (
        spec.high_percentile > spec.low_percentile
    )
    yield "high_percentile", is_above, "a number above low_percentile, up to 100"
    # The menu shows them, and they are written again with a model that is copied.
    for key in TEXTS:
        yield key, _is_text(getattr(spec, key)), "text"
    for key in ("figures", "sides"):
        yield key, isinstance(getattr(spec, key), dict), "an object"


def _is_text(value: Any) -> bool:
    """Return True for text that can be written, which half a sign cannot be."""
    return isinstance(value, str) and HALF_SIGN.search(value) is None


def _lies(value: Any, low: float, high: float) -> bool:
    """Return True for a finite number in a range, both ends included."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and low <= value <= high
    )


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
