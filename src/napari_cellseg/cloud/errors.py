"""What went wrong at AWS, in a sentence: the one seam to botocore's errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from napari_cellseg.core.errors import RemoteError

NEEDS_BOTO3 = (
    "AWS is spoken to through boto3, which is not installed; "
    "pip install 'napari-cellseg[aws]' brings it."
)
NO_ENDPOINT = r"(?i)endpoint.*not found|could not find endpoint"
#: The longest that is passed on of what a container or AWS says.
MAX_TOLD = 400


class CloudError(RemoteError):
    """AWS, or a server that speaks like it, did not do what it was asked.

    Attributes
    ----------
    code : str
        What botocore calls it, such as ``"ThrottlingException"``.
    is_free : bool
        True if nothing was worked on, so that sending it again costs nothing.
    seconds : float
        How long it asks to wait before that; 0 if it does not say.
    """

    def __init__(
        self,
        message: str,
        code: str = "",
        *,
        is_free: bool = False,
        seconds: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.is_free = is_free
        self.seconds = seconds

    @property
    def is_starting(self) -> bool:
        """True if a model is being loaded, which may take minutes."""
        return self.code == NOT_READY


#: A server that wants to be left alone for longer is asked all the same.
MAX_RETRY_SECONDS = 120.0
#: What a model that is being loaded is called.
NOT_READY = "ModelNotReadyException"
EXPIRED = (
    "Your sign-in at AWS{who} has expired. Sign in again, for instance with "
    "'aws sso login{flag}', then repeat."
)
UNKNOWN_KEYS = (
    "AWS does not know the credentials{who}. Check the profile, or make new keys; and the "
    "region: one that the account has not opened knows no keys at all."
)
NO_KEYS = (
    "No credentials for AWS were found{who}. Run 'aws configure sso{flag}' or choose "
    "another profile."
)
DENIED = (
    "Your role{who} may not {doing}: {told} Ask whoever runs the AWS account for that "
    "permission."
)
BUSY = "AWS takes no more requests just now ({told}) Wait a minute and repeat."
STARTING = (
    "The endpoint is starting: its model is not loaded yet. This takes some minutes after "
    "a pause; nothing was charged for this request. Repeat it then."
)
NOT_YET = (
    "The endpoint is not ready yet: {told} This may take some minutes after a pause; "
    "nothing was charged for this request."
)
ENDPOINT_BUSY = "The endpoint is busy with other images. Wait a minute and repeat."
SAID_NOTHING = (
    "The endpoint failed at this image and said nothing. Try a smaller region; its log "
    "says more: Deploy, stop, costs… > Log…, or cellseg cloud logs NAME."
)
FAULT = "AWS had a fault of its own while asked to {doing}: {told} Repeat it later."
TOO_LARGE = (
    "The request was larger than the endpoint takes: {told} Choose a smaller region, or "
    "an endpoint that works through S3."
)
CLOCK = "The clock of this computer is wrong by minutes; set it, then repeat."
#: So AWS says that a signature is of another time, under the codes of wrong keys.
OTHER_TIME = ("Signature expired", "Signature not yet current")
NO_CODE = (
    "The profile{who} wants a code of your second factor (MFA), which cannot be typed "
    "here. Run 'aws sts get-caller-identity{flag}' in a terminal, then repeat."
)
QUOTA = "A limit of the account is reached: {told} Ask AWS for a higher quota."
MISSING = "AWS has no such thing: {told} Check the name and the region."
#: Code of the error at AWS -> our sentence. `{doing}`, `{told}` (ends with a stop),
#: `{who}` and `{flag}` are filled in.
SENTENCES = {
    "ExpiredToken": EXPIRED,
    "ExpiredTokenException": EXPIRED,
    "RequestExpired": EXPIRED,
    "TokenRefreshRequired": EXPIRED,
    "InvalidClientTokenId": UNKNOWN_KEYS,
    "UnrecognizedClientException": UNKNOWN_KEYS,
    "InvalidAccessKeyId": UNKNOWN_KEYS,
    "SignatureDoesNotMatch": UNKNOWN_KEYS,
    "InvalidSignatureException": UNKNOWN_KEYS,
    "RequestTimeTooSkewed": CLOCK,
    "AccessDenied": DENIED,
    "AccessDeniedException": DENIED,
    "UnauthorizedOperation": DENIED,
    "403": DENIED,
    "401": "The server's token is missing or wrong; ask who started it for it.",
    "Throttling": BUSY,
    "ThrottlingException": BUSY,
    "TooManyRequestsException": BUSY,
    "RequestLimitExceeded": BUSY,
    "SlowDown": BUSY,
    "429": BUSY,
    NOT_READY: STARTING,
    "ServiceUnavailable": BUSY,
    "ServiceUnavailableException": BUSY,
    "503": BUSY,
    "InternalFailure": FAULT,
    "InternalServerError": FAULT,
    "InternalError": FAULT,
    "InternalDependencyException": FAULT,
    "500": FAULT,
    "502": FAULT,
    "504": FAULT,
    "413": TOO_LARGE,
    "RequestEntityTooLarge": TOO_LARGE,
    "EntityTooLarge": TOO_LARGE,
    "ResourceLimitExceeded": QUOTA,
    "LimitExceededException": QUOTA,
    "NoSuchBucket": MISSING,
    "NoSuchKey": MISSING,
    "404": MISSING,
    "ResourceNotFound": MISSING,
    "ResourceNotFoundException": MISSING,
}
DENIED_CODES = {code for code, words in SENTENCES.items() if words is DENIED}
#: Nothing was worked on when one of these came back.
FREE = {code for code, words in SENTENCES.items() if words in (BUSY, STARTING)}
UNREACHABLE = (
    "{address} cannot be reached. Check the address, the region and the network."
)
BROKEN_OFF = "The answer broke off on the way. Repeat it if you wish."
NO_ANSWER = (
    "What came back is no answer of AWS. Is there a login page in between, or "
    "another program at this address?"
)
#: Name of an exception of botocore that has no code -> our sentence.
LOST = {
    "NoCredentialsError": NO_KEYS,
    "PartialCredentialsError": NO_KEYS,
    "CredentialRetrievalError": EXPIRED,
    "NoAuthTokenError": EXPIRED,
    "SSOTokenLoadError": EXPIRED,
    "UnauthorizedSSOTokenError": EXPIRED,
    "TokenRetrievalError": EXPIRED,
    "LoginRefreshRequired": EXPIRED,
    "LoginTokenLoadError": EXPIRED,
    "CodeWantedError": NO_CODE,
    "ProfileNotFound": "{told} Choose one of those in ~/.aws.",
    "NoRegionError": (
        "No region is chosen. Name the one that your endpoint is in, such as "
        "eu-central-1."
    ),
    "InvalidRegionError": "{told} Name a region such as eu-central-1.",
    "EndpointConnectionError": UNREACHABLE,
    "ConnectTimeoutError": UNREACHABLE,
    "ProxyConnectionError": "The proxy to {address} cannot be reached: {told}",
    "SSLError": (
        "{address} could not show that it is who it says (TLS): {told} Do not go on in "
        "a network that you do not know. Where your institute looks into what travels, "
        "ask for its certificate and name the file in AWS_CA_BUNDLE."
    ),
    "ReadTimeoutError": (
        "{address} has not answered in time. It was asked to {doing} and may still be at "
        "it, so this is not sent again by itself. Choose a smaller region or work "
        "through S3."
    ),
    "ConnectionClosedError": (
        "The connection to {address} broke before an answer came. It may have been "
        "worked on, so it is not sent again by itself; repeat it if you wish."
    ),
    "ResponseStreamingError": BROKEN_OFF,
    "IncompleteReadError": BROKEN_OFF,
    "ResponseParserError": NO_ANSWER,
}
#: No request can have arrived.
NEVER_ARRIVED = {"EndpointConnectionError", "ConnectTimeoutError"}


def need_boto3() -> None:
    """Raise `CloudError` if boto3 is not installed."""
    if find_spec("boto3") is None:
        raise CloudError(NEEDS_BOTO3, "NoBoto3")


@contextmanager
def in_plain_words(doing: str, profile: str = "") -> Iterator[None]:
    """Turn every error of boto3 in the block into a `CloudError`.

    Parameters
    ----------
    doing : str
        What is being asked for, as in "may not ...": ``"read the bucket 'plates'"``.
    profile : str
        Named in the sentence if given.
    """
    need_boto3()
    from boto3.exceptions import Boto3Error
    from botocore.eventstream import ParserError
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError

    from napari_cellseg.io.aws import CodeWantedError

    try:
        yield
    except ClientError as error:
        raise error_of_answer(error.response, doing, profile) from error
    except (
        BotoCoreError,
        HTTPClientError,
        Boto3Error,
        ResponseParserError,
        CodeWantedError,
    ) as error:
        raise _error_on_the_way(error, doing, profile) from error
    except HTTPError as error:
        # Out of the middle of a body, where botocore does not look.
        raise CloudError(BROKEN_OFF) from error
    except ParserError as error:
        raise CloudError(NO_ANSWER) from error


def error_of_answer(
    response: dict[str, Any], doing: str, profile: str = ""
) -> CloudError:
    """Return the error that a refusal stands for.

    Parameters
    ----------
    response : dict
        As botocore parses it: ``Error``, ``ResponseMetadata`` and modelled fields.
    doing, profile : str
        See `in_plain_words`.
    """
    code = str(response.get("Error", {}).get("Code", ""))
    told = _sentence(str(response.get("Error", {}).get("Message", "")))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    seconds = seconds_of(str(headers.get("retry-after", "")))
    if code == "ModelError":
        # The container's queue was full, or its model not there yet.
        inside = response.get("OriginalStatusCode")
        said = _said(response)
        is_full = inside == 429
        if inside == 503:
            starting = NOT_YET.format(told=_sentence(said)) if said else STARTING
            return CloudError(starting, NOT_READY, is_free=True, seconds=seconds)
        silent = ENDPOINT_BUSY if is_full else SAID_NOTHING
        answer = f"The endpoint says: {_sentence(said)}" if said else silent
        return CloudError(answer, code, is_free=is_full)
    if 300 <= status < 400:
        return CloudError(
            "The address points to another one, which is not followed. Check the region; "
            "use the other address only if you trust it.",
            code,
        )
    if code.startswith("Validation") and re.search(NO_ENDPOINT, told):
        return CloudError(f"{told} Check its name and the region.", code, is_free=True)
    words = SENTENCES.get(code) or SENTENCES.get(str(status))
    if words is UNKNOWN_KEYS and told.startswith(OTHER_TIME):
        words = CLOCK
    if words is None:
        words = "AWS refused to {doing} ({code}): {told}"
    text = words.format(doing=doing, told=told, code=code, **_naming(profile))
    return CloudError(text, code, is_free=code in FREE, seconds=seconds)


def seconds_of(text: str) -> float:
    """Return the seconds of a header Retry-After; 0 where it has a date or nothing."""
    return min(float(text), MAX_RETRY_SECONDS) if text.isdecimal() else 0.0


def _error_on_the_way(error: Exception, doing: str, profile: str) -> CloudError:
    """Return the error of a request that got no whole answer."""
    code = type(error).__name__
    known = getattr(error, "kwargs", {})
    parts = urlsplit(known.get("endpoint_url") or "")
    address = f"{parts.scheme}://{parts.netloc}" if parts.netloc else "AWS"
    words = LOST.get(code, "AWS could not be asked to {doing}: {told}")
    text = words.format(
        doing=doing,
        told=_sentence(str(error)),
        address=address,
        **_naming(profile),
    )
    return CloudError(text, code, is_free=code in NEVER_ARRIVED)


def _said(response: dict[str, Any]) -> str:
    """Return what the container said; "" if nothing."""
    said = str(response.get("OriginalMessage", ""))
    with suppress(ValueError, KeyError, TypeError):
        said = str(json.loads(said)["error"])
    return said


def _naming(profile: str) -> dict[str, str]:
    """Return how the profile is named inside a sentence."""
    return {
        "who": f" (profile '{profile}')" if profile else "",
        "flag": f" --profile {profile}" if profile else "",
    }


def _sentence(text: str) -> str:
    """Return a text of somebody else on one line, cut to a length, with a stop."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if line.startswith("<"):
        line = ""  # a page, which is for browsers
    if len(line) > MAX_TOLD:
        line = f"{line[:MAX_TOLD]}…"
    return (
        line if line.endswith((".", "!", "?", "…")) else f"{line or 'no reason given'}."
    )
