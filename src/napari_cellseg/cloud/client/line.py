"""A line to a server, whichever kind it is, and how an answer is waited for."""

from __future__ import annotations

import io
import json
import queue
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any, Protocol, TypeVar

from napari_cellseg.cloud.errors import NOT_READY, CloudError, seconds_of
from napari_cellseg.cloud.wire.envelope import RESULT_TYPE, Message
from napari_cellseg.core.errors import CellsegError, RemoteError
from napari_cellseg.core.jobs import Job, Progress

T = TypeVar("T")

POLL_SECONDS = 0.1
#: What was certainly not worked on is sent again after so many seconds, one after the
#: other. Nothing else is sent again: an inference that was lost on the way is paid for.
WAITS = (1.0, 2.0, 4.0, 8.0, 15.0)
#: A model that is being loaded is waited for so long: SageMaker gives a container 8
#: minutes to start.
START_SECONDS = 600.0


class StoppedError(Exception):
    """Raised in the asking thread, where nobody waits for the answer any more."""


@dataclass(frozen=True, slots=True)
class About:
    """What a server says of itself.

    Attributes
    ----------
    model : str
        The JSON of its `ModelSpec`; "" while it is asleep.
    device : str
        Where it runs; "" while it is asleep.
    answers_parts : bool
        Whether it can be asked for a part of a plane, and for the maps of one.
    """

    model: str
    device: str
    answers_parts: bool


def about_of(info: dict[str, Any], place: str, *, answers_parts: bool = True) -> About:
    """Return what a server at `place` says of itself in the answer to `encode_info`."""
    device = f"{place} · {info['device']}"
    return About(json.dumps(info["model"]), device, answers_parts)


class Line(Protocol):
    """One way to a server; safe to use from several threads.

    Attributes
    ----------
    name : str
        Of the server, in a sentence.
    max_bytes : int
        The largest request that it takes.
    """

    name: str
    max_bytes: int

    def about(self) -> About:
        """Ask the server what it is; raises `RemoteError`."""
        ...

    def ask(
        self, message: Message, accept: str, on_progress: Callable[[Progress], None]
    ) -> Message:
        """Return the answer to a request, once sent.

        Parameters
        ----------
        message : Message
            The request.
        accept : str
            The form of the answer.
        on_progress : callable
            Called about once a second; a `StoppedError` in it gives the request up.

        Raises
        ------
        RemoteError
            If there is no answer; a `CloudError` says whether asking again is free.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class Call:
    """A question that is asked on a thread of its own, so that a cancel need not wait."""

    def __init__(self, line: Line, message: Message, accept: str = RESULT_TYPE) -> None:
        self._line, self._message, self._accept = line, message, accept
        self._news: queue.SimpleQueue[Progress | Message | BaseException] = (
            queue.SimpleQueue()
        )
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._ask, daemon=True, name="cellseg-line"
        )
        self._thread.start()

    def poll(self, seconds: float) -> Progress | Message | None:
        """Return what is new, the answer included, or None; raises what went wrong."""
        try:
            news = self._news.get(timeout=seconds)
        except queue.Empty:
            if self._thread.is_alive() or not self._news.empty():
                return None
            raise RemoteError(
                f"The question to {self._line.name} ended without an answer; the log "
                "says more."
            ) from None
        if isinstance(news, BaseException):
            raise news
        return news

    def stop(self) -> None:
        """Give the question up."""
        self._is_stopped.set()

    def _ask(self) -> None:
        try:
            self._news.put(self._line.ask(self._message, self._accept, self._go_on))
        except StoppedError:
            return
        except (CellsegError, OSError, ValueError, RuntimeError) as error:
            # Raised again on the thread that waits.
            self._news.put(error)

    def _go_on(self, progress: Progress) -> None:
        if self._is_stopped.is_set():
            raise StoppedError
        self._news.put(progress)


def asked(line: Line, message: Message, accept: str = RESULT_TYPE) -> Job[Message]:
    """Return the answer to a request; what cost nothing is tried again, and said so."""
    waits = iter(WAITS)
    started = time.monotonic()
    while True:
        try:
            return (yield from _asked_once(line, message, accept))
        except CloudError as error:
            if not error.is_free or error.code in NEVER_AGAIN:
                raise
            is_late = time.monotonic() - started > START_SECONDS
            last = None if is_late or not error.is_starting else WAITS[-1]
            wait = next(waits, last)
            if wait is None:
                raise
            yield from _counted_down(max(wait, error.seconds), str(error))


#: Free to repeat, but it would be the same.
NEVER_AGAIN = {
    "SSLError",
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ProxyConnectionError",
    "ValidationError",
    "307",
}


def _asked_once(line: Line, message: Message, accept: str) -> Job[Message]:
    call = Call(line, message, accept)
    started = time.monotonic()
    told: Progress | None = None
    try:
        while True:
            news = call.poll(POLL_SECONDS)
            if isinstance(news, Message):
                return news
            told = news or told
            seconds = time.monotonic() - started
            yield told or Progress(0, 0, f"{line.name} is at work · {seconds:.0f} s")
    finally:
        call.stop()


def _counted_down(seconds: float, why: str) -> Job[None]:
    """Wait in sight of the person."""
    until = time.monotonic() + seconds
    reason = re.split(r"[;.](?=\s|$)", why)[0]
    while (left := until - time.monotonic()) > 0:
        yield Progress(0, 0, f"{reason} · sent again in {ceil(left)} s")
        time.sleep(min(POLL_SECONDS, left))


class Upload(io.BytesIO):
    """A body that tells how much of it has been sent, and can be stopped half-way.

    Sent in pieces as well: a body in one piece must be through within the time for
    connecting, however large it is.
    """

    def __init__(
        self, body: bytes, name: str, on_progress: Callable[[Progress], None]
    ) -> None:
        super().__init__(body)
        self._n_bytes, self._name, self._on_progress = len(body), name, on_progress
        self._told_at = 0.0

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next piece."""
        if time.monotonic() - self._told_at > POLL_SECONDS:
            self._told_at = time.monotonic()
            sent, total = self.tell() / 2**20, self._n_bytes / 2**20
            words = f"sending {sent:.1f} of {total:.1f} MiB to {self._name}"
            self._on_progress(Progress(0, 0, words))
        return super().read(size)


