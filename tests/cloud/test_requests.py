"""Every request has the form that AWS's own description asks for."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")

from aws_stand_in import GPU, NOW, PLACE
from napari_cellseg.cloud.account.place import CloudPlace, checked_name, split_uri
from napari_cellseg.cloud.account.requests import Answer, Call, check_call, filled
from napari_cellseg.cloud.sagemaker.deploy import dry_run
from napari_cellseg.cloud.sagemaker.deploy_plan import Deployment
from napari_cellseg.cloud.sagemaker.metrics import metric_definitions
from napari_cellseg.cloud.sagemaker.train_plan import (
    BatchPlan,
    TrainPlan,
    batch_call,
    train_call,
)
from napari_cellseg.core.cloud_options import DeployOptions, TrainJobOptions
from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.train_options import FineTuneOptions

SCHEDULER = "arn:aws:iam::123456789012:role/cellseg-stop"


def deployment(**options: object) -> Deployment:
    place = replace(PLACE, scheduler_role=SCHEDULER)
    return Deployment(
        "cells",
        "cells-general",
        place,
        DeployOptions(**options),  # type: ignore[arg-type]
        NOW,
    )


def plan(machine: TrainJobOptions | None = None, data: str = "s3://b/d/") -> TrainPlan:
    return TrainPlan(
        "my-cells",
        "My cells",
        "cells-general",
        "",
        data,
        None,
        PLACE,
        FineTuneOptions(),
        machine or TrainJobOptions(),
        NOW,
    )


def named(calls: list[Call]) -> dict[str, Call]:
    return {call.operation: call for call in calls}


def test_a_real_time_endpoint_is_all_that_it_takes() -> None:
    calls = dry_run(deployment(mode="real-time", max_instances=1))
    assert [call.operation for call in calls] == [
        "PutObject",
        "CreateModel",
        "CreateEndpointConfig",
        "CreateSchedule",
        "CreateEndpoint",
    ]
    assert named(calls)["CreateModel"].parameters["EnableNetworkIsolation"] is True


def test_more_computers_bring_a_rule_of_when_they_start() -> None:
    calls = named(dry_run(deployment(max_instances=3)))
    target = calls["RegisterScalableTarget"].parameters
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 3)
    rule = calls["PutScalingPolicy"].parameters
    assert rule["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 30.0


def test_serverless_has_no_computers_to_count() -> None:
    calls = named(dry_run(deployment(mode="serverless")))
    variant = calls["CreateEndpointConfig"].parameters["ProductionVariants"][0]
    assert variant["ServerlessConfig"] == {"MemorySizeInMB": 6144, "MaxConcurrency": 4}
    assert "InstanceType" not in variant
    assert "RegisterScalableTarget" not in calls


def test_async_sleeps_at_zero_and_one_image_wakes_it() -> None:
    calls = dry_run(deployment(mode="async"))
    by_name = named(calls)
    assert by_name["RegisterScalableTarget"].parameters["MinCapacity"] == 0
    assert [call.operation for call in calls].count("PutScalingPolicy") == 2
    alarm = by_name["PutMetricAlarm"].parameters
    assert alarm["MetricName"] == "HasBacklogWithoutCapacity"
    assert alarm["AlarmActions"] == [Answer("PutScalingPolicy", "PolicyARN")]
    outputs = by_name["CreateEndpointConfig"].parameters["AsyncInferenceConfig"]
    assert outputs["OutputConfig"]["S3OutputPath"].startswith("s3://lab-cells/cellseg/")


def test_the_end_is_set_before_the_endpoint_is_there() -> None:
    names = [call.operation for call in dry_run(deployment(stop_after_hours=2))]
    assert names.index("CreateSchedule") < names.index("CreateEndpoint")
    schedule = named(dry_run(deployment(stop_after_hours=2)))["CreateSchedule"]
    assert schedule.parameters["ScheduleExpression"] == "at(2026-11-21T11:30:15)"
    assert json.loads(schedule.parameters["Target"]["Input"]) == {
        "EndpointName": "cells"
    }


def test_whatever_is_made_says_whose_it_is_and_how_it_goes_again() -> None:
    for call in dry_run(deployment(mode="async")):
        made = call.operation.startswith(
            ("Create", "Register", "PutMetric", "PutObject")
        )
        assert (call.undo is not None) == made
        if "Tags" in call.parameters:
            assert {"Key": "app", "Value": "cellseg"} in call.parameters["Tags"]
        if call.undo:
            check_call(call.undo)


def test_a_dry_run_is_json() -> None:
    text = json.dumps([call.to_dict() for call in dry_run(deployment(mode="async"))])
    assert "<PolicyARN of the answer to PutScalingPolicy>" in text


def test_a_training_job_on_spot_has_room_to_wait_and_checkpoints() -> None:
    call = train_call(plan(TrainJobOptions(spot=True, hosts=2, max_hours=3)))
    check_call(call)
    asked = call.parameters
    assert asked["EnableManagedSpotTraining"] is True
    assert asked["StoppingCondition"] == {
        "MaxRuntimeInSeconds": 10_800,
        "MaxWaitTimeInSeconds": 86_400,
    }
    assert asked["CheckpointConfig"]["LocalPath"] == "/opt/ml/checkpoints"
    assert asked["ResourceConfig"]["InstanceCount"] == 2
    assert asked["AlgorithmSpecification"]["MetricDefinitions"] == metric_definitions()


def test_hyperparameters_are_text_and_leave_out_what_is_not_set() -> None:
    values = plan().hyperparameters()
    assert all(isinstance(value, str) for value in values.values())
    assert values["preset"] == "quick"
    assert "steps" not in values


def test_a_manifest_needs_the_mode_that_reads_it() -> None:
    with pytest.raises(OptionsError, match="manifest, which FastFile cannot"):
        plan(data="s3://b/list.manifest")
    listed = plan(TrainJobOptions(input_mode="File"), "s3://b/list.manifest")
    call = train_call(listed)
    check_call(call)
    source = call.parameters["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    assert source["S3DataType"] == "ManifestFile"


def test_a_batch_job_sends_each_image_whole() -> None:
    call = batch_call(
        BatchPlan(
            "job", "m", "s3://b/in/", "s3://b/out/", "image/tiff", "image/tiff", GPU, 1
        )
    )
    check_call(call)
    asked = call.parameters
    assert asked["TransformInput"]["SplitType"] == "None"
    assert asked["MaxConcurrentTransforms"] * asked["MaxPayloadInMB"] <= 100


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"InstanceType": "ml.cray.1"}, "is 'ml.cray.1', it may be"),
        ({"VolumeSizeInGB": 10**6}, "at most 512 are allowed"),
        ({"Memory": 3}, "Unknown parameter"),
        ({"InitialInstanceCount": "one"}, "Invalid type"),
    ],
    ids=["choice", "bound", "name", "type"],
)
def test_what_aws_would_refuse_is_refused_here(
    changed: dict[str, object], words: str
) -> None:
    variant = {"VariantName": "A", "ModelName": "m", "InitialInstanceCount": 1}
    call = Call(
        "sagemaker",
        "CreateEndpointConfig",
        {"EndpointConfigName": "c", "ProductionVariants": [{**variant, **changed}]},
        "make the settings",
    )
    with pytest.raises(OptionsError, match=words):
        check_call(call)


def test_a_name_that_does_not_fit_the_pattern_is_refused() -> None:
    call = Call("sagemaker", "DeleteEndpoint", {"EndpointName": "-x y"}, "delete it")
    with pytest.raises(OptionsError, match="does not fit AWS's pattern"):
        check_call(call)


def test_answers_are_filled_in() -> None:
    asked = {"a": [Answer("Make", "Arn")], "b": {"c": 1}}
    assert filled(asked, {"Make": {"Arn": "x"}}) == {"a": ["x"], "b": {"c": 1}}


@pytest.mark.parametrize("name", ["", "a b", "-a", "a_b", "x" * 60, "ü"])
def test_a_name_that_no_endpoint_may_have_is_refused(name: str) -> None:
    with pytest.raises(OptionsError, match="letters, digits"):
        checked_name(name)


@pytest.mark.parametrize("uri", ["", "bucket/key", "http://b/k", "s3://"])
def test_what_is_no_address_in_s3_is_refused(uri: str) -> None:
    with pytest.raises(OptionsError, match="no address in S3"):
        split_uri(uri)


def test_an_address_may_hold_any_character() -> None:
    assert split_uri("s3://b/plate 1/A01 ä#2.tif") == ("b", "plate 1/A01 ä#2.tif")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("", "arn:aws:iam::123456789012:role/r", "b"), "No image is given"),
        (("i", "", "b"), "No role is given"),
        (("i", "", ""), "No role and no bucket are given.*--role or.*--bucket or"),
        (("i", "admin", "b"), "its ARN is needed"),
        (("i", "arn:aws:iam::123456789012:role/r", ""), "No bucket is given"),
    ],
)
def test_a_place_that_is_not_whole_is_refused(
    given: tuple[str, str, str], words: str
) -> None:
    with pytest.raises(OptionsError, match=words):
        CloudPlace(*given)
