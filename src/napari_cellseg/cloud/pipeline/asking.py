"""Asking the endpoint, and what its refusals mean for the queue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from napari_cellseg.cloud.pipeline.contract import (
    WHOLE_TYPE,
    LaterError,
    PipelineSettings,
    RefusedError,
    file_attributes,
)
from napari_cellseg.cloud.pipeline.runs import Run

#: Of a container: the image itself is at fault, so asking again would not help.
IMAGE_FAULTS = (400, 413, 415, 422)
MAX_ANSWER_BYTES = 256 * 2**20
MAX_TOLD = 300


def ask_now(
    client: Any, settings: PipelineSettings, run: Run, body: bytes, kind: str
) -> bytes:
    """Return the whole result of an image, as the endpoint sends it.

    Raises
    ------
    RefusedError
        If the image cannot be segmented.
    LaterError
        If the endpoint is busy, away or at fault.
    """
    with _understood(settings.endpoint):
        answer = client.invoke_endpoint(
            EndpointName=settings.endpoint,
            Body=body,
            ContentType=kind,
            Accept=WHOLE_TYPE,
            CustomAttributes=_attributes(settings, run),
            InferenceId=run.run_id,
        )
        told = str(answer.get("ContentType", ""))
        data: bytes = answer["Body"].read(MAX_ANSWER_BYTES + 1)
    return checked_answer(data, told)


def checked_answer(data: bytes, kind: str) -> bytes:
    """Return an answer, or raise `LaterError` if it is none of our server's."""
    if kind.split(";")[0].strip() != WHOLE_TYPE or len(data) > MAX_ANSWER_BYTES:
        raise LaterError(
            f"The endpoint answered {len(data)} bytes of {_line(kind) or 'no type'}; a zip of "
            "labels was expected. Does it run this release of cellseg?"
        )
    return data


def ask_for_later(
    client: Any, settings: PipelineSettings, run: Run, location: str, kind: str
) -> dict[str, bool]:
    """Hand an image to the asynchronous endpoint, which reads it at `location`.

    Returns
    -------
    dict of str to bool
        The keys where it may answer, and whether that means failure.

    Raises
    ------
    RefusedError, LaterError
        As `ask_now`.
    """
    with _understood(settings.async_endpoint):
        answer = client.invoke_endpoint_async(
            EndpointName=settings.async_endpoint,
            InputLocation=location,
            ContentType=kind,
            Accept=WHOLE_TYPE,
            CustomAttributes=_attributes(settings, run),
            InferenceId=run.run_id,
        )
    places = {"OutputLocation": False, "FailureLocation": True}
    return {
        _key_of(answer[name], settings): is_failure
        for name, is_failure in places.items()
        if answer.get(name)
    }


@contextmanager
def could_not(do: str) -> Iterator[None]:
    """Turn the errors of boto3 in the block into `LaterError`: could not `do`."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (BotoCoreError, ClientError, HTTPClientError, HTTPError) as error:
        raise LaterError(f"Could not {do}: {_line(str(error))}") from error


@contextmanager
def _understood(endpoint: str) -> Iterator[None]:
    """Turn the errors of boto3 into what they mean for the queue."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ClientError as error:
        raise _refusal(error.response) from error
    except (BotoCoreError, HTTPClientError, HTTPError) as error:
        raise LaterError(
            f"The endpoint {endpoint} did not answer: {_line(str(error))}"
        ) from error


def _key_of(place: str, settings: PipelineSettings) -> str:
    """Return the key of an answer, which has to lie where this pipeline looks."""
    parts = urlsplit(place)
    key = place.partition(f"s3://{settings.bucket}/")[2]
    is_ours = parts.scheme == "s3" and parts.netloc == settings.bucket
    if not is_ours or not key.startswith(settings.answer_prefixes):
        raise RefusedError(  # asking again would cost again
            f"The endpoint {settings.async_endpoint} answers at {place[:120]!r}; its "
            f"S3OutputPath has to be below s3://{settings.bucket}/{settings.async_prefix}."
        )
    return key


def _attributes(settings: PipelineSettings, run: Run) -> str:
    return file_attributes(run.key.rsplit("/", 1)[-1], settings.reading)


def _refusal(response: dict[str, Any]) -> RefusedError | LaterError:
    """Return what an error of the endpoint means."""
    code = response.get("Error", {}).get("Code", "")
    told = _line(str(response.get("Error", {}).get("Message", "")))
    if code == "ModelError":
        status = int(response.get("OriginalStatusCode", 500))
        said = str(response.get("OriginalMessage", told))
        with suppress(ValueError, KeyError, TypeError):
            said = str(json.loads(said)["error"])
        if status in IMAGE_FAULTS:
            return RefusedError(_line(said))
        return LaterError(f"The endpoint says: {_line(said)}")
    return LaterError(f"The endpoint refused ({code}): {told}")


def _line(text: str) -> str:
    """Return a text of somebody else on one line, cut to a length."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return plain[:MAX_TOLD]
