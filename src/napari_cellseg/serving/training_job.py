"""A training job as SageMaker describes it to the container, in files under /opt/ml.

What the files may hold: https://docs.aws.amazon.com/sagemaker/latest/dg/
your-algorithms-training-algo-running-container.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any

from napari_cellseg.core.errors import CellsegError, OptionsError, TrainingError
from napari_cellseg.core.train_options import (
    FineTuneOptions,
    fine_tune_options_from_dict,
)
from napari_cellseg.io.models.folder import DEFAULT_MODEL, SPEC_NAME

#: Channels that begin so are learned from.
DATA_CHANNEL = "train"
#: The model to start from, its folder or ``model.tar.gz``.
MODEL_CHANNEL = "model"
#: Of what stands in the failure file, the platform shows so much.
MAX_FAILURE_CHARACTERS = 1024
#: Set by SageMaker's own SDK beside what a person sets.
FOREIGN_PREFIX = "sagemaker_"
#: Hyperparameters beside the fields of `FineTuneOptions`.
OWN_NAMES = ("model", "name", "title", "channel", "device")


@dataclass(frozen=True, slots=True)
class Hosts:
    """The computers of a job.

    Attributes
    ----------
    names : tuple of str
        All of them, in the same order on each.
    current : str
        This one.
    interface : str
        Network interface that they talk over, such as ``"eth0"``; "" if not known.
    """

    names: tuple[str, ...]
    current: str
    interface: str = ""

    @property
    def rank(self) -> int:
        """Which of the hosts this is, counted from 0."""
        return self.names.index(self.current)


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """What a container is asked to train.

    Attributes
    ----------
    root : Path
        The folder shared with the platform, ``/opt/ml``.
    options : FineTuneOptions
        How to train.
    model : str
        Name of the model to start from, for jobs without a channel ``model``.
    name, title : str
        Of the new model.
    device : str
        See `nn.device.choose_device`.
    channel : int or None
        Channel of the images that shows the cells, from 0.
    hosts : Hosts
        The computers that train together.
    data : tuple of Path
        Folders to learn from.
    """

    root: Path
    options: FineTuneOptions
    model: str
    name: str
    title: str
    device: str
    channel: int | None
    hosts: Hosts
    data: tuple[Path, ...]

    @property
    def checkpoints(self) -> Path:
        """What is written here is there again after a spot instance was taken away."""
        return self.root / "checkpoints"

    @property
    def model_out(self) -> Path:
        """What is written here becomes the job's ``model.tar.gz``."""
        return self.root / "model"

    @property
    def reports(self) -> Path:
        """What is written here becomes the job's ``output.tar.gz``."""
        return self.root / "output" / "data"

    @property
    def work(self) -> Path:
        """Gone when the job ends."""
        return self.root / "work"

    @property
    def model_channel(self) -> Path | None:
        """The folder of the channel ``model``, None where the job has none."""
        folder = self.root / "input" / "data" / MODEL_CHANNEL
        return folder if folder.is_dir() else None


def read_job(root: Path) -> TrainingJob:
    """Return what the files under `root` ask for.

    Raises
    ------
    TrainingError
        If a file is missing or no JSON, or there is no channel to learn from.
    OptionsError
        If a hyperparameter is not known or out of its range.
    """
    config = root / "input" / "config"
    given = _hyperparameters(_json(config / "hyperparameters.json"))
    known = {item.name for item in fields(FineTuneOptions)}
    if unknown := sorted(set(given) - known - set(OWN_NAMES)):
        raise OptionsError(
            f"Unknown hyperparameters: {', '.join(unknown)}; known are "
            f"{', '.join(sorted({*known, *OWN_NAMES}))}."
        )
    name = str(given.get("name", "my-model"))
    return TrainingJob(
        root,
        fine_tune_options_from_dict({k: v for k, v in given.items() if k in known}),
        str(given.get("model", DEFAULT_MODEL)),
        name,
        str(given.get("title", name)),
        str(given.get("device", "auto")),
        _channel(given.get("channel")),
        _hosts(_json(config / "resourceconfig.json")),
        _data(root, _json(config / "inputdataconfig.json")),
    )


