"""Endpoints made and taken down, against moto's server over HTTP.

What moto does not do is covered otherwise, and named there: `UpdateEndpoint` by botocore's
Stubber; endpoints that are long in the making or fail, by a client that says so; the newer
computers (moto knows g4dn, not g5).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")

from botocore.stub import Stubber

from aws_stand_in import (
    BUCKET,
    GPU,
    NOW,
    PLACE,
    aws_stand_in,
    keys_in,
    make_bucket,
)
from napari_cellseg.cloud.account.costs import read_prices
from napari_cellseg.cloud.account.sending import DrySender, Sender
from napari_cellseg.cloud.sagemaker.deploy import deploy
from napari_cellseg.cloud.sagemaker.deploy_plan import Deployment
from napari_cellseg.cloud.sagemaker.inventory import running
from napari_cellseg.cloud.sagemaker.teardown import clear_leftovers, stop
from napari_cellseg.cloud.settings import CloudSettings, aws_client
from napari_cellseg.core.cloud_options import DeployOptions
from napari_cellseg.core.errors import RemoteError
from napari_cellseg.core.jobs import run
from napari_cellseg.io.models.folder import find_model

SCHEDULER = "arn:aws:iam::123456789012:role/cellseg-stop"


@pytest.fixture
def aws() -> Iterator[Sender]:
    with aws_stand_in() as sender:
        make_bucket(sender)
        yield sender


def deployment(mode: str = "real-time", **options: Any) -> Deployment:
    return Deployment(
        "cells",
        "cells-general",
        replace(PLACE, scheduler_role=SCHEDULER),
        DeployOptions(mode=mode, instance_type=GPU, **options),
        NOW,
    )


def everything(sender: Sender) -> dict[str, int]:
    """Return how much of each kind is in the account."""
    sagemaker = sender.client("sagemaker")
    scaling = sender.client("application-autoscaling")
    return {
        "endpoints": len(sagemaker.list_endpoints()["Endpoints"]),
        "settings": len(sagemaker.list_endpoint_configs()["EndpointConfigs"]),
        "models": len(sagemaker.list_models()["Models"]),
        "scaling": len(
            scaling.describe_scalable_targets(ServiceNamespace="sagemaker")[
                "ScalableTargets"
            ]
        ),
        "alarms": len(sender.client("cloudwatch").describe_alarms()["MetricAlarms"]),
        "schedules": len(sender.client("scheduler").list_schedules()["Schedules"]),
        "objects": len(keys_in(sender)),
    }


NOTHING = {
    "endpoints": 0,
    "settings": 0,
    "models": 0,
    "scaling": 0,
    "alarms": 0,
    "schedules": 0,
    "objects": 0,
}


@pytest.mark.parametrize("mode", ["real-time", "serverless", "async"])
def test_an_endpoint_comes_and_goes_without_a_trace(aws: Sender, mode: str) -> None:
    run(deploy(deployment(mode, max_instances=2), find_model(None), aws, 0.01))
    state = aws.client("sagemaker").describe_endpoint(EndpointName="cells")
    assert state["EndpointStatus"] == "InService"
    there = everything(aws)
    assert there["schedules"] == there["endpoints"] == there["objects"] == 1
    dry = DrySender(aws)
    planned = run(stop("cells", dry))
    assert everything(aws) == there

    told = run(stop("cells", aws))

    assert set(told) <= set(planned)
    assert {each.doing for each in dry.kept} == set(planned)

    assert everything(aws) == NOTHING
    assert "delete the endpoint 'cells'" in told


def test_status_says_since_when_and_at_what_cost(aws: Sender) -> None:
    run(deploy(deployment(), find_model(None), aws, 0.01))
    (found,) = running(aws)
    later = found.since + timedelta(hours=3)
    prices = replace(read_prices(), per_hour={GPU: 0.75})
    text = found.sentence(prices, later)
    assert "still running since" in text
    assert "(3.0 h)" in text
    assert "about $0.75 an hour, $2.25 so far" in text
    assert "to be gone at 2026-11-21 21:30 UTC" in text
    assert "OVERDUE" in found.sentence(prices, datetime(2027, 1, 1, tzinfo=UTC))


def test_async_asleep_costs_nothing_now(aws: Sender) -> None:
    run(deploy(deployment("async"), find_model(None), aws, 0.01))
    (found,) = running(aws)
    assert found.mode == "async"
    asleep = replace(found, n_instances=0)
    assert asleep.hourly(read_prices()) == 0.0
    assert "asleep, costs nothing now" in asleep.sentence(read_prices(), found.since)


@pytest.mark.parametrize(
    "step",
    [
        "create_endpoint_config",
        "create_schedule",
        "create_endpoint",
        "register_scalable_target",
        "put_metric_alarm",
    ],
)
def test_a_step_that_fails_leaves_nothing_behind(
    aws: Sender, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender(aws.settings, _failing_at(step))
    with pytest.raises(RemoteError, match="What was made is deleted again"):
        run(deploy(deployment("async"), find_model(None), sender, 0.01))
    assert everything(aws) == NOTHING


def _failing_at(step: str, *, also: str = "") -> Any:
    """Return what opens clients whose one method is refused."""
    from botocore.exceptions import ClientError

    def refuse(*_args: Any, **_given: Any) -> None:
        raise ClientError(
            {"Error": {"Code": "AccessDeniedException", "Message": "no"}}, step
        )

    def open_client(service: str, settings: CloudSettings) -> Any:
        client = aws_client(service, settings)
        for name in filter(None, (step, also)):
            if hasattr(client, name):
                setattr(client, name, refuse)
        return client

    return open_client


def test_what_cannot_be_taken_back_is_named(aws: Sender) -> None:
    sender = Sender(aws.settings, _failing_at("create_endpoint", also="delete_model"))
    with pytest.raises(RemoteError, match=r"LEFT BEHIND.*delete the model 'cells-2026"):
        run(deploy(deployment(), find_model(None), sender, 0.01))


def test_a_deployment_that_is_cancelled_leaves_nothing_behind(aws: Sender) -> None:
    job = deploy(deployment(), find_model(None), aws, 0.01)
    for progress in job:
        if "endpoint" in progress.message:
            break
    job.close()
    assert everything(aws) == NOTHING


def test_a_cancelled_endpoint_is_deleted_once_aws_lets_it(aws: Sender) -> None:
    """moto deletes at once; AWS does so only when the endpoint is made."""
    refusals = ["Cannot delete endpoint in Creating status"] * 3
    sender = Sender(aws.settings, _refusing_to_delete(refusals))
    job = deploy(deployment("async"), find_model(None), sender, 0.01)
    for progress in job:
        if "grow" in progress.message:
            break
    assert everything(aws)["endpoints"] == 1
    job.close()
    assert refusals == []
    assert everything(aws) == NOTHING


def test_a_cancelled_endpoint_that_stays_is_said(aws: Sender) -> None:
    creating = {"EndpointStatus": "Creating"}
    refusing = _refusing_to_delete(["You may not."] * 100)
    slow = _slow(creating, creating, opener=refusing)
    job = deploy(deployment(), find_model(None), Sender(aws.settings, slow), 0.01)
    for progress in job:
        if "creating" in progress.message:
            break
    with pytest.raises(RemoteError, match=r"LEFT BEHIND.*delete the endpoint 'cells'"):
        job.close()


def _refusing_to_delete(refusals: list[str]) -> Any:
    """Return what opens clients that delete an endpoint only after some refusals."""
    from botocore.exceptions import ClientError

    def open_client(service: str, settings: CloudSettings) -> Any:
        client = aws_client(service, settings)
        if service == "sagemaker":
            really = client.delete_endpoint

            def delete_endpoint(**given: Any) -> Any:
                if refusals:
                    answer = {"Code": "ValidationException", "Message": refusals.pop()}
                    raise ClientError({"Error": answer}, "DeleteEndpoint")
                return really(**given)

            client.delete_endpoint = delete_endpoint
        return client

    return open_client


class _Slow:
    """SageMaker that takes its time, or fails; moto's endpoints are ready at once."""

    def __init__(self, client: Any, *states: dict[str, str]) -> None:
        self._client, self._states = client, list(states)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def describe_endpoint(self, **given: Any) -> Any:
        answer = self._client.describe_endpoint(**given)
        return {**answer, **(self._states.pop(0) if self._states else {})}


