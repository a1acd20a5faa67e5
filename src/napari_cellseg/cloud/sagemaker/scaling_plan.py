"""The requests that let an endpoint grow with its load, and an async one go to sleep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari_cellseg.cloud.account.place import VARIANT, own_tags
from napari_cellseg.cloud.account.requests import Answer, Call
from napari_cellseg.core.cloud_options import ASYNC, DeployOptions

SCALING = "application-autoscaling"
INSTANCE_COUNT = "sagemaker:variant:DesiredInstanceCount"
SCALE_OUT_SECONDS = 60


def resource_id(name: str) -> str:
    """Return what the autoscaling calls an endpoint."""
    return f"endpoint/{name}/variant/{VARIANT}"


def _target(name: str) -> dict[str, Any]:
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": resource_id(name),
        "ScalableDimension": INSTANCE_COUNT,
    }


def scaling_calls(name: str, options: DeployOptions) -> list[Call]:
    """Return the requests that let an endpoint grow, and an async one go to sleep."""
    is_async = options.mode == ASYNC
    if not is_async and options.max_instances == 1:
        return []
    register = Call(
        SCALING,
        "RegisterScalableTarget",
        {
            **_target(name),
            "MinCapacity": 0 if is_async else 1,
            "MaxCapacity": options.max_instances,
        },
        f"let '{name}' grow and shrink",
        stop_scaling_call(name),
    )
    policy = Call(
        SCALING,
        "PutScalingPolicy",
        {
            **_target(name),
            "PolicyName": f"{name}-load",
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": _tracking(name, options),
        },
        f"say when '{name}' grows",
    )
    return [register, policy, *(_waking_calls(name) if is_async else ())]


def _tracking(name: str, options: DeployOptions) -> dict[str, Any]:
    """Return what is held at which value."""
    if options.mode == ASYNC:
        return {
            "TargetValue": float(options.backlog),
            "CustomizedMetricSpecification": _metric(
                name, "ApproximateBacklogSizePerInstance"
            ),
            "ScaleInCooldown": 60 * options.idle_minutes,
            "ScaleOutCooldown": SCALE_OUT_SECONDS,
        }
    return {
        "TargetValue": float(options.requests_per_minute),
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
        },
        "ScaleInCooldown": 60 * options.idle_minutes,
        "ScaleOutCooldown": SCALE_OUT_SECONDS,
    }


def _metric(name: str, metric: str) -> dict[str, Any]:
    return {
        "MetricName": metric,
        "Namespace": "AWS/SageMaker",
        "Dimensions": [{"Name": "EndpointName", "Value": name}],
        "Statistic": "Average",
    }


def waking_alarm(name: str) -> str:
    """Return the name of the alarm that wakes an async endpoint."""
    return f"{name}-wake"


def _waking_calls(name: str) -> Sequence[Call]:
    """Return what starts a first computer as soon as one image waits.

    The backlog for each computer is not defined while there is none, so that tracking it
    alone never leaves zero.
    """
    policy = Call(
        SCALING,
        "PutScalingPolicy",
        {
            **_target(name),
            "PolicyName": f"{name}-wake",
            "PolicyType": "StepScaling",
            "StepScalingPolicyConfiguration": {
                "AdjustmentType": "ChangeInCapacity",
                "MetricAggregationType": "Average",
                "Cooldown": 300,
                "StepAdjustments": [
                    {"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}
                ],
            },
        },
        f"say when '{name}' wakes",
    )
    alarm = Call(
        "cloudwatch",
        "PutMetricAlarm",
        {
            **_metric(name, "HasBacklogWithoutCapacity"),
            "AlarmName": waking_alarm(name),
            "AlarmDescription": f"Images wait for {name} while it sleeps.",
            "Period": 60,
            "EvaluationPeriods": 1,
            "DatapointsToAlarm": 1,
            "Threshold": 1.0,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "missing",
            "AlarmActions": [Answer("PutScalingPolicy", "PolicyARN")],
            "Tags": own_tags(endpoint=name),
        },
        f"make the alarm that wakes '{name}'",
        delete_alarm_call(name),
    )
    return policy, alarm


def stop_scaling_call(name: str) -> Call:
    """Return the request that ends the scaling, policies included."""
    return Call(
        SCALING,
        "DeregisterScalableTarget",
        _target(name),
        f"end the scaling of '{name}'",
    )


def delete_alarm_call(name: str) -> Call:
    """Return the request that deletes the alarm of an async endpoint."""
    alarm = waking_alarm(name)
    return Call(
        "cloudwatch",
        "DeleteAlarms",
        {"AlarmNames": [alarm]},
        f"delete the alarm '{alarm}'",
    )
