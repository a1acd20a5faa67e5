"""The client for S3, and its errors in a sentence.

Without credentials, public buckets are read unsigned. Who is signed for, and where, is
settled in `io.aws`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.io.aws import (
    KEY_VARIABLE,
    S3,
    SECRET_VARIABLE,
    AwsAccount,
    Patience,
    make_client,
)

#: The profile and region that `cloud` takes as well.
CHOSEN = ("CELLSEG_AWS_PROFILE", "CELLSEG_AWS_REGION")
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


def s3_client(account: AwsAccount | None = None) -> Any:
    """Return the client; one for each account and set of variables that decide for it.

    Parameters
    ----------
    account : AwsAccount, optional
        Whose; None takes ``CELLSEG_AWS_PROFILE`` and ``CELLSEG_AWS_REGION``, else what
        boto3 finds by itself.

    Raises
    ------
    ImageReadError
        If boto3 is missing or the profile is unknown.
    """
    if find_spec("boto3") is None:
        raise ImageReadError(NEEDS_BOTO3)
    chosen = account or AwsAccount(*(os.environ.get(name, "") for name in CHOSEN))
    with in_s3_words("The store"):
        return _client(chosen, tuple(os.environ.get(name, "") for name in VARIABLES))


@cache
def _client(account: AwsAccount, _variables: tuple[str, ...]) -> Any:
    """Return a new client."""
    return make_client(S3, account, Patience(), may_be_public=True)


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
