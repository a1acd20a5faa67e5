"""The server as a process: every door, the same labels as here, faults in a sentence."""

from __future__ import annotations

import asyncio
import gzip
import http.server as http_server
import io
import json
import socket
import threading
import time
import tracemalloc
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.servers import TOKEN, free_port, http, serving
from tifffile import TiffFile

from napari_cellseg.cloud.client.lab import LabLine
from napari_cellseg.cloud.client.line import asked
from napari_cellseg.cloud.client.remote import RemoteSegmenter
from napari_cellseg.cloud.wire.arrays import ARRAYS_TYPE
from napari_cellseg.cloud.wire.envelope import (
    ZSTD_RESULT_TYPE,
    Message,
    decode_result,
    encode_request,
)
from napari_cellseg.cloud.wire.result_maps import MAPS_ASKED
from napari_cellseg.core.errors import CellsegError, OptionsError, RemoteError
from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.synthetic import random_scene
from napari_cellseg.core.types import CellImage
from napari_cellseg.engines import open_segmenter

pytest.importorskip("starlette", reason="the extra 'serve' is not installed")
pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving("--queue-length", "2") as address:
        yield address


@pytest.fixture(scope="module")
def image() -> CellImage:
    return random_scene(13, (160, 176)).image


def png_of(image: CellImage) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(
        np.clip(np.asarray(image.plane()[0]), 0, 255).astype(np.uint8)
    ).save(buffer, format="PNG")
    return buffer.getvalue()


AUTHORIZATION = f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "options",
    [
        SegmentOptions(),
        SegmentOptions(diameter_px=20.0, min_area_px=30, decoder="flow"),
    ],
    ids=["default", "set"],
)
def test_remote_and_local_labels_are_identical(
    server: str, image: CellImage, options: SegmentOptions
) -> None:
    remote = run(open_segmenter(server, token=TOKEN).segment(image, options))
    local = run(open_segmenter("local", device="cpu").segment(image, options))
    np.testing.assert_array_equal(remote.labels, local.labels)
    np.testing.assert_allclose(remote.confidence, local.confidence, atol=1e-6)
    assert remote.labels.max() > 3
    assert remote.model_digest == local.model_digest
    assert remote.options == local.options


def test_a_stack_and_a_chosen_channel_travel(server: str, image: CellImage) -> None:
    plane = image.plane()[0]
    stack = CellImage(
        np.stack([np.zeros_like(plane), plane])[:, None].repeat(2, 1), "CZYX"
    )
    options = SegmentOptions(channel=1, diameter_px=20.0)
    segmenter = open_segmenter(server, token=TOKEN)
    result = run(segmenter.segment(stack, options))
    parted = run(segmenter.segment(stack, replace(options, join_planes=False)))
    assert result.labels.shape == (2, *plane.shape)
    assert result.options.channel == 1
    np.testing.assert_array_equal(result.labels[0], result.labels[1])
    assert parted.n_cells == 2 * result.n_cells


def test_the_container_contract(server: str, image: CellImage) -> None:
    assert http("GET", f"{server}/ping").status == 200
    assert http("POST", f"{server}/ping").status == 200
    answer = http(
        "POST",
        f"{server}/invocations",
        png_of(image),
        Content_Type="image/png",
        Accept="application/json",
        Authorization=AUTHORIZATION,
        X_Unknown="ignored",
    )
    content = answer.json()
    assert content["n_cells"] == len(content["cells"]) > 3
    assert content["cells"][0]["area_px"] > 0


def packings(zipped: bytes) -> set[str]:
    """Return how the pictures of an answer are packed."""
    with zipfile.ZipFile(io.BytesIO(zipped)) as file:
        pictures = [file.read(name) for name in file.namelist() if ".tif" in name]
    return {
        TiffFile(io.BytesIO(each)).pages.first.compression.name for each in pictures
    }


@pytest.mark.parametrize("door", ["/invocations", "/endpoints/cells/invocations"])
def test_a_client_that_names_no_form_gets_labels_that_all_can_read(
    server: str, image: CellImage, door: str
) -> None:
    given = {"Content_Type": "image/png", "Authorization": AUTHORIZATION}
    answer = http("POST", server + door, png_of(image), **given)
    assert answer.headers["Content-Type"] == "application/zip"
    assert packings(answer.data) == {"ADOBE_DEFLATE"}


@pytest.mark.parametrize("keep_maps", [False, True], ids=["labels", "maps"])
def test_our_own_client_sends_and_gets_no_files(
    server: str, image: CellImage, monkeypatch: pytest.MonkeyPatch, keep_maps: bool
) -> None:
    seen = []
    ask = LabLine.ask

    def asking(line: LabLine, message: Message, *given: Any) -> Message:
        seen.extend((message, ask(line, message, *given)))
        return seen[-1]

    monkeypatch.setattr(LabLine, "ask", asking)
    options = SegmentOptions(keep_maps=keep_maps)
    run(open_segmenter(server, token=TOKEN).segment(image, options))
    assert [each.content_type for each in seen] == [ARRAYS_TYPE, ARRAYS_TYPE]


