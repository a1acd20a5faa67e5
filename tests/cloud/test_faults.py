"""Every fault of a server or of the way there, through real sockets: one sentence, and
nothing that may have been paid for is sent twice."""

from __future__ import annotations

import http.server as http_server
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from napari_cellseg.cloud import settings
from napari_cellseg.cloud.client import lab, line
from napari_cellseg.cloud.client.check import endpoint_names
from napari_cellseg.cloud.client.endpoint import EndpointLine
from napari_cellseg.cloud.client.lab import LabLine
from napari_cellseg.cloud.client.line import Line, asked
from napari_cellseg.cloud.errors import CloudError, seconds_of
from napari_cellseg.cloud.settings import CloudSettings, identity_of
from napari_cellseg.cloud.wire.envelope import Message
from napari_cellseg.cloud.wire.stream import STREAM_TYPE, last_line
from napari_cellseg.core.errors import RemoteError
from napari_cellseg.core.jobs import run
from napari_cellseg.io.aws import AwsAccount, Patience

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")

REQUEST = Message(b"x" * 100_000, "image/tiff", '{"v":1}')
SECRET = "not for your eyes"


def told(code: str, **content: Any) -> tuple[int, bytes, dict[str, str]]:
    status = {
        "ModelError": 424,
        "ThrottlingException": 400,
        "ExpiredTokenException": 403,
    }
    body = json.dumps({"Message": "so it is", **content}).encode()
    names = {"x-amzn-ErrorType": code, "Content-Type": "application/json"}
    return status.get(code, 429), body, names


HTML = (200, b"<html>Welcome to the hotel", {"Content-Type": "text/html"})
ANSWERS: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "500": (500, b"oops", {}),
    "502": (502, b"<html>bad gateway", {"Content-Type": "text/html"}),
    "503": (503, b"", {}),
    "html": HTML,
    "whole page": (200, b"<html><p>Welcome</p></html>", {"Content-Type": "text/html"}),
    "redirect": (302, b"", {"Location": "http://elsewhere.example/"}),
    "424": told(
        "ModelError",
        OriginalStatusCode=400,
        OriginalMessage='{"error": "It is empty."}',
    ),
    "full": told("ModelError", OriginalStatusCode=429, OriginalMessage=""),
    "no room": told(
        "ModelError",
        OriginalStatusCode=503,
        OriginalMessage='{"error": "Too little memory is free."}',
    ),
    "throttled": told("ThrottlingException"),
    "starting": told("ModelNotReadyException"),
    "expired": told("ExpiredTokenException"),
    "413": (413, b"", {}),
}


class Broken(http_server.BaseHTTPRequestHandler):
    """Does one thing wrong."""

    fault = ""
    n_asked = 0

    def do_POST(self) -> None:
        type(self).n_asked += 1
        if self.fault == "reset early":
            self._reset()
            return
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.fault == "reset":
            self._reset()
        elif self.fault == "silent":
            time.sleep(3)
        elif self.fault == "cut":
            self._send(200, b"PK", {"Content-Type": "application/zip"}, n_bytes=9999)
        elif self.fault == "cut stream":
            start = last_line(200, "application/zip", 5000) + b"PK"
            self._send(200, start, {"Content-Type": STREAM_TYPE}, n_bytes=9999)
        elif self.fault == "short stream":
            start = last_line(200, "application/zip", 5000) + b"PK"
            self._send(200, start, {"Content-Type": STREAM_TYPE})
        else:
            self._send(*ANSWERS[self.fault])

    def _reset(self) -> None:
        """Close at once, so that the other side gets RST instead of an end."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()

    def _send(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str],
        n_bytes: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header(
            "Content-Length", str(len(body) if n_bytes is None else n_bytes)
        )
        self.end_headers()
        self.wfile.write(body)
        if n_bytes is not None:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Quiet(http_server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Expect broken connections."""


