"""A training job from this computer to the model menu.

moto's training jobs are "Completed" at once, train nothing, write no `model.tar.gz`, print
no log, give canned metrics, and cannot be stopped. So the platform's part is played; see
`training_platform`. `StopTrainingJob` and failed jobs are said by a client that answers so.
"""

from __future__ import annotations

import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")

from aws_stand_in import BUCKET, GPU, NOW, PLACE, aws_stand_in, keys_in, make_bucket
from napari_cellseg.cloud.account.sending import Sender
from napari_cellseg.cloud.sagemaker import training
from napari_cellseg.cloud.sagemaker.logs import log_of
from napari_cellseg.cloud.sagemaker.metrics import curve_from_lines
from napari_cellseg.cloud.sagemaker.package import pack_model
from napari_cellseg.cloud.sagemaker.teardown import stop
from napari_cellseg.cloud.sagemaker.train_plan import TrainPlan
from napari_cellseg.cloud.sagemaker.training import (
    check_free,
    compared_words,
    fetch_model,
    fetch_report,
    follow_training,
    start_training,
)
from napari_cellseg.cloud.settings import CloudSettings, aws_client
from napari_cellseg.core.cloud_options import TrainJobOptions
from napari_cellseg.core.errors import LimitError, ModelError, RemoteError
from napari_cellseg.core.jobs import Progress, run
from napari_cellseg.core.synthetic import random_scene
from napari_cellseg.core.train_options import FineTuneOptions
from napari_cellseg.core.training.curve import CurvePoint
from napari_cellseg.core.training.item import TrainingItem
from napari_cellseg.io.models.folder import find_model, list_models, read_model_spec
from napari_cellseg.io.s3 import cache
from napari_cellseg.io.s3.client import s3_client
from training_platform import training_platform

LOG_GROUP = "/aws/sagemaker/TrainingJobs"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sender]:
    monkeypatch.setenv("CELLSEG_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "cache"))
    with aws_stand_in() as sender:
        make_bucket(sender)
        yield sender


def plan(data: str = f"s3://{BUCKET}/set/", model: str = "cells-general") -> TrainPlan:
    return TrainPlan(
        "mine",
        "Mine",
        model,
        "",
        data,
        None,
        PLACE,
        FineTuneOptions(steps=4, batch_size=2, crop_px=64),
        TrainJobOptions(instance_type=GPU),
        NOW,
    )


def items() -> list[TrainingItem]:
    found = []
    for seed in (13, 25):
        scene = random_scene(seed, (160, 160))
        everywhere = np.ones((160, 160), bool)
        plane = scene.image.plane()
        found.append(
            TrainingItem(plane, scene.labels, everywhere, f"s{seed}", f"s{seed}")
        )
    return found


def upload_result(job: dict[str, Any], archive: Path, sender: Sender) -> None:
    sender.upload(archive, job["ModelArtifacts"]["S3ModelArtifacts"])


def write_log(job_name: str, lines: list[str], sender: Sender) -> None:
    logs = sender.client("logs")
    stream = f"{job_name}/algo-1-1732180000"
    logs.create_log_group(logGroupName=LOG_GROUP)
    logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=stream)
    first = 1000 * int(time.time())  # CloudWatch drops what is older than two weeks
    logs.put_log_events(
        logGroupName=LOG_GROUP,
        logStreamName=stream,
        logEvents=[
            {"timestamp": first + place, "message": line or " "}
            for place, line in enumerate(lines)
        ],
    )


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_corrections_here_become_a_model_in_the_menu(
    aws: Sender, tmp_path: Path
) -> None:
    seen: list[Any] = []
    with training_platform(aws, tmp_path / "opt"):
        name = run(start_training(plan(), aws, items()))
        done = run(follow_training(name, aws, 0.1), seen.append)
    model = run(fetch_model(name, aws))

    report = run(fetch_report(name, aws, tmp_path / "report"))

    assert {path.name for path in report} >= {"curve.csv", "curve.svg", "outcome.json"}
    assert "<polyline" in (tmp_path / "report" / "curve.svg").read_text()
    assert done.status == "Completed"
    assert [point.step for point in done.curve] == [1, 2, 3, 4]
    assert done.curve[-1].score is not None
    told = [point for each in seen for point in getattr(each, "points", ())]
    assert told == list(done.curve)
    assert model == "mine"
    assert model in [spec.name for _, spec in list_models()]
    parent = read_model_spec(find_model(None)).weights_sha256
    assert read_model_spec(find_model("mine")).parent_sha256 == parent


def instances(job_name: str, sender: Sender) -> list[list[CurvePoint]]:
    """Return the curve that each instance of a job printed."""
    reader = log_of(job_name, "training job", sender)
    return [curve_from_lines(reader._read(name)) for name in reader._streams()]


