"""Which kind an endpoint is, and so how it is spoken to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from napari_cellseg.cloud.client.endpoint import EndpointLine, checked_name
from napari_cellseg.cloud.client.line import Line
from napari_cellseg.cloud.errors import CloudError, in_plain_words
from napari_cellseg.cloud.settings import CloudSettings, aws_client

#: Who may use an endpoint need not be allowed to look at how it is set up.
NOT_TOLD_CODES = {"AccessDeniedException", "AccessDenied", "403"}


@dataclass(frozen=True, slots=True)
class EndpointKind:
    """How an endpoint is set up, as far as we are told.

    Attributes
    ----------
    kind : str
        A key of `cloud.limits.LIMITS`.
    status : str
        Such as ``"InService"``; "" if not told.
    instance_type : str
        Such as ``"ml.g5.xlarge"``; "" if not told or serverless.
    n_instances : int
        How many run now; 0 if not told.
    since : datetime or None
        When it was made; None if not told.
    reason : str
        Why it failed, as AWS says it; "" if it did not.
    output : str
        Where an endpoint that works through S3 puts its answers; "" for others.
    """

    kind: str
    status: str = ""
    instance_type: str = ""
    n_instances: int = 0
    output: str = ""
    since: datetime | None = None
    reason: str = ""


def open_line(endpoint: str, settings: CloudSettings) -> Line:
    """Return the line that suits an endpoint.

    Raises
    ------
    CloudError
        If there is no such endpoint, it has failed, or AWS cannot be spoken to.
    """
    found = kind_of(endpoint, settings)
    if found.status in ("Failed", "OutOfService", "Deleting"):
        raise CloudError(
            f"The endpoint '{endpoint}' is {found.status}: "
            f"{found.reason or f'cellseg cloud logs {endpoint} may say why.'} Deploy it "
            "again."
        )
    if found.kind == "async":
        from napari_cellseg.cloud.client.async_endpoint import AsyncLine

        is_awake = found.n_instances > 0
        return AsyncLine(endpoint, settings, found.output, is_awake=is_awake)
    return EndpointLine(endpoint, settings, found.kind)


def kind_of(endpoint: str, settings: CloudSettings) -> EndpointKind:
    """Ask how an endpoint is set up; taken as real-time where we are not told.

    Raises
    ------
    CloudError
        If there is no such endpoint, or AWS cannot be spoken to.
    """
    checked_name(endpoint)
    if settings.runtime_url and not settings.aws.endpoint_url:
        # A server of our own: there is nobody to ask, and it answers at once.
        return EndpointKind("real-time")
    try:
        with in_plain_words(f"look at the endpoint '{endpoint}'", settings.aws.profile):
            client = aws_client("sagemaker", settings)
            now = client.describe_endpoint(EndpointName=endpoint)
            how = client.describe_endpoint_config(
                EndpointConfigName=now["EndpointConfigName"]
            )
    except CloudError as error:
        if error.code in NOT_TOLD_CODES:
            return EndpointKind("real-time")
        raise
    planned = (how.get("ProductionVariants") or [{}])[0]
    running = (now.get("ProductionVariants") or [{}])[0]
    output = how.get("AsyncInferenceConfig", {}).get("OutputConfig", {})
    kind = "serverless" if planned.get("ServerlessConfig") else "real-time"
    return EndpointKind(
        "async" if "AsyncInferenceConfig" in how else kind,
        now.get("EndpointStatus", ""),
        planned.get("InstanceType", ""),
        int(running.get("CurrentInstanceCount", 0)),
        output.get("S3OutputPath", ""),
        now.get("CreationTime"),
        now.get("FailureReason", ""),
    )
