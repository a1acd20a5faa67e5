"""Many images in S3, segmented once: a batch transform job, and nothing left of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from napari_cellseg.cloud.account.requests import Call, check_call
from napari_cellseg.cloud.account.sending import Sender, take_back
from napari_cellseg.cloud.sagemaker.deploy import upload_call
from napari_cellseg.cloud.sagemaker.deploy_plan import SAGEMAKER, Deployment, model_call
from napari_cellseg.cloud.sagemaker.logs import ENDED
from napari_cellseg.cloud.sagemaker.package import ARCHIVE_NAME, pack_model
from napari_cellseg.cloud.sagemaker.train_plan import BatchPlan, batch_call
from napari_cellseg.cloud.sagemaker.training import POLL_SECONDS
from napari_cellseg.core.errors import RemoteError
from napari_cellseg.core.jobs import Job, Progress


@dataclass(frozen=True, slots=True)
class BatchDone:
    """A batch job that has ended.

    Attributes
    ----------
    status : str
        ``"Completed"`` or ``"Stopped"``.
    results_uri : str
        Where the results are, ``NAME.out`` for each image.
    """

    status: str
    results_uri: str


def batch_calls(deployment: Deployment, plan: BatchPlan) -> list[Call]:
    """Return every request of a batch job, each checked; raises `OptionsError`."""
    calls = [upload_call(deployment), model_call(deployment), batch_call(plan)]
    for call in calls:
        check_call(call)
    return calls


def run_batch(
    deployment: Deployment,
    plan: BatchPlan,
    model: Path,
    sender: Sender,
    poll_seconds: float = POLL_SECONDS,
) -> Job[BatchDone]:
    """Segment all images of a folder in S3; the model in SageMaker goes at the end.

    Closing the job stops the batch job; what is done by then stays in S3.

    Raises
    ------
    OptionsError
        If AWS would refuse it for its form.
    RemoteError
        If a step failed.
    """
    upload, *calls = batch_calls(deployment, plan)
    made: list[Call] = []
    try:
        with TemporaryDirectory(prefix="cellseg-") as name:
            yield Progress(0, 0, "uploading the model")
            archive = Path(name) / ARCHIVE_NAME
            pack_model(model, archive)
            sender.upload(archive, deployment.archive_uri)
            made.append(upload)
        for call in calls:
            yield Progress(0, 0, call.doing)
            sender.send(call)
            made.append(call)
        return (yield from _until_done(plan, sender, poll_seconds, made))
    finally:
        take_back(sender, made)


def _until_done(
    plan: BatchPlan, sender: Sender, poll_seconds: float, made: list[Call]
) -> Job[BatchDone]:
    began = time.monotonic()
    while True:
        job: dict[str, Any] = sender.ask(
            SAGEMAKER,
            "DescribeTransformJob",
            f"look at '{plan.job_name}'",
            TransformJobName=plan.job_name,
        )
        status = job["TransformJobStatus"]
        if status in ENDED:
            made.pop()  # there is nothing to stop any more
        if status == "Failed":
            reason = job.get("FailureReason", "AWS gives no reason.")
            raise RemoteError(
                f"The batch job '{plan.job_name}' failed: {reason} Its log: cellseg cloud "
                f"logs {plan.job_name}."
            )
        if status in ENDED:
            return BatchDone(status, plan.results_uri)
        minutes = (time.monotonic() - began) / 60
        yield Progress(0, 0, f"{plan.job_name} is {status}, {minutes:.0f} min")
        time.sleep(poll_seconds)
