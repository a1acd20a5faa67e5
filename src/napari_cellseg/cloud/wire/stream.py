"""An answer that tells of its progress: lines of JSON, then the body.

Each line but the last is ``{"done": 1, "total": 4, "message": "..."}``. The last one is
``{"status": 200, "type": "application/zip", "bytes": 1234}``, and so many bytes follow;
an error is a last line with another status and JSON behind it. SageMaker hands such a body
through piece by piece, cut anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from napari_cellseg.cloud.wire.envelope import Message
from napari_cellseg.core.errors import RemoteError
from napari_cellseg.core.jobs import Progress

STREAM_TYPE = "application/vnd.cellseg.stream"
#: A line is a line of progress; what is longer is something else.
MAX_LINE = 4096


def progress_line(progress: Progress) -> bytes:
    """Return a line of progress."""
    values = {
        "done": progress.done,
        "total": progress.total,
        "message": progress.message[:200],
    }
    return _line(values)


def last_line(status: int, content_type: str, n_bytes: int) -> bytes:
    """Return the line before the body."""
    return _line({"status": status, "type": content_type, "bytes": n_bytes})


def _line(values: dict[str, Any]) -> bytes:
    return json.dumps(values).encode() + b"\n"


def read_stream(
    pieces: Iterable[bytes], on_progress: Callable[[Progress], None], max_bytes: int
) -> tuple[int, Message]:
    """Return status and body of a streamed answer.

    Parameters
    ----------
    pieces : iterable of bytes
        As they arrive, cut anywhere.
    on_progress : callable
        Called with each line of progress; an exception in it ends the reading.
    max_bytes : int
        The largest body that is taken.

    Raises
    ------
    RemoteError
        If it breaks off, or is no such stream.
    """
    buffer = bytearray()
    last: dict[str, Any] | None = None
    for piece in pieces:
        buffer += piece
        while last is None and (end := buffer.find(b"\n")) >= 0:
            values = _read_line(bytes(buffer[:end]))
            del buffer[: end + 1]
            if "status" in values:
                last = _checked(values, max_bytes)
            else:
                on_progress(_progress(values))
        if last is None and len(buffer) > MAX_LINE:
            _read_line(bytes(buffer[:MAX_LINE]))
        if last is not None and len(buffer) > last["bytes"]:
            raise RemoteError("The answer is longer than it says; it is not used.")
    if last is None or len(buffer) < last["bytes"]:
        raise RemoteError(
            f"The answer broke off after {len(buffer)} bytes. Repeat it if you wish."
        )
    return last["status"], Message(bytes(buffer), last["type"])


def _read_line(line: bytes) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(line)
        values.keys()
    except (ValueError, AttributeError) as error:
        raise RemoteError(
            f"The answer is none of a cellseg server; it begins with {line[:60]!r}. Is "
            "there a login page in between?"
        ) from error
    return values


def _checked(values: dict[str, Any], max_bytes: int) -> dict[str, Any]:
    try:
        status, n_bytes = int(values["status"]), int(values["bytes"])
        kind = str(values["type"])
    except (KeyError, TypeError, ValueError) as error:
        raise RemoteError(f"The answer cannot be understood ({error!r}).") from error
    if not 0 <= n_bytes <= max_bytes:
        raise RemoteError(
            f"The answer says that it has {n_bytes} bytes; at most {max_bytes} can be."
        )
    return {"status": status, "bytes": n_bytes, "type": kind}


def _progress(values: dict[str, Any]) -> Progress:
    try:
        return Progress(
            int(values["done"]), int(values["total"]), str(values["message"])[:200]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RemoteError(f"The answer cannot be understood ({error!r}).") from error
