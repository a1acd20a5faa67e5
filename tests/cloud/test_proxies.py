"""A proxy sees a host's name of what is encrypted, and nothing of anything else."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")
pytest.importorskip("cryptography", reason="cryptography is not installed")
from botocore.exceptions import BotoCoreError
from tests.certificates import write_certificate

from napari_cellseg.cloud.client.lab import LabLine
from napari_cellseg.cloud.errors import CloudError
from napari_cellseg.cloud.settings import CloudSettings, aws_client
from napari_cellseg.core.errors import RemoteError
from napari_cellseg.io.aws import RUNTIME, AwsAccount
from napari_cellseg.io.proxies import proxy_for

TOKEN = "a-token-of-the-lab"
LAB = "lab.example"


class Proxy(socketserver.ThreadingTCPServer):
    """Lets everything through to one port of this computer, and keeps what it reads."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, port: int, refusal: bytes = b"") -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.target, self.refusal, self.heard = port, refusal, b""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Tunnel(socketserver.BaseRequestHandler):
    server: Proxy

    def handle(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (piece := self.request.recv(65536)):
            head += piece
            self.server.heard += piece
        if self.server.refusal:
            self.request.sendall(self.server.refusal)
            return
        with socket.create_connection(("127.0.0.1", self.server.target)) as there:
            self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=self._copy, args=(there, self.request))
            back.start()
            self._copy(self.request, there)
            back.join()

    def _copy(self, source: socket.socket, to: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                self.server.heard += piece
                to.sendall(piece)
            to.shutdown(socket.SHUT_WR)


class _Lab(http.server.BaseHTTPRequestHandler):
    """Says what a lab server says of itself, to who has the token."""

    def do_GET(self) -> None:
        is_known = self.headers["Authorization"] == f"Bearer {TOKEN}"
        body = json.dumps({"model": {"name": "m"}, "device": "GPU"}).encode()
        self.send_response(200 if is_known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def running(server: socketserver.BaseServer) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Serve as `LAB` with a certificate that this computer trusts; give the port."""
    path = tmp_path / "lab.pem"
    write_certificate(path, LAB)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Lab) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        with running(server):
            yield int(server.server_address[1])


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_a_lab_server_is_asked_through_the_proxy_which_reads_no_token(
    lab: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(Proxy(lab)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:s%40fe@{proxy.address}")
        line = LabLine(f"https://{LAB}", TOKEN)
        assert line.about().device == f"{LAB} · GPU"
        line.close()
    assert proxy.heard.startswith(f"CONNECT {LAB}:443 HTTP/1.".encode())
    assert b": Basic bWU6c0BmZQ==\r\n" in proxy.heard
    assert TOKEN.encode() not in proxy.heard
    assert b"/v1/info" not in proxy.heard


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
def test_what_is_not_encrypted_never_goes_to_a_proxy(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(Proxy(9)) as proxy:
        monkeypatch.setenv(name.lower(), f"http://{proxy.address}")
        with pytest.raises(CloudError, match="proxy that is set here was not asked"):
            LabLine("http://lab.invalid:8080", TOKEN).about()
    assert proxy.heard == b""


def test_who_refuses_is_told_of_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    no_name = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with running(Proxy(9, no_name)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret@{proxy.address}")
        with pytest.raises(CloudError, match="a name and a password") as refused:
            LabLine(f"https://{LAB}", TOKEN).about()
    assert refused.value.is_free
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_proxy_that_is_not_there_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@127.0.0.1:9")
    with pytest.raises(CloudError, match=r"127\.0\.0\.1:9 .*NO_PROXY") as refused:
        LabLine(f"https://{LAB}", TOKEN).about()
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "is_asked"),
    [
        ("https://lab.example", True),
        ("https://lab.example:8443/cells", True),
        ("https://10.1.2.3", True),
        ("http://lab.example", False),
        ("https://localhost:8080", False),
        ("https://LOCALHOST.:8080", False),
        ("https://127.0.0.2", False),
        ("https://[::1]:8443", False),
        ("https://gpu.inside.example", False),
        ("https://other.example:444", False),
        ("https://other.example:445", True),
    ],
)
def test_which_addresses_are_asked_through_a_proxy(
    address: str, is_asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", ".inside.example, other.example:444")
    assert bool(proxy_for(address)) is is_asked


def test_a_proxy_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(RemoteError, match=r"socks5://.*NO_PROXY"):
        LabLine(f"https://{LAB}")


def ask_endpoint(address: str, **settings: str) -> None:
    """Ask an endpoint with boto3, and hear why it cannot be."""
    account = AwsAccount(region="eu-central-1", endpoint_url=address)
    client = aws_client(RUNTIME, CloudSettings(account, **settings))
    with contextlib.closing(client), pytest.raises(BotoCoreError):
        client.invoke_endpoint(EndpointName="cells", Body=b"image")


@pytest.mark.parametrize("host", ["http://lab.invalid:8080", "http://127.0.0.1:9"])
def test_boto3_sends_nothing_in_clear_to_a_proxy(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(Proxy(9, b"HTTP/1.1 502 No\r\n\r\n")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.address}")
        ask_endpoint("", runtime_url=host, token=TOKEN)
        ask_endpoint(host)
    assert proxy.heard == b""


def test_boto3_asks_aws_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    with running(Proxy(9, b"HTTP/1.1 502 No\r\n\r\n")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        ask_endpoint("")
    host = b"runtime.sagemaker.eu-central-1.amazonaws.com:443"
    assert proxy.heard.startswith(b"CONNECT " + host)
    assert b"AKIAEXAMPLE" not in proxy.heard
