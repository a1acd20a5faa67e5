"""A lab server as a `Segmenter`: the same call, on a better machine."""

from __future__ import annotations

import json
import queue
import threading
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import urllib3

from napari_cellseg.cloud.wire import (
    ATTRIBUTES_HEADER,
    RESULT_TYPE,
    Message,
    decode_result,
    encode_request,
)
from napari_cellseg.core.errors import RemoteError
from napari_cellseg.core.intensity import choose_channels
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.model_spec import ModelSpec, model_spec_from_json
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import CellImage, SegmentationResult

CONNECT_SECONDS = 5.0
#: The longest that a server may work on one image.
READ_SECONDS = 600.0
POLL_SECONDS = 0.1
#: A full queue is waited for so often, so many seconds longer each time. Nothing else is
#: sent again: a request that was lost on the way may have been worked on.
BUSY_WAITS = (1.0, 2.0, 4.0, 8.0)


class LabSegmenter:
    """Runs a model on a cellseg server; see `Segmenter`.

    Parameters
    ----------
    address : str
        Such as ``"http://lab-gpu:8080"``.
    token : str
        What the server was started with; "" if it has none.

    Raises
    ------
    RemoteError
        If the server cannot be reached or is none of ours.
    """

    def __init__(self, address: str, token: str = "") -> None:
        self.address = checked_address(address)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._pool = urllib3.PoolManager(
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        )
        self._info = self._asked_info()
        self._spec = model_spec_from_json(json.dumps(self._info["model"]), self.address)

    def _asked_info(self) -> dict[str, Any]:
        """Return what the server says of itself."""
        status, _, body = self._ask("GET", "/v1/info", None, {})
        _check_status(status, body, self.address)
        try:
            info: dict[str, Any] = json.loads(body)
            info["model"]["name"], info["device"]
        except (ValueError, KeyError, TypeError) as error:
            start = body[:60].decode("ascii", "replace")
            raise RemoteError(
                f"{self.address} is no cellseg server: it answered {start!r}. Check the "
                "address and the port."
            ) from error
        return info

    @property
    def spec(self) -> ModelSpec:
        """The model that the server runs."""
        return self._spec

    @property
    def device(self) -> str:
        """Where it runs, such as ``"lab-gpu:8080 · CPU"``."""
        return f"{urlsplit(self.address).netloc} · {self._info['device']}"

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def segment(
        self, image: CellImage, options: SegmentOptions
    ) -> Job[SegmentationResult]:
        """Send `image` and return what the server finds; closing the job drops it."""
        yield Progress(0, 0, "packing the image")
        channels = list(choose_channels(image, options.channel))
        sent = replace(
            image,
            data=np.take(np.asarray(image.data), channels, axis=image.axes.index("C")),
            channel_names=(),
            is_rgb=image.is_rgb and len(channels) == 3,
        )
        request = encode_request(sent, replace(options, channel=None, keep_maps=False))
        megabytes = len(request.body) / 2**20
        limit = int(self._info.get("max_body_bytes", 0)) / 2**20
        if limit and megabytes > limit:
            raise RemoteError(
                f"The image takes {megabytes:.0f} MiB; {self.address} accepts {limit:.0f}. "
                "Segment a region of it, or a plane at a time."
            )
        yield Progress(0, 0, f"sending {megabytes:.1f} MiB to {self.address}")
        answer = yield from self._answered(request)
        return decode_result(answer, image, options)

    def _answered(self, request: Message) -> Job[Message]:
        """Return the answer; a full queue is waited for."""
        headers = {
            "Content-Type": request.content_type,
            "Accept": RESULT_TYPE,
            ATTRIBUTES_HEADER: request.attributes,
        }
        for wait in (*BUSY_WAITS, None):
            status, kind, body = yield from self._in_thread(request.body, headers)
            if status != 429 or wait is None:
                break
            until = time.monotonic() + wait
            while time.monotonic() < until:
                yield Progress(0, 0, "the server is busy; waiting")
                time.sleep(POLL_SECONDS)
        _check_status(status, body, self.address)
        return Message(body, kind)

    def _in_thread(
        self, body: bytes, headers: dict[str, str]
    ) -> Job[tuple[int, str, bytes]]:
        """Ask off this thread, so that a cancel need not wait for the answer."""
        answers: queue.SimpleQueue[tuple[int, str, bytes] | RemoteError] = (
            queue.SimpleQueue()
        )

        def ask() -> None:
            try:
                answers.put(self._ask("POST", "/invocations", body, headers))
            except RemoteError as error:
                answers.put(error)

        threading.Thread(target=ask, daemon=True, name="cellseg-lab").start()
        started = time.monotonic()
        while True:
            try:
                answer = answers.get(timeout=POLL_SECONDS)
            except queue.Empty:
                seconds = time.monotonic() - started
                yield Progress(0, 0, f"{self.address} is at work · {seconds:.0f} s")
                continue
            if isinstance(answer, RemoteError):
                raise answer
            return answer

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, str, bytes]:
        """Return status, content type and body of an answer."""
        try:
            answer = self._pool.request(
                method,
                self.address + path,
                body=body,
                headers={**self._headers, **headers},
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise RemoteError(_words(error, self.address)) from error
        return answer.status, answer.headers.get("Content-Type", ""), answer.data


def checked_address(address: str) -> str:
    """Return an address without its last slash; raises `RemoteError` if it is none."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise RemoteError(
            f"'{address}' is no address of a server; one such as http://lab-gpu:8080 is "
            "needed."
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _words(error: urllib3.exceptions.HTTPError, address: str) -> str:
    """Return what went wrong on the way, and what to do."""
    # Being refused is a kind of time-out to urllib3; it is asked for first.
    if isinstance(error, UNREACHABLE):
        return (
            f"{address} cannot be reached. Check the address, and that 'cellseg serve' "
            "runs there."
        )
    if isinstance(error, urllib3.exceptions.ConnectTimeoutError):
        return f"{address} does not answer. Is the server on, and this network the right one?"
    if isinstance(error, urllib3.exceptions.ReadTimeoutError):
        return (
            f"{address} has not answered for {READ_SECONDS:.0f} s. Try a smaller region, or "
            "look at the server's log."
        )
    return (
        f"The connection to {address} broke ({error}). Nothing was changed; try again."
    )


UNREACHABLE = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.NameResolutionError,
)
REASONS = {
    401: "the token is missing or wrong; ask who started the server for it",
    403: "the server does not let you in; check the token",
    404: "there is no cellseg server at this path; check the address",
    413: "the image is too large for this server; segment a region of it",
    429: "the server is busy; try again in a minute",
    503: "the server is not ready yet; try again in a minute",
}


def _check_status(status: int, body: bytes, address: str) -> None:
    """Raise `RemoteError` in the server's words, or in ours where it has none."""
    if status == 200:
        return
    try:
        told = str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        told = ""
    if 300 <= status < 400:
        told = "it points to another address; use that one, if you trust it"
    reason = told or REASONS.get(status, "it could not do what it was asked")
    raise RemoteError(f"{address} answered {status}: {reason}.".replace("..", "."))