@pytest.mark.slow
@pytest.mark.timeout(2000)
def test_a_spot_instance_that_is_taken_away_changes_nothing_of_the_model(
    aws: Sender, tmp_path: Path
) -> None:
    """Twice: what the first one saved before SIGKILL goes on through S3 to the third."""
    options = FineTuneOptions(steps=24, batch_size=2, crop_px=64)
    machine = TrainJobOptions(instance_type=GPU, spot=True)
    models, curves = [], []
    for name, taken_at in (("calm", ()), ("disturbed", (8, 17))):
        spot = replace(plan(), name=name, options=options, machine=machine)
        with training_platform(aws, tmp_path / name, taken_at):
            job = run(start_training(spot, aws, items()))
            curves.append(run(follow_training(job, aws, 0.1)).curve)
        assert run(fetch_model(job, aws)) == name
        run(fetch_report(job, aws, tmp_path / f"{name}-report"))
        models.append(load_file(find_model(name) / "weights.safetensors"))

    # Each goes on at the last checkpoint that reached S3; one is examined every 3 steps.
    first, second, third = (points[0].step for points in instances(job, aws))
    assert first == 1
    assert 4 <= second < third <= 24
    assert {"calm", "disturbed"} <= {spec.name for _, spec in list_models()}
    assert [point.step for point in curves[1]] == list(range(1, 25))
    assert curves[1] == curves[0]
    reports = [tmp_path / f"{name}-report" for name in ("calm", "disturbed")]
    assert len({(report / "curve.csv").read_text() for report in reports}) == 1
    for name, weights in models[0].items():
        assert np.array_equal(models[1][name], weights), name


def test_a_model_of_ones_own_travels_with_the_job(aws: Sender) -> None:
    run(start_training(plan(model=""), aws, items(), find_model(None)))
    job = aws.client("sagemaker").describe_training_job(
        TrainingJobName="mine-20261121-093015"
    )
    assert [each["ChannelName"] for each in job["InputDataConfig"]] == [
        "train",
        "model",
    ]
    folder = "cellseg/training/mine-20261121-093015"
    assert keys_in(aws) == [
        f"{folder}/data/items/00000.npz",
        f"{folder}/data/items/00001.npz",
        f"{folder}/model/model.tar.gz",
    ]


def test_data_in_s3_are_not_copied(aws: Sender) -> None:
    run(start_training(plan(), aws))
    assert keys_in(aws) == []


def test_a_job_that_went_back_to_a_checkpoint_has_one_curve(aws: Sender) -> None:
    name = run(start_training(plan(), aws))
    write_log(
        name,
        [
            "2 images, 40 cells to learn from",
            "step=1 loss=3;",
            "step=2 loss=2;",
            "step=3 loss=2.5;",
            "step=2 loss=2.1;",
            "step=3 loss=1.5 held_out_msa=0.5;",
        ],
        aws,
    )
    done = run(follow_training(name, aws, 0.01))
    assert [(point.step, point.loss) for point in done.curve] == [
        (1, 3.0),
        (2, 2.1),
        (3, 1.5),
    ]


def test_how_many_steps_there_will_be_is_what_the_job_prints(aws: Sender) -> None:
    name = run(start_training(plan(), aws))
    told: list[Progress] = []
    write_log(
        name, ["reading", "step=1 steps=7400 loss=3;", "final_base_msa=0.5;"], aws
    )
    run(follow_training(name, aws, 0.01), told.append)
    assert (told[-1].done, told[-1].total) == (1, 7400)
    assert told[-1].message == "step 1 of 7400"


def _answering(**answers: Any) -> Any:
    """Return what opens clients that describe jobs with other words, one after another."""
    given = {name: list(values) for name, values in answers.items()}

    def open_client(service: str, settings: CloudSettings) -> Any:
        client = aws_client(service, settings)
        if service == "sagemaker":
            describe = client.describe_training_job

            def described(**asked: Any) -> Any:
                answer = describe(**asked)
                for name, values in given.items():
                    answer[name] = values.pop(0) if len(values) > 1 else values[0]
                return answer

            client.describe_training_job = described
        return client

    return open_client


def test_a_failed_job_gives_the_sentence_of_its_container(aws: Sender) -> None:
    name = run(start_training(plan(), aws))
    sender = Sender(
        aws.settings,
        _answering(
            TrainingJobStatus=["InProgress", "Failed"],
            FailureReason=["AlgorithmError: There are 2 checked cells."],
        ),
    )
    with pytest.raises(RemoteError, match="There are 2 checked cells"):
        run(follow_training(name, sender, 0.01))


def test_a_running_job_has_no_model_yet(aws: Sender) -> None:
    name = run(start_training(plan(), aws))
    sender = Sender(aws.settings, _answering(TrainingJobStatus=["InProgress"]))
    with pytest.raises(RemoteError, match="its model is there when it has ended"):
        run(fetch_model(name, sender))


