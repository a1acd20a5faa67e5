"""What of ours runs at AWS, as the window shows it; no window, and no AWS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")

from aws_stand_in import BUCKET, GPU, PLACE, aws_stand_in, make_bucket
from napari_cellseg.cloud.account import costs
from napari_cellseg.cloud.account.sending import Sender
from napari_cellseg.cloud.sagemaker.training import TrainWish
from napari_cellseg.controllers.aws import cloud as controllers
from napari_cellseg.controllers.aws import cloud_jobs
from napari_cellseg.controllers.aws.cloud import CloudController, DeployWish
from napari_cellseg.controllers.task import JobListener, TaskController, failure_from
from napari_cellseg.core.cloud_options import (
    AccountOptions,
    DeployOptions,
    PlaceOptions,
    TrainJobOptions,
)
from napari_cellseg.core.errors import CellsegError, OptionsError, RemoteError
from napari_cellseg.core.jobs import Job, run
from napari_cellseg.core.train_options import FineTuneOptions
from napari_cellseg.core.training.curve import CurvePoint
from napari_cellseg.core.training.item import TrainProgress
from napari_cellseg.io import used_endpoints

ACCOUNT = AccountOptions()
OURS = PlaceOptions(PLACE.image, PLACE.role, BUCKET)


def at_once(job: Job[Any], listener: JobListener) -> None:
    """Run a job where it was asked for."""
    try:
        result = run(job, listener.on_job_progress)
    except CellsegError as error:
        listener.on_job_failed(failure_from(error, ""))
    else:
        listener.on_job_result(result)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sender]:
    monkeypatch.setattr(costs, "own_prices_path", lambda: tmp_path / "prices.toml")
    monkeypatch.setattr(used_endpoints, "used_file", lambda: tmp_path / "used.json")
    with aws_stand_in() as sender:
        make_bucket(sender)
        yield sender


@pytest.fixture
def cloud(aws: Sender) -> CloudController:
    return CloudController(TaskController(at_once), lambda _: aws)  # type: ignore[arg-type]


def wish(name: str = "plates") -> DeployWish:
    return DeployWish("cells-general", name, DeployOptions(instance_type=GPU), OURS)


def test_an_endpoint_is_deployed_listed_and_stopped(cloud: CloudController) -> None:
    assert cloud.total() == "Not asked yet; press Show what runs."
    cloud.deploy(ACCOUNT, wish())
    assert "The endpoint 'plates' answers. It is to be gone by" in cloud.lines[0]
    (sentence,) = cloud.sentences()
    assert "endpoint plates (real-time, 1 × ml.g4dn.xlarge" in sentence
    assert "still running since" in sentence
    assert cloud.total().startswith("No price is known for what runs, but it costs")
    assert "is stopped then while this window is open" in cloud.lines[0]
    assert "CELLSEG_AWS_SCHEDULER_ROLE" in cloud.lines[0]

    cloud.stop(ACCOUNT, "plates")

    assert "Done: delete the endpoint 'plates'" in cloud.lines
    assert cloud.total() == "Nothing of ours runs in this region."


def test_what_is_over_its_time_is_stopped_once(
    cloud: CloudController, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not cloud.stop_overdue()
    cloud.deploy(ACCOUNT, wish("kept"))
    cloud.deploy(ACCOUNT, wish("plates"))
    assert not cloud.stop_overdue()
    hours = DeployOptions().stop_after_hours
    later = controllers.now_utc() + timedelta(hours=hours, minutes=4)
    monkeypatch.setattr(controllers, "now_utc", lambda: later)

    assert cloud.stop_overdue()
    assert len(cloud.sentences()) == 1
    assert cloud.stop_overdue()
    assert cloud.total() == "Nothing of ours runs in this region."
    assert not cloud.stop_overdue()


def test_what_aws_refuses_to_stop_is_not_asked_for_again_and_again(
    cloud: CloudController, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.deploy(ACCOUNT, wish())
    later = controllers.now_utc() + timedelta(days=9)
    monkeypatch.setattr(controllers, "now_utc", lambda: later)

    def refused(*_: object) -> Job[list[str]]:
        raise RemoteError("You may not.")

    monkeypatch.setattr(cloud_jobs, "stop", refused)
    assert cloud.stop_overdue()
    assert cloud.task.state == "failed"
    assert not cloud.stop_overdue()


def test_what_fails_says_why(cloud: CloudController) -> None:
    cloud.stop(ACCOUNT, "ghost")
    assert cloud.task.state == "failed"
    assert cloud.task.failure is not None
    assert "no endpoint or job 'ghost'" in cloud.task.failure.message


def test_what_is_missing_is_said_before_anything_is_asked(
    cloud: CloudController, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CELLSEG_AWS_IMAGE", raising=False)
    with pytest.raises(OptionsError, match=r"No image.* are given.*--image or"):
        cloud.deploy(ACCOUNT, DeployWish("cells-general", "plates"))
    assert cloud.task.state == "idle"


def test_the_check_up_is_told_line_by_line(cloud: CloudController) -> None:
    cloud.check(ACCOUNT, OURS, GPU)
    assert f"✓ bucket {BUCKET}: is there, in eu-central-1" in cloud.lines
    assert any(line.startswith("✗ role cellseg") for line in cloud.lines)
    assert any(line.startswith("    → ") for line in cloud.lines)


def test_a_training_ends_with_a_model_in_the_menu(
    cloud: CloudController, aws: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moto trains nothing; that a model is fetched is tested with `cloud.sagemaker.training`."""

    def fetched(name: str, _sender: Sender) -> Any:
        yield from ()
        return f"model of {name[:4]}"

    monkeypatch.setattr(cloud_jobs, "fetch_model", fetched)
    arrived: list[str] = []
    cloud.model_arrived.connect(arrived.append)
    wish = TrainWish(f"s3://{BUCKET}/set/", "mine")
    machine = TrainJobOptions(instance_type=GPU, spot=True)
    cloud.train(ACCOUNT, wish, OURS, FineTuneOptions(steps=4), machine)
    (job,) = aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    asked = aws.client("sagemaker").describe_training_job(
        TrainingJobName=job["TrainingJobName"]
    )
    assert asked["HyperParameters"]["steps"] == "4"
    assert asked["EnableManagedSpotTraining"] is True
    assert arrived == ["model of mine"]
    assert cloud.lines == (
        "'model of mine' is in the model menu of this computer now; New endpoint deploys "
        "it.",
    )