def _json(path: Path) -> dict[str, Any]:
    """Return the object in a file, an empty one where there is no file."""
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"'{path}' cannot be read ({error}); a JSON object is expected there."
        ) from error
    if not isinstance(content, dict):
        raise TrainingError(f"'{path}' holds no JSON object but {content!r:.80}.")
    return content


def _hyperparameters(texts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values: all arrive as text, which some clients write as JSON."""
    values = {}
    for name, text in texts.items():
        if name.startswith(FOREIGN_PREFIX):
            continue
        try:
            values[name] = json.loads(text) if isinstance(text, str) else text
        except ValueError:
            values[name] = text
    return {name: value for name, value in values.items() if value is not None}


def _channel(value: object) -> int | None:
    if value is None or (isinstance(value, int) and value >= 0):
        return value
    raise OptionsError(f"channel is {value!r}; a number from 0 is needed.")


def _hosts(content: Mapping[str, Any]) -> Hosts:
    names = tuple(content.get("hosts") or ["localhost"])
    current = str(content.get("current_host", names[0]))
    if current not in names:
        raise TrainingError(
            f"This host is '{current}', the job's are {', '.join(names)}. "
            "resourceconfig.json must name it."
        )
    return Hosts(names, current, str(content.get("network_interface_name", "")))


def _data(root: Path, channels: Mapping[str, Any]) -> tuple[Path, ...]:
    """Return the folders of the channels that are learned from."""
    folder = root / "input" / "data"
    names = sorted(channels) or sorted(
        path.name for path in folder.glob("*") if path.is_dir()
    )
    used = [name for name in names if name.startswith(DATA_CHANNEL)]
    if unknown := sorted(set(names) - set(used) - {MODEL_CHANNEL}):
        raise TrainingError(
            f"The job has the channels {', '.join(unknown)}, which nothing is done with. "
            f"Name them '{DATA_CHANNEL}' or '{DATA_CHANNEL}_…' to learn from them; a part "
            f"is held out by itself. '{MODEL_CHANNEL}' holds the model to start from."
        )
    if not used:
        raise TrainingError(
            f"The job has no channel '{DATA_CHANNEL}'; give it a folder with images/ and "
            "masks/, or a project NAME.cellseg."
        )
    modes = {
        name: dict(channels.get(name) or {}).get("TrainingInputMode", "File")
        for name in used
    }
    if piped := [name for name, mode in modes.items() if mode == "Pipe"]:
        raise TrainingError(
            f"The channel '{piped[0]}' is a pipe; images are read in any order. Choose "
            "the input mode FastFile or File."
        )
    return tuple(folder / name for name in used)


def start_model(job: TrainingJob) -> Path | str:
    """Return the folder of the model in the channel ``model``, or the model's name.

    Raises
    ------
    TrainingError
        If the channel holds neither a model folder nor a ``model.tar.gz``.
    """
    channel = job.model_channel
    if channel is None:
        return job.model
    if (channel / SPEC_NAME).is_file():
        return channel
    archives = sorted(channel.glob("*.tar.gz"))
    if len(archives) != 1:
        raise TrainingError(
            f"The channel '{MODEL_CHANNEL}' holds {len(archives)} archives and no "
            f"{SPEC_NAME}; give it one model.tar.gz, or a model folder."
        )
    return archives[0]


class FailureNote:
    """Writes what ended the block, a sentence, to where the platform looks for it.

    The first sentence stays: the process that failed knows more than the one that
    started it.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / "output" / "failure"

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write the sentence; what was raised goes on."""
        if error is None or self._path.exists():
            return
        text = str(error)
        if not isinstance(error, CellsegError):
            text = f"{type(error).__name__}: {error}. The log has the details."
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(text[:MAX_FAILURE_CHARACTERS], encoding="utf-8")
