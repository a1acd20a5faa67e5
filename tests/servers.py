"""Our server as a process, and asking it without our client."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

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
            deadline = time.monotonic() + 240
            while time.monotonic() < deadline and process.poll() is None:
                with contextlib.suppress(urllib3.exceptions.HTTPError):
                    if http("GET", f"{address}/ping").status == 200:
                        break
                time.sleep(0.2)
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) is not None


@contextlib.contextmanager
def listening(app: Any) -> Iterator[int]:
    """Serve an application over HTTP in this process, and give the port."""
    import uvicorn

    from napari_cellseg.serving.doors.door import GuardedProtocol

    config = uvicorn.Config(app, log_level="warning", http=GuardedProtocol)
    server = uvicorn.Server(config)
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        thread = threading.Thread(target=server.run, args=([door],))
        thread.start()
        try:
            yield int(door.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(60)


def http(
    method: str, url: str, body: bytes | None = None, **headers: str
) -> urllib3.BaseHTTPResponse:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return urllib3.request(
        method, url, body=body, headers=names, retries=False, timeout=120
    )
