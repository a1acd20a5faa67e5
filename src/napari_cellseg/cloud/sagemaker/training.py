"""Training jobs: started, followed with their curve, and their model fetched."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from napari_cellseg.cloud.account.place import CloudPlace, split_uri
from napari_cellseg.cloud.account.requests import Call, check_call
from napari_cellseg.cloud.account.sending import Sender, found
from napari_cellseg.cloud.sagemaker.deploy_plan import SAGEMAKER
from napari_cellseg.cloud.sagemaker.logs import ENDED, LogReader, log_of
from napari_cellseg.cloud.sagemaker.metrics import curve_from_lines, n_steps_from_lines
from napari_cellseg.cloud.sagemaker.package import (
    ARCHIVE_NAME,
    pack_model,
    unpack_model,
    unpack_report,
)
from napari_cellseg.cloud.sagemaker.train_plan import TrainPlan, train_call
from napari_cellseg.core.cloud_options import TrainJobOptions
from napari_cellseg.core.errors import ModelError, RemoteError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.train_options import FineTuneOptions
from napari_cellseg.core.training.curve import CurvePoint, add_point
from napari_cellseg.core.training.item import TrainingItem, TrainProgress
from napari_cellseg.io.models.folder import find_model, list_models, models_folders
from napari_cellseg.io.models.store import take_in
from napari_cellseg.io.models.training_files import ITEMS_FOLDER, item_name, write_items

POLL_SECONDS = 15.0
KIND = "training job"
REPORT_NAME = "output.tar.gz"
S3 = "s3://"
#: Stands in a plan for what is uploaded, until `planned` puts the address in.
TO_UPLOAD = "s3://to-be-uploaded/"


@dataclass(frozen=True, slots=True)
class TrainedJob:
    """A training job that has ended.

    Attributes
    ----------
    status : str
        ``"Completed"``, or ``"Stopped"`` with the best model until then.
    model_uri : str
        Its ``model.tar.gz``; "" if it was stopped too early for one.
    curve : tuple of CurvePoint
        What its log held.
    billed_seconds : int
        What AWS charges for, on each host.
    """

    status: str
    model_uri: str
    curve: tuple[CurvePoint, ...]
    billed_seconds: int


def start_training(
    plan: TrainPlan,
    sender: Sender,
    items: Sequence[TrainingItem] = (),
    start_model: Path | None = None,
) -> Job[str]:
    """Upload what a job needs, start it, and return its name.

    Parameters
    ----------
    plan : TrainPlan
        What, on what; its `data_uri` is not used where there are `items`.
    sender : Sender
        The account.
    items : sequence of TrainingItem
        What to learn from, where it is not in S3 yet.
    start_model : Path, optional
        Folder of the model to start from, where it is not in our image.

    Raises
    ------
    OptionsError
        If AWS would refuse the job for its form; nothing was uploaded then.
    RemoteError
        If it cannot be uploaded or started; what was uploaded stays in S3.
    """
    plan = planned(plan, has_items=bool(items), has_model=start_model is not None)
    call = train_call(plan)
    check_call(call)
    with TemporaryDirectory(prefix="cellseg-") as name:
        if start_model is not None:
            yield Progress(0, 0, "uploading the model to start from")
            archive = Path(name) / ARCHIVE_NAME
            pack_model(start_model, archive)
            sender.upload(archive, f"{plan.model_uri}{ARCHIVE_NAME}")
        paths = write_items(Path(name) / ITEMS_FOLDER, items) if items else []
        for place, path in enumerate(paths):
            yield Progress(place, len(paths), "uploading images")
            sender.upload(path, f"{plan.data_uri}{ITEMS_FOLDER}/{path.name}")
    yield Progress(0, 0, call.doing)
    sender.send(call)
    return plan.job_name


def training_calls(
    plan: TrainPlan,
    items: Sequence[TrainingItem] = (),
    start_model: Path | None = None,
) -> list[Call]:
    """Return every request of `start_training`, none of which is sent; raises as it does."""
    plan = planned(plan, has_items=bool(items), has_model=start_model is not None)
    uris = [] if start_model is None else [f"{plan.model_uri}{ARCHIVE_NAME}"]
    names = (item_name(place) for place in range(len(items)))
    uris += [f"{plan.data_uri}{ITEMS_FOLDER}/{name}" for name in names]
    calls = [_put_call(uri) for uri in uris]
    calls.append(train_call(plan))
    for call in calls:
        check_call(call)
    return calls


def _put_call(uri: str) -> Call:
    bucket, key = split_uri(uri)
    told = {"Bucket": bucket, "Key": key, "Body": f"<{Path(key).name}>"}
    return Call("s3", "PutObject", told, f"write {uri}")


@dataclass(frozen=True, slots=True)
class TrainWish:
    """What a person wants to be trained.

    Attributes
    ----------
    data : str
        ``s3://…``, or a folder or project here.
    name : str
        Of the new model.
    model : str or None
        To start from; None is the default.
    channel : int or None
        Channel that shows the cells.
    """

    data: str
    name: str
    model: str | None = None
    channel: int | None = None

    @property
    def is_here(self) -> bool:
        """True if the data have to be uploaded."""
        return not self.data.startswith(S3)

    def start_model(self) -> Path | None:
        """Return the folder of the model to upload, None if our image has it."""
        folder = find_model(self.model)
        return None if folder.parent == models_folders()[0] else folder

    def plan(
        self,
        place: CloudPlace,
        options: FineTuneOptions,
        machine: TrainJobOptions,
        now: datetime,
    ) -> TrainPlan:
        """Return the plan, with the addresses of what will be uploaded.

        Raises
        ------
        ModelError
            If there is no such model to start from, or one of the new name already.
        OptionsError
            If the name or the data cannot be.
        """
        check_free(self.name)
        start = self.start_model()
        plan = TrainPlan(
            self.name,
            self.name,
            "" if start else find_model(self.model).name,
            "",
            TO_UPLOAD if self.is_here else self.data,
            self.channel,
            place,
            options,
            machine,
            now,
        )
        return planned(plan, has_items=self.is_here, has_model=start is not None)


def planned(plan: TrainPlan, *, has_items: bool, has_model: bool) -> TrainPlan:
    """Return the plan with the addresses of what will be uploaded."""
    if has_items:
        plan = replace(plan, data_uri=f"{plan.folder}/data/")
    if has_model:
        plan = replace(plan, model_uri=f"{plan.folder}/model/")
    return plan


def follow_training(
    name: str, sender: Sender, poll_seconds: float = POLL_SECONDS
) -> Job[TrainedJob]:
    """Wait for a job and tell its curve; closing this leaves the job running.

    The job yields a `TrainProgress` each time it has asked.

    Raises
    ------
    RemoteError
        If there is no such job of ours, or it failed; with its own sentence.
    """
    log = log_of(name, KIND, sender)
    curve: list[CurvePoint] = []
    n_steps = 0
    while True:
        job = described(name, sender)
        has_ended = job["TrainingJobStatus"] in ENDED
        n_steps = yield from _told(job, log, curve, n_steps)
        if has_ended:
            return _result(job, curve)
        time.sleep(poll_seconds)


def _told(
    job: Mapping[str, Any], log: LogReader, curve: list[CurvePoint], n_steps: int
) -> Job[int]:
    """Yield what is new of a job, and return how many steps it does; 0: not said yet."""
    lines = log.new_lines()
    points = tuple(curve_from_lines(lines))
    for point in points:
        add_point(curve, point)
    n_steps = n_steps_from_lines(lines) or n_steps
    step = curve[-1].step if curve else 0
    said = f"step {step} of {n_steps}" if n_steps else f"step {step}"
    text = said if points else _status_words(job)
    yield TrainProgress(step, n_steps, text, points)
    return n_steps


def _status_words(job: Mapping[str, Any]) -> str:
    changes = job.get("SecondaryStatusTransitions") or [{}]
    status = job.get("SecondaryStatus") or job["TrainingJobStatus"]
    said = str(changes[-1].get("StatusMessage", ""))
    return f"{status}: {said}" if said else str(status)


def described(name: str, sender: Sender) -> dict[str, Any]:
    """Return what AWS says of a training job of ours.

    Raises
    ------
    RemoteError
        If there is none, or it is not ours.
    """
    call = Call(
        SAGEMAKER, "DescribeTrainingJob", {"TrainingJobName": name}, f"look at '{name}'"
    )
    job = found(sender, call)
    if job is None or not sender.is_ours(job["TrainingJobArn"]):
        raise RemoteError(
            f"There is no training job '{name}' of ours here. `cellseg cloud status` "
            "lists those that run; check the name and the region."
        )
    return job


def _result(job: Mapping[str, Any], curve: Sequence[CurvePoint]) -> TrainedJob:
    """Return how a job ended; raises `RemoteError` if it failed."""
    name, status = job["TrainingJobName"], job["TrainingJobStatus"]
    if status == "Failed":
        reason = str(job.get("FailureReason", "AWS gives no reason."))
        raise RemoteError(
            f"The training job '{name}' failed: {reason} Its log: cellseg cloud logs {name}."
        )
    artifacts = job.get("ModelArtifacts") or {}
    return TrainedJob(
        status,
        str(artifacts.get("S3ModelArtifacts", "")),
        tuple(curve),
        int(job.get("BillableTimeInSeconds", 0)),
    )


def fetch_model(name: str, sender: Sender) -> Job[str]:
    """Download the model of a job into the user's models; return its name there.

    Raises
    ------
    RemoteError
        If there is no such job, it runs still or left no model.
    ModelError, SaveError
        If what it left is no model, or cannot be written; or there is another model of
        this name.
    """
    job = described(name, sender)
    status = job["TrainingJobStatus"]
    if status not in ENDED:
        raise RemoteError(
            f"The training job '{name}' is {status}; its model is there when it has "
            f"ended. Follow it with `cellseg cloud logs {name} --follow`."
        )
    done = _result(job, ())
    if not done.model_uri:
        raise RemoteError(
            f"The training job '{name}' was stopped before it had a model."
        )
    yield Progress(0, 0, "downloading the model")
    archive = yield from sender.fetch(done.model_uri)
    yield Progress(0, 0, "unpacking the model")
    with TemporaryDirectory(prefix="cellseg-") as temporary:
        spec = unpack_model(archive, Path(temporary) / "model")
        for _, known in list_models():
            if known.name == spec.name and known.weights_sha256 == spec.weights_sha256:
                return spec.name
        return take_in(Path(temporary) / "model", is_renamed=True)


def compared_words(name: str) -> str:
    """Return how one of the user's models did beside its parent, "" where nobody knows."""
    figures = next((spec.figures for _, spec in list_models() if spec.name == name), {})
    try:
        n_cells = int(figures["held_out/n_cells"])
        new, old = (
            float(figures[key]) for key in ("held_out/msa", "held_out/msa_of_parent")
        )
    except (KeyError, TypeError, ValueError):
        return ""
    if not n_cells:
        return "No cell was held out, so nobody knows whether it is better."
    word = "better" if new > old else "not better, keep the old one"
    if f"{new:.3f}" == f"{old:.3f}":
        word = "as good as the old one"
    return (
        f"On {n_cells} cells that it had not seen it is {word} (outlines {new:.3f}, "
        f"old {old:.3f})."
    )


def fetch_report(name: str, sender: Sender, folder: Path) -> Job[list[Path]]:
    """Download curve, figures and pictures of a job into a folder; return the files.

    Raises
    ------
    RemoteError
        If there is no such job, or it left no report.
    ModelError, SaveError
        If what it left is none of ours, or cannot be written.
    """
    job = described(name, sender)
    uri = f"{job['OutputDataConfig']['S3OutputPath']}/{name}/output/{REPORT_NAME}"
    yield Progress(0, 0, "downloading the report")
    return unpack_report((yield from sender.fetch(uri)), folder)


def check_free(name: str) -> None:
    """Say before a training, not after it, that a name is taken; raises `ModelError`."""
    if any(spec.name == name for _, spec in list_models()):
        raise ModelError(
            f"There is a model '{name}' already; choose another name for the new one."
        )
