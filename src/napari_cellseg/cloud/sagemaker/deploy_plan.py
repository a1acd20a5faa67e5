"""The requests that make an endpoint: model, settings, endpoint, scaling, end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from napari_cellseg.cloud.account.place import (
    VARIANT,
    CloudPlace,
    checked_name,
    own_tags,
    stamped,
)
from napari_cellseg.cloud.account.requests import Answer, Call
from napari_cellseg.cloud.limits import KIND_VARIABLE
from napari_cellseg.cloud.sagemaker.scaling_plan import scaling_calls
from napari_cellseg.core.cloud_options import ASYNC, SERVERLESS, DeployOptions

SAGEMAKER = "sagemaker"
#: A model of ours is loaded and warm in some 20 s on a slow disk; torch on a GPU takes
#: longer the first time.
START_SECONDS = 600
#: One image at a time; others wait in the server's own queue.
ASYNC_AT_ONCE = 4
#: What to do so that AWS itself deletes an endpoint at its time.
NO_SCHEDULER = (
    "set CELLSEG_AWS_SCHEDULER_ROLE (or --scheduler-role) to the ARN of a role that "
    "scheduler.amazonaws.com may assume and that allows sagemaker:DeleteEndpoint, and "
    "deploy again"
)


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is to be deployed where.

    Attributes
    ----------
    name : str
        Of the endpoint.
    model : str
        Name of the model, for people.
    place : CloudPlace
        Image, role and bucket.
    options : DeployOptions
        How.
    now : datetime
        When; part of the names, since settings of an endpoint cannot be changed.
    """

    name: str
    model: str
    place: CloudPlace
    options: DeployOptions
    now: datetime

    def __post_init__(self) -> None:
        checked_name(self.name)

    @property
    def part_name(self) -> str:
        """Name of model and settings."""
        return stamped(self.name, self.now)

    @property
    def archive_key(self) -> str:
        """Key of the packed model."""
        return self.place.key("endpoints", self.name, self.part_name, "model.tar.gz")

    @property
    def archive_uri(self) -> str:
        """Address of the packed model."""
        return f"s3://{self.place.bucket}/{self.archive_key}"

    @property
    def stop_at(self) -> datetime | None:
        """When the endpoint is to be gone; None means that it stays."""
        hours = self.options.stop_after_hours
        return self.now + timedelta(hours=hours) if hours else None

    def tags(self) -> list[dict[str, str]]:
        """Return the tags of all that belongs to it."""
        stop = self.stop_at
        return own_tags(
            endpoint=self.name,
            model=self.model,
            mode=self.options.mode,
            stop_after=stop.isoformat() if stop else "",
        )


def deploy_calls(deployment: Deployment, *, is_new: bool = True) -> list[Call]:
    """Return the requests, in order, each with what takes it back.

    Parameters
    ----------
    deployment : Deployment
        What and where.
    is_new : bool
        False if an endpoint of this name is there; it then gets the new model while the
        old one answers.
    """
    calls = [model_call(deployment), _config_call(deployment)]
    if deployment.place.scheduler_role and deployment.stop_at:
        # Before the endpoint, so that none is ever there without its end.
        calls.append(_stop_call(deployment))
    calls += [_endpoint_call(deployment)] if is_new else _update_calls(deployment)
    if deployment.options.mode != SERVERLESS:
        calls += scaling_calls(deployment.name, deployment.options)
    return calls


def model_call(deployment: Deployment) -> Call:
    """Return the request that makes the model."""
    name = deployment.part_name
    return Call(
        SAGEMAKER,
        "CreateModel",
        {
            "ModelName": name,
            "ExecutionRoleArn": deployment.place.role,
            "PrimaryContainer": {
                "Image": deployment.place.image,
                "Mode": "SingleModel",
                "ModelDataUrl": deployment.archive_uri,
                # The container keeps to the limits of its kind of endpoint.
                "Environment": {KIND_VARIABLE: deployment.options.mode},
            },
            # Nothing in our container has to reach out.
            "EnableNetworkIsolation": True,
            "Tags": deployment.tags(),
        },
        f"make the model '{name}'",
        Call(
            SAGEMAKER, "DeleteModel", {"ModelName": name}, f"delete the model '{name}'"
        ),
    )


