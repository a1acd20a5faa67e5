"""The client for S3, and its errors in a sentence.

Credentials come from boto3's own chain and go to hosts of AWS only. Without any, public
buckets are read unsigned. Another store that speaks S3 (``AWS_ENDPOINT_URL_S3``) is signed
to with the keys of that store, `KEY_VARIABLE` and `SECRET_VARIABLE`, or with nobody's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from napari_cellseg.core.errors import ImageReadError

KEY_VARIABLE, SECRET_VARIABLE = "CELLSEG_S3_KEY", "CELLSEG_S3_SECRET"
#: What decides where requests go and who signs them.
VARIABLES = (
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    KEY_VARIABLE,
    SECRET_VARIABLE,
)
CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
ATTEMPTS = 4
#: boto3 asks for a region even where the store has none.
ANY_REGION = "us-east-1"
NEEDS_BOTO3 = (
    "Images in S3 are read through boto3, which is not installed; "
    "pip install 'napari-cellseg[aws]' brings it."
)
#: Code of the answer -> what it means; the name of what was asked for comes before it.
REASONS = {
    "404": "is not there. Check the spelling, capital letters too",
    "NoSuchKey": "is not there. Check the spelling, capital letters too",
    "NoSuchBucket": "lies in a bucket that does not exist. Check the bucket's name",
    "403": "may not be read with these credentials, or is not there. Ask for "
    "s3:GetObject and s3:ListBucket, or choose another profile with AWS_PROFILE",
    "412": "was replaced while it was being read. Open it again",
    "301": "lies in another region than the one asked. Set AWS_REGION to the bucket's",
    "503": "cannot be had just now; S3 asks to slow down. Try again in a minute",
    "InvalidObjectState": "is archived (Glacier). Restore it first",
    "InvalidAccessKeyId": "cannot be had: the access key is unknown. Log in again",
    "SignatureDoesNotMatch": "cannot be had: the secret key is wrong. Log in again",
    "RequestTimeTooSkewed": "cannot be had: the clock of this computer is wrong. Set it",
    "ExpiredToken": "cannot be had: the login has expired. Log in again",
}
SAME_AS = {
    "AccessDenied": "403",
    "Forbidden": "403",
    "AllAccessDisabled": "403",
    "NotFound": "404",
    "PreconditionFailed": "412",
    "PermanentRedirect": "301",
    "AuthorizationHeaderMalformed": "301",
    "IllegalLocationConstraintException": "301",
    "SlowDown": "503",
    "ServiceUnavailable": "503",
    "ExpiredTokenException": "ExpiredToken",
    "RequestExpired": "ExpiredToken",
}
ANONYMOUS = (
    "is not public, and no AWS credentials are found here. Log in (aws sso login) or set "
    "AWS_PROFILE"
)
NO_WAY = "cannot be reached. Check the network and the region"
#: Name of an exception of botocore -> what it means.
LOST = {
    "EndpointConnectionError": NO_WAY,
    "ConnectTimeoutError": NO_WAY,
    "ReadTimeoutError": "did not arrive in time. Try again",
    "ProxyConnectionError": "cannot be reached: the proxy does not answer. Check it",
    "SSLError": "cannot be reached safely: the certificate is not right. Check the network",
    "ProfileNotFound": "cannot be had: AWS_PROFILE names no profile of this computer",
    "UnauthorizedSSOTokenError": "cannot be had: the login has expired. aws sso login",
    "SSOTokenLoadError": "cannot be had: the login has expired. Run aws sso login",
    "TokenRetrievalError": "cannot be had: the login has expired. Run aws sso login",
    "PartialCredentialsError": "cannot be had: half of the credentials is missing",
}
#: Those of them that say that nobody answers.
OFFLINE = (
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ProxyConnectionError",
)


class UnreachableError(ImageReadError):
    """S3 does not answer: this computer is offline, or it is."""


class NotInS3Error(ImageReadError):
    """There is no such object."""


class DeniedError(ImageReadError):
    """The object may not be read, or is not there: who may not list is not told which."""


class ReplacedError(ImageReadError):
    """The object is not the one any more that was first seen."""


KINDS = {
    "404": NotInS3Error,
    "NoSuchKey": NotInS3Error,
    "412": ReplacedError,
    "403": DeniedError,
}


def s3_client() -> Any:
    """Return the client; one for each set of variables that decide where it goes.

    Raises
    ------
    ImageReadError
        If boto3 is missing or the profile is unknown.
    """
    if find_spec("boto3") is None:
        raise ImageReadError(NEEDS_BOTO3)
    with in_s3_words("The store"):
        return _client(tuple(os.environ.get(name, "") for name in VARIABLES))


@cache
def _client(_variables: tuple[str, ...]) -> Any:
    """Return a new client: AWS signed or unsigned, another store with its own keys."""
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    session = boto3.session.Session()
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        user_agent_extra="napari-cellseg",
    )
    region = session.region_name or ANY_REGION
    unsigned = config.merge(Config(signature_version=UNSIGNED))
    client = session.client("s3", region_name=region, config=unsigned)
    if _is_aws(client.meta.endpoint_url, session):
        if session.get_credentials() is None:
            return client
        return session.client("s3", region_name=region, config=config)
    own = config.merge(Config(s3={"addressing_style": "path"}))
    return session.client(
        "s3",
        region_name=region,
        config=own,
        aws_access_key_id=os.environ.get(KEY_VARIABLE, "nobody"),
        aws_secret_access_key=os.environ.get(SECRET_VARIABLE, "nobody"),
    )


def _is_aws(address: str, session: Any) -> bool:
    """Say whether an address is AWS's own, by botocore's list of partitions."""
    loader = session._session.get_component("data_loader")
    outputs = [part["outputs"] for part in loader.load_data("partitions")["partitions"]]
    kinds = ("dnsSuffix", "dualStackDnsSuffix")
    ends = tuple(f".{output[kind]}" for output in outputs for kind in kinds)
    parts = urlsplit(address)
    return parts.scheme == "https" and (parts.hostname or "").endswith(ends)


@contextmanager
def in_s3_words(what: str) -> Iterator[None]:
    """Turn what boto3 raises about `what` into one sentence.

    Raises
    ------
    NotInS3Error, ReplacedError, UnreachableError, ImageReadError
    """
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ClientError as error:
        raise _refused(what, error) from error
    except (BotoCoreError, HTTPClientError, HTTPError) as error:
        kind = type(error).__name__
        told = " ".join(str(error).split())[:160]
        reason = LOST.get(kind, f"did not arrive whole ({told}). Try again")
        raised = UnreachableError if kind in OFFLINE else ImageReadError
        raise raised(f"{what} {reason}.") from error


def _refused(what: str, error: Any) -> ImageReadError:
    """Return the error for an answer of S3."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
    code = SAME_AS.get(code, code)
    code = code if code in REASONS else SAME_AS.get(status, status)
    if code == "403" and _is_anonymous():
        _client.cache_clear()  # who logs in now is not kept out
        return DeniedError(f"{what} {ANONYMOUS}.")
    told = " ".join(str(error).split())[:160]
    reason = REASONS.get(code, f"could not be had ({told}). Try again")
    return KINDS.get(code, ImageReadError)(f"{what} {reason}.")


def _is_anonymous() -> bool:
    """Say whether requests go out without credentials."""
    from botocore import UNSIGNED

    return s3_client().meta.config.signature_version is UNSIGNED
