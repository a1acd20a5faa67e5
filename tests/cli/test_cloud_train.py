"""``cellseg cloud train`` and ``logs --follow``, from the first word to the last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")

from aws_stand_in import BUCKET, GPU, PLACE, REGION, aws_stand_in, keys_in, make_bucket
from napari_cellseg.cli import cloud_jobs_command
from napari_cellseg.cli.main import app
from napari_cellseg.cloud.account import costs
from napari_cellseg.cloud.account.sending import Sender
from napari_cellseg.cloud.errors import CloudError
from napari_cellseg.cloud.sagemaker import logs as logs_of_aws
from napari_cellseg.cloud.sagemaker import training
from napari_cellseg.core.errors import RemoteError
from napari_cellseg.io.models.folder import find_model, read_model_spec
from napari_cellseg.io.s3 import cache
from training_platform import folder_of_two, little, training_platform

QUICK = ("--steps", "4", "--batch-size", "2", "--crop", "64")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sender]:
    monkeypatch.setenv("CELLSEG_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("CELLSEG_AWS_IMAGE", PLACE.image)
    monkeypatch.setenv("CELLSEG_AWS_ROLE", PLACE.role)
    monkeypatch.setenv("CELLSEG_AWS_REGION", REGION)
    monkeypatch.setenv("CELLSEG_AWS_BUCKET", BUCKET)
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(costs, "own_prices_path", lambda: tmp_path / "prices.toml")
    for module in (training, cloud_jobs_command):
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=little))
    with aws_stand_in() as sender:
        monkeypatch.setenv("CELLSEG_AWS_ENDPOINT_URL", sender.settings.aws.endpoint_url)
        make_bucket(sender)
        yield sender


def cellseg(*words: str) -> Result:
    result = CliRunner().invoke(app, ["cloud", *words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_training_from_the_first_word_to_the_new_model(
    aws: Sender, tmp_path: Path
) -> None:
    data = folder_of_two(tmp_path / "checked")
    followed: list[Result] = []
    with training_platform(aws, tmp_path / "opt") as ran:
        words = ("train", str(data), "--name", "mine", "--instance-type", GPU, *QUICK)
        told = cellseg(*words).output
        assert ran, told
        (job,) = ran
    followed.append(cellseg("logs", job, "--follow"))

    assert f"The job is called {job}." in told
    seen = [line for line in told.splitlines() if ": loss " in line]
    assert [line.split(":")[0] for line in seen] == [
        f"step {n} of 4" for n in range(1, 5)
    ]
    assert "held-out mSA" in seen[-1]
    # What it was doing is told while it does it, not at its end.
    assert told.index("Training") < told.index("step 1 of 4")
    assert "Completed after" in told
    assert "'mine' is among your models now" in told
    assert "cells that it had not seen it is" in told
    new, base = read_model_spec(find_model("mine")), read_model_spec(find_model(None))
    assert new.parent_sha256 == base.weights_sha256
    # Four steps need not make it better; then it is the old one, and says so.
    assert "held_out/msa" in new.to_json()
    assert "s13, s25" in new.description
    assert any(key.endswith("model.tar.gz") for key in keys_in(aws))
    assert "step=4" in followed[0].output
    assert f"The training job '{job}' is completed." in followed[0].output


def answered(log: list[str], **answers: Any) -> Any:
    """Return a sender that knows of one thing, whose state changes as it is asked."""

    def send(call: Any) -> dict[str, Any]:
        given = answers.get(call.operation)
        if not given:
            raise CloudError("Could not find it.")
        return dict(given.pop(0) if len(given) > 1 else given[0])

    def read(group: str) -> list[str]:
        return [log.pop(0)] if log and "TrainingJobs" in group else []

    return SimpleNamespace(send=send, read=read)


@pytest.mark.parametrize(
    ("ends", "sentence"),
    [
        ({"TrainingJobStatus": "Completed"}, "The training job 'mine' is completed."),
        ({"TrainingJobStatus": "Stopped"}, "The training job 'mine' was stopped."),
    ],
    ids=["completed", "stopped"],
)
def test_a_followed_log_ends_with_its_job(
    monkeypatch: pytest.MonkeyPatch, ends: dict[str, str], sentence: str
) -> None:
    result, log = follow(
        monkeypatch, DescribeTrainingJob=[{"TrainingJobStatus": "InProgress"}, ends]
    )
    assert result.exit_code == 0
    assert [line for line in result.output.splitlines() if line] == [*LINES, sentence]
    assert not log


def test_a_followed_log_tells_why_its_job_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed = {"TransformJobStatus": "Failed", "FailureReason": "No images."}
    result, _ = follow(monkeypatch, DescribeTransformJob=[failed])
    assert isinstance(result.exception, RemoteError)
    assert str(result.exception) == "The batch job 'mine' failed: No images."


def test_a_followed_log_ends_when_its_endpoint_is_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = [{"EndpointStatus": "InService"}]
    monkeypatch.setattr(logs_of_aws, "found", _found_once)
    result, _ = follow(monkeypatch, DescribeEndpoint=there)
    assert "The endpoint 'mine' was deleted." in result.output


LINES = ["step=1 loss=3;", "step=2 loss=2;", "the last words"]


def _found_once(sender: Any, call: Any) -> dict[str, Any] | None:
    try:
        answer: dict[str, Any] = sender.send(call)
    except CloudError:
        return None
    sender.send = _gone
    return answer


def _gone(_call: Any) -> dict[str, Any]:
    raise CloudError("Could not find it.")


def follow(monkeypatch: pytest.MonkeyPatch, **answers: Any) -> tuple[Result, list[str]]:
    """Follow the log of "mine"; its last line comes after its end, as CloudWatch's do."""
    log = list(LINES)
    sender = answered(log, **answers)
    monkeypatch.setattr(cloud_jobs_command, "sender_of", lambda _: sender)
    monkeypatch.setattr(
        logs_of_aws.LogReader, "new_lines", lambda self: sender.read(self.group)
    )
    monkeypatch.setattr(
        cloud_jobs_command, "time", SimpleNamespace(sleep=lambda _: None)
    )
    return CliRunner().invoke(app, ["cloud", "logs", "mine", "--follow"]), log