def _config_call(deployment: Deployment) -> Call:
    name, options = deployment.part_name, deployment.options
    variant: dict[str, Any] = {"VariantName": VARIANT, "ModelName": name}
    if options.mode == SERVERLESS:
        variant["ServerlessConfig"] = {
            "MemorySizeInMB": options.memory_mb,
            "MaxConcurrency": options.max_concurrency,
        }
    else:
        variant |= {
            "InstanceType": options.instance_type,
            "InitialInstanceCount": 1,
            "InitialVariantWeight": 1.0,
            "ContainerStartupHealthCheckTimeoutInSeconds": START_SECONDS,
            # Images take seconds: the computer with the shortest queue is the one.
            "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
        }
    parameters: dict[str, Any] = {
        "EndpointConfigName": name,
        "ProductionVariants": [variant],
        "Tags": deployment.tags(),
    }
    if options.mode == ASYNC:
        folder = deployment.place.uri("endpoints", deployment.name)
        parameters["AsyncInferenceConfig"] = {
            "ClientConfig": {"MaxConcurrentInvocationsPerInstance": ASYNC_AT_ONCE},
            "OutputConfig": {
                "S3OutputPath": f"{folder}/output",
                "S3FailurePath": f"{folder}/failed",
            },
        }
    return Call(
        SAGEMAKER,
        "CreateEndpointConfig",
        parameters,
        f"make the settings '{name}'",
        Call(
            SAGEMAKER,
            "DeleteEndpointConfig",
            {"EndpointConfigName": name},
            f"delete the settings '{name}'",
        ),
    )


def _endpoint_call(deployment: Deployment) -> Call:
    return Call(
        SAGEMAKER,
        "CreateEndpoint",
        {
            "EndpointName": deployment.name,
            "EndpointConfigName": deployment.part_name,
            "Tags": deployment.tags(),
        },
        f"make the endpoint '{deployment.name}'",
        delete_endpoint_call(deployment.name),
    )


def _update_calls(deployment: Deployment) -> list[Call]:
    """Return the requests that change an endpoint; AWS goes back if the first fails."""
    doing = f"change the endpoint '{deployment.name}'"
    settings = {
        "EndpointName": deployment.name,
        "EndpointConfigName": deployment.part_name,
    }
    tags = {
        "ResourceArn": Answer("UpdateEndpoint", "EndpointArn"),
        "Tags": deployment.tags(),
    }
    return [
        Call(SAGEMAKER, "UpdateEndpoint", settings, doing),
        Call(SAGEMAKER, "AddTags", tags, doing),
    ]


def delete_endpoint_call(name: str) -> Call:
    """Return the request that deletes an endpoint."""
    return Call(
        SAGEMAKER,
        "DeleteEndpoint",
        {"EndpointName": name},
        f"delete the endpoint '{name}'",
    )


# ----------------------------------------------------------------------------------- end
def _stop_call(deployment: Deployment) -> Call:
    """Return the request that has AWS delete the endpoint at its time."""
    name, stop = deployment.name, deployment.stop_at
    partition = deployment.place.role.split(":")[1]
    return Call(
        "scheduler",
        "CreateSchedule",
        {
            "Name": deployment.part_name,
            "ScheduleExpression": f"at({stop:%Y-%m-%dT%H:%M:%S})",
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Description": f"Deletes the endpoint {name}.",
            "Target": {
                "Arn": f"arn:{partition}:scheduler:::aws-sdk:sagemaker:deleteEndpoint",
                "RoleArn": deployment.place.scheduler_role,
                "Input": json.dumps({"EndpointName": name}),
            },
        },
        f"set when '{name}' is deleted",
        delete_schedule_call(deployment.part_name),
    )


def delete_schedule_call(name: str) -> Call:
    """Return the request that deletes a schedule; it is called like the settings."""
    return Call(
        "scheduler", "DeleteSchedule", {"Name": name}, f"delete the schedule '{name}'"
    )