@pytest.mark.parametrize("keep_maps", [False, True], ids=["labels", "maps"])
def test_a_client_of_an_earlier_release_gets_the_same_in_files(
    server: str, image: CellImage, keep_maps: bool
) -> None:
    line = LabLine(server, TOKEN)
    options = SegmentOptions(keep_maps=keep_maps)
    ours = run(open_segmenter(server, token=TOKEN).segment(image, options))
    accept = f"{ZSTD_RESULT_TYPE}{MAPS_ASKED if keep_maps else ''}"
    answer = run(asked(line, encode_request(image, SegmentOptions()), accept))
    line.close()
    assert packings(answer.body) == {"ZSTD"}
    theirs = decode_result(answer, image, options)
    np.testing.assert_array_equal(theirs.labels, ours.labels)
    np.testing.assert_array_equal(theirs.confidence, ours.confidence)


def test_the_workshops_json_gives_counts(server: str, image: CellImage) -> None:
    body = json.dumps({"input_1": image.plane()[0][..., None].tolist()}).encode()
    answer = http(
        "POST",
        f"{server}/invocations",
        body,
        Content_Type="application/json",
        Accept="application/json",
        Authorization=AUTHORIZATION,
    )
    assert answer.json()["n_cells"] > 3


def test_boto3_talks_to_the_runtime_door(server: str, image: CellImage) -> None:
    boto3 = pytest.importorskip("boto3")
    from botocore import UNSIGNED
    from botocore.config import Config

    def with_token(request: object, **_: object) -> None:
        request.headers["Authorization"] = AUTHORIZATION  # type: ignore[attr-defined]

    client = boto3.client(
        "sagemaker-runtime",
        endpoint_url=server,
        region_name="eu-west-1",
        config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}),
    )
    client.meta.events.register("before-send.sagemaker-runtime.*", with_token)
    answer = client.invoke_endpoint(
        EndpointName="cells", ContentType="image/png", Accept="application/json",
        Body=png_of(image),
    )  # fmt: skip
    assert json.loads(answer["Body"].read())["n_cells"] > 3
    with pytest.raises(client.exceptions.ModelError, match="no image"):
        client.invoke_endpoint(
            EndpointName="cells", ContentType="image/tiff", Body=b"bad"
        )


def test_the_info_names_model_and_options(server: str) -> None:
    info = http("GET", f"{server}/v1/info", Authorization=AUTHORIZATION).json()
    assert info["model"]["name"] == "cells-general"
    assert info["options"]["diameter_px"]["unit"] == "px"


@pytest.mark.parametrize(
    "path", ["/invocations", "/v1/info", "/endpoints/x/invocations"]
)
def test_without_the_token_nobody_gets_in(server: str, path: str) -> None:
    method = "GET" if path == "/v1/info" else "POST"
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        assert (
            http(
                method, server + path, b"" if method == "POST" else None, **headers
            ).status
            == 401
        )
    with pytest.raises(RemoteError, match="token is missing or wrong"):
        open_segmenter(server, token="wrong")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("image/tiff", b"no tiff"),
        ("image/png", b"\x89PNG\r\n\x1a\n cut"),
        ("application/json", b"{}"),
        ("application/json", b"nonsense"),
        ("text/html", b"<html>"),
        ("application/x-npy", b"\x93NUMPY"),
    ],
)
def test_a_body_that_is_no_image_gets_a_sentence(
    server: str, kind: str, body: bytes
) -> None:
    answer = http(
        "POST",
        f"{server}/invocations",
        body,
        Content_Type=kind,
        Authorization=AUTHORIZATION,
    )
    assert answer.status == 400
    assert len(answer.json()["error"]) > 20
    assert "Traceback" not in answer.json()["error"]


def test_a_full_queue_says_429_and_ping_answers_meanwhile(server: str) -> None:
    large = CellImage(random_scene(13, (512, 512)).image.plane(), "CYX")
    body = png_of(large)

    def ask(_: int) -> int:
        return http(
            "POST", f"{server}/invocations", body,
            Content_Type="image/png", Authorization=AUTHORIZATION,
        ).status  # fmt: skip

    with ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(ask, n) for n in range(12)]
        time.sleep(0.3)
        assert http("GET", f"{server}/ping").status == 200
        statuses = [answer.result() for answer in answers]
    assert set(statuses) == {200, 429}


