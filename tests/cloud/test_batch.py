"""Batch jobs, against moto's server; moto's are "Completed" at once and segment nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")
pytest.importorskip("starlette", reason="the extra 'serve' is not installed")

from aws_stand_in import BUCKET, GPU, NOW, PLACE, aws_stand_in, keys_in, make_bucket
from napari_cellseg.cli.cloud_flags import IMAGE_TYPES, RESULT_TYPES
from napari_cellseg.cloud.account.sending import Sender
from napari_cellseg.cloud.pipeline.contract import WHOLE_TYPE
from napari_cellseg.cloud.sagemaker.batch import run_batch
from napari_cellseg.cloud.sagemaker.deploy_plan import Deployment
from napari_cellseg.cloud.sagemaker.train_plan import BatchPlan
from napari_cellseg.cloud.settings import CloudSettings, aws_client
from napari_cellseg.core.cloud_options import DeployOptions
from napari_cellseg.core.errors import RemoteError
from napari_cellseg.core.jobs import run
from napari_cellseg.io.models.folder import find_model
from napari_cellseg.serving.requests.asking import SUFFIXES

WANTED = Deployment("plates", "cells-general", PLACE, DeployOptions(), NOW)
PLAN = BatchPlan(
    WANTED.part_name,
    WANTED.part_name,
    f"s3://{BUCKET}/in/",
    f"s3://{BUCKET}/out/",
    WHOLE_TYPE,
    "image/tiff",
    GPU,
    1,
)


@pytest.fixture
def aws() -> Iterator[Sender]:
    with aws_stand_in() as sender:
        make_bucket(sender)
        yield sender


def answering(*states: dict[str, str], stopped: list[Any] | None = None) -> Any:
    """Return what opens clients whose batch jobs go through states."""
    left = list(states)

    def open_client(service: str, settings: CloudSettings) -> Any:
        client = aws_client(service, settings)
        if service == "sagemaker":
            really = client.describe_transform_job

            def describe(**given: Any) -> Any:
                answer = really(**given)
                return {**answer, **(left.pop(0) if len(left) > 1 else left[0])}

            def stop(**given: Any) -> Any:
                if stopped is not None:
                    stopped.append(given)
                return {}

            client.describe_transform_job = describe
            client.stop_transform_job = stop
        return client

    return open_client


def test_when_it_is_done_nothing_is_left_but_the_results(aws: Sender) -> None:
    done = run(run_batch(WANTED, PLAN, find_model(None), aws, 0.01))
    sagemaker = aws.client("sagemaker")
    job = sagemaker.describe_transform_job(TransformJobName="plates-20261121-093015")
    assert done.results_uri == job["TransformOutput"]["S3OutputPath"]
    assert job["TransformInput"]["ContentType"] == "image/tiff"
    assert sagemaker.list_models()["Models"] == []
    assert keys_in(aws) == []


def test_a_job_that_fails_gives_its_reason(aws: Sender) -> None:
    failed = {"TransformJobStatus": "Failed", "FailureReason": "No such image."}
    sender = Sender(
        aws.settings, answering({"TransformJobStatus": "InProgress"}, failed)
    )
    with pytest.raises(RemoteError, match="failed: No such image"):
        run(run_batch(WANTED, PLAN, find_model(None), sender, 0.01))
    assert keys_in(aws) == []


def test_a_job_that_is_cancelled_is_stopped(aws: Sender) -> None:
    stopped: list[Any] = []
    running = {"TransformJobStatus": "InProgress"}
    sender = Sender(aws.settings, answering(running, stopped=stopped))
    job = run_batch(WANTED, PLAN, find_model(None), sender, 0.01)
    for progress in job:
        if "InProgress" in progress.message:
            break
    job.close()
    assert stopped == [{"TransformJobName": "plates-20261121-093015"}]
    assert aws.client("sagemaker").list_models()["Models"] == []


def test_what_is_offered_is_what_the_server_reads_and_answers() -> None:
    assert set(IMAGE_TYPES) == set(SUFFIXES)
    assert RESULT_TYPES["all"] == WHOLE_TYPE