def test_the_curve_of_a_training_is_kept_as_it_comes(cloud: CloudController) -> None:
    """A job that went back to its checkpoint does some steps again."""
    told = [(1, 0.9, None), (2, 0.8, None), (3, 0.7, 0.5), (2, 0.75, None)]

    def followed() -> Job[None]:
        for step, loss, score in told:
            point = CurvePoint(step, loss, score)
            yield TrainProgress(step, 4, f"step {step} of 4", (point,))

    cloud.task.start(controllers.TRAINING, followed(), lambda _: None)
    assert [(each.step, each.loss) for each in cloud.curve] == [(1, 0.9), (2, 0.75)]


def test_a_training_says_what_it_may_cost(cloud: CloudController) -> None:
    assert cloud.train_price(TrainJobOptions()) == "At most $8.46."
    spot = TrainJobOptions(max_hours=2, hosts=2, spot=True)
    assert cloud.train_price(spot) == "At most $5.64, less on spot."


def test_the_price_is_said_before_it_is_spent(cloud: CloudController) -> None:
    usual = DeployOptions()
    assert cloud.price(usual).startswith("About $1.41 an hour, $1,029 a month")
    assert cloud.price(usual).endswith("to be gone after 12 h.")
    assert cloud.price(DeployOptions(mode="serverless")) == "Costs only while it works."


def test_what_a_window_made_is_told_of_and_stopped_before_it_closes(
    cloud: CloudController, aws: Sender
) -> None:
    assert cloud.left_words() == []
    cloud.deploy(ACCOUNT, wish())
    (words,) = cloud.left_words()
    assert words.startswith("endpoint plates (real-time, 1 × ml.g4dn.xlarge")
    assert "still running since" in words
    cloud.stop_left()
    assert cloud.left_words() == []
    assert aws.client("sagemaker").list_endpoints()["Endpoints"] == []


def test_what_others_run_is_not_asked_about(
    cloud: CloudController, aws: Sender
) -> None:
    CloudController(cloud.task, lambda _: aws).deploy(ACCOUNT, wish("theirs"))
    used_endpoints.used_file().unlink()  # it was made on another computer
    cloud.list_running(ACCOUNT)
    assert [each.name for each in cloud.there or ()] == ["theirs"]
    assert cloud.left_words() == []
    cloud.note_used(ACCOUNT, "theirs")
    assert len(cloud.left_words()) == 1