@pytest.fixture
def broken(request: pytest.FixtureRequest) -> Iterator[tuple[str, type[Broken]]]:
    kind = type("Handler", (Broken,), {"n_asked": 0})
    with Quiet(("127.0.0.1", 0), kind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", kind
        server.shutdown()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for less, and hold keys that must not get out."""
    monkeypatch.setattr(settings, "INFERENCE", Patience(read_seconds=1.0, attempts=1))
    monkeypatch.setattr(lab, "READ_SECONDS", 1.0)
    monkeypatch.setattr(line, "WAITS", (0.05, 0.1))
    monkeypatch.setattr(line, "START_SECONDS", 0.0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASECRET")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


def opened(kind: str, address: str) -> Line:
    if kind == "lab":
        return LabLine(address)
    made = EndpointLine("cells", CloudSettings(runtime_url=address))
    made._streams = kind == "stream"
    return made


KINDS = ("lab", "endpoint", "stream")
#: They say nothing to who looks at cells.
WORDS_OF_PYTHON = r"Traceback|IncompleteRead|Errno|Error\("


@pytest.mark.parametrize(
    "address", ["http://my lab", "http://lab:99999", "http://[::1"]
)
def test_what_is_no_address_is_called_so(address: str) -> None:
    with pytest.raises(RemoteError, match="is no address of a server"):
        LabLine(address)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("reset", "broke"),
        ("reset early", "broke"),
        ("silent", r"not answered in time|has said nothing"),
        ("500", r"it failed at this image|fault of its own"),
        ("502", r"behind its proxy|fault of its own"),
        ("redirect", r"not followed|points to another address"),
        ("413", r"too large|larger than"),
    ],
)
def test_what_may_have_been_paid_for_is_sent_once(
    kind: str, fault: str, words: str, broken: tuple[str, type[Broken]]
) -> None:
    address, server = broken
    server.fault = fault
    with pytest.raises(RemoteError, match=words) as caught:
        run(asked(opened(kind, address), REQUEST))
    assert server.n_asked == 1
    assert SECRET not in str(caught.value)
    assert not re.search(WORDS_OF_PYTHON, str(caught.value))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["cut", "cut stream", "short stream", "html"])
def test_half_an_answer_or_a_login_page_is_no_answer(
    kind: str, fault: str, broken: tuple[str, type[Broken]]
) -> None:
    from napari_cellseg.cloud.wire.parts import decode_maps

    address, server = broken
    server.fault = fault
    with pytest.raises(
        RemoteError, match=r"broke|cut off|login page|no answer of"
    ) as caught:
        decode_maps(run(asked(opened(kind, address), REQUEST)), (2, 2))
    assert server.n_asked == 1
    assert not re.search(WORDS_OF_PYTHON, str(caught.value))
    # What answered in HTTP needs no other kind of address.
    assert "begins with https" not in str(caught.value)


@pytest.mark.parametrize("ask", [identity_of, endpoint_names])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("whole page", "login page"),
        ("html", "login page"),
        ("502", "fault of its own"),
        ("reset", "broke"),
    ],
)
def test_asking_who_we_are_or_what_is_there_tells_why_not(
    ask: Callable[[CloudSettings], object],
    fault: str,
    words: str,
    broken: tuple[str, type[Broken]],
) -> None:
    address, server = broken
    server.fault = fault
    account = AwsAccount(region="eu-central-1", endpoint_url=address)
    with pytest.raises(RemoteError, match=words) as caught:
        ask(CloudSettings(account))
    # A page is for browsers.
    assert "<html" not in str(caught.value)


@pytest.mark.parametrize("kind", ["endpoint", "stream"])
@pytest.mark.parametrize(
    ("fault", "words", "n_asked"),
    [
        ("424", r"endpoint says: It is empty\.", 1),
        ("expired", "has expired", 1),
        ("full", "busy with other images", 3),
        ("throttled", "Wait a minute", 3),
        ("starting", "is starting", 3),
        ("no room", "not ready yet: Too little memory is free.*nothing was charged", 3),
        ("503", "Wait a minute", 3),
    ],
)
def test_what_cost_nothing_is_tried_again_in_sight(
    kind: str, fault: str, words: str, n_asked: int, broken: tuple[str, type[Broken]]
) -> None:
    address, server = broken
    server.fault = fault
    steps: list[str] = []
    with pytest.raises(CloudError, match=words):
        run(asked(opened(kind, address), REQUEST), lambda p: steps.append(p.message))
    assert server.n_asked == n_asked
    assert any("again in" in step for step in steps) == (n_asked > 1)


def test_a_wait_can_be_cancelled(broken: tuple[str, type[Broken]]) -> None:
    address, server = broken
    server.fault = "throttled"
    line.WAITS = (60.0,)
    job = asked(opened("endpoint", address), REQUEST)
    started = time.monotonic()
    for step in job:
        if "again in" in step.message:
            break
    job.close()
    assert time.monotonic() - started < 10
    assert server.n_asked == 1


class Waking(http_server.BaseHTTPRequestHandler):
    """Is being started for the first questions, and then answers."""

    n_asked, n_starting, wanted = 0, 4, "1"
    started = 0.0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).n_asked += 1
        is_lab = self.path == "/invocations"
        if self.n_asked <= self.n_starting:
            words = "The model is being loaded."
            body = json.dumps({"error" if is_lab else "Message": words}).encode()
            self.send_response(503 if is_lab else 429)
            self.send_header("x-amzn-ErrorType", "ModelNotReadyException")
            self.send_header("Retry-After", self.wanted)
        else:
            body = b"labels"
            self.send_response(200)
            self.send_header("Content-Type", "application/zip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("lab", "says: The model is being loaded"),
        ("endpoint", "endpoint is starting"),
    ],
)
def test_a_model_that_is_being_loaded_is_waited_for_as_long_as_it_says(
    kind: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four times told to come again after a second; two waits would be over at once."""
    monkeypatch.setattr(line, "START_SECONDS", 60.0)
    handler = type("Handler", (Waking,), {"n_asked": 0})
    steps: list[str] = []
    with Quiet(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        started = time.monotonic()
        answer = run(
            asked(opened(kind, address), REQUEST), lambda p: steps.append(p.message)
        )
        server.shutdown()
    assert answer.body == b"labels"
    assert handler.n_asked == 5
    assert time.monotonic() - started >= 4
    assert any(words in step and "sent again in 1 s" in step for step in steps)


def test_an_endpoint_that_is_starting_can_be_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handler = type("Handler", (Waking,), {"n_asked": 0})
    with Quiet(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        about = opened("endpoint", address).about()
        server.shutdown()
    assert about.model == ""
    assert "is starting; the first image waits for it" in about.device


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7.0), ("", 0.0), ("soon", 0.0), ("99999", 120.0)]
)
def test_a_wait_that_a_server_asks_for_is_kept_within_bounds(
    text: str, seconds: float
) -> None:
    assert seconds_of(text) == seconds
