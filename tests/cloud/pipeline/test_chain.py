"""The whole chain on this computer: S3 -> SQS -> Lambda's real client -> our server.

moto stands for S3, SQS and DynamoDB over HTTP; the function is the zip that is deployed,
run by awslambdaric; the server is ``cellseg serve`` in a process of its own.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import urllib3
from PIL import Image
from tests.cloud.pipeline.lambda_stand_in import Function, poll

from moto_server import moto_aws
from napari_cellseg.cloud.pipeline.contract import PARTS
from napari_cellseg.cloud.pipeline.package import code_zip
from napari_cellseg.core.synthetic import random_scene

boto3 = pytest.importorskip("boto3", reason="the extra 'aws' is not installed")
pytest.importorskip("awslambdaric", reason="awslambdaric is not installed")
pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
BUCKET = "plates"
GOOD = "input/plate 1/A01 (ä) 細胞+µ.tif"
CORRUPT = "input/plate 1/broken.png"


@dataclass
class Server:
    """``cellseg serve``, which can be stopped, killed and started again."""

    port: int
    flags: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "napari_cellseg.cli", "serve", "--device", "cpu",
             "--port", str(self.port), *self.flags],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        end = time.monotonic() + 240
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                if urllib3.request("GET", f"{self.address}/ping").status == 200:
                    return
            time.sleep(0.3)
        raise TimeoutError("the server did not start")

    def send(self, what: signal.Signals) -> None:
        self.process.send_signal(what)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.process.wait(20)


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with moto_aws() as address:
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield address


@pytest.fixture(scope="module")
def server(aws: str) -> Iterator[Server]:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        found = Server(one.getsockname()[1], ("--store", f"s3://{BUCKET}"))
    found.start()
    yield found
    found.kill()


@dataclass
class Cloud:
    """What stands in for AWS around one pipeline."""

    queue: str
    dead: str
    function: Function

    @property
    def s3(self) -> Any:
        return boto3.client("s3")

    @property
    def sqs(self) -> Any:
        return boto3.client("sqs")

    def work_off(self, seconds: float = 240.0) -> None:
        """Poll until no message is left, waiting or on its way."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if (
                poll(self.sqs, self.queue, self.function) == 0
                and self.n_messages() == 0
            ):
                return
        raise TimeoutError("messages are left")

    def n_messages(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)
        return sum(int(value) for value in found["Attributes"].values())

    def rows(self) -> dict[str, dict[str, str]]:
        """Return the rows of the run table by the keys of the images."""
        found = boto3.client("dynamodb").scan(TableName="runs")["Items"]
        plain = [
            {n: v.get("S", v.get("N", "")) for n, v in one.items()} for one in found
        ]
        return {one["image_key"]: one for one in plain if "image_key" in one}

    def versions(self, prefix: str) -> dict[str, int]:
        """Return how often each object was written."""
        found = self.s3.list_object_versions(Bucket=BUCKET, Prefix=prefix)
        counts: dict[str, int] = {}
        for one in found.get("Versions", []):
            counts[one["Key"]] = counts.get(one["Key"], 0) + 1
        return counts

    def body(self, key: str) -> bytes:
        data: bytes = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return data

    def buried(self) -> list[dict[str, Any]]:
        found = self.sqs.receive_message(
            QueueUrl=self.dead,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            VisibilityTimeout=0,
        )
        return list(found.get("Messages", []))

    def wait_for_state(self, key: str, *states: str) -> None:
        end = time.monotonic() + 60
        while self.rows().get(key, {}).get("run_state") not in states:
            assert time.monotonic() < end, self.rows()
            time.sleep(0.1)


