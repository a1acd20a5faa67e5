"""The user's own models: taken in, promoted to be the dock's default, rolled back."""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from napari_cellseg.core.errors import ModelError, SaveError
from napari_cellseg.io.atomic import make_folder, move, replacing
from napari_cellseg.io.models.folder import (
    DEFAULT_MODEL,
    SPEC_NAME,
    WEIGHTS_NAME,
    list_models,
    models_folders,
    read_model_spec,
    unreadable_models,
)
from napari_cellseg.io.plain_files import known_json, write_json

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
    return f"{base}{_number_for(base)}"


def _number_for(base: str) -> str:
    """Return "" if no model has a name, else what makes it one that none has: "-2"."""
    # Two names that differ in case only are one folder on Windows and macOS.
    taken = {spec.name.casefold() for _, spec in list_models()}
    numbers = chain([""], (f"-{number}" for number in count(2)))
    return next(each for each in numbers if f"{base}{each}".casefold() not in taken)


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
    if number := _number_for(spec.name):
        if not is_renamed:
            raise _is_there(spec.name)
        title = f"{spec.title} {number.strip('-')}"
        spec = replace(spec, name=f"{spec.name}{number}", title=title)
    make_folder(user_folder())
    target = user_folder() / spec.name
    # A name of its own: another process may be copying the same model.
    partial = target.with_name(f".new.{secrets.token_hex(4)}")
    try:
        partial.mkdir()
        shutil.copyfile(folder / WEIGHTS_NAME, partial / WEIGHTS_NAME)
        (partial / SPEC_NAME).write_text(spec.to_json(), encoding="utf-8")
        move(partial, target)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        if target.exists():
            raise _is_there(spec.name) from error
        raise SaveError(
            f"The model could not be copied to '{target}': {_why(error)}."
        ) from error
    return spec.name


def _is_there(name: str) -> ModelError:
    return ModelError(
        f"There is a model '{name}' already. Remove that one if it is your own, or take "
        "this one in with a number: --rename."
    )


def promoted() -> str:
    """Return the name of the model that the dock begins with."""
    known = {spec.name for _, spec in list_models()}
    names = [name for name in _promotions() if name in known]
    return names[-1] if names else DEFAULT_MODEL


def own_model(name: str) -> Path:
    """Return the folder of one of the user's own models; it may be unreadable.

    Raises
    ------
    ModelError
        If there is none of this name; those that ship are not the user's.
    """
    named = [(folder, spec.name) for folder, spec in list_models()]
    named += [(folder, folder.name) for folder, _ in unreadable_models()]
    for folder, its_name in named:
        if its_name == name and folder.parent == user_folder():
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
        if folder.is_symlink():
            folder.unlink()  # what it leads to is not ours
            return
        # Renamed first: a model that is half gone must not be found.
        gone = folder.with_name(f".gone.{secrets.token_hex(4)}")
        move(folder, gone)
        shutil.rmtree(gone)
    except OSError as error:
        raise SaveError(f"'{folder}' could not be deleted: {_why(error)}.") from error


def pack(folder: Path, out: Path) -> None:
    """Write a model folder into a zip; raises `SaveError`."""
    with (
        replacing(out) as temporary,
        # Files of a package may be dated 1970, which a zip cannot say.
        zipfile.ZipFile(temporary, "w", strict_timestamps=False) as file,
    ):
        for name in (SPEC_NAME, WEIGHTS_NAME):
            file.write(folder / name, name)


@contextmanager
def unpacked(source: Path) -> Iterator[Path]:
    """Give the model folder that a folder or a zip is, for the length of the block.

    Only the two files of a model are taken from a zip, from its top or from the folder that
    was packed, and no more than a model can have.

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
            _unpack(source, folder)
            yield folder
        except ModelError as error:
            # The folder is gone when the message is read.
            raise ModelError(str(error).replace(name, str(source))) from error


def _unpack(source: Path, folder: Path) -> None:
    """Write the two files of a model from a zip into a folder."""
    try:
        with zipfile.ZipFile(source) as file:
            names = file.namelist()
            specs = [name for name in names if name.split("/")[-1] == SPEC_NAME]
            top = min(specs, key=len, default="").removesuffix(SPEC_NAME)
            for part in (SPEC_NAME, WEIGHTS_NAME):
                info = file.getinfo(f"{top}{part}")
                if info.file_size > MAX_PART_BYTES:
                    raise ModelError(f"'{source}': {part} is larger than a model's.")
                (folder / part).write_bytes(file.read(info))
    except UNREADABLE as error:
        raise ModelError(
            f"'{source}' holds no model ({_why(error)}). Choose a folder or zip with "
            f"{SPEC_NAME} and {WEIGHTS_NAME} in it."
        ) from error


def _why(error: Exception) -> str:
    """Return the reason of an error in words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error.args[0] if isinstance(error, KeyError) else error)


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
    names = known_json(user_folder() / PROMOTED_NAME)
    if not isinstance(names, list):
        return []
    return [name for name in names if isinstance(name, str)]


def _write(names: list[str]) -> None:
    make_folder(user_folder())
    write_json(user_folder() / PROMOTED_NAME, names)
