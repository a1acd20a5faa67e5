"""Our server as a process, and asking it without our client."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

import urllib3

TOKEN = "open sesame"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def serving(*flags: str, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run the server and give its address once it is ready."""
    port = free_port()
    program = [sys.executable, "-m", "napari_cellseg.cli", "serve", "--port", str(port)]
    with subprocess.Popen(
        [*program, "--device", "cpu", *flags],
        env={**os.environ, "CELLSEG_TOKEN": TOKEN, **(environment or {})},
    ) as process:
        address = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + 90
            while time.monotonic() < deadline and process.poll() is None:
                with contextlib.suppress(urllib3.exceptions.HTTPError):
                    if http("GET", f"{address}/ping").status == 200:
                        break
                time.sleep(0.2)
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) is not None


def http(
    method: str, url: str, body: bytes | None = None, **headers: str
) -> urllib3.BaseHTTPResponse:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return urllib3.request(
        method, url, body=body, headers=names, retries=False, timeout=120
    )