def test_listening_beyond_this_computer_needs_a_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari_cellseg.cli.serve_command import serve

    with pytest.raises(OptionsError, match="Set a token"):
        serve(host="0.0.0.0", token="")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_port_that_is_taken_is_told_of_before_anything_is_loaded(host: str) -> None:
    from napari_cellseg.cli.serve_command import serve

    with socket.create_server((host, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OptionsError, match=f"Nothing can listen on {host}:{port}"):
            serve(host=host, port=port)


def test_a_host_that_is_not_here_is_told_of() -> None:
    from napari_cellseg.cli.serve_command import serve

    with pytest.raises(OptionsError, match="Choose another --port or --host"):
        serve(host="no-such-host.invalid", token="secret")


def test_a_folder_of_sagemaker_alone_opens_no_door(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from napari_cellseg.cli import serve_command

    monkeypatch.setenv("CELLSEG_OPT_ML", str(tmp_path))
    monkeypatch.delenv("CELLSEG_CONTAINER", raising=False)
    with pytest.raises(OptionsError, match="Set a token"):
        serve_command.serve(host="0.0.0.0", token="")


def test_our_container_asks_for_its_token_where_there_is_a_folder_of_sagemaker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from starlette.requests import Request

    from napari_cellseg.cli import serve_command

    served: list[Any] = []
    monkeypatch.setenv("CELLSEG_CONTAINER", "1")
    monkeypatch.setenv("CELLSEG_OPT_ML", str(tmp_path))
    monkeypatch.setattr("uvicorn.run", lambda app, **_: served.append(app))
    serve_command.serve(port=free_port(), token=TOKEN)
    route = next(each for each in served[0].routes if each.path == "/v1/info")
    request = Request({"type": "http", "method": "GET", "headers": []})
    answer = asyncio.run(route.endpoint(request))
    assert answer.status_code == 401


def test_the_page_is_there(server: str) -> None:
    text = http("GET", f"{server}/").data.decode()
    assert "Drop an image here" in text


class _Broken(http_server.BaseHTTPRequestHandler):
    """Says that it is a server of ours, and then does something else."""

    fault = ""

    def do_GET(self) -> None:
        spec = (
            Path(__file__).parents[2]
            / "src/napari_cellseg/models/cells-general/model.json"
        )
        body = json.dumps(
            {"model": json.loads(spec.read_text()), "device": "CPU"}
        ).encode()
        self._send(200, "application/json", body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.fault == "reset":
            self.connection.close()
        elif self.fault == "html":
            self._send(200, "text/html", b"<html>Welcome to the hotel's network")
        elif self.fault == "redirect":
            self.send_response(302)
            self.send_header("Location", "http://elsewhere.example/")
            self.end_headers()
        elif self.fault == "cut":
            self.send_response(200)
            self.send_header("Content-Type", "application/zip")
            self.send_header("Content-Length", "9999")
            self.end_headers()
            self.wfile.write(b"PK")
        else:
            self._send(int(self.fault), "text/plain", b"oops")

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Endless(http_server.BaseHTTPRequestHandler):
    """Says without end what it is, or in a few bytes that expand to much."""

    status = 200
    packed = b""

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        if self.packed:
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(self.packed)))
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(self.packed)
            while not self.packed:
                self.wfile.write(b" " * 2**20)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("packed", [b"", gzip.compress(bytes(200 * 2**20), 1)])
def test_a_server_that_says_too_much_fills_no_memory(
    status: int, packed: bytes
) -> None:
    handler = type("Handler", (_Endless,), {"status": status, "packed": packed})
    with http_server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as endless:
        threading.Thread(target=endless.serve_forever, daemon=True).start()
        line = LabLine(f"http://127.0.0.1:{endless.server_address[1]}")
        tracemalloc.start()
        with pytest.raises(
            RemoteError, match=r"No cellseg server|failed at this image"
        ):
            line.about()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        line.close()
        endless.shutdown()
    assert most < 40 * 2**20


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("reset", "connection to .* broke"),
        ("html", "login page"),
        ("redirect", ": it points to another address"),
        ("cut", "broke"),
        ("500", "it failed at this image"),
        ("424", "says no more than 424"),
        ("503", "behind its proxy; try again"),
        ("413", "too large for this server"),
    ],
)
def test_each_fault_of_a_server_is_one_sentence(
    fault: str, words: str, image: CellImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_cellseg.cloud.client.line.WAITS", (0.05, 0.1))
    handler = type("Handler", (_Broken,), {"fault": fault})
    with http_server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as broken:
        threading.Thread(target=broken.serve_forever, daemon=True).start()
        segmenter = open_segmenter(f"http://127.0.0.1:{broken.server_address[1]}")
        with pytest.raises(CellsegError, match=words):
            run(segmenter.segment(image, SegmentOptions()))
        broken.shutdown()


def test_an_image_too_large_for_the_server_is_not_sent(
    server: str, image: CellImage
) -> None:
    line = LabLine(server, TOKEN)
    segmenter = RemoteSegmenter(line)
    line.max_bytes = 1000
    segmenter._about = replace(segmenter._about, answers_parts=False)
    with pytest.raises(RemoteError, match="Segment a region"):
        run(segmenter.segment(image, SegmentOptions()))


def test_a_server_that_is_off_is_told_of() -> None:
    with pytest.raises(RemoteError, match="cannot be reached"):
        open_segmenter(f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize(
    "address", ["lab-gpu", "ftp://lab", "http://", "file:///etc/passwd"]
)
def test_what_is_no_address_is_told_of(address: str) -> None:
    with pytest.raises(CellsegError, match=r"no address|no place"):
        open_segmenter(address) if address == "lab-gpu" else LabLine(address)
