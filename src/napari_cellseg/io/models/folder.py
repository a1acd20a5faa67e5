"""Where models lie and what each is, without reading weights (and so without torch)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from napari_cellseg.core.errors import ModelError
from napari_cellseg.core.model_spec import (
    ModelSpec,
    check_model_spec,
    model_spec_from_json,
)

SPEC_NAME = "model.json"
WEIGHTS_NAME = "weights.safetensors"
MAX_SPEC_BYTES = 2**20
DEFAULT_MODEL = "cells-general"
#: Folder with further models; each is a folder of its own.
MODELS_VARIABLE = "CELLSEG_MODELS"


def read_model_spec(folder: Path) -> ModelSpec:
    """Return the spec of a model folder; raises `ModelError` where there is none."""
    path = folder / SPEC_NAME
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SPEC_BYTES + 1)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            f"'{folder}' is no model folder: {SPEC_NAME} cannot be read ({error}). "
            f"Choose a folder that holds {SPEC_NAME} and {WEIGHTS_NAME}."
        ) from error
    if len(content) > MAX_SPEC_BYTES:
        raise ModelError(
            f"'{path}' is larger than {MAX_SPEC_BYTES // 1024} KiB and no model "
            f"description. Choose a folder that holds {SPEC_NAME} and {WEIGHTS_NAME}."
        )
    spec = model_spec_from_json(text, str(path))
    check_model_spec(spec, str(path))
    return spec


def models_folders() -> list[Path]:
    """Return the folders that models are looked for in: the package's, then the user's."""
    shipped = Path(str(files("napari_cellseg") / "models"))
    own = os.environ.get(MODELS_VARIABLE)
    user = Path(own) if own else Path.home() / ".napari-cellseg" / "models"
    return [shipped, user]


def list_models() -> list[tuple[Path, ModelSpec]]:
    """Return every model found, the shipped ones first; unreadable folders are left out."""
    return [(folder, spec) for folder, spec in _found() if isinstance(spec, ModelSpec)]


def unreadable_models() -> list[tuple[Path, ModelError]]:
    """Return the folders that `list_models` leaves out, and why."""
    return [(folder, why) for folder, why in _found() if isinstance(why, ModelError)]


def _found() -> Iterator[tuple[Path, ModelSpec | ModelError]]:
    """Yield each folder of a model, and what it is or why that cannot be read."""
    for parent in models_folders():
        # Hidden ones are half copied, or half deleted.
        for folder in sorted(path.parent for path in parent.glob(f"[!.]*/{SPEC_NAME}")):
            try:
                yield folder, read_model_spec(folder)
            except ModelError as error:
                yield folder, error


def find_model(model: str | Path | None) -> Path:
    """Return the folder of a model given by name or by path; None means the default.

    Raises
    ------
    ModelError
        If there is none; the message lists the names that exist. If its folder cannot be
        read; the message says why.
    """
    wanted = str(model or DEFAULT_MODEL)
    models = list_models()
    for folder, spec in models:
        if spec.name == wanted:
            return folder
    if (Path(wanted) / SPEC_NAME).is_file():
        return Path(wanted)
    for folder, error in unreadable_models():
        if folder.name == wanted:
            raise error
    if ":" in wanted:
        raise ModelError(
            f"There is no model '{wanted}' here. A model of another program only "
            "segments; choose one of cellseg's own to train, export or serve."
        )
    names = ", ".join(spec.name for _, spec in models) or "none"
    raise ModelError(
        f"There is no model '{wanted}'; known are: {names}. Give a name or a model folder."
    )
