"""Whose account, which region, which address: what every call to AWS starts from.

Credentials come from boto3's own chain (environment, profile, single sign-on, role) and
are never read, kept or shown here. They are sent to hosts of AWS only: whatever another
address is given, or has crept in through ``AWS_ENDPOINT_URL`` or the configuration file,
gets made-up ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from napari_cellseg.cloud.errors import in_plain_words, need_boto3
from napari_cellseg.core.errors import RemoteError

RUNTIME = "sagemaker-runtime"
#: Hosts that belong to AWS, in every partition that boto3 knows.
AWS_SUFFIXES = (
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".api.aws",
    ".api.amazonwebservices.com.cn",
    ".amazonaws.eu",
    ".api.amazonwebservices.eu",
    ".c2s.ic.gov",
    ".sc2s.sgov.gov",
    ".cloud.adc-e.uk",
    ".csp.hci.ic.gov",
)
#: What a host that is not AWS is signed with: nobody's, so that nothing can leak.
NOBODY = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nobody"}
#: The region where none matters, as at a server of our own.
ANY_REGION = "us-east-1"
CONNECT_SECONDS = 5.0
#: SageMaker gives a model 60 s; its answer must not be cut off before.
INFERENCE_SECONDS = 70.0
CONTROL_SECONDS = 30.0
#: How often a call may be sent: an inference once, as each one costs money; what can be
#: repeated at no cost, a few times.
ATTEMPTS = {RUNTIME: 1}
USUAL_ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """An account as a person names it.

    Attributes
    ----------
    profile : str
        Name of a profile in ``~/.aws``; "" takes what boto3 finds by itself.
    region : str
        Such as ``"eu-central-1"``; "" takes the profile's.
    endpoint_url : str
        Address that stands in for every service of AWS, such as a moto server; "" is AWS.
    runtime_url : str
        Address that stands in for SageMaker's runtime alone, such as a lab server; "" is
        `endpoint_url`.
    token : str
        What the server at `runtime_url` was started with; "" if it has none.
    """

    profile: str = ""
    region: str = ""
    endpoint_url: str = ""
    runtime_url: str = ""
    token: str = field(default="", repr=False)

    def url_of(self, service: str) -> str:
        """Return the address given for a service, or "" for that of AWS."""
        if service == RUNTIME and self.runtime_url:
            return self.runtime_url
        return self.endpoint_url


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

    It sends an inference once; everything else up to `USUAL_ATTEMPTS` times. Redirects
    are not followed by botocore.

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
    with in_plain_words(f"open {service}", settings.profile):
        client = _client(service, settings, _session(settings), signed=True)
        if is_aws(client.meta.endpoint_url):
            return client
        # Nothing was sent yet. The address may come from the environment.
        return _client(service, settings, _session(settings), signed=False)


def is_aws(address: str) -> bool:
    """Return True if an address is AWS's own and travels encrypted."""
    parts = urlsplit(address)
    return parts.scheme == "https" and (parts.hostname or "").endswith(AWS_SUFFIXES)


def identity_of(settings: CloudSettings) -> Identity:
    """Ask AWS who we are.

    Raises
    ------
    CloudError
        If it does not know us, or cannot be asked.
    """
    runtime = aws_client(RUNTIME, settings)
    sts = aws_client("sts", settings)
    with in_plain_words("ask AWS who you are", settings.profile):
        answer = sts.get_caller_identity()
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


def region_of(settings: CloudSettings) -> str:
    """Return the region that calls go to.

    Raises
    ------
    CloudError
        If none is given and the profile has none.
    """
    with in_plain_words("choose a region", settings.profile):
        found = settings.region or _session(settings).region_name
    if not found:
        raise RemoteError(
            "No region is chosen. Name the one that your endpoint is in, such as "
            "eu-central-1."
        )
    return str(found)


def _session(settings: CloudSettings) -> Any:
    """Return a boto3 session; it finds out later whether credentials are good."""
    need_boto3()
    import boto3

    return boto3.session.Session(
        profile_name=settings.profile or None, region_name=settings.region or None
    )


def _client(
    service: str, settings: CloudSettings, session: Any, *, signed: bool
) -> Any:
    """Return a client that is signed with the person's credentials, or nobody's."""
    import botocore
    from botocore.config import Config

    address = settings.url_of(service)
    is_inference = service == RUNTIME
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=INFERENCE_SECONDS if is_inference else CONTROL_SECONDS,
        retries={
            "mode": "standard",
            "total_max_attempts": ATTEMPTS.get(service, USUAL_ATTEMPTS),
        },
        user_agent_extra="napari-cellseg",
        s3={"addressing_style": "path"} if address else None,
    )
    if not signed and is_inference:
        config = config.merge(Config(signature_version=botocore.UNSIGNED))
    region = session.region_name or (None if signed and not address else ANY_REGION)
    keys = {} if signed else NOBODY
    client = session.client(
        service,
        endpoint_url=address or None,
        region_name=region,
        config=config,
        **keys,
    )
    if not signed and is_inference and settings.runtime_url and settings.token:
        client.meta.events.register(
            f"before-send.{service}", _Bearer(settings.token).put
        )
    return client


class _Bearer:
    """Puts a lab server's token on each request."""

    def __init__(self, token: str) -> None:
        self._value = f"Bearer {token}"

    def put(self, request: Any, **_kwargs: Any) -> None:
        """Set the header; the request goes to a server of our own."""
        request.headers["Authorization"] = self._value
