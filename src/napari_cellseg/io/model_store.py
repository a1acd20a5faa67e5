"""The user's own models: taken in, promoted to be the dock's default, rolled back."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from napari_cellseg.core.errors import ModelError, SaveError
from napari_cellseg.io.atomic import replacing
from napari_cellseg.io.model_folder import (
    DEFAULT_MODEL,
    SPEC_NAME,
    WEIGHTS_NAME,
    list_models,
    models_folders,
    read_model_spec,
)

PROMOTED_NAME = "promoted.json"


def user_folder() -> Path:
    """Return the folder that the user's models lie in; it may not exist yet."""
    return models_folders()[-1]


def free_name(wanted: str) -> str:
    """Return a name for a new model that no model has, made from what is wanted."""
    base = re.sub(r"[^a-z0-9]+", "-", wanted.lower()).strip("-") or "my-model"
    taken = {spec.name for _, spec in list_models()}
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    return name


def take_in(folder: Path) -> str:
    """Copy a model folder to the user's models and return its name.

    Raises
    ------
    ModelError
        If it is no model, or a model of this name is there.
    SaveError
        If it cannot be copied.
    """
    spec = read_model_spec(folder)
    target = user_folder() / spec.name
    if target.exists():
        raise ModelError(
            f"There is a model '{spec.name}' already; remove it, or name this one anew."
        )
    partial = target.with_name(f".new.{spec.name}")
    try:
        partial.mkdir(parents=True, exist_ok=True)
        for name in (WEIGHTS_NAME, SPEC_NAME):
            shutil.copyfile(folder / name, partial / name)
        partial.rename(target)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise SaveError(
            f"The model could not be copied to '{target}': {error.strerror}."
        ) from error
    return spec.name


def promoted() -> str:
    """Return the name of the model that the dock begins with."""
    known = {spec.name for _, spec in list_models()}
    names = [name for name in _promotions() if name in known]
    return names[-1] if names else DEFAULT_MODEL


def has_promotion() -> bool:
    """Return True if the dock begins with another model than the one that ships."""
    return bool(_promotions())


def promote(name: str) -> None:
    """Let the dock begin with a model from now on; raises `SaveError`."""
    _write([*_promotions(), name])


def roll_back() -> str:
    """Take the last promotion back; return the model that the dock begins with now."""
    _write(_promotions()[:-1])
    return promoted()


def _promotions() -> list[str]:
    """Return the models that were promoted, oldest first."""
    try:
        names = json.loads((user_folder() / PROMOTED_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [name for name in names if isinstance(name, str)]


def _write(names: list[str]) -> None:
    folder = user_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SaveError(f"'{folder}' could not be made: {error.strerror}.") from error
    with replacing(folder / PROMOTED_NAME) as temporary:
        temporary.write_text(json.dumps(names), encoding="utf-8")
