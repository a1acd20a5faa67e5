"""``cellseg cloud doctor``, prices, and logs, against moto's server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")

from aws_stand_in import BUCKET, GPU, NOW, PLACE, aws_stand_in, make_bucket
from napari_cellseg.cloud.account import costs
from napari_cellseg.cloud.account.costs import (
    hourly_text,
    make_own_prices,
    own_prices_path,
    read_prices,
)
from napari_cellseg.cloud.account.requests import Call
from napari_cellseg.cloud.account.sending import Sender
from napari_cellseg.cloud.errors import CloudError
from napari_cellseg.cloud.sagemaker.checkup import SERVICE, check_up
from napari_cellseg.cloud.sagemaker.logs import LogReader
from napari_cellseg.cloud.settings import CloudSettings
from napari_cellseg.core.cloud_options import PlaceOptions
from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.finding import Finding


@pytest.fixture
def aws() -> Iterator[Sender]:
    with aws_stand_in() as sender:
        yield sender


@pytest.fixture
def own_prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config" / "prices.toml"
    monkeypatch.setattr(costs, "own_prices_path", lambda: path)
    return path


OURS = PlaceOptions(PLACE.image, PLACE.role, BUCKET)


def findings(sender: Sender) -> dict[str, Finding]:
    found = check_up(OURS, GPU, sender, read_prices(), NOW)
    return {finding.subject: finding for finding in found}


def make_role(sender: Sender, principal: str) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": principal},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    sender.client("iam").create_role(
        RoleName="cellseg", AssumeRolePolicyDocument=json.dumps(trust)
    )


def test_an_account_that_is_ready_has_no_problem_but_what_nobody_can_see(
    aws: Sender,
) -> None:
    """moto knows neither rights nor SageMaker's quotas; both are told of as unknown."""
    make_bucket(aws)
    make_role(aws, SERVICE)
    aws.client("ecr").create_repository(repositoryName="cellseg")
    found = findings(aws)
    assert found["AWS"].seen.startswith("user/moto in account 123456789012")
    assert aws.settings.aws.endpoint_url in found["AWS"].seen
    assert found["AWS"].state == "warning"  # the address is not AWS's
    assert found[f"bucket {BUCKET}"].state == "ok"
    assert found["role cellseg"].state == "ok"
    assert found["your rights"].state == "warning"
    assert found["quota"].state == "warning"
    assert found["image"].state == "problem"  # the repository is empty
    assert found["image"].seen == f"{PLACE.image} is not in ECR"
    assert "docker push" in found["image"].remedy
    assert found["what runs"].seen == "nothing of ours in this region"


def test_what_is_missing_is_named_with_what_to_do(aws: Sender) -> None:
    make_role(aws, "lambda.amazonaws.com")
    found = findings(aws)
    assert found[f"bucket {BUCKET}"].state == "problem"
    assert "aws s3 mb" in found[f"bucket {BUCKET}"].remedy
    assert "may not take it on" in found["role cellseg"].seen
    assert SERVICE in found["role cellseg"].remedy
    assert all(item.remedy for item in found.values() if item.state == "problem")


