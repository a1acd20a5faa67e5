"""Requests on their way: sent through boto3, files up and down, what is ours."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from napari_cellseg.cloud.account.place import APP_TAG, account_of, split_uri
from napari_cellseg.cloud.account.requests import Call, check_call, filled
from napari_cellseg.cloud.errors import CloudError, in_plain_words
from napari_cellseg.cloud.settings import CloudSettings, aws_client
from napari_cellseg.core.cloud_options import AccountOptions
from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.core.jobs import Job
from napari_cellseg.io.aws import S3
from napari_cellseg.io.s3.address import parse_s3_address
from napari_cellseg.io.s3.cache import copying
from napari_cellseg.io.s3.objects import look_at

#: SageMaker says in words only that something is not there.
MISSING_WORDS = ("not find", "not exist", "not found", "No scalable target")
#: So it says that something is under way.
BUSY_WORDS = ("Creating", "Updating", "in-progress", "in progress", "currently")
WAITS, WAIT_SECONDS = 20, 15.0
MISSING_CODES = ("ObjectNotFoundException", "ResourceNotFoundException", "404")


#: How requests begin that change nothing.
QUESTIONS = ("Describe", "List", "Get", "Head")


class OpenClient(Protocol):
    """Gives a boto3 client for a service."""

    def __call__(self, service: str, settings: CloudSettings) -> Any:
        """Return it; raises `CloudError`."""
        ...


class Sender:
    """Sends requests to one account; errors of boto3 become `CloudError`.

    Parameters
    ----------
    settings : CloudSettings
        Account and region.
    open_client : callable
        Gives the client of a service.
    """

    def __init__(
        self, settings: CloudSettings, open_client: OpenClient = aws_client
    ) -> None:
        self.settings = settings
        self._open = open_client
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """Return the client of a service, the same each time."""
        if service not in self._clients:
            self._clients[service] = self._open(service, self.settings)
        return self._clients[service]

    def send(
        self, call: Call, answers: Mapping[str, Mapping[str, Any]] | None = None
    ) -> dict[str, Any]:
        """Send a request and return the answer; raises `CloudError`."""
        method = getattr(self.client(call.service), call.method)
        with in_plain_words(call.doing, self.settings.aws.profile):
            answer: dict[str, Any] = method(**filled(call.parameters, answers or {}))
        return answer

    def ask(
        self, service: str, operation: str, doing: str, **given: Any
    ) -> dict[str, Any]:
        """Send a request that changes nothing, and return the answer."""
        return self.send(Call(service, operation, given, doing))

    def pages(
        self, service: str, operation: str, doing: str, **given: Any
    ) -> Iterator[dict[str, Any]]:
        """Yield the pages of a long answer."""
        call = Call(service, operation, given, doing)
        with in_plain_words(doing, self.settings.aws.profile):
            yield from self.client(service).get_paginator(call.method).paginate(**given)

    def tags_of(self, arn: str) -> dict[str, str]:
        """Return the tags of something in SageMaker."""
        pages = self.pages("sagemaker", "ListTags", "read tags", ResourceArn=arn)
        return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}

    def is_ours(self, arn: str) -> bool:
        """Return True if something carries our tag."""
        return self.tags_of(arn).get(APP_TAG[0]) == APP_TAG[1]

    def upload(self, path: Path, uri: str) -> None:
        """Copy a file to S3, encrypted as its bucket says; raises `CloudError`."""
        bucket, key = split_uri(uri)
        with in_plain_words(f"write to {uri}", self.settings.aws.profile):
            # Encrypted as the bucket says: with a key of the institute, where it wants one.
            self.client(S3).upload_file(str(path), bucket, key)

    def fetch(self, uri: str) -> Job[Path]:
        """Return a copy of an object of S3 in the cache of this computer.

        Raises
        ------
        CloudError, LimitError
            If it cannot be had, or is larger than the cache.
        """
        try:
            item = look_at(parse_s3_address(uri), self.settings.account(S3))
            return (yield from copying(item))
        except ImageReadError as error:
            raise CloudError(str(error)) from error

    def delete_object(self, uri: str) -> None:
        """Delete an object of S3; one that is not there is no error."""
        bucket, key = split_uri(uri)
        self.ask("s3", "DeleteObject", f"delete {uri}", Bucket=bucket, Key=key)


class DrySender(Sender):
    """Asks, but keeps every request that would change something instead of sending it.

    Attributes
    ----------
    kept : list of Call
        What would have been sent, in this order; each was checked.
    """

    def __init__(self, sender: Sender) -> None:
        super().__init__(sender.settings)
        self._sender = sender
        self.kept: list[Call] = []

    def client(self, service: str) -> Any:
        """Return the client that the other sender has."""
        return self._sender.client(service)

    def send(
        self, call: Call, answers: Mapping[str, Mapping[str, Any]] | None = None
    ) -> dict[str, Any]:
        """Send a question; keep anything else, and answer nothing to it."""
        if call.operation.startswith(QUESTIONS):
            return super().send(call, answers)
        check_call(call)
        self.kept.append(call)
        return {}


def sender_of(account: AccountOptions) -> Sender:
    """Return what sends to the account that options name."""
    return Sender(account_of(account))


def is_missing(error: CloudError) -> bool:
    """Return True if an error says that something is not there."""
    text = str(error)
    return error.code in MISSING_CODES or any(word in text for word in MISSING_WORDS)


def take_back(
    sender: Sender, calls: list[Call], wait_seconds: float = WAIT_SECONDS
) -> list[str]:
    """Undo requests, the last first; return what is left behind, in words.

    What AWS is still busy with is tried again for some minutes: an endpoint can be
    deleted only once it is made.
    """
    left = []
    for call in reversed(calls):
        if call.undo is None:
            continue
        for is_last in (*[False] * WAITS, True):
            error = _refusal(sender, call.undo)
            if error is None:
                break
            if is_last or not any(word in str(error) for word in BUSY_WORDS):
                left.append(f"{call.undo.doing}: {error}")
                break
            time.sleep(wait_seconds)
    return left


def _refusal(sender: Sender, call: Call) -> CloudError | None:
    """Send a request; return why it was refused, None where it was not needed."""
    try:
        sender.send(call)
    except CloudError as error:
        return None if is_missing(error) else error
    return None


def found(sender: Sender, call: Call) -> dict[str, Any] | None:
    """Return the answer to a question after something, None where it is not there."""
    try:
        return sender.send(call)
    except CloudError as error:
        if is_missing(error):
            return None
        raise
