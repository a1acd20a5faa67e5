"""Whose account, which region, which address: what every call to AWS starts from.

Clients are made in `io.aws`, which sends credentials to hosts of AWS only.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from napari_cellseg.cloud.errors import (
    NO_ANSWER,
    CloudError,
    in_plain_words,
    need_boto3,
)
from napari_cellseg.io.aws import (
    RUNTIME,
    AwsAccount,
    Patience,
    is_aws,
    make_client,
)

#: SageMaker gives a model 60 s; its answer must not be cut off before. Each inference
#: costs money: it is sent once.
INFERENCE = Patience(read_seconds=70.0, attempts=1)
#: What can be repeated at no cost.
CONTROL = Patience(read_seconds=30.0)


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """An account, and what stands in for SageMaker's runtime.

    Attributes
    ----------
    aws : AwsAccount
        Its address stands in for every service.
    runtime_url : str
        Address that stands in for the runtime alone, such as a lab server; "" is that of
        `aws`.
    token : str
        What the server at `runtime_url` was started with; "" if it has none.
    """

    aws: AwsAccount = AwsAccount()  # noqa: RUF009 -- frozen
    runtime_url: str = ""
    token: str = field(default="", repr=False)

    def account(self, service: str) -> AwsAccount:
        """Return the account as a service is asked with it."""
        if service == RUNTIME and self.runtime_url:
            return replace(self.aws, endpoint_url=self.runtime_url)
        return self.aws


@dataclass(frozen=True, slots=True)
class Identity:
    """Who AWS takes us for.

    Attributes
    ----------
    account : str
        Twelve digits.
    name : str
        User or role, such as ``"role/microscopy"``.
    arn : str
        The same in full.
    region : str
        Where calls go.
    address : str
        Of the runtime that is asked, as resolved.
    """

    account: str
    name: str
    arn: str
    region: str
    address: str


def aws_client(service: str, settings: CloudSettings) -> Any:
    """Return a boto3 client for a service.

    It sends an inference once; everything else a few times.

    Parameters
    ----------
    service : str
        Name in boto3, such as ``"s3"`` or ``"sagemaker-runtime"``.
    settings : CloudSettings
        Account and region.

    Raises
    ------
    CloudError
        If boto3 is missing, or there is no such profile, no region or no credentials.
    """
    need_boto3()
    patience = INFERENCE if service == RUNTIME else CONTROL
    with in_plain_words(f"open {service}", settings.aws.profile):
        client = make_client(service, settings.account(service), patience)
    is_lab = service == RUNTIME and settings.runtime_url and settings.token
    if is_lab and not is_aws(client.meta.endpoint_url):
        bearer = _Bearer(settings.token, settings.runtime_url)
        client.meta.events.register(f"before-send.{service}", bearer.put)
    return client


def identity_of(settings: CloudSettings) -> Identity:
    """Ask AWS who we are.

    Raises
    ------
    CloudError
        If it does not know us, or cannot be asked.
    """
    runtime = aws_client(RUNTIME, settings)
    sts = aws_client("sts", settings)
    with in_plain_words("ask AWS who you are", settings.aws.profile):
        try:
            answer = sts.get_caller_identity()
        except KeyError as error:  # botocore looks for no page that is XML by chance
            raise CloudError(NO_ANSWER) from error
    return Identity(
        answer["Account"],
        answer["Arn"].split(":", 5)[-1],
        answer["Arn"],
        runtime.meta.region_name,
        runtime.meta.endpoint_url,
    )


def profile_names() -> list[str]:
    """Return the profiles in ``~/.aws``, or an empty list."""
    need_boto3()
    import botocore.session

    return sorted(botocore.session.Session().available_profiles)


def region_names() -> list[str]:
    """Return the regions in which SageMaker can be asked."""
    need_boto3()
    import boto3

    return sorted(boto3.session.Session().get_available_regions(RUNTIME))


class _Bearer:
    """Puts a lab server's token on each request to it, and on none to another host."""

    def __init__(self, token: str, address: str) -> None:
        self._value = f"Bearer {token}"
        self._host = urlsplit(address).netloc

    def put(self, request: Any, **_kwargs: Any) -> None:
        """Set the header."""
        if urlsplit(request.url).netloc == self._host:
            request.headers["Authorization"] = self._value
