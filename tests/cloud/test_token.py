"""A token goes to the server that it belongs to, also where that points elsewhere."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from napari_cellseg.cloud.client.endpoint import EndpointLine
from napari_cellseg.cloud.client.lab import LabLine
from napari_cellseg.cloud.client.line import Line
from napari_cellseg.cloud.settings import CloudSettings
from napari_cellseg.cloud.wire.envelope import RESULT_TYPE, Message
from napari_cellseg.core.errors import RemoteError
from napari_cellseg.core.jobs import Progress
from napari_cellseg.core.run_place import server_of

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")

TOKEN = "open sesame"
REQUEST = Message(b"1", "application/x-npy")


class Heard(http.server.BaseHTTPRequestHandler):
    """Keeps what it is asked, and points to another server."""

    heard: list[str]
    location = ""
    status = 302

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.heard.append(str(self.headers.get("Authorization", "")))
        self.send_response(self.status if self.location else 200)
        if self.location:
            self.send_header("Location", self.location + self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def listening() -> Iterator[tuple[str, type[Heard]]]:
    kind = type("One", (Heard,), {"heard": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", kind
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def unheard(_progress: Progress) -> None:
    """Nobody listens."""


def opened(kind: str, address: str) -> Line:
    if kind == "lab":
        return LabLine(address, TOKEN)
    return EndpointLine("cells", CloudSettings(runtime_url=address, token=TOKEN))


@pytest.mark.parametrize("kind", ["lab", "endpoint"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_takes_no_token_along(kind: str, status: int) -> None:
    with listening() as (other, elsewhere), listening() as (address, server):
        server.location, server.status = other, status
        line = opened(kind, address)
        with pytest.raises(RemoteError):
            line.about()
        with pytest.raises(RemoteError):
            line.ask(REQUEST, RESULT_TYPE, unheard)
        line.close()
    assert set(server.heard) == {f"Bearer {TOKEN}"}
    assert elsewhere.heard == []


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("http://lab:80", "http://lab/path", True),
        ("http://lab:8080", "http://LAB:8080/", True),
        ("http://lab:8080", "http://lab:8081", False),
        ("http://lab", "https://lab", False),
        ("http://lab", "http://lab.evil.org", False),
        ("http://lab", "http://lab@evil.org", False),
        ("http://[::1]:80", "http://[::1]", True),
        ("http://[::", "http://[::1", False),  # while it is typed
    ],
)
def test_scheme_host_and_port_make_a_server(
    one: str, other: str, *, is_same: bool
) -> None:
    assert (server_of(one) == server_of(other)) == is_same
