"""Local or remote: the one place that chooses where a job runs.

Only what is chosen is imported; the viewer's process never imports torch.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cellseg.core.errors import ModelError, OptionsError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.run_place import TOKEN_VARIABLE, RunPlace
from napari_cellseg.core.segmentation.part import PartSegmenter
from napari_cellseg.core.segmenter import Segmenter
from napari_cellseg.core.types import CellImage
from napari_cellseg.io.models import folder as model_folder
from napari_cellseg.nn.adapters import adapter_specs, is_adapter
from napari_cellseg.nn.inference.known import open_here
from napari_cellseg.nn.process.child import ChildSegmenter
from napari_cellseg.nn.process.child_trainer import ChildTrainer

if TYPE_CHECKING:
    from napari_cellseg.cloud.settings import CloudSettings

LOCAL = "local"
SAGEMAKER = "sagemaker:"


def open_segmenter(
    where: str = LOCAL,
    model: str | Path | None = None,
    *,
    in_child: bool = False,
    device: str = "auto",
    token: str | None = None,
    cloud: CloudSettings | None = None,
) -> Segmenter:
    """Return a segmenter.

    Parameters
    ----------
    where : str
        ``"local"``, or the address of a lab server, such as ``"http://lab-gpu:8080"``,
        or a SageMaker endpoint, such as ``"sagemaker:my-cells"``. Those decide on model
        and device themselves.
    model : str, Path or None
        Name or folder of the model; None means the default one. Names such as
        ``"cellpose:cyto3"`` run another program that is installed.
    in_child : bool
        Run in a process of its own, as the dock does.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    token : str or None
        Of a lab server; None takes it from the variable ``CELLSEG_TOKEN``.
    cloud : CloudSettings or None
        Profile and region of an endpoint; None takes what boto3 finds.

    Raises
    ------
    OptionsError
        If `where` is unknown, or a device is given for a place that is not here.
    RemoteError
        If the server cannot be reached.
    ModelError
        If the model cannot be used, or a server runs another one.
    """
    if where != LOCAL:
        _check_device(where, device)
        return _with_model(_open_remote(where, token, cloud), where, model)
    if in_child:
        return ChildSegmenter(model, device)
    return open_here(model, device)


def _open_remote(
    where: str, token: str | None, cloud: CloudSettings | None
) -> Segmenter:
    """Return a segmenter that asks a lab server or an endpoint."""
    from napari_cellseg.cloud.client.remote import RemoteSegmenter

    if where.startswith(("http://", "https://")):
        from napari_cellseg.cloud.client.lab import LabLine

        known = os.environ.get(TOKEN_VARIABLE, "") if token is None else token
        return RemoteSegmenter(LabLine(where, known))
    if where.startswith(SAGEMAKER):
        from napari_cellseg.cloud.client.choice import open_line
        from napari_cellseg.cloud.settings import CloudSettings

        line = open_line(where.removeprefix(SAGEMAKER), cloud or CloudSettings())
        return RemoteSegmenter(line)
    raise OptionsError(
        f"'{where}' is no place to run; it is '{LOCAL}', the address of a server such as "
        "http://lab-gpu:8080, or an endpoint such as sagemaker:my-cells."
    )


def _check_device(where: str, device: str) -> None:
    """Raise `OptionsError` if a device is given for a place that chooses its own."""
    if device != "auto":
        raise OptionsError(
            f"The device '{device}' was given, but {where} chooses its own. Leave out "
            f"--device, or run it here with --where {LOCAL}."
        )


def _with_model(
    segmenter: Segmenter, where: str, model: str | Path | None
) -> Segmenter:
    """Return a segmenter, or raise `ModelError` if it runs another model than asked for."""
    name = segmenter.spec.name
    if model is not None and str(model) != name:
        segmenter.close()
        raise ModelError(
            f"{where} runs the model '{name}', not '{model}'. Leave out --model, or start "
            "a server with that model."
        )
    return segmenter


def open_place(place: RunPlace, model: str | None) -> Segmenter:
    """Return a segmenter at a place, in a process of its own if that is here."""
    if place.endpoint:
        return open_segmenter(f"{SAGEMAKER}{place.endpoint}", cloud=_cloud(place))
    if place.address:
        return open_segmenter(place.address, token=place.token)
    return open_segmenter(LOCAL, model, in_child=True)


def check_place(place: RunPlace) -> Job[list[str]]:
    """Ask a place what it is, at no cost, and return that in lines; raises `RemoteError`."""
    from napari_cellseg.cloud.client.check import check_endpoint, check_lab

    if place.endpoint:
        return check_endpoint(place.endpoint, _cloud(place))
    return check_lab(place.address, place.token)


def compare_with_here(
    place: RunPlace, image: CellImage, options: SegmentOptions
) -> Job[str]:
    """Segment the middle of an image there and here, and return in words how it compares.

    Raises
    ------
    CellsegError
        If one of the two cannot segment it.
    """
    from napari_cellseg.cloud.client.parity import compare_places

    yield Progress(0, 0, f"asking {place.title}")
    there = open_place(place, None)
    digest = there.spec.weights_sha256
    own = [spec for _, spec in model_folder.list_models()]
    names = [spec.name for spec in own if spec.weights_sha256 == digest]
    here = open_segmenter(LOCAL, names[0] if names else None, in_child=True)
    try:
        parity = yield from compare_places(there, here, image, options)
    finally:
        there.close()
        here.close()
    return parity.words


def account_names() -> tuple[list[str], list[str]]:
    """Return the profiles of this computer, and the regions of AWS.

    Raises
    ------
    RemoteError
        If boto3 is not installed.
    """
    from napari_cellseg.cloud.settings import profile_names, region_names

    return profile_names(), region_names()


def endpoint_names(place: RunPlace) -> list[str]:
    """Return the endpoints of a profile and region; none where they may not be seen."""
    from napari_cellseg.cloud.client.check import endpoint_names as names

    return names(_cloud(place))


def _cloud(place: RunPlace) -> CloudSettings:
    from napari_cellseg.cloud.settings import CloudSettings
    from napari_cellseg.io.aws import AwsAccount

    return CloudSettings(AwsAccount(place.profile, place.region))


def open_part_segmenter(
    model: str | Path | None = None, device: str = "auto"
) -> PartSegmenter:
    """Return a segmenter in this process for several threads; see `open_segmenter`."""
    from napari_cellseg.nn.inference.local import for_many_threads

    return for_many_threads(model, device)


def n_devices(device: str) -> int:
    """Return how many devices ``"auto"``, ``"cuda"`` or another name stands for."""
    from napari_cellseg.nn import device as devices

    return devices.n_devices(device)


def open_trainer(
    model: str | Path | None, name: str, title: str, *, device: str = "auto"
) -> ChildTrainer:
    """Return a trainer that makes a new model from a model and corrections.

    Parameters
    ----------
    model : str, Path or None
        Name or folder of the model to start from; None means the default one.
    name, title : str
        Of the new model: its folder's name, and what the menu shows.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Raises
    ------
    ModelError
        If there is no such model, or it is another program's.
    """
    if is_adapter(model):
        raise ModelError(
            f"'{model}' belongs to another program and cannot learn here; choose one of "
            "the models of this one to start from."
        )
    return ChildTrainer(model, name, title, device)


def list_models() -> list[ModelSpec]:
    """Return what each model is: shipped, the user's own, other programs' at the end."""
    own = [spec for _, spec in model_folder.list_models()]
    return [*own, *adapter_specs()]