#: What a server means by a status, where it does not say so itself.
REASONS = {
    401: "the token is missing or wrong; ask who started the server for it",
    403: "the server does not let you in; check the token",
    404: "there is no cellseg server at this path; check the address",
    413: "the image is too large for this server; segment a region of it",
    429: "the server is busy; try again in a minute",
    500: "it failed at this image; try a smaller region, or ask who runs it to look at "
    "its log",
    502: "it cannot be reached behind its proxy; ask who runs it whether it is on",
    503: "it is not ready, or not on behind its proxy; try again in a minute, then ask "
    "who runs it",
    504: "the image takes longer than the server may work on one; try a smaller region",
}
#: Nothing was worked on.
FREE_STATUSES = (429, 503)


def check_status(status: int, body: bytes, name: str, retry_after: str = "") -> None:
    """Raise `CloudError` in the server's words, or in ours where it has none.

    Parameters
    ----------
    status : int
        Of HTTP.
    body : bytes
        Of the answer.
    name : str
        Of the server.
    retry_after : str
        Its header of that name; "" if it has none.
    """
    if status == 200:
        return
    try:
        told = str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        told = ""
    # Who says when to come again knows that it will be ready; a proxy's 503 says less.
    code = NOT_READY if status == 503 and told and retry_after else str(status)
    is_told = told and status >= 400
    said = f"{name} says: {told}" if is_told else f"{name}: {_reason(status)}"
    raise CloudError(
        f"{said.rstrip('.')}.",
        code,
        is_free=status in FREE_STATUSES,
        seconds=seconds_of(retry_after),
    )


def _reason(status: int) -> str:
    """Return what a status means; its number only where nothing is known of it."""
    if 300 <= status < 400:
        return "it points to another address; use that one, if you trust it"
    unknown = f"it could not do what it was asked, and says no more than {status}"
    return REASONS.get(status, unknown)