def test_everything_that_is_not_given_is_named_at_once(
    aws: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = list(check_up(PlaceOptions(), GPU, aws, read_prices(), NOW))
    missing = [each for each in found if each.seen == "is not given"]
    assert [each.subject for each in missing] == ["image", "role", "bucket"]
    assert missing[2].remedy == (
        "Fill it in (in a terminal: --bucket or CELLSEG_AWS_BUCKET, such as my-lab-cells)."
    )
    # What needs none of them is looked at all the same.
    assert found[-1].seen == "nothing of ours in this region"


def test_no_region_and_no_credentials_are_named_together(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID",
                 "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    nobody = Sender(CloudSettings())
    found = list(check_up(OURS, GPU, nobody, read_prices(), NOW))
    assert [each.subject for each in found] == ["AWS", "sign-in"]
    assert "No region is chosen" in found[0].seen
    assert "No credentials for AWS were found" in found[1].seen


@pytest.mark.parametrize(
    ("operation", "subject", "state", "remedy"),
    [
        ("HeadBucket", f"bucket {BUCKET}", "problem", "somebody else's"),
        ("GetRole", "role cellseg", "warning", "docs/aws.md"),
    ],
)
def test_what_may_not_be_looked_at_is_not_said_to_be_missing(
    aws: Sender,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    subject: str,
    state: str,
    remedy: str,
) -> None:
    send = aws.send

    def refuse(call: Call, *given: Any) -> Any:
        if call.operation == operation:
            raise CloudError("Your role may not look at it.", "403")
        return send(call, *given)

    monkeypatch.setattr(aws, "send", refuse)
    found = findings(aws)[subject]
    assert found.state == state
    assert remedy in found.remedy
    assert "aws s3 mb" not in found.remedy


def image_of(media_type: str) -> str:
    """Return the manifest of an image that has nothing in it."""
    part = {"mediaType": "x", "size": 1, "digest": "sha256:" + "0" * 64}
    return json.dumps(
        {"schemaVersion": 2, "mediaType": media_type, "config": part, "layers": [part]}
    )


@pytest.mark.parametrize(
    ("media_type", "state"),
    [
        ("application/vnd.docker.distribution.manifest.v2+json", "ok"),
        ("application/vnd.oci.image.manifest.v1+json", "warning"),
    ],
)
def test_an_image_that_sagemaker_may_refuse_is_told_of(
    aws: Sender, media_type: str, state: str
) -> None:
    ecr = aws.client("ecr")
    ecr.create_repository(repositoryName="cellseg")
    ecr.put_image(
        repositoryName="cellseg",
        imageManifest=image_of(media_type),
        imageManifestMediaType=media_type,
        imageTag=PLACE.image.rpartition(":")[2],
    )
    found = findings(aws)["image"]
    assert found.state == state
    assert ("--provenance=false" in found.remedy) is (state == "warning")


def test_a_bucket_in_another_region_is_a_problem(aws: Sender) -> None:
    there = Sender(CloudSettings(replace(aws.settings.aws, region="eu-west-1")))
    there.client("s3").create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    found = findings(aws)[f"bucket {BUCKET}"]
    assert found.state == "problem"
    assert "is in eu-west-1, you work in eu-central-1" in found.seen


def test_a_log_is_read_on_from_where_it_was(aws: Sender) -> None:
    logs = aws.client("logs")
    reader = LogReader(aws, "/aws/sagemaker/TrainingJobs", "job/")
    assert reader.new_lines() == []
    logs.create_log_group(logGroupName="/aws/sagemaker/TrainingJobs")
    for stream in ("job/algo-1", "other/algo-1"):
        logs.create_log_stream(
            logGroupName="/aws/sagemaker/TrainingJobs", logStreamName=stream
        )

    now = 1000 * int(time.time())  # CloudWatch drops what is older than two weeks

    def write(stream: str, after_ms: int, *lines: str) -> None:
        logs.put_log_events(
            logGroupName="/aws/sagemaker/TrainingJobs",
            logStreamName=stream,
            logEvents=[
                {"timestamp": now + after_ms, "message": line} for line in lines
            ],
        )

    write("job/algo-1", 0, "one", "two")
    write("other/algo-1", 0, "not ours")
    assert reader.new_lines() == ["one", "two"]
    assert reader.new_lines() == []
    write("job/algo-1", 1000, "three")
    assert reader.new_lines() == ["three"]


def test_prices_say_where_they_come_from(own_prices: Path) -> None:
    prices = read_prices()
    assert "us-east-1" in prices.origin
    assert prices.hourly("ml.g5.xlarge", 2) == 2 * prices.per_hour["ml.g5.xlarge"]
    assert prices.hourly("ml.unknown.large") is None
    assert "cellseg cloud cost --edit" in hourly_text("ml.unknown.large", 1, prices)


def test_ones_own_prices_win(own_prices: Path) -> None:
    assert make_own_prices() == own_prices
    text = own_prices.read_text().replace("1.41", "2.5")
    own_prices.write_text(text)
    assert make_own_prices().read_text() == text
    prices = read_prices()
    assert prices.hourly("ml.g5.xlarge") == 2.5
    assert hourly_text("ml.g5.xlarge", 1, prices).startswith(
        "about $2.50 an hour, $1,825"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("per_hour = 3", "cannot be read"),
        ('[per_hour]\na = "x"', "a number of 0"),
        ("[", "cannot be read"),
    ],
)
def test_a_price_table_that_is_broken_is_named(
    own_prices: Path, text: str, words: str
) -> None:
    own_prices.parent.mkdir(parents=True)
    own_prices.write_text(text)
    with pytest.raises(OptionsError, match=words) as caught:
        read_prices()
    assert "price table" in str(caught.value)


def test_the_own_table_lies_with_the_settings() -> None:
    assert own_prices_path().name == "prices.toml"
    assert "napari-cellseg" in str(own_prices_path())
