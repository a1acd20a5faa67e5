"""The user's own models: taken in, promoted to be the dock's default, rolled back."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from napari_cellseg.core.errors import ModelError, SaveError
from napari_cellseg.io.atomic import replacing
from napari_cellseg.io.models.folder import (
    DEFAULT_MODEL,
    SPEC_NAME,
    WEIGHTS_NAME,
    list_models,
    models_folders,
    read_model_spec,
)

PROMOTED_NAME = "promoted.json"
#: A CellNet has some 10 MB; more than this is no model of ours.
MAX_PART_BYTES = 2**30
#: What the zip module raises: damaged, encrypted, or packed in a way it does not know.
UNREADABLE = (OSError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


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


def take_in(folder: Path, *, is_renamed: bool = False) -> str:
    """Copy a model folder to the user's models and return its name.

    Parameters
    ----------
    folder : Path
        What to copy.
    is_renamed : bool
        Whether it gets a number where a model of its name is there.

    Raises
    ------
    ModelError
        If it is no model, or a model of this name is there and it is not renamed.
    SaveError
        If it cannot be copied.
    """
    spec = read_model_spec(folder)
    if is_renamed and (name := free_name(spec.name)) != spec.name:
        number = name.rpartition("-")[2]
        spec = replace(spec, name=name, title=f"{spec.title} {number}")
    target = user_folder() / spec.name
    if target.exists():
        raise ModelError(
            f"There is a model '{spec.name}' already; remove it, or name this one anew."
        )
    partial = target.with_name(f".new.{spec.name}")
    try:
        partial.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / WEIGHTS_NAME, partial / WEIGHTS_NAME)
        (partial / SPEC_NAME).write_text(spec.to_json(), encoding="utf-8")
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


def own_model(name: str) -> Path:
    """Return the folder of one of the user's own models.

    Raises
    ------
    ModelError
        If there is none of this name; those that ship are not the user's.
    """
    for folder, spec in list_models():
        if spec.name == name and folder.parent == user_folder():
            return folder
    raise ModelError(f"There is no model '{name}' of your own in '{user_folder()}'.")


def remove(name: str) -> None:
    """Delete one of the user's own models.

    Raises
    ------
    ModelError
        If there is none of this name.
    SaveError
        If it cannot be deleted.
    """
    folder = own_model(name)
    try:
        # Renamed first: a model that is half gone must not be found.
        gone = folder.rename(folder.with_name(f".gone.{folder.name}"))
        shutil.rmtree(gone)
    except OSError as error:
        raise SaveError(
            f"'{folder}' could not be deleted: {error.strerror}."
        ) from error


def pack(folder: Path, out: Path) -> None:
    """Write a model folder into a zip; raises `SaveError`."""
    with replacing(out) as temporary, zipfile.ZipFile(temporary, "w") as file:
        for name in (SPEC_NAME, WEIGHTS_NAME):
            file.write(folder / name, name)


@contextmanager
def unpacked(source: Path) -> Iterator[Path]:
    """Give the model folder that a folder or a zip is, for the length of the block.

    Only the two files of a model are taken from a zip, whatever paths it names, and no
    more than a model can have.

    Raises
    ------
    ModelError
        If it holds no model.
    """
    if source.is_dir():
        yield source
        return
    if not source.exists():
        raise ModelError(
            f"'{source}' does not exist. Check the path; a model is a folder, or a zip of "
            "one."
        )
    with tempfile.TemporaryDirectory(prefix="cellseg-model-") as name:
        folder = Path(name)
        try:
            with zipfile.ZipFile(source) as file:
                for part in (SPEC_NAME, WEIGHTS_NAME):
                    if file.getinfo(part).file_size > MAX_PART_BYTES:
                        raise ModelError(
                            f"'{source}': {part} is larger than a model's."
                        )
                    (folder / part).write_bytes(file.read(part))
        except UNREADABLE as error:
            raise ModelError(
                f"'{source}' holds no model ({_why(error)}). Choose a folder or zip with "
                f"{SPEC_NAME} and {WEIGHTS_NAME} in it."
            ) from error
        yield folder


def _why(error: Exception) -> str:
    """Return why a zip is not read, in words."""
    return str((isinstance(error, OSError) and error.strerror) or error)


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
