"""A lab server with a certificate of its own: https, and what is said where it fails."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

pytest.importorskip("cryptography", reason="cryptography is not installed")
pytest.importorskip("starlette", reason="the extra 'serve' is not installed")
from tests.certificates import write_certificate
from tests.servers import free_port, serving
from typer.testing import CliRunner

from napari_cellseg.cli.main import app
from napari_cellseg.cloud.client.lab import LabLine
from napari_cellseg.cloud.errors import CloudError


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for this computer."""
    path = tmp_path_factory.mktemp("tls") / "lab.pem"
    write_certificate(path, "127.0.0.1")
    return path


@pytest.fixture(scope="module")
def server(certificate: Path) -> Iterator[str]:
    """Run the server with it."""
    port = free_port()
    program = [sys.executable, "-m", "napari_cellseg.cli", "serve", "--device", "cpu"]
    flags = ["--port", str(port), "--certificate", str(certificate)]
    with subprocess.Popen([*program, *flags]) as process:
        pool = urllib3.PoolManager(ca_certs=str(certificate), retries=False)
        until = time.monotonic() + 240
        address = f"https://127.0.0.1:{port}"
        while time.monotonic() < until and process.poll() is None:
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                if pool.request("GET", f"{address}/ping").status == 200:
                    break
            time.sleep(0.2)
        yield address
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_who_does_not_know_the_certificate_is_told_what_to_do(server: str) -> None:
    with pytest.raises(CloudError, match=r"does not trust.*SSL_CERT_FILE") as error:
        LabLine(server).about()
    assert error.value.is_free
    assert "\n" not in str(error.value)


def test_who_knows_the_certificate_gets_in(
    server: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert LabLine(server).about().device.endswith("CPU")


def test_https_to_a_server_without_is_said_so() -> None:
    with serving() as plain, pytest.raises(CloudError, match="begins with http://"):
        LabLine(plain.replace("http://", "https://")).about()


def test_http_to_a_server_with_a_certificate_is_said_so(server: str) -> None:
    with pytest.raises(CloudError, match=r"broke.*https://"):
        LabLine(server.replace("https://", "http://")).about()


def test_a_certificate_that_is_none_is_refused_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "lab.pem"
    path.write_text("no certificate")
    done = CliRunner().invoke(app, ["serve", "--certificate", str(path)])
    assert done.exit_code != 0
    assert "cannot be used" in f"{done.output}{done.exception}"