def test_an_endpoint_whose_cost_may_not_be_seen_is_told_of(
    cloud: CloudController, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> Any:
        raise RemoteError("AWS does not allow to list endpoints.")

    monkeypatch.setattr(cloud_jobs, "running", refused)
    cloud.note_used(ACCOUNT, "plates")
    assert cloud.left_words() == [
        "endpoint plates: was used from here, and costs money while it runs"
    ]


def new_window(aws: Sender) -> CloudController:
    return CloudController(TaskController(at_once), lambda _: aws)  # type: ignore[arg-type]


def test_what_runs_is_told_of_until_it_is_gone_whatever_is_asked_meanwhile(
    cloud: CloudController,
) -> None:
    cloud.deploy(ACCOUNT, wish())
    cloud.check(ACCOUNT, OURS, GPU)
    cloud.stop(ACCOUNT, "ghost")
    (words,) = cloud.used.cost_words()
    assert "endpoint plates" in words
    assert "still running since" in words
    cloud.stop(ACCOUNT, "plates")
    assert cloud.used.cost_words() == []


def test_an_endpoint_that_a_window_left_is_named_by_the_next(
    cloud: CloudController, aws: Sender
) -> None:
    """The window is gone without a word, as after a crash."""
    cloud.deploy(ACCOUNT, wish())
    later = new_window(aws)
    assert later.used.cost_words() == [
        "endpoint plates: was used from here, and costs money while it runs"
    ]
    assert later.left_words() == []
    later.list_running(ACCOUNT)
    (words,) = later.used.cost_words()
    assert "still running since" in words
    assert words.startswith("endpoint plates: still running since")
    assert later.left_words()[0].endswith(words.partition(": ")[2])
    later.stop(ACCOUNT, "plates")
    assert new_window(aws).used.cost_words() == []


def test_an_endpoint_in_another_account_is_not_forgotten_by_asking_this_one(
    cloud: CloudController, aws: Sender
) -> None:
    cloud.deploy(AccountOptions(region="eu-central-1"), wish())
    later = new_window(aws)
    later.account = AccountOptions("other")
    aws.client("sagemaker").delete_endpoint(EndpointName="plates")
    later.list_running(AccountOptions("other"))
    (words,) = later.used.cost_words()
    assert words.startswith("endpoint plates (eu-central-1): was used from here")
    later.list_running(AccountOptions(region="eu-central-1"))
    assert later.used.cost_words() == []


def test_an_endpoint_that_could_not_be_made_is_not_told_of(
    cloud: CloudController, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> Job[Any]:
        yield from ()
        raise RemoteError("A limit of the account is reached.")

    monkeypatch.setattr(cloud_jobs, "deploy", refused)
    cloud.deploy(ACCOUNT, wish())
    assert cloud.lines == ("✕ A limit of the account is reached.",)
    assert cloud.used.cost_words() == []
    assert cloud.left_words() == []


def test_what_others_made_is_told_of_where_it_is_used(
    cloud: CloudController, aws: Sender
) -> None:
    """It has no tag of ours, and costs no less."""
    cloud.deploy(ACCOUNT, wish("theirs"))
    arn = aws.client("sagemaker").describe_endpoint(EndpointName="theirs")
    aws.client("sagemaker").delete_tags(ResourceArn=arn["EndpointArn"], TagKeys=["app"])
    later = new_window(aws)
    later.note_used(ACCOUNT, "theirs")
    (words,) = later.used.cost_words()
    assert "still running since" in words
    later.stop(ACCOUNT, "theirs")
    assert later.task.failure is not None
    assert "left alone" in later.task.failure.message


def test_what_deploying_would_make_is_shown_and_not_made(
    cloud: CloudController, aws: Sender
) -> None:
    preview = cloud.preview(wish())
    assert (
        preview.title == "'cells-general' as an endpoint (real-time, ml.g4dn.xlarge)."
    )
    assert preview.price.startswith("No price is known for ml.g4dn.xlarge")
    assert preview.steps[0].startswith(f"write the model to s3://{BUCKET}/")
    assert preview.steps[-1] == "make the endpoint 'plates'"
    assert '"operation": "CreateEndpoint"' in preview.requests
    assert aws.client("sagemaker").list_models()["Models"] == []
    cloud.deploy(ACCOUNT, wish())
    again = cloud.preview(wish())
    assert again.steps[-1] == "change the endpoint 'plates'"
    with pytest.raises(OptionsError, match="letters, digits"):
        cloud.preview(wish("my plates"))
