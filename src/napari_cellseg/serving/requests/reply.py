"""An answer before it goes through a door, and why there may be none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_cellseg.cloud.wire.envelope import JSON_TYPE
from napari_cellseg.core.errors import CellsegError, LimitError, SegmentationError

#: Said where nothing has been measured yet.
RETRY_SECONDS = 5


TOO_LARGE = (
    "The image needs more memory than this server has. Send a smaller region, or send it "
    "in tiles."
)


class BusyError(CellsegError):
    """The queue is full.

    Attributes
    ----------
    seconds : int
        After so long it is worth to come again.
    """

    def __init__(self, text: str = "", seconds: int = RETRY_SECONDS) -> None:
        super().__init__(text)
        self.seconds = seconds


class NotReadyError(CellsegError):
    """The model is not loaded, or cannot be."""


class FullError(CellsegError):
    """There is too little memory left beside what is worked on."""

    def __init__(self) -> None:
        super().__init__(
            "This server has too little memory left for the request beside the others "
            f"that it works on; try again in {RETRY_SECONDS} s, or send a smaller region."
        )


class LateError(CellsegError):
    """The answer would come too late for who asked."""


class StalledError(CellsegError):
    """The request stopped to arrive."""


class GoneError(CellsegError):
    """Whoever asked went away."""


#: The status that an error is told with; everything else is the client's fault.
STATUSES: tuple[tuple[type[CellsegError], int], ...] = (
    (BusyError, 429),
    (NotReadyError, 503),
    (FullError, 503),
    (LateError, 504),
    (StalledError, 408),
    (LimitError, 413),
    (SegmentationError, 500),
    (GoneError, 499),
)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it goes through a door.

    Attributes
    ----------
    status : int
        200, or what went wrong.
    body : bytes
        The answer.
    content_type : str
        What it is.
    headers : mapping
        Further ones.
    """

    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


def refusal(error: CellsegError) -> Reply:
    """Return an error as an answer."""
    status = next((code for kind, code in STATUSES if isinstance(error, kind)), 400)
    headers = {}
    if isinstance(error, BusyError):
        headers = {"Retry-After": str(error.seconds)}
    elif isinstance(error, NotReadyError | FullError):
        headers = {"Retry-After": str(RETRY_SECONDS)}
    return refused(status, str(error), headers)


def no_room(*, is_busy: bool) -> Reply:
    """Return what is said where memory ran out: to come again, or not to."""
    return refusal(FullError() if is_busy else LimitError(TOO_LARGE))


def refused(status: int, text: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a refusal in one sentence."""
    body = json.dumps({"error": text}).encode()
    return Reply(status, body, JSON_TYPE, headers or {})


def json_reply(values: Mapping[str, Any]) -> Reply:
    """Return values as JSON."""
    return Reply(200, json.dumps(values).encode(), JSON_TYPE)
