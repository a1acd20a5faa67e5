"""SageMaker's runtime API in front of the desk: its errors, its event stream."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from napari_cellseg.serving.requests.reply import Reply

EVENT_STREAM_TYPE = "application/vnd.amazon.eventstream"
VARIANT_HEADER = "x-Amzn-Invoked-Production-Variant"
TYPE_HEADER = "x-amzn-ErrorType"
#: A header of an event whose value is text.
TEXT_VALUE = 7
#: What an event may hold; SageMaker cuts far below.
EVENT_BYTES = 128 * 1024


def runtime_reply(reply: Reply) -> Reply:
    """Return an answer as the runtime gives it: what fails is a ModelError."""
    if reply.status == 200:
        return Reply(
            200,
            reply.body,
            reply.content_type,
            {**reply.headers, VARIANT_HEADER: "AllTraffic"},
        )
    told = str(json.loads(reply.body)["error"])
    if reply.status == 429:
        return _later(reply, "ThrottlingException", told)
    if reply.status == 503:
        return _later(reply, "ModelNotReadyException", told)
    content = {
        "Message": told,
        "OriginalStatusCode": reply.status,
        "OriginalMessage": reply.body.decode(),
    }
    return runtime_error(424, "ModelError", content)


def _later(reply: Reply, name: str, told: str) -> Reply:
    """Return a refusal that keeps saying when to come again."""
    error = runtime_error(429, name, {"Message": told})
    return replace(error, headers={**reply.headers, **error.headers})


def runtime_error(status: int, name: str, content: dict[str, Any]) -> Reply:
    """Return an error that makes botocore raise the class of that name."""
    return Reply(
        status, json.dumps(content).encode(), "application/json", {TYPE_HEADER: name}
    )


async def as_events(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield pieces of an answer as events of a response stream."""
    async for piece in pieces:
        for start in range(0, len(piece), EVENT_BYTES):
            yield event(piece[start : start + EVENT_BYTES])


def event(payload: bytes) -> bytes:
    """Return a PayloadPart as it travels: lengths, headers, payload and two checksums."""
    headers = b"".join(
        _header(name, value)
        for name, value in (
            (":message-type", "event"),
            (":event-type", "PayloadPart"),
            (":content-type", "application/octet-stream"),
        )
    )
    n_bytes = 16 + len(headers) + len(payload)
    prelude = struct.pack(">II", n_bytes, len(headers))
    start = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return start + struct.pack(">I", zlib.crc32(start))


def _header(name: str, value: str) -> bytes:
    told = value.encode()
    return (
        struct.pack(">B", len(name))
        + name.encode()
        + struct.pack(">BH", TEXT_VALUE, len(told))
        + told
    )
