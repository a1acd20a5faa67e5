"""A server with little memory: what does not fit is refused, and it goes on."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
import tifffile

pytest.importorskip("starlette", reason="the extra 'serve' is not installed")
pytest.importorskip("resource", reason="limits of memory are set on Unix alone")
import resource

from tests.servers import TOKEN, http, serving

from napari_cellseg.serving.bench.frames import LOST, read_frame, write_frame

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux limits a process that runs"
)
MIB = 2**20
#: Beyond what the process has reserved when it is ready: a plane of 512² px fits.
ROOM_BYTES = 160 * MIB
MAX_GROWTH_BYTES = 64 * MIB


def plane(edge: int) -> bytes:
    """Return a TIFF of cells."""
    pixels = np.zeros((edge, edge), np.uint8)
    for top in range(20, edge - 30, 60):
        for left in range(20, edge - 30, 60):
            pixels[top : top + 25, left : left + 25] = 200
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, compression="zlib")
    return buffer.getvalue()


class Capped:
    """A server, its processes, and how much they may take."""

    def __init__(self, address: str) -> None:
        self.address = address
        port = address.rpartition(":")[2]
        (self.server,) = (
            each for each in psutil.Process().children() if port in each.cmdline()
        )

    @property
    def bench(self) -> psutil.Process:
        (found,) = (
            each
            for each in self.server.children(recursive=True)
            if "napari_cellseg.serving.bench.bench_process" in each.cmdline()
        )
        return found

    @staticmethod
    def cap(process: psutil.Process, room: int = ROOM_BYTES) -> None:
        most = process.memory_info().vms + room
        process.rlimit(resource.RLIMIT_AS, (most, most))

    def ask(self, body: bytes, **headers: str) -> tuple[int, str]:
        given = {"Content_Type": "image/tiff", "Accept": "image/tiff"} | headers
        answer = http(
            "POST", f"{self.address}/invocations", body,
            Authorization=f"Bearer {TOKEN}", **given,
        )  # fmt: skip
        is_labels = answer.status == 200
        return answer.status, "" if is_labels else answer.json()["error"]


@pytest.fixture
def capped() -> Iterator[Capped]:
    with serving() as address:
        yield Capped(address)


def test_an_image_that_does_not_fit_is_refused_and_memory_stays_flat(
    capped: Capped,
) -> None:
    small, large = plane(256), plane(2048)
    assert capped.ask(small)[0] == 200
    bench = capped.bench
    capped.cap(bench)
    for _ in range(3):
        status, told = capped.ask(large)
        assert status == 413, told
        assert "needs more memory than this server has" in told
        assert capped.ask(small) == (200, "")
    with ThreadPoolExecutor(4) as pool:
        statuses = [status for status, _ in pool.map(capped.ask, [large, small] * 3)]
    assert set(statuses) <= {200, 413, 503}
    assert any(status != 200 for status in statuses)
    assert capped.ask(small) == (200, "")
    assert bench.is_running()
    # Room that was taken once is taken again.
    held = bench.memory_info().rss
    for _ in range(3):
        capped.ask(large)
    assert bench.memory_info().rss - held < MAX_GROWTH_BYTES


def test_a_body_that_the_server_cannot_hold_is_refused_and_it_goes_on(
    capped: Capped,
) -> None:
    small = plane(256)
    assert capped.ask(small)[0] == 200
    capped.cap(capped.server, 48 * MIB)
    status, told = capped.ask(bytes(200 * MIB))
    assert status == 413
    assert "more memory than this server has" in told
    assert capped.ask(small) == (200, "")


def test_a_body_that_the_bench_cannot_hold_is_refused_and_it_goes_on(
    capped: Capped,
) -> None:
    small = plane(256)
    assert capped.ask(small)[0] == 200
    bench = capped.bench
    capped.cap(bench, 100 * MIB)
    status, told = capped.ask(bytes(200 * MIB))
    assert status == 413
    assert "more memory than this server has" in told
    assert capped.ask(small) == (200, "")
    assert capped.bench.pid == bench.pid


def huge_png() -> bytes:
    """Return a picture of 30,000² px in some kB."""
    rows = zlib.compressobj(1)
    body = b"".join(rows.compress(bytes(30_001)) for _ in range(30_000)) + rows.flush()

    def chunk(kind: bytes, data: bytes) -> bytes:
        end = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + end

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", body), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def huge_npy() -> bytes:
    """Return an array that says it has a terabyte."""
    buffer = io.BytesIO()
    shape = {"descr": "|u1", "fortran_order": False, "shape": (2**20, 2**20)}
    np.lib.format.write_array_header_1_0(buffer, shape)
    return buffer.getvalue()


def huge_tiff() -> bytes:
    """Return a TIFF of 24,576² px, expanded 600 MB."""
    buffer = io.BytesIO()
    tile = np.zeros((1024, 1024), np.uint8)
    edge = 24 * 1024
    tifffile.imwrite(
        buffer, (tile for _ in range(24 * 24)), shape=(edge, edge), dtype=np.uint8,
        tile=tile.shape, compression="zlib",
    )  # fmt: skip
    return buffer.getvalue()


def test_bombs_are_refused_under_the_cap(capped: Capped) -> None:
    """Each is within the server's limits of size, or says it is; none fits."""
    small = plane(256)
    assert capped.ask(small)[0] == 200
    bench = capped.bench
    capped.cap(bench)
    before = bench.memory_info().rss
    for kind, body in (
        ("image/png", huge_png()),
        ("application/x-npy", huge_npy()),
        ("image/tiff", huge_tiff()),
    ):
        assert len(body) < 8 * MIB
        status, told = capped.ask(body, Content_Type=kind)
        assert status in (400, 413), told
        assert told
    assert capped.ask(small) == (200, "")
    assert capped.bench.pid == bench.pid
    assert bench.memory_info().rss - before < MAX_GROWTH_BYTES + ROOM_BYTES


class NoMemory(io.BytesIO):
    """Gives small pieces only."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0 or size > 2**16:
            raise MemoryError
        return super().read(size)


def test_a_frame_without_memory_is_passed_over_and_the_next_is_read() -> None:
    stream = NoMemory()
    write_frame(stream, {"kind": "task", "number": 7}, bytes(3 * 2**16 + 5))
    write_frame(stream, {"kind": "drop", "number": 8})
    stream.seek(0)
    first, second = read_frame(stream), read_frame(stream)
    assert first is not None
    assert second is not None
    assert first[0]["number"] == 7
    assert first[0][LOST]
    assert second[0]["number"] == 8
    assert LOST not in second[0]
