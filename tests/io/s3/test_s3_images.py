"""Images in S3 open as local ones do; what cannot be had is told in a sentence."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from moto_server import moto_aws
from napari_cellseg.core.errors import CellsegError, ImageReadError, LimitError
from napari_cellseg.io.limits import ReadLimits
from napari_cellseg.io.reading import from_s3 as opening
from napari_cellseg.io.reading.images import (
    is_readable,
    probe,
    read_image,
)
from napari_cellseg.io.s3 import cache, client, objects

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")

BUCKET = "plates"
KEY = "run 7/Zellkörper +µ 細胞/A01 (1).tif"


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[str]:
    with moto_aws() as address:
        client.s3_client().create_bucket(Bucket=BUCKET)
        yield address


@pytest.fixture(autouse=True)
def cache_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(folder))
    return folder


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Return the list of what S3 was asked for: operation, bytes that came back."""
    calls: list[tuple[str, int]] = []

    def note(parsed: dict[str, Any], model: Any, **_: Any) -> None:
        calls.append((model.name, int(parsed.get("ContentLength", 0))))

    events = client.s3_client().meta.events
    events.register("after-call.s3.*", note)
    yield calls
    events.unregister("after-call.s3.*", note)


def put(key: str, body: bytes) -> str:
    client.s3_client().put_object(Bucket=BUCKET, Key=key, Body=body)
    return f"s3://{BUCKET}/{key}"


def put_file(key: str, path: Path) -> str:
    return put(key, path.read_bytes())


def ramp(rows: int, columns: int) -> np.ndarray[Any, Any]:
    values = np.arange(rows * columns, dtype=np.uint32) * 2654435761
    return (values >> 16).astype(np.uint16).reshape(rows, columns)


def test_an_image_with_a_strange_key_opens_as_the_local_one(tmp_path: Path) -> None:
    path = tmp_path / "A01 (1).tif"
    tifffile.imwrite(path, ramp(40, 50), ome=True, metadata={
        "axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5,
    })  # fmt: skip
    address = put_file(KEY, path)

    image, local = read_image(address), read_image(path)

    np.testing.assert_array_equal(image.data, local.data)
    assert image.pixel_size == local.pixel_size
    assert image.name == "A01 (1).tif"
    assert image.source == address


def test_the_second_time_no_pixel_travels(asked: list[tuple[str, int]]) -> None:
    address = put("twice.tif", tiff_bytes(ramp(300, 300)))
    read_image(address)
    asked.clear()

    read_image(address)

    assert sum(n for name, n in asked if name == "GetObject") <= 132


def test_a_replaced_object_is_fetched_again() -> None:
    address = put("changing.tif", tiff_bytes(ramp(30, 30)))
    read_image(address)
    put("changing.tif", tiff_bytes(ramp(30, 30) + 1))

    np.testing.assert_array_equal(read_image(address).data[0], ramp(30, 30) + 1)


def test_the_cache_stays_under_its_limit(
    cache_here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache.SIZE_VARIABLE, str(250_000 / 2**30))
    for number in range(4):
        read_image(put(f"many/{number}.tif", tiff_bytes(ramp(200, 200))))
        for path in cache_here.glob("*/*/*"):
            os.utime(path, (1000.0 + number, 1000.0 + number))

    sizes = [path.stat().st_size for path in cache_here.glob("*/*/*")]
    assert sum(sizes) <= 250_000
    assert [path.name for path in sorted(cache_here.glob("*/*/3.tif"))] == ["3.tif"]


def test_an_object_larger_than_the_cache_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(cache.SIZE_VARIABLE, "0.00001")
    address = put("large.tif", tiff_bytes(ramp(200, 200)))

    with pytest.raises(LimitError, match="copies here may take"):
        read_image(address)


def tiff_bytes(data: np.ndarray[Any, Any], **how: Any) -> bytes:
    import io

    buffer = io.BytesIO()
    tifffile.imwrite(buffer, data, photometric="minisblack", **how)
    return buffer.getvalue()


def test_a_large_tiled_tiff_is_read_in_parts(
    monkeypatch: pytest.MonkeyPatch, asked: list[tuple[str, int]], cache_here: Path
) -> None:
    monkeypatch.setattr(opening, "WHOLE_BYTES", 10_000)
    data = ramp(4096, 4096)
    body = tiff_bytes(data, tile=(256, 256))
    address = put("slide.tif", body)
    asked.clear()

    image = read_image(address, limits=ReadLimits(lazy_bytes=1000))
    part = np.asarray(image.data[0, 1024:1280, 2048:2304])

    np.testing.assert_array_equal(part, data[1024:1280, 2048:2304])
    assert sum(n for name, n in asked if name == "GetObject") < len(body) / 3
    assert not list(cache_here.glob("*/*/*"))


def test_a_part_read_view_can_be_pickled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "WHOLE_BYTES", 1000)
    data = ramp(512, 512)
    address = put("pickled.tif", tiff_bytes(data, tile=(64, 64)))
    image = read_image(address, limits=ReadLimits(lazy_bytes=1000))

    again = pickle.loads(pickle.dumps(image.data))

    np.testing.assert_array_equal(np.asarray(again[0, :64]), data[:64])


def test_an_object_that_is_replaced_while_it_is_read_is_told_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opening, "WHOLE_BYTES", 1000)
    address = put("moving.tif", tiff_bytes(ramp(2048, 2048), tile=(256, 256)))
    image = read_image(address, limits=ReadLimits(lazy_bytes=1000))
    put("moving.tif", tiff_bytes(ramp(2048, 2048) + 1, tile=(256, 256)))

    with pytest.raises(ImageReadError, match="was replaced while it was being read"):
        np.asarray(image.data[0])


