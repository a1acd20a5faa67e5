"""Images through S3: a bucket of moto, our server as the endpoint's container."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
from tests.servers import TOKEN, http, serving

from moto_server import empty_aws
from napari_cellseg.cloud.account.place import address_of
from napari_cellseg.cloud.client import choice
from napari_cellseg.cloud.client.async_endpoint import AsyncLine
from napari_cellseg.cloud.client.check import check_endpoint, endpoint_names
from napari_cellseg.cloud.client.choice import EndpointKind, kind_of
from napari_cellseg.cloud.client.endpoint import EndpointLine
from napari_cellseg.cloud.client.remote import RemoteSegmenter
from napari_cellseg.cloud.errors import CloudError, in_plain_words
from napari_cellseg.cloud.settings import CloudSettings, aws_client
from napari_cellseg.cloud.wire.envelope import Message
from napari_cellseg.core.errors import RemoteError
from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.synthetic import random_scene
from napari_cellseg.core.types import CellImage
from napari_cellseg.engines import open_segmenter
from napari_cellseg.io.aws import AwsAccount

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")
pytest.importorskip("starlette", reason="the extra 'serve' is not installed")
pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")

REGION = "eu-central-1"
OUTPUT = "s3://plates/cellseg/output"


@pytest.fixture(scope="module")
def aws() -> str:
    return empty_aws()


@pytest.fixture(scope="module")
def cloud(aws: str) -> Iterator[CloudSettings]:
    """Return the settings of a lab: buckets at moto, the endpoint is our server."""
    away = {"AWS_ENDPOINT_URL": aws, "AWS_DEFAULT_REGION": REGION}
    plain = CloudSettings(AwsAccount(region=REGION, endpoint_url=aws))
    aws_client("s3", plain).create_bucket(
        Bucket="plates", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    with serving("--store", "s3://plates/cellseg", environment=away) as address:
        yield CloudSettings(plain.aws, runtime_url=address, token=TOKEN)


@pytest.fixture(scope="module")
def control(cloud: CloudSettings) -> Any:
    """Return the control plane with three endpoints of three kinds."""
    client = aws_client("sagemaker", cloud)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "cells",
        "InitialInstanceCount": 1,
        "InstanceType": "ml.g4dn.xlarge",
    }
    serverless = {
        "VariantName": "AllTraffic",
        "ModelName": "cells",
        "ServerlessConfig": {"MemorySizeInMB": 6144, "MaxConcurrency": 1},
    }
    role = "arn:aws:iam::123456789012:role/cellseg"
    client.create_model(
        ModelName="cells", ExecutionRoleArn=role, PrimaryContainer={"Image": "cellseg"}
    )
    later = {"OutputConfig": {"S3OutputPath": OUTPUT}}
    for name, variants, more in (
        ("now", [variant], {}),
        ("small", [serverless], {}),
        ("later", [variant], {"AsyncInferenceConfig": later}),
    ):
        client.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=variants, **more
        )
        client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    return client


@pytest.fixture(scope="module")
def image() -> CellImage:
    return random_scene(13, (300, 280)).image


def keys(cloud: CloudSettings) -> list[str]:
    found = aws_client("s3", cloud).list_objects_v2(Bucket="plates")
    return [item["Key"] for item in found.get("Contents", [])]


def test_an_endpoint_that_failed_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    client = MagicMock()
    client.describe_endpoint.return_value = {
        "EndpointConfigName": "plates-1",
        "EndpointStatus": "Failed",
        "FailureReason": "The container did not pass the ping health check.",
    }
    client.describe_endpoint_config.return_value = {}
    monkeypatch.setattr(choice, "aws_client", lambda *_: client)
    with pytest.raises(CloudError, match="is Failed: The container did not pass"):
        choice.open_line("plates", CloudSettings())
    del client.describe_endpoint.return_value["FailureReason"]
    with pytest.raises(CloudError, match="cellseg cloud logs plates may say why"):
        choice.open_line("plates", CloudSettings())


def test_how_an_endpoint_is_set_up_is_asked(control: Any, cloud: CloudSettings) -> None:
    assert kind_of("now", cloud).kind == "real-time"
    assert kind_of("now", cloud).instance_type == "ml.g4dn.xlarge"
    assert kind_of("small", cloud).kind == "serverless"
    assert kind_of("later", cloud).output == OUTPUT
    with pytest.raises(CloudError, match=r"Check its name"):
        kind_of("nobody", cloud)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("now", ("A real-time endpoint · InService", "1 × ml.g4dn.xlarge: ")),
        ("small", ("A serverless endpoint · InService", "Costs nothing while")),
        ("later", ("An endpoint that works through S3 · InService",)),
    ],
)
def test_a_test_tells_who_we_are_what_runs_and_what_it_costs(
    control: Any, cloud: CloudSettings, name: str, lines: tuple[str, ...]
) -> None:
    told = run(check_endpoint(name, cloud))
    assert told[0].startswith("Account 123456789012 as ")
    assert cloud.runtime_url in told[1]
    for line in lines:
        assert any(one.startswith(line) for one in told), told
    assert name in endpoint_names(cloud)


def test_an_image_through_the_bucket_gives_the_same_labels(
    control: Any, cloud: CloudSettings, image: CellImage
) -> None:
    segmenter = open_segmenter("sagemaker:later", cloud=cloud)
    told: list[str] = []
    options = SegmentOptions()
    result = run(segmenter.segment(image, options), lambda p: told.append(p.message))
    local = run(open_segmenter("local", device="cpu").segment(image, options))
    np.testing.assert_array_equal(result.labels, local.labels)
    assert result.model_digest == local.model_digest
    assert any(words.startswith("sending") for words in told)
    assert any(words.startswith("waiting for the endpoint") for words in told)
    assert keys(cloud) == []


def test_what_the_container_says_where_it_fails_is_told(cloud: CloudSettings) -> None:
    line = AsyncLine("later", cloud, OUTPUT)
    with pytest.raises(CloudError, match="failed: The body is no TIFF"):
        line.ask(
            Message(b"nothing", "image/tiff", '{"v":1,"axes":"CYX","shape":[1,1,1]}'),
            "application/zip",
            lambda _: None,
        )
    assert keys(cloud) == []


def test_a_cancel_takes_the_image_back(cloud: CloudSettings, image: CellImage) -> None:
    line = AsyncLine("later", cloud, OUTPUT)
    job = RemoteSegmenter(line).segment(image, SegmentOptions(preset="accurate"))
    for progress in job:
        if progress.message.startswith("waiting for the endpoint"):
            break
    job.close()
    deadline = time.monotonic() + 10
    while any("input" in key for key in keys(cloud)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any("input" in key for key in keys(cloud))


def test_an_endpoint_at_rest_is_not_woken_by_a_question(cloud: CloudSettings) -> None:
    line = AsyncLine("later", cloud, OUTPUT, is_awake=False)
    segmenter = RemoteSegmenter(line)
    assert segmenter.device == "later · at rest"
    assert "at rest" in segmenter.spec.description


def test_a_bucket_that_is_not_there_is_told_of(
    cloud: CloudSettings, image: CellImage
) -> None:
    line = AsyncLine("later", cloud, "s3://nobodys-bucket/output", is_awake=False)
    with pytest.raises(RemoteError, match="no such thing"):
        run(RemoteSegmenter(line).segment(image, SegmentOptions()))


@pytest.mark.parametrize(
    "location",
    [
        "s3://other/cellseg/input/1",
        "s3://plates/secret/1",
        "s3://plates/cellsegsecret/1",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data",
    ],
)
def test_the_server_reads_its_own_folder_alone(
    cloud: CloudSettings, location: str
) -> None:
    client = aws_client("sagemaker-runtime", cloud)
    with in_plain_words("ask"):
        told = client.invoke_endpoint_async(
            EndpointName="later", InputLocation=location, ContentType="image/png"
        )
    s3 = aws_client("s3", cloud)
    failure = address_of(told["FailureLocation"])
    deadline = time.monotonic() + 20
    body = b""
    while not body and time.monotonic() < deadline:
        time.sleep(0.1)
        if failure.key in keys(cloud):
            body = s3.get_object(Bucket=failure.bucket, Key=failure.key)["Body"].read()
            s3.delete_object(Bucket=failure.bucket, Key=failure.key)
    words = json.loads(body)["error"]
    assert "reads from nowhere else" in words or "no address in S3" in words


def test_a_folder_serves_as_well(tmp_path: Path, image: CellImage) -> None:
    (tmp_path / "input").mkdir()
    outside = tmp_path.parent / "outside.png"
    outside.write_bytes(b"secret")
    (tmp_path / "input" / "link.png").symlink_to(outside)
    from PIL import Image

    picture = tmp_path / "input" / "A 1.png"
    plane = np.clip(image.plane()[0], 0, 255).astype(np.uint8)
    Image.fromarray(plane).save(picture)
    with serving("--store", str(tmp_path)) as address:
        for number, path in (("one", picture), ("two", tmp_path / "input/link.png")):
            told = http(
                "POST",
                f"{address}/endpoints/x/async-invocations",
                b"",
                Authorization=f"Bearer {TOKEN}",
                X_Amzn_SageMaker_InputLocation=path.as_uri(),
                X_Amzn_SageMaker_Content_Type="image/png",
                X_Amzn_SageMaker_Accept="application/json",
                X_Amzn_SageMaker_Inference_Id=number,
            )
            assert told.status == 202
        answer = tmp_path / "output" / "one.out"
        failure = tmp_path / "failures" / "two-error.out"
        deadline = time.monotonic() + 30
        while (
            not (answer.exists() and failure.exists()) and time.monotonic() < deadline
        ):
            time.sleep(0.1)
    assert json.loads(answer.read_bytes())["n_cells"] > 3
    # A link out of the folder is not followed.
    assert "reads from nowhere else" in failure.read_text()


def test_a_server_without_a_store_says_so(tmp_path: Path) -> None:
    with serving() as address:
        settings = CloudSettings(runtime_url=address, token=TOKEN)
        client = aws_client("sagemaker-runtime", settings)
        with pytest.raises(CloudError, match="--store"), in_plain_words("ask"):
            client.invoke_endpoint_async(EndpointName="x", InputLocation=OUTPUT)


def test_the_kind_decides_how_it_is_spoken_to(
    control: Any, cloud: CloudSettings
) -> None:
    from napari_cellseg.cloud.client.choice import open_line

    assert isinstance(open_line("now", cloud), EndpointLine)
    assert isinstance(open_line("later", cloud), AsyncLine)
    assert open_line("small", cloud).max_bytes == 4_000_000
    assert EndpointKind("real-time").output == ""
