"""Everything of ours goes again: endpoints with all that hangs on them, running jobs."""

from __future__ import annotations

from collections.abc import Iterator

from napari_cellseg.cloud.account.place import APP_TAG, ENDPOINT_TAG
from napari_cellseg.cloud.account.requests import Call
from napari_cellseg.cloud.account.sending import Sender, found, is_missing
from napari_cellseg.cloud.errors import CloudError
from napari_cellseg.cloud.sagemaker.deploy_plan import (
    SAGEMAKER,
    delete_endpoint_call,
    delete_schedule_call,
)
from napari_cellseg.cloud.sagemaker.scaling_plan import (
    delete_alarm_call,
    stop_scaling_call,
)
from napari_cellseg.core.errors import RemoteError
from napari_cellseg.core.jobs import Job, Progress

#: How a kind of job is looked at, found by, and stopped.
JOB_KINDS = {
    "training job": ("DescribeTrainingJob", "TrainingJobName", "StopTrainingJob"),
    "batch job": ("DescribeTransformJob", "TransformJobName", "StopTransformJob"),
}


def stop(name: str, sender: Sender) -> Job[list[str]]:
    """Delete an endpoint of ours with all that hangs on it, or stop a job of ours.

    Images and results in S3 stay; the copy of the model that was uploaded for the
    endpoint goes.

    Returns
    -------
    list of str
        What was done, a sentence each.

    Raises
    ------
    RemoteError
        If there is none of this name, or it is not ours, or something could not be
        deleted; the rest is deleted all the same.
    """
    yield Progress(0, 0, f"looking for '{name}'")
    call = Call(
        SAGEMAKER, "DescribeEndpoint", {"EndpointName": name}, f"look at '{name}'"
    )
    endpoint = found(sender, call)
    if endpoint is None:
        return [_stop_job(name, sender)]
    _require_ours(name, endpoint["EndpointArn"], sender)
    done: list[str] = []
    faults: list[str] = []
    steps = [
        stop_scaling_call(name),
        delete_alarm_call(name),
        delete_endpoint_call(name),
        delete_schedule_call(endpoint["EndpointConfigName"]),
    ]
    for step in steps:
        yield Progress(len(done), 0, step.doing)
        _try(step, sender, done, faults)
    done += delete_settings(endpoint["EndpointConfigName"], sender)
    if faults:
        raise RemoteError(
            f"'{name}' is not gone altogether: {'; '.join(faults)}. Repeat it in some "
            "minutes."
        )
    return done


def _try(call: Call, sender: Sender, done: list[str], faults: list[str]) -> None:
    """Send a request; what was not there is no fault."""
    try:
        if call.operation == "DeleteAlarms" and not _has_alarm(call, sender):
            return
        sender.send(call)
    except CloudError as error:
        if not is_missing(error):
            faults.append(f"could not {call.doing}: {error}")
    else:
        done.append(call.doing)


def _has_alarm(call: Call, sender: Sender) -> bool:
    """Return True if an alarm is there; deleting one that is not says nothing."""
    answer = sender.ask(
        "cloudwatch",
        "DescribeAlarms",
        "look at alarms",
        AlarmNames=list(call.parameters["AlarmNames"]),
    )
    return bool(answer.get("MetricAlarms"))


def delete_settings(config: str, sender: Sender) -> list[str]:
    """Delete an endpoint's settings, models and uploaded archives; return what was done."""
    call = Call(
        SAGEMAKER,
        "DescribeEndpointConfig",
        {"EndpointConfigName": config},
        f"look at '{config}'",
    )
    settings = found(sender, call)
    if settings is None:
        return []
    done = []
    for variant in settings["ProductionVariants"]:
        done += delete_model(variant["ModelName"], sender)
    deletion = Call(
        SAGEMAKER,
        "DeleteEndpointConfig",
        {"EndpointConfigName": config},
        f"delete the settings '{config}'",
    )
    sender.send(deletion)
    return [*done, deletion.doing]


def delete_model(name: str, sender: Sender) -> list[str]:
    """Delete a model of ours with the archive that was uploaded for it."""
    call = Call(SAGEMAKER, "DescribeModel", {"ModelName": name}, f"look at '{name}'")
    model = found(sender, call)
    if model is None:
        return []
    done = []
    uri = model.get("PrimaryContainer", {}).get("ModelDataUrl", "")
    if uri and f"/{name}/" in uri:  # uploaded for this model alone
        sender.delete_object(uri)
        done.append(f"delete {uri}")
    deletion = Call(
        SAGEMAKER, "DeleteModel", {"ModelName": name}, f"delete the model '{name}'"
    )
    sender.send(deletion)
    return [*done, deletion.doing]


def _require_ours(name: str, arn: str, sender: Sender) -> None:
    if not sender.is_ours(arn):
        raise RemoteError(
            f"'{name}' was not made by us (it has no tag {APP_TAG[0]}={APP_TAG[1]}), so "
            "it is left alone. Delete it where it was made."
        )


def _stop_job(name: str, sender: Sender) -> str:
    """Stop a training or batch job and return what was done."""
    for kind, (describe, key, stop_it) in JOB_KINDS.items():
        job = found(sender, Call(SAGEMAKER, describe, {key: name}, f"look at '{name}'"))
        if job is None:
            continue
        arn = next(value for field, value in job.items() if field.endswith("JobArn"))
        _require_ours(name, arn, sender)
        sender.send(Call(SAGEMAKER, stop_it, {key: name}, f"stop the {kind} '{name}'"))
        return f"stop the {kind} '{name}'"
    raise RemoteError(
        f"There is no endpoint or job '{name}' here. `cellseg cloud status` lists what "
        "is ours in this region."
    )


def clear_leftovers(sender: Sender) -> Job[list[str]]:
    """Delete settings of ours that no endpoint uses, with model, scaling and alarm.

    A deployment that was killed leaves them, and an endpoint that AWS deleted at its time.
    Returns what was done.
    """
    endpoints, used = _endpoints(sender)
    done: list[str] = []
    for config, endpoint in list(_unused(used, sender)):
        yield Progress(len(done), 0, f"deleting '{config}'")
        if endpoint and endpoint not in endpoints:
            for step in (stop_scaling_call(endpoint), delete_alarm_call(endpoint)):
                _try(step, sender, done, [])
        done += delete_settings(config, sender)
    return done


def _endpoints(sender: Sender) -> tuple[set[str], set[str]]:
    """Return the names of all endpoints, and of the settings that they use."""
    names = {
        each["EndpointName"]
        for page in sender.pages(SAGEMAKER, "ListEndpoints", "list endpoints")
        for each in page["Endpoints"]
    }
    used = {
        sender.ask(
            SAGEMAKER, "DescribeEndpoint", f"look at '{name}'", EndpointName=name
        )["EndpointConfigName"]
        for name in names
    }
    return names, used


def _unused(used: set[str], sender: Sender) -> Iterator[tuple[str, str]]:
    """Yield settings of ours that are not used, with the endpoint that they were for."""
    for page in sender.pages(SAGEMAKER, "ListEndpointConfigs", "list settings"):
        for each in page["EndpointConfigs"]:
            if each["EndpointConfigName"] in used:
                continue
            tags = sender.tags_of(each["EndpointConfigArn"])
            if tags.get(APP_TAG[0]) == APP_TAG[1]:
                yield each["EndpointConfigName"], tags.get(ENDPOINT_TAG, "")