@pytest.fixture
def cloud(aws: str, server: Server, tmp_path: Path) -> Iterator[Cloud]:
    """Deploy everything, empty."""
    urllib3.request("POST", f"{aws}/moto-api/reset")
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(
        Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"}
    )
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    names = ["QueueArn"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=names)["Attributes"]
    redrive = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": "5"}
    queue = sqs.create_queue(
        QueueName="uploads",
        Attributes={"VisibilityTimeout": "8", "RedrivePolicy": json.dumps(redrive)},
    )["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)
    told = (
        [("prefix", "input/")],
        [("prefix", "output/"), ("suffix", ".out")],
        [("prefix", "failures/"), ("suffix", ".out")],
    )
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET,
        NotificationConfiguration={
            "QueueConfigurations": [
                {
                    "QueueArn": found["Attributes"]["QueueArn"],
                    "Events": ["s3:ObjectCreated:*"],
                    "Filter": {
                        "Key": {
                            "FilterRules": [
                                {"Name": name, "Value": value} for name, value in rules
                            ]
                        }
                    },
                }
                for rules in told
            ]
        },
    )
    boto3.client("dynamodb").create_table(
        TableName="runs",
        KeySchema=[{"AttributeName": "run_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "run_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    zipfile.ZipFile(io.BytesIO(code_zip())).extractall(tmp_path / "code")
    variables = {
        "CELLSEG_BUCKET": BUCKET,
        "CELLSEG_TABLE": "runs",
        "CELLSEG_ENDPOINT": "cells",
        "CELLSEG_ASYNC_ENDPOINT": "cells",
        "CELLSEG_QUEUE": queue,
        "CELLSEG_DEAD_LETTERS": dead,
        "CELLSEG_RETRY_SECONDS": "1",
        "CELLSEG_LEASE_SECONDS": "6",
        # Our server answers below output/ where its store is the whole bucket.
        "CELLSEG_OUTPUT_PREFIX": "results/",
        "CELLSEG_ASYNC_PREFIX": "output/",
        "CELLSEG_ASYNC_FAILED_PREFIX": "failures/",
        "CELLSEG_REALTIME_BYTES": "200000",
        "CELLSEG_READING": '{"um":0.5}',
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": server.address,
    }
    with Function(tmp_path / "code", variables) as function:
        yield Cloud(queue, dead, function)


def scene(seed: int = 13, shape: tuple[int, int] = (160, 176)) -> np.ndarray[Any, Any]:
    plane = np.asarray(random_scene(seed, shape).image.plane()[0])
    return np.clip(plane, 0, 255).astype(np.uint8)


def tiff_of(plane: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, plane, photometric="minisblack")
    return buffer.getvalue()


def png_of(plane: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(plane).save(buffer, format="PNG")
    return buffer.getvalue()


def result_keys(key: str) -> list[str]:
    below = key.removeprefix("input/")
    return sorted(f"results/{below}_{part}" for part in PARTS)


def test_nothing_is_lost_and_nothing_is_done_twice(
    cloud: Cloud, server: Server
) -> None:
    second, third = "input/plate 1/B02.png", "input/C 03.tif"
    upload_twice_told_of(cloud, GOOD, tiff_of(scene()))
    cloud.s3.put_object(Bucket=BUCKET, Key=CORRUPT, Body=png_of(scene())[:2000])
    cloud.work_off()
    the_server_dies_with(cloud, server, second, png_of(scene(14)))
    cloud.work_off()
    the_function_dies_with(cloud, server, third, tiff_of(scene(15)))
    cloud.work_off()

    rows = cloud.rows()
    states = {key: row["run_state"] for key, row in rows.items()}
    good = (GOOD, second, third)
    assert states == {**dict.fromkeys(good, "done"), CORRUPT: "refused"}
    wanted = sorted(key for image in good for key in result_keys(image))
    assert cloud.versions("results/") == dict.fromkeys(wanted, 1)
    (dead,) = cloud.buried()
    assert "broken" in dead["Body"]
    assert [rows[key]["attempts"] for key in good] == ["1", "2", "2"]
    check_results(cloud, GOOD, rows[GOOD])


def upload_twice_told_of(cloud: Cloud, key: str, body: bytes) -> None:
    """Upload an image, and put S3's message into the queue once more."""
    cloud.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    found = cloud.sqs.receive_message(
        QueueUrl=cloud.queue, MaxNumberOfMessages=10, VisibilityTimeout=0
    )["Messages"]
    (told,) = [one["Body"] for one in found if '"Records"' in one["Body"]]
    cloud.sqs.send_message(QueueUrl=cloud.queue, MessageBody=told)


def begin_with(cloud: Cloud, server: Server, key: str, body: bytes) -> threading.Thread:
    """Upload an image and have the function ask a server that stands still."""
    server.send(signal.SIGSTOP)
    cloud.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    asking = (cloud.sqs, cloud.queue, cloud.function)
    polling = threading.Thread(target=poll, args=asking)
    polling.start()
    cloud.wait_for_state(key, "working")
    time.sleep(0.5)  # the row says "working" a moment before the server is asked
    return polling


def the_server_dies_with(cloud: Cloud, server: Server, key: str, body: bytes) -> None:
    """Kill the server while it has an image, and start another one."""
    polling = begin_with(cloud, server, key, body)
    server.kill()
    polling.join(120)
    cloud.wait_for_state(key, "waiting")
    assert cloud.versions(f"results/{key[6:]}") == {}
    server.start()


def the_function_dies_with(cloud: Cloud, server: Server, key: str, body: bytes) -> None:
    """Kill the function while it waits for an answer, and start another one."""
    polling = begin_with(cloud, server, key, body)
    cloud.function.kill()
    polling.join(60)
    server.send(signal.SIGCONT)
    cloud.function.start()


def check_results(cloud: Cloud, key: str, row: dict[str, str]) -> None:
    """Labels, table, counts and row say the same; the image's size and name are kept."""
    parts = {name: cloud.body(f"results/{key[6:]}_{name}") for name in PARTS}
    labels = tifffile.imread(io.BytesIO(parts["labels.tif"]))
    counts = json.loads(parts["counts.json"])
    cells = list(csv.DictReader(io.StringIO(parts["cells.csv"].decode())))

    assert labels.shape == (160, 176)
    assert labels.max() == counts["n_cells"] == len(cells) == int(row["n_cells"]) > 3
    assert counts["source"] == f"s3://{BUCKET}/{key}"
    assert counts["model"]["digest"] == row["digest"]
    assert {one["image"] for one in cells} == {key.rsplit("/", 1)[-1]}
    assert float(cells[0]["area_um2"]) == pytest.approx(
        0.25 * float(cells[0]["area_px"])
    )
    with Image.open(io.BytesIO(parts["overlay.png"])) as overlay:
        assert overlay.size == (176, 160)


def test_an_image_above_the_limit_goes_the_asynchronous_way(cloud: Cloud) -> None:
    key = "input/gröss+er 1.tif"
    body = tiff_of(scene(16, (512, 512)))
    assert len(body) > 200_000

    cloud.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    cloud.work_off()
    cloud.wait_for_state(key, "submitted", "done")  # a fast computer is done already
    end = time.monotonic() + 120
    while cloud.rows()[key]["run_state"] == "submitted" and time.monotonic() < end:
        poll(cloud.sqs, cloud.queue, cloud.function)

    assert cloud.rows()[key]["run_state"] == "done"
    assert cloud.versions("results/") == dict.fromkeys(result_keys(key), 1)
    assert cloud.buried() == []