def _slow(*states: dict[str, str], opener: Any = aws_client) -> Any:
    made: list[_Slow] = []

    def open_client(service: str, settings: CloudSettings) -> Any:
        client = opener(service, settings)
        if service != "sagemaker":
            return client
        if not made:
            made.append(_Slow(client, *states))
        return made[0]

    return open_client


def test_waiting_says_what_it_waits_for(aws: Sender) -> None:
    creating = {"EndpointStatus": "Creating"}
    sender = Sender(aws.settings, _slow(creating, creating))
    said: list[str] = []
    run(
        deploy(deployment(), find_model(None), sender, 0.01),
        lambda progress: said.append(progress.message),
    )
    assert said.count("endpoint is creating, 0 min") == 2


def test_an_endpoint_that_fails_gives_its_reason_and_goes(aws: Sender) -> None:
    failed = {"EndpointStatus": "Failed", "FailureReason": "No such image."}
    sender = Sender(aws.settings, _slow(failed))
    with pytest.raises(RemoteError, match="did not start: No such image"):
        run(deploy(deployment(), find_model(None), sender, 0.01))
    assert everything(aws) == NOTHING


def test_what_is_not_ours_is_left_alone(aws: Sender) -> None:
    sagemaker = aws.client("sagemaker")
    sagemaker.create_model(
        ModelName="theirs",
        ExecutionRoleArn=PLACE.role,
        PrimaryContainer={"Image": PLACE.image},
    )
    variant = {
        "VariantName": "a",
        "ModelName": "theirs",
        "InstanceType": GPU,
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(
        EndpointConfigName="theirs", ProductionVariants=[variant]
    )
    sagemaker.create_endpoint(EndpointName="cells", EndpointConfigName="theirs")

    with pytest.raises(RemoteError, match="we did not make"):
        run(deploy(deployment(), find_model(None), aws, 0.01))
    with pytest.raises(RemoteError, match="was not made by us"):
        run(stop("cells", aws))
    assert list(running(aws)) == []
    assert everything(aws)["endpoints"] == 1


def test_there_is_nothing_of_that_name(aws: Sender) -> None:
    with pytest.raises(RemoteError, match="no endpoint or job 'ghost'"):
        run(stop("ghost", aws))


def test_what_an_endpoint_leaves_that_aws_deleted_itself_is_cleared(
    aws: Sender,
) -> None:
    run(deploy(deployment("async"), find_model(None), aws, 0.01))
    assert run(clear_leftovers(aws)) == []
    aws.client("sagemaker").delete_endpoint(EndpointName="cells")
    aws.client("scheduler").delete_schedule(Name="cells-20261121-093015")
    told = run(clear_leftovers(aws))
    assert "delete the settings 'cells-20261121-093015'" in told
    assert everything(aws) == NOTHING


def test_an_endpoint_gets_a_new_model_while_it_answers(aws: Sender) -> None:
    """moto has no `UpdateEndpoint`; the Stubber checks request and answer."""
    run(deploy(deployment(), find_model(None), aws, 0.01))
    later = replace(deployment(), now=NOW + timedelta(hours=1))
    updated: list[dict[str, str]] = []

    def open_client(service: str, settings: CloudSettings) -> Any:
        client = aws_client(service, settings)
        if service != "sagemaker":
            return client
        stub_client = aws_client(service, settings)
        stub = Stubber(stub_client)
        stub.add_response(
            "update_endpoint",
            {
                "EndpointArn": "arn:aws:sagemaker:eu-central-1:123456789012:endpoint/cells"
            },
            {"EndpointName": "cells", "EndpointConfigName": "cells-20261121-103015"},
        )
        stub.activate()

        def update_endpoint(**given: str) -> Any:
            updated.append(given)
            return stub_client.update_endpoint(**given)

        client.update_endpoint = update_endpoint
        return client

    run(deploy(later, find_model(None), Sender(aws.settings, open_client), 0.01))

    assert updated == [
        {"EndpointName": "cells", "EndpointConfigName": "cells-20261121-103015"}
    ]
    names = [
        each["EndpointConfigName"]
        for each in aws.client("sagemaker").list_endpoint_configs()["EndpointConfigs"]
    ]
    assert names == ["cells-20261121-103015"]
    (found,) = running(aws)  # moto keeps the old settings' name, which are gone by now
    assert found.stop_at == later.stop_at
    schedules = aws.client("scheduler").list_schedules()["Schedules"]
    assert [each["Name"] for each in schedules] == names
    assert keys_in(aws) == [
        "cellseg/endpoints/cells/cells-20261121-103015/model.tar.gz"
    ]


def test_an_endpoint_keeps_its_mode(aws: Sender) -> None:
    run(deploy(deployment(), find_model(None), aws, 0.01))
    with pytest.raises(RemoteError, match="is real-time and cannot become async"):
        run(deploy(deployment("async"), find_model(None), aws, 0.01))


def test_a_bucket_that_is_not_there_is_said_before_anything_is_made(
    aws: Sender,
) -> None:
    there = replace(deployment(), place=replace(PLACE, bucket="elsewhere"))
    with pytest.raises(RemoteError, match="bucket"):
        run(deploy(there, find_model(None), aws, 0.01))
    assert everything(aws) == NOTHING
    assert BUCKET != "elsewhere"
