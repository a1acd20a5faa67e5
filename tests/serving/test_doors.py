"""Who is refused costs nothing: not a byte of the request is read."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from http.client import HTTPConnection
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")
from starlette.applications import Starlette
from tests.servers import listening
from tests.serving.benches import HandBench

from napari_cellseg.cloud.wire.parts import encode_info
from napari_cellseg.serving.bench.work import Worker
from napari_cellseg.serving.doors import app as app_module
from napari_cellseg.serving.doors import door as door_module
from napari_cellseg.serving.doors.app import create_app
from napari_cellseg.serving.doors.desk import ServerOptions

DOORS = (
    "/invocations",
    "/endpoints/cells/invocations",
    "/endpoints/cells/invocations-response-stream",
)


@pytest.fixture
def bench() -> HandBench:
    return HandBench()


@pytest.fixture
def worker(bench: HandBench) -> Worker:
    made = Worker(bench, queue_length=1)
    made.start()
    return made


@pytest.fixture
def app(worker: Worker) -> Starlette:
    return create_app(worker, ServerOptions())


class Asking:
    """A client at the door of an application, below HTTP.

    `parts` are the parts of its body that arrive; after them, nothing does.
    """

    def __init__(self, path: str, *parts: bytes, **headers: str) -> None:
        self.n_read = 0
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self._parts = list(parts)
        names = {"host": "lab", "content-length": "1000000", **headers}
        self._scope = {
            "type": "http", "method": "POST", "path": path, "query_string": b"",
            "headers": [
                (name.replace("_", "-").encode(), value.encode())
                for name, value in names.items()
            ],
        }  # fmt: skip

    def ask(self, app: Starlette) -> Asking:
        """Return what was answered, in `status`, `headers` and `body`."""
        asyncio.run(app(self._scope, self._receive, self._send))
        return self

    async def _receive(self) -> dict[str, Any]:
        self.n_read += 1
        if not self._parts:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": self._parts.pop(0), "more_body": True}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {
                name.decode(): value.decode() for name, value in message["headers"]
            }
        else:
            self.body += message.get("body", b"")


@pytest.mark.parametrize("door", DOORS)
def test_where_no_place_is_free_the_request_is_not_read(
    app: Starlette, worker: Worker, door: str
) -> None:
    with worker.place():
        asking = Asking(door, b"pixels").ask(app)
    assert asking.status == 429
    assert int(asking.headers["retry-after"]) >= 1
    assert asking.n_read == 0


@pytest.mark.parametrize("door", [*DOORS, "/endpoints/cells/async-invocations"])
def test_without_the_token_the_request_is_not_read(worker: Worker, door: str) -> None:
    guarded = create_app(worker, ServerOptions(token="secret"))
    asking = Asking(door, b"pixels").ask(guarded)
    assert asking.status == 401
    assert asking.n_read == 0


@pytest.mark.parametrize("door", [*DOORS, "/endpoints/cells/async-invocations"])
def test_while_the_model_is_loaded_or_nothing_is_kept_the_request_is_not_read(
    bench: HandBench, door: str
) -> None:
    asking = Asking(door, b"pixels").ask(create_app(Worker(bench), ServerOptions()))
    assert asking.status in (400, 429, 503)
    assert asking.n_read == 0


def test_what_says_that_it_is_too_large_is_not_read(worker: Worker) -> None:
    small = create_app(worker, ServerOptions(max_body_bytes=1000))
    asking = Asking("/invocations", b"pixels").ask(small)
    assert asking.status == 413
    assert asking.n_read == 0


def test_a_question_that_needs_no_work_is_answered_when_the_queue_is_full(
    app: Starlette, worker: Worker
) -> None:
    told = {"x-amzn-sagemaker-custom-attributes": encode_info().attributes}
    with worker.place():
        asking = Asking("/invocations", **told).ask(app)
    assert asking.status == 200
    assert b'"max_body_bytes"' in asking.body


def test_a_request_that_stops_to_arrive_gives_its_place_to_others(
    app: Starlette, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "STALL_SECONDS", 0.2)
    asking = Asking("/invocations", b"pix", b"els").ask(app)
    assert asking.status == 408
    assert b"send it again" in asking.body
    with worker.place():
        pass


def test_a_request_that_drips_gives_its_place_to_others(
    app: Starlette, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "STALL_SECONDS", 0.3)

    class Dripping(Asking):
        async def _receive(self) -> dict[str, Any]:
            await asyncio.sleep(0.05)
            return {"type": "http.request", "body": b"x", "more_body": True}

    asking = Dripping("/invocations").ask(app)
    assert asking.status == 408
    assert b"too slowly" in asking.body
    with worker.place():
        pass


@pytest.mark.parametrize("kind", ["gzip", "br", "zstd", "gzip, identity"])
def test_a_request_that_is_packed_as_a_whole_is_not_read(
    app: Starlette, kind: str
) -> None:
    asking = Asking("/invocations", b"x", content_encoding=kind).ask(app)
    assert (asking.status, asking.n_read) == (400, 0)
    assert b"packed as a whole" in asking.body


@pytest.mark.parametrize("door", ["/v1/info", "/ping"])
@pytest.mark.parametrize("start", [b"", b"G", b"GET %s HTTP/1.1\r\nHost: lab\r\nX: "])
def test_headers_that_never_end_are_not_waited_for(
    app: Starlette, monkeypatch: pytest.MonkeyPatch, start: bytes, door: str
) -> None:
    monkeypatch.setattr(door_module, "HEADER_SECONDS", 0.5)
    whole = b"GET %s HTTP/1.1\r\nHost: lab\r\n\r\n" % door.encode()
    with (
        listening(app) as port,
        socket.create_connection(("127.0.0.1", port), timeout=60) as idle,
        socket.create_connection(("127.0.0.1", port), timeout=60) as client,
    ):
        idle.sendall(start.replace(b"%s", door.encode()))
        client.sendall(whole)
        assert client.recv(4096).startswith(b"HTTP/1.1 ")
        client.sendall(start.replace(b"%s", door.encode()) or b"G")
        assert idle.recv(4096) == b""
        while client.recv(4096):
            pass


def test_a_client_that_asks_before_it_sends_is_spared_the_sending(
    app: Starlette, worker: Worker
) -> None:
    head = (
        b"POST /invocations HTTP/1.1\r\nHost: lab\r\nContent-Length: 1000000\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    with (
        listening(app) as port,
        worker.place(),
        socket.create_connection(("127.0.0.1", port), timeout=60) as client,
    ):
        client.sendall(head)
        assert client.recv(4096).startswith(b"HTTP/1.1 429 ")


def test_a_client_that_sends_all_the_same_is_told_and_may_ask_again(
    app: Starlette, worker: Worker
) -> None:
    body = bytes(1_000_000)
    with listening(app) as port, worker.place():
        client = HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(2):
            client.request("POST", "/invocations", body)
            own = client.sock
            answer = client.getresponse()
            assert answer.status == 429
            assert b"images wait" in answer.read()
            assert client.sock is own
        client.close()


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: -5\r\n",
        b"Content-Length: 99999999999999999999999\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Content-Length : 5\r\n",
        b"X: a\r\n b: folded\0\r\n",
    ],
)
def test_a_request_that_can_be_read_two_ways_is_refused(
    app: Starlette, head: bytes
) -> None:
    with (
        listening(app) as port,
        socket.create_connection(("127.0.0.1", port), timeout=60) as client,
    ):
        client.sendall(START + head + b"\r\n0\r\n\r\nGET /ping HTTP/1.1\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


START = b"POST /invocations HTTP/1.1\r\nHost: lab\r\n"
IN_CHUNKS = START + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n"
#: How a request begins that never ends, and what it goes on with.
ENDLESS = {
    "a header": (START + b"X-Long: ", b"a" * 65536),
    "headers": (START, b"X-Many: aaaaaaaaaaaaaaaa\r\n" * 2000),
    "an address": (b"GET /", b"a" * 65536),
    "a trailer": (IN_CHUNKS + b"X-Long: ", b"a" * 65536),
}


def sent_until_cut_off(client: socket.socket, more: bytes) -> int:
    """Send until the other side hangs up, at most 64 MiB, and return how much it was."""
    n_sent = 0
    with contextlib.suppress(ConnectionError):
        while n_sent < 64 * 2**20:
            client.sendall(more)
            n_sent += len(more)
    return n_sent


@pytest.mark.parametrize("kind", ENDLESS)
def test_endless_headers_are_not_read_to_their_end(app: Starlette, kind: str) -> None:
    start, more = ENDLESS[kind]
    with (
        listening(app) as port,
        socket.create_connection(("127.0.0.1", port), timeout=60) as client,
    ):
        client.sendall(start)
        n_sent = sent_until_cut_off(client, more)
    # What lies in the buffers of the system counts as sent.
    assert n_sent < 32 * 2**20


def test_headers_that_are_too_long_are_refused_in_a_sentence(app: Starlette) -> None:
    with (
        listening(app) as port,
        socket.create_connection(("127.0.0.1", port), timeout=60) as client,
    ):
        client.sendall(START + b"X-Long: " + b"a" * 70_000)
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"The headers have more than 64 kB" in answer


@pytest.mark.parametrize("n_bytes", [10, 1000, 100_000])
def test_a_body_in_chunks_is_no_header(app: Starlette, n_bytes: int) -> None:
    with listening(app) as port:
        client = HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(2):
            parts = [bytes(n_bytes)] * (1_000_000 // n_bytes)
            client.request("POST", "/nothing", iter(parts), encode_chunked=True)
            assert client.getresponse().read() == b"Not Found"
        client.close()
