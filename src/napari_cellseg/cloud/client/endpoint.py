"""A line to a SageMaker endpoint that answers at once, or to a server that speaks so."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from napari_cellseg.cloud.client.line import About, Upload, about_of, check_status
from napari_cellseg.cloud.errors import CloudError, in_plain_words
from napari_cellseg.cloud.limits import LIMITS, MAX_ANSWER_BYTES
from napari_cellseg.cloud.settings import CloudSettings, aws_client
from napari_cellseg.cloud.wire.envelope import JSON_TYPE, Message
from napari_cellseg.cloud.wire.parts import decode_json, encode_info
from napari_cellseg.cloud.wire.stream import STREAM_TYPE, read_stream
from napari_cellseg.core.errors import RemoteError
from napari_cellseg.core.jobs import Progress
from napari_cellseg.io.aws import RUNTIME

NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
#: Said of one that cannot yet say what it is.
STARTING = "{name} · is starting; the first image waits for it, some minutes"
#: An endpoint, or a role, that does not allow streams says one of these at once.
NO_STREAM_CODES = {"AccessDeniedException", "ValidationError", "404", "403"}


class EndpointLine:
    """Asks a real-time or serverless endpoint; see `Line`.

    Parameters
    ----------
    endpoint : str
        Name of the endpoint.
    settings : CloudSettings
        Account, region, and the address if it is a server of our own.
    kind : str
        ``"real-time"`` or ``"serverless"``; sets the largest body.

    Raises
    ------
    RemoteError
        If the name is none, or AWS cannot be spoken to.
    """

    def __init__(
        self, endpoint: str, settings: CloudSettings, kind: str = "real-time"
    ) -> None:
        self._endpoint = checked_name(endpoint)
        self._profile = settings.aws.profile
        self.name = f"the endpoint '{endpoint}'"
        self.max_bytes = LIMITS[kind].body_bytes
        self._client = aws_client(RUNTIME, settings)
        self._streams = True

    @property
    def address(self) -> str:
        """Where requests go, as resolved."""
        return str(self._client.meta.endpoint_url)

    def about(self) -> About:
        """Ask the container what it is; this costs nothing beside the running endpoint.

        One that is being started cannot say; whoever asks for more waits for it.
        """
        try:
            answer = self.ask(encode_info(), JSON_TYPE, _unheard)
        except CloudError as error:
            if error.is_starting:
                return About("", STARTING.format(name=self._endpoint), False)
            raise
        info = decode_json(answer, "model", "device")
        return about_of(info, self._endpoint)

    def ask(
        self, message: Message, accept: str, on_progress: Callable[[Progress], None]
    ) -> Message:
        """Return the answer to a request, once sent."""
        if self._streams:
            try:
                return self._streamed(message, accept, on_progress)
            except CloudError as error:
                if error.code not in NO_STREAM_CODES:
                    raise
                self._streams = False
                try:
                    return self._whole(message, accept, on_progress)
                except CloudError as second:
                    # It was not the stream that it did not like.
                    self._streams = second.code in NO_STREAM_CODES
                    raise
        return self._whole(message, accept, on_progress)

    def _streamed(
        self, message: Message, accept: str, on_progress: Callable[[Progress], None]
    ) -> Message:
        """Return an answer that tells of its progress."""
        with in_plain_words(f"use {self.name}", self._profile):
            answer = self._client.invoke_endpoint_with_response_stream(
                EndpointName=self._endpoint,
                Body=Upload(message.body, self.name, on_progress),
                ContentType=message.content_type,
                Accept=f"{STREAM_TYPE}, {accept}",
                CustomAttributes=message.attributes,
            )
            events = answer["Body"]
            try:
                status, told = read_stream(
                    _payloads(events), on_progress, MAX_ANSWER_BYTES
                )
            finally:
                events.close()
        check_status(status, told.body, self.name)
        return told

    def _whole(
        self, message: Message, accept: str, on_progress: Callable[[Progress], None]
    ) -> Message:
        """Return an answer in one piece."""
        with in_plain_words(f"use {self.name}", self._profile):
            answer = self._client.invoke_endpoint(
                EndpointName=self._endpoint,
                Body=Upload(message.body, self.name, on_progress),
                ContentType=message.content_type,
                Accept=accept,
                CustomAttributes=message.attributes,
            )
            on_progress(Progress(0, 0, "fetching the answer"))
            body = answer["Body"].read()
        return Message(body, answer.get("ContentType", "").split(";")[0].strip())

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def checked_name(endpoint: str) -> str:
    """Return a name that SageMaker can have given; raises `RemoteError` otherwise."""
    if NAME.fullmatch(endpoint):
        return endpoint
    raise RemoteError(
        f"'{endpoint:.80}' is no name of an endpoint; they have up to 63 letters, digits "
        "and hyphens."
    )


def _payloads(events: Any) -> Iterator[bytes]:
    """Yield what a stream of events carries; botocore raises what is an error."""
    for event in events:
        if "PayloadPart" in event:
            yield event["PayloadPart"]["Bytes"]


def _unheard(_progress: Progress) -> None:
    """Nobody waits to see how a short question goes."""
