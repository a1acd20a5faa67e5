"""The folder of one training: what is learned from, how, and what came of it.

Everything that a training needs lies in it, so that it goes on after a kill, and ends
without the window that began it.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.train_options import (
    FineTuneOptions,
    fine_tune_options_from_dict,
)
from napari_cellseg.core.training.item import Comparison, TrainingItem, TrainingOutcome
from napari_cellseg.io.atomic import make_folder, replacing
from napari_cellseg.io.plain_files import known_json

REQUEST_NAME = "request.json"
OUTCOME_NAME = "outcome.json"
ITEMS_FOLDER = "items"
MODEL_FOLDER = "model"
#: Ends a training early, with the best model so far.
STOP_NAME = "stop"
#: What happens, a JSON object a line.
LOG_NAME = "log.jsonl"
#: While this file is there, a training goes on without the window that began it.
ALONE_NAME = "alone"
#: Old and new cells side by side: on what is held out, and on the base set.
PICTURE_NAME = "before_after.png"
BASE_PICTURE_NAME = "before_after_base.png"


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What is to be trained.

    Attributes
    ----------
    model : str
        Folder of the model to start from.
    device : str
        See `nn.device.choose_device`.
    options : FineTuneOptions
        How.
    name, title : str
        Of the new model.
    """

    model: str
    device: str
    options: FineTuneOptions
    name: str
    title: str


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures of old and new cells that a training left, held-out cells first."""
    paths = [folder / name for name in (PICTURE_NAME, BASE_PICTURE_NAME)]
    return [path for path in paths if path.is_file()]


def write_request(
    folder: Path, request: TrainingRequest, items: Sequence[TrainingItem]
) -> None:
    """Write what a training needs; the same request into the same folder goes on.

    Raises
    ------
    TrainingError
        If the folder holds another training.
    SaveError
        If it cannot be written.
    """
    content = {
        **asdict(request),
        "options": request.options.to_dict(),
        "items": [_digest(item) for item in items],
    }
    path = folder / REQUEST_NAME
    if path.exists():
        if differs := _differences(_read_content(path), content):
            raise TrainingError(
                f"'{folder}' holds another training, begun with {differs} (or by an older "
                "version of the program), and cannot go on with this one. Choose another "
                "folder, or delete it to begin anew."
            )
        return
    write_items(folder / ITEMS_FOLDER, items)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2), encoding="utf-8")


def _read_content(path: Path) -> dict[str, Any]:
    """Return what a request holds; empty where it is damaged."""
    content = known_json(path)
    return content if isinstance(content, dict) else {}


def _differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Say what another training was begun with; "" where it is the same one.

    An option that the older version did not know counts as left at its default.
    """
    words = []
    if before.get("items") != now["items"]:
        words.append("other images, labels or groups of images")
    usual = FineTuneOptions().to_dict()
    for name, value in now["options"].items():
        was = dict(before.get("options") or {}).get(name, usual.get(name))
        if was != value:
            words.append(f"{name} {'unset' if was is None else was}")
    for name in ("model", "device", "name"):
        if before.get(name) != now[name]:
            words.append(f"the {name} '{before.get(name)}'")
    return ", ".join(words)


def item_name(place: int) -> str:
    """Return the name of the file of an item, which sorts as the items do."""
    return f"{place:05d}.npz"


def write_items(folder: Path, items: Sequence[TrainingItem]) -> list[Path]:
    """Write one file an item and return them; raises `SaveError`."""
    make_folder(folder)
    paths = []
    for place, item in enumerate(items):
        paths.append(folder / item_name(place))
        with replacing(paths[-1]) as temporary:
            np.savez_compressed(
                temporary,
                plane=item.plane,
                labels=item.labels,
                valid=item.valid,
                name=np.array(item.name),
                group=np.array(item.group),
            )
    return paths


def read_items(folder: Path) -> list[TrainingItem]:
    """Return what `write_items` wrote; raises `TrainingError` where it is damaged."""
    items = []
    for path in sorted(folder.glob("*.npz")):
        try:
            items.append(_read_item(path))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise TrainingError(
                f"'{path}' is no image to learn from ({error}). Send it again."
            ) from error
    return items


def _digest(item: TrainingItem) -> str:
    """Return a digest of all that an item holds."""
    digest = hashlib.sha256()
    for array in (item.plane, item.labels, item.valid):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(f"{item.name}\0{item.group}".encode())
    return digest.hexdigest()


def read_request(folder: Path) -> tuple[TrainingRequest, list[TrainingItem]]:
    """Return what `write_request` wrote; raises `TrainingError` where it is not there."""
    try:
        content = json.loads((folder / REQUEST_NAME).read_text(encoding="utf-8"))
        items = read_items(folder / ITEMS_FOLDER)
        request = TrainingRequest(
            content["model"],
            content["device"],
            fine_tune_options_from_dict(content["options"]),
            content["name"],
            content["title"],
        )
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(
            f"'{folder}' holds no training that could go on ({error}). Start a new one."
        ) from error
    return request, items


def _read_item(path: Path) -> TrainingItem:
    with np.load(path, allow_pickle=False) as arrays:
        return TrainingItem(
            arrays["plane"],
            arrays["labels"],
            arrays["valid"],
            str(arrays["name"]),
            str(arrays["group"]),
        )


def write_outcome(folder: Path, outcome: TrainingOutcome) -> None:
    """Write what came of a training; raises `SaveError`."""
    content: dict[str, Any] = asdict(outcome)
    content["folder"] = str(outcome.folder)
    with replacing(folder / OUTCOME_NAME) as temporary:
        temporary.write_text(json.dumps(content, indent=2), encoding="utf-8")


def read_outcome(folder: Path) -> TrainingOutcome | None:
    """Return what came of a training, None while it is not at its end."""
    path = folder / OUTCOME_NAME
    if not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    content["folder"] = Path(content["folder"])
    for name in ("held_out", "base"):
        content[name] = Comparison(**content[name])
    return TrainingOutcome(**content)