@pytest.mark.parametrize("version", [2, 3])
def test_an_ome_zarr_is_read_chunk_by_chunk(
    version: int, tmp_path: Path, asked: list[tuple[str, int]]
) -> None:
    data = ramp(512, 512)
    folder = tmp_path / "cells.ome.zarr"
    group = zarr.open_group(folder, mode="w", zarr_format=version)
    array = group.create_array("0", shape=data.shape, chunks=(64, 64), dtype=data.dtype)
    array[...] = data
    multiscale = {
        "version": "0.4",
        "axes": [{"name": x, "type": "space", "unit": "micrometer"} for x in "yx"],
        "datasets": [{"path": "0", "coordinateTransformations": [
            {"type": "scale", "scale": [0.25, 0.25]}]}],
    }  # fmt: skip
    group.attrs["multiscales"] = [multiscale]
    for path in folder.rglob("*"):
        if path.is_file():
            put_file(f"zarr {version}/{path.relative_to(tmp_path).as_posix()}", path)
    asked.clear()

    address = f"s3://{BUCKET}/zarr {version}/cells.ome.zarr"
    image = read_image(address, limits=ReadLimits(lazy_bytes=1000))
    part = np.asarray(image.data[0, :64, :64])

    np.testing.assert_array_equal(part, data[:64, :64])
    assert image.pixel_size is not None
    assert image.pixel_size.x_um == 0.25
    assert sum(n for name, n in asked if name == "GetObject") < data.nbytes / 4
    np.testing.assert_array_equal(read_image(f"{address}/").data[0], data)


def test_the_header_is_described_without_the_pixels() -> None:
    address = put("probe.tif", tiff_bytes(ramp(20, 30)))

    assert probe(address).shape == (20, 30)
    assert is_readable(address)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://plates/gone.tif", "is not there"),
        ("s3://nobodys-bucket/a.tif", "bucket that does not exist"),
        ("s3://plates", "is a folder, and no OME-Zarr"),
        ("s3://Plates_x/a.tif", "is no address in S3"),
        ("s3://../../etc/passwd", "is no address in S3"),
        ("s3://plates@evil.example/a.tif", "is no address in S3"),
        (f"s3://plates/{'ä' * 600}", "longer than the 1024 bytes"),
        ("s3://plates/\ud800.tif", "no Unicode text"),
    ],
)
def test_what_cannot_be_opened_is_one_sentence(address: str, words: str) -> None:
    with pytest.raises(CellsegError, match=words) as caught:
        read_image(address)
    assert "\n" not in str(caught.value)


def test_a_folder_of_images_names_the_command() -> None:
    put("folder/a.tif", b"x")

    with pytest.raises(ImageReadError, match="cellseg segment 's3://plates/folder/'"):
        read_image("s3://plates/folder")


def test_no_image_is_told_of_before_it_travels(asked: list[tuple[str, int]]) -> None:
    address = put("notes.txt", b"hello " * 100_000)
    asked.clear()

    with pytest.raises(ImageReadError, match="no image that is known"):
        read_image(address)
    assert sum(n for name, n in asked if name == "GetObject") <= 132


@pytest.mark.parametrize(
    "key", ["../../../../tmp/evil.tif", "a/../../b.tif", "x/..", "C:\\evil.tif"]
)
def test_a_key_cannot_leave_the_cache(key: str, cache_here: Path) -> None:
    from napari_cellseg.io.s3.address import S3Address, file_name_of

    name = file_name_of(S3Address(BUCKET, key))
    item = objects.S3Object(S3Address(BUCKET, key), 3, '"../../etag"')
    place = cache._folder_of(item.address) / cache._digest(item.etag) / name

    assert "/" not in name
    assert "\\" not in name
    assert name not in ("..", ".", "")
    assert place.resolve().is_relative_to(cache_here.resolve())


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("403", 403, "may not be read"),
        ("AccessDenied", 403, "s3:ListBucket"),
        ("PermanentRedirect", 301, "another region"),
        ("ExpiredToken", 400, "login has expired"),
        ("SlowDown", 503, "slow down"),
        ("InvalidObjectState", 403, "Glacier"),
        ("Strange", 418, "could not be had"),
    ],
)
def test_each_refusal_has_its_sentence(code: str, status: int, words: str) -> None:
    from botocore.exceptions import ClientError

    answer = {
        "Error": {"Code": code, "Message": "told"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    with (
        pytest.raises(ImageReadError, match=words),
        client.in_s3_words("'s3://plates/a.tif'"),
    ):
        raise ClientError(answer, "GetObject")


def test_without_credentials_a_private_image_says_how_to_log_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from botocore.exceptions import ClientError

    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    answer = {"Error": {"Code": "403"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    with (
        pytest.raises(ImageReadError, match="no AWS credentials are found"),
        client.in_s3_words("'s3://plates/a.tif'"),
    ):
        raise ClientError(answer, "HeadObject")


def test_another_store_never_gets_the_keys_of_aws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "real")
    made = client.s3_client()

    assert made._request_signer._credentials.access_key == "nobody"


def test_without_boto3_the_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "find_spec", lambda name: None)

    with pytest.raises(ImageReadError, match=r"pip install 'napari-cellseg\[aws\]'"):
        read_image("s3://plates/a.tif")


def test_a_store_that_is_off_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    with pytest.raises(ImageReadError, match="cannot be reached"):
        read_image("s3://plates/a.tif")
