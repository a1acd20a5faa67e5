"""A model becomes an endpoint, or nothing is left of the attempt."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from napari_cellseg.cloud.account.place import APP_TAG, MODE_TAG, split_uri
from napari_cellseg.cloud.account.requests import Call, check_call
from napari_cellseg.cloud.account.sending import Sender, found, take_back
from napari_cellseg.cloud.errors import CloudError
from napari_cellseg.cloud.sagemaker.deploy_plan import (
    SAGEMAKER,
    Deployment,
    delete_schedule_call,
    deploy_calls,
)
from napari_cellseg.cloud.sagemaker.package import ARCHIVE_NAME, pack_model
from napari_cellseg.cloud.sagemaker.teardown import delete_settings
from napari_cellseg.core.errors import CellsegError, RemoteError
from napari_cellseg.core.jobs import Job, Progress

#: Seconds between two questions whether something is ready.
POLL_SECONDS = 10.0
IN_SERVICE, FAILED = "InService", "Failed"


@dataclass(frozen=True, slots=True)
class Deployed:
    """An endpoint that answers.

    Attributes
    ----------
    name : str
        Its name.
    stop_at : datetime or None
        When it is to be gone.
    is_scheduled : bool
        True if AWS deletes it by itself then.
    """

    name: str
    stop_at: datetime | None
    is_scheduled: bool


def upload_call(deployment: Deployment) -> Call:
    """Return the request that brings the model to S3, as `deploy` sends it."""
    bucket, key = split_uri(deployment.archive_uri)
    return Call(
        "s3",
        "PutObject",
        {"Bucket": bucket, "Key": key, "Body": f"<{ARCHIVE_NAME}>"},
        f"write the model to {deployment.archive_uri}",
        Call(
            "s3",
            "DeleteObject",
            {"Bucket": bucket, "Key": key},
            f"delete {deployment.archive_uri}",
        ),
    )


def dry_run(deployment: Deployment, *, is_new: bool = True) -> list[Call]:
    """Return every request of a deployment, each checked; nothing is sent.

    Raises
    ------
    OptionsError
        If AWS would refuse one for its form.
    """
    calls = [upload_call(deployment), *deploy_calls(deployment, is_new=is_new)]
    for call in calls:
        check_call(call)
    return calls


def deploy(
    deployment: Deployment,
    model: Path,
    sender: Sender,
    poll_seconds: float = POLL_SECONDS,
) -> Job[Deployed]:
    """Make an endpoint that runs a model, or give an endpoint of this name the model.

    If a step fails, or the job is closed, what was made is deleted again; a new endpoint
    too.

    Parameters
    ----------
    deployment : Deployment
        What and where.
    model : Path
        The model's folder.
    sender : Sender
        The account.
    poll_seconds : float
        Between two questions whether it is ready.

    Raises
    ------
    OptionsError
        If AWS would refuse a request for its form; nothing was sent then.
    RemoteError
        If a step failed; the message says what could not be taken back.
    """
    before = _present(deployment, sender)
    calls = dry_run(deployment, is_new=before is None)
    made: list[Call] = []
    with (
        TemporaryDirectory(prefix="cellseg-") as name,
        _all_or_nothing(sender, made, poll_seconds),
    ):
        yield Progress(0, len(calls), "packing the model")
        archive = Path(name) / ARCHIVE_NAME
        pack_model(model, archive)
        yield Progress(0, len(calls), "uploading the model")
        sender.upload(archive, deployment.archive_uri)
        made.append(calls[0])
        answers: dict[str, dict[str, Any]] = {}
        for n_done, call in enumerate(calls[1:], 1):
            yield Progress(n_done, len(calls), call.doing)
            answers[call.operation] = sender.send(call, answers)
            made.append(call)
            if call.operation in ("CreateEndpoint", "UpdateEndpoint"):
                yield from _until_in_service(deployment.name, sender, poll_seconds)
    if before is not None:
        old = before["EndpointConfigName"]
        found(sender, delete_schedule_call(old))
        delete_settings(old, sender)
    return Deployed(
        deployment.name,
        deployment.stop_at,
        bool(deployment.place.scheduler_role and deployment.stop_at),
    )


@contextmanager
def _all_or_nothing(
    sender: Sender, made: list[Call], poll_seconds: float
) -> Iterator[None]:
    """Take back what was made if the block does not come to its end."""
    try:
        yield
    except CellsegError as error:
        left = take_back(sender, made, poll_seconds)
        told = _left_words(left) if left else "What was made is deleted again."
        raise RemoteError(f"{error} {told}") from error
    except BaseException as error:  # cancelled, or the window is gone
        if left := take_back(sender, made, poll_seconds):
            raise RemoteError(_left_words(left)) from error
        raise


def _left_words(left: list[str]) -> str:
    return f"LEFT BEHIND, it may cost money; delete it by hand: {'; '.join(left)}"


def _present(deployment: Deployment, sender: Sender) -> dict[str, Any] | None:
    """Return an endpoint of this name that can be changed, None where there is none.

    Raises
    ------
    RemoteError
        If there is one that is not ours, or of another mode.
    """
    name, mode = deployment.name, deployment.options.mode
    call = Call(
        SAGEMAKER, "DescribeEndpoint", {"EndpointName": name}, f"look at '{name}'"
    )
    endpoint = found(sender, call)
    if endpoint is None:
        return None
    tags = sender.tags_of(endpoint["EndpointArn"])
    if tags.get(APP_TAG[0]) != APP_TAG[1]:
        raise RemoteError(
            f"There is an endpoint '{name}' that we did not make; it is left alone. "
            "Choose another name with --name."
        )
    if tags.get(MODE_TAG) != mode:
        raise RemoteError(
            f"The endpoint '{name}' is {tags.get(MODE_TAG)} and cannot become {mode}. "
            f"Stop it first (cellseg cloud stop {name}), or choose another name."
        )
    return endpoint


def _until_in_service(name: str, sender: Sender, poll_seconds: float) -> Job[None]:
    """Wait until an endpoint answers; raises `RemoteError` if it fails."""
    began = time.monotonic()
    while True:
        state = sender.ask(
            SAGEMAKER, "DescribeEndpoint", f"look at '{name}'", EndpointName=name
        )
        if state["EndpointStatus"] == IN_SERVICE:
            return
        if state["EndpointStatus"] in (FAILED, "UpdateRollbackFailed"):
            reason = state.get("FailureReason", "AWS gives no reason.")
            raise CloudError(
                f"The endpoint '{name}' did not start: {reason} Its log: "
                f"cellseg cloud logs {name}.",
                FAILED,
            )
        minutes = (time.monotonic() - began) / 60
        yield Progress(
            0, 0, f"endpoint is {state['EndpointStatus'].lower()}, {minutes:.0f} min"
        )
        time.sleep(poll_seconds)
