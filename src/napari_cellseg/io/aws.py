"""The one place that makes clients of boto3: whose account, which region, how patient.

Credentials come from boto3's own chain (environment, profile, single sign-on, role) and
are never read, kept or shown here. They are sent to hosts of AWS only: whatever another
address is given, or has crept in through ``AWS_ENDPOINT_URL`` or the configuration file,
gets the keys of that store, `KEY_VARIABLE` and `SECRET_VARIABLE`, or nobody's. botocore
follows no redirect to another host. Proxies are those of `io.proxies`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from napari_cellseg.io.proxies import goes_directly

RUNTIME = "sagemaker-runtime"
S3 = "s3"
#: Of a store of one's own that speaks S3, such as MinIO.
KEY_VARIABLE, SECRET_VARIABLE = "CELLSEG_S3_KEY", "CELLSEG_S3_SECRET"
#: boto3 asks for a region even where the server has none.
ANY_REGION = "us-east-1"
NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class AwsAccount:
    """An account as a person names it.

    Attributes
    ----------
    profile : str
        Name of a profile in ``~/.aws``; "" takes what boto3 finds by itself.
    region : str
        Such as ``"eu-central-1"``; "" takes the profile's.
    endpoint_url : str
        Address that stands in for the service; "" is AWS, or what the environment says.
    """

    profile: str = ""
    region: str = ""
    endpoint_url: str = ""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call may take, and how often it is sent.

    Attributes
    ----------
    connect_seconds, read_seconds : float
        Until there is a connection; between two pieces of an answer.
    attempts : int
        Sent so often at the most; 1 where each costs money.
    """

    connect_seconds: float = 5.0
    read_seconds: float = 60.0
    attempts: int = 4


class CodeWantedError(Exception):
    """A profile wants a code of a second factor, and there is nowhere to type it."""


def open_session(account: AwsAccount) -> Any:
    """Return a boto3 session; it finds out later whether credentials are good."""
    import boto3

    session = boto3.session.Session(
        profile_name=account.profile or None,
        # AWS's other programs look at it; boto3 knows only AWS_DEFAULT_REGION.
        region_name=account.region or os.environ.get("AWS_REGION") or None,
    )
    _borrow_roles(session)
    return session


class _Borrowed:
    """Roles that were taken on: by this program, and by the AWS command line.

    Those of the command line are read from its cache; ours are written nowhere.
    """

    def __init__(self) -> None:
        self._own: dict[str, Any] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._own or key in _of_command_line()

    def __getitem__(self, key: str) -> Any:
        """Return the role that can be used for longest."""
        there = [each[key] for each in (self._own, _of_command_line()) if key in each]
        return max(there, key=_expiry)

    def __setitem__(self, key: str, role: Any) -> None:
        self._own[key] = role


def _expiry(role: Any) -> str:
    """Return when a role ends, in UTC, as text that sorts."""
    return str(role["Credentials"]["Expiration"]).replace("T", " ")[:19]


#: Shared by all clients, so that a role is taken on once.
_BORROWED = _Borrowed()


def _of_command_line() -> Any:
    """Return the roles that the AWS command line has taken on."""
    from botocore.credentials import JSONFileCache

    return JSONFileCache(str(Path("~/.aws/cli/cache").expanduser()))


def _borrow_roles(session: Any) -> None:
    """Let a session use roles that were taken on before, and ask nobody for a code.

    boto3 else asks on the terminal, which a window may not have, for each client anew.
    """
    # boto3 has no public way to its own session; AWS's documentation names this one.
    providers = session._session.get_component("credential_provider")
    provider = providers.get_provider("assume-role")
    provider.cache = _BORROWED
    provider._prompter = _refuse_code


def _refuse_code(_prompt: str) -> str:
    raise CodeWantedError("A code of a second factor is needed.")


def make_client(
    service: str,
    account: AwsAccount,
    patience: Patience,
    *,
    may_be_public: bool = False,
) -> Any:
    """Return a boto3 client for a service.

    Parameters
    ----------
    service : str
        Name in boto3, such as ``"s3"``.
    account : AwsAccount
        Whose, and where.
    patience : Patience
        Timeouts and retries.
    may_be_public : bool
        Whether requests go out unsigned where there are no credentials: so public buckets
        are read.

    Raises
    ------
    botocore.exceptions.BotoCoreError
        If there is no such profile, or no region.
    """
    from botocore import UNSIGNED
    from botocore.config import Config

    session = open_session(account)
    config = Config(
        connect_timeout=patience.connect_seconds,
        read_timeout=patience.read_seconds,
        retries={"mode": "standard", "total_max_attempts": patience.attempts},
        user_agent_extra="napari-cellseg",
    )
    region = session.region_name
    if not region and (account.endpoint_url or service == S3 or _stands_in(service)):
        region = ANY_REGION
    named = {"endpoint_url": account.endpoint_url or None, "region_name": region}
    unsigned = config.merge(Config(signature_version=UNSIGNED))
    client = session.client(service, config=unsigned, **named)
    if goes_directly(client.meta.endpoint_url):
        # botocore would send what is not encrypted through the proxy as well.
        config = config.merge(Config(proxies={}))
        unsigned = unsigned.merge(Config(proxies={}))
        client = session.client(service, config=unsigned, **named)
    if is_aws(client.meta.endpoint_url):
        if may_be_public and session.get_credentials() is None:
            return client
        return session.client(service, config=config, **named)
    if service == RUNTIME:
        return client
    own = config.merge(Config(s3={"addressing_style": "path"}))
    return session.client(
        service,
        config=own,
        aws_access_key_id=os.environ.get(KEY_VARIABLE, NOBODY),
        aws_secret_access_key=os.environ.get(SECRET_VARIABLE, NOBODY),
        **named,
    )


def is_aws(address: str) -> bool:
    """Return True if an address is AWS's own and travels encrypted."""
    parts = urlsplit(address)
    return parts.scheme == "https" and (parts.hostname or "").endswith(_aws_suffixes())


@cache
def _aws_suffixes() -> tuple[str, ...]:
    """Return how names of AWS's hosts end, in every partition that botocore knows."""
    import botocore.session

    loader = botocore.session.Session().get_component("data_loader")
    outputs = [part["outputs"] for part in loader.load_data("partitions")["partitions"]]
    kinds = ("dnsSuffix", "dualStackDnsSuffix")
    return tuple(f".{output[kind]}" for output in outputs for kind in kinds)


def _stands_in(service: str) -> bool:
    """Say whether the environment names a server in the place of AWS."""
    own = f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}"
    return bool(os.environ.get(own) or os.environ.get("AWS_ENDPOINT_URL"))
