"""``cellseg cloud`` as it is typed, against moto's server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")

from aws_stand_in import BUCKET, GPU, PLACE, REGION, aws_stand_in, keys_in, make_bucket
from napari_cellseg.cli.main import app
from napari_cellseg.cloud.account import costs
from napari_cellseg.cloud.account.sending import Sender
from napari_cellseg.core.errors import CellsegError
from training_platform import folder_of_two


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sender]:
    monkeypatch.setenv("CELLSEG_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("CELLSEG_AWS_IMAGE", PLACE.image)
    monkeypatch.setenv("CELLSEG_AWS_ROLE", PLACE.role)
    monkeypatch.setenv("CELLSEG_AWS_REGION", REGION)
    monkeypatch.setattr(costs, "own_prices_path", lambda: tmp_path / "prices.toml")
    with aws_stand_in() as sender:
        monkeypatch.setenv("CELLSEG_AWS_ENDPOINT_URL", sender.settings.aws.endpoint_url)
        make_bucket(sender)
        yield sender


def cellseg(*words: str) -> Result:
    result = CliRunner().invoke(app, ["cloud", *words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_an_endpoint_from_the_first_word_to_the_last(aws: Sender) -> None:
    options = ("--bucket", BUCKET, "--instance-type", GPU, "--name", "plates")
    made = cellseg("deploy", *options).output
    assert "no price is known for ml.g4dn.xlarge" in made
    assert "The endpoint 'plates' answers (real-time)." in made
    assert "cellseg cloud stop --overdue" in made
    status = cellseg("status").output
    assert "endpoint plates (real-time, 1 × ml.g4dn.xlarge, InService)" in status
    assert "still running since" in status
    assert "endpoint plates" in cellseg("cost").output
    assert cellseg("stop", "--overdue").output == "There was nothing to stop.\n"
    dry = cellseg("stop", "--all", "--dry-run")
    wanted = [each["operation"] for each in json.loads(dry.stdout)]
    assert {"DeleteEndpoint", "DeleteEndpointConfig", "DeleteModel"} <= set(wanted)
    assert "would delete the endpoint 'plates'" in dry.stderr
    assert "endpoint plates" in cellseg("status").output
    assert "done: delete the endpoint 'plates'" in cellseg("stop", "--all").output
    assert "Nothing of ours runs" in cellseg("status").output
    assert keys_in(aws) == []


@pytest.mark.parametrize(
    ("words", "operations"),
    [
        (
            ("deploy", "--mode", "serverless"),
            ["PutObject", "CreateModel", "CreateEndpointConfig", "CreateEndpoint"],
        ),
        (("train", f"s3://{BUCKET}/set/"), ["CreateTrainingJob"]),
        (("train", f"s3://{BUCKET}/set/", "--spot"), ["CreateTrainingJob"]),
        (
            ("batch", f"s3://{BUCKET}/in/", f"s3://{BUCKET}/out/"),
            ["PutObject", "CreateModel", "CreateTransformJob"],
        ),
    ],
)
def test_a_dry_run_prints_each_request_and_sends_none(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], operations: list[str]
) -> None:
    """Nothing listens at the address; who sent something would fail."""
    monkeypatch.setenv("CELLSEG_AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    place = ("--image", PLACE.image, "--role", PLACE.role, "--bucket", BUCKET)
    printed: list[dict[str, Any]] = json.loads(
        cellseg(*words, *place, "--dry-run").output
    )
    assert [each["operation"] for each in printed] == operations


def test_a_dry_run_names_each_file_that_would_be_uploaded(
    aws: Sender, tmp_path: Path
) -> None:
    data = folder_of_two(tmp_path / "checked")
    result = cellseg("train", str(data), "--bucket", BUCKET, "--dry-run")
    calls = json.loads(result.stdout)
    *sent, job = calls
    (channel,) = [
        each
        for each in job["parameters"]["InputDataConfig"]
        if each["ChannelName"] == "train"
    ]
    folder = channel["DataSource"]["S3DataSource"]["S3Uri"]
    assert job["operation"] == "CreateTrainingJob"
    assert [call["operation"] for call in sent] == ["PutObject"] * 2
    for call in sent:
        assert f"s3://{BUCKET}/{call['parameters']['Key']}".startswith(folder)
    assert keys_in(aws) == []


def test_a_training_is_started_with_what_it_may_cost(aws: Sender) -> None:
    words = ("train", f"s3://{BUCKET}/set/", "--bucket", BUCKET, "--no-wait")
    told = cellseg(*words, "--name", "mine", "--steps", "4").output
    assert "At most $8.46 for 6 h" in told
    (job,) = aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    assert f"The job is called {job['TrainingJobName']}." in told
    asked = aws.client("sagemaker").describe_training_job(
        TrainingJobName=job["TrainingJobName"]
    )
    assert asked["HyperParameters"]["steps"] == "4"
    assert asked["HyperParameters"]["model"] == "cells-general"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("deploy",), "No bucket is given"),
        (("stop",), "Say what to stop"),
        (("stop", "ghost"), "no endpoint or job 'ghost'"),
        (("logs", "ghost"), "no log of 'ghost'"),
        (("fetch", "ghost"), "no training job 'ghost'"),
        (
            ("train", "s3://b/x", "--name", "cells-general", "--bucket", BUCKET),
            "model 'cells-general' already",
        ),
        (("batch", "in", "out", "--bucket", BUCKET), "no address in S3"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    aws: Sender, words: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(CellsegError, match=sentence):
        cellseg(*words)


def test_the_check_up_counts_its_problems(aws: Sender) -> None:
    result = cellseg("doctor", "--bucket", "elsewhere")
    assert result.exit_code == 1
    assert "PROBLEM  bucket elsewhere" in result.output
    assert "-> aws s3 mb s3://elsewhere" in result.output


def test_prices_are_edited_in_a_file_of_ones_own(aws: Sender, tmp_path: Path) -> None:
    assert str(tmp_path / "prices.toml") in cellseg("cost", "--edit").output
    text = (tmp_path / "prices.toml").read_text()
    (tmp_path / "prices.toml").write_text(text.replace("1.41", "9.99"))
    assert "about $9.99 an hour" in cellseg("cost").output


def test_following_a_log_that_is_not_there_says_so(
    aws: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_cellseg.cli.cloud_jobs_command.time.sleep", stop)
    result = CliRunner().invoke(app, ["cloud", "logs", "nothing", "--follow"])
    assert "There is no log of 'nothing' yet" in result.output