def test_what_a_job_left_is_looked_at_before_it_is_taken_in(
    aws: Sender, tmp_path: Path
) -> None:
    name = run(start_training(plan(), aws))
    job = aws.client("sagemaker").describe_training_job(TrainingJobName=name)
    bad = tmp_path / "bad.tar.gz"
    with tarfile.open(bad, "w:gz") as file:
        file.add(__file__, "../../evil.py")
    upload_result(job, bad, aws)
    with pytest.raises(ModelError, match="a path out of the folder"):
        run(fetch_model(name, aws))
    assert not (tmp_path / "models").exists()


def test_fetching_twice_gives_the_same_model(aws: Sender, tmp_path: Path) -> None:
    name = run(start_training(plan(), aws))
    job = aws.client("sagemaker").describe_training_job(TrainingJobName=name)
    spec = read_model_spec(find_model(None))
    pack_model(find_model(None), tmp_path / "model.tar.gz")
    upload_result(job, tmp_path / "model.tar.gz", aws)
    assert run(fetch_model(name, aws)) == spec.name
    assert run(fetch_model(name, aws)) == spec.name


def test_what_was_fetched_does_not_travel_again_until_it_is_replaced(
    aws: Sender,
) -> None:
    asked: list[str] = []

    def note(model: Any, **_: Any) -> None:
        asked.append(model.name)

    events = s3_client(aws.settings.account("s3")).meta.events
    events.register("after-call.s3.*", note)
    for body in (b"model" * 100, b"model" * 100, b"other" * 100):
        aws.client("s3").put_object(Bucket=BUCKET, Key="m.tar.gz", Body=body)
        assert run(aws.fetch(f"s3://{BUCKET}/m.tar.gz")).read_bytes() == body
    assert asked.count("GetObject") == 2


def test_a_model_larger_than_the_cache_is_not_fetched(
    aws: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.client("s3").put_object(Bucket=BUCKET, Key="m.tar.gz", Body=bytes(5000))
    monkeypatch.setenv(cache.SIZE_VARIABLE, "0.000001")
    with pytest.raises(LimitError, match=cache.SIZE_VARIABLE):
        run(aws.fetch(f"s3://{BUCKET}/m.tar.gz"))


def test_what_is_not_there_is_told_of(aws: Sender) -> None:
    with pytest.raises(RemoteError, match="is not there"):
        run(aws.fetch(f"s3://{BUCKET}/none.tar.gz"))


def test_a_job_of_somebody_else_is_not_followed(aws: Sender) -> None:
    aws.client("sagemaker").create_training_job(
        TrainingJobName="theirs",
        AlgorithmSpecification={"TrainingImage": "x", "TrainingInputMode": "File"},
        RoleArn=PLACE.role,
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/x"},
        ResourceConfig={
            "InstanceType": GPU,
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
        },
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    with pytest.raises(RemoteError, match="no training job 'theirs' of ours"):
        run(follow_training("theirs", aws, 0.01))


def test_stopping_a_job_asks_aws_to(aws: Sender) -> None:
    """moto cannot stop training jobs; what is asked is kept here."""
    name = run(start_training(plan(), aws))
    stopped: list[Any] = []

    def open_client(service: str, settings: CloudSettings) -> Any:
        client = aws_client(service, settings)
        if service == "sagemaker":

            def stop_training_job(**given: Any) -> dict[str, Any]:
                stopped.append(given)
                return {}

            client.stop_training_job = stop_training_job
        return client

    told = run(stop(name, Sender(aws.settings, open_client)))
    assert stopped == [{"TrainingJobName": name}]
    assert told == [f"stop the training job '{name}'"]


def test_a_name_that_is_taken_is_refused_before_the_training(aws: Sender) -> None:
    with pytest.raises(ModelError, match="already"):
        check_free("cells-general")


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (
            {
                "held_out/n_cells": 40,
                "held_out/msa": 0.7,
                "held_out/msa_of_parent": 0.6,
            },
            "On 40 cells that it had not seen it is better (outlines 0.700, old "
            "0.600).",
        ),
        (
            {"held_out/n_cells": 9, "held_out/msa": 0.5, "held_out/msa_of_parent": 0.6},
            "On 9 cells that it had not seen it is not better, keep the old one "
            "(outlines 0.500, old 0.600).",
        ),
        (
            {
                "held_out/n_cells": 13,
                "held_out/msa": 0.67404,
                "held_out/msa_of_parent": 0.674,
            },
            "On 13 cells that it had not seen it is as good as the old one "
            "(outlines 0.674, old 0.674).",
        ),
        (
            {"held_out/n_cells": 0, "held_out/msa": 0.0, "held_out/msa_of_parent": 0.0},
            "No cell was held out, so nobody knows whether it is better.",
        ),
        ({}, ""),
    ],
    ids=["better", "worse", "as good", "none held out", "not told"],
)
def test_a_new_model_says_whether_it_is_better(
    monkeypatch: pytest.MonkeyPatch, figures: dict[str, float], words: str
) -> None:
    spec = replace(read_model_spec(find_model(None)), name="mine", figures=figures)
    monkeypatch.setattr(training, "list_models", lambda: [(Path(), spec)])
    assert compared_words("mine") == words
