"""What is sent arrives as it was; what is hostile is refused in a sentence."""

from __future__ import annotations

import io
import json
import struct
import zipfile

import numpy as np
import pytest
import tifffile

from napari_cellseg.cloud.wire.envelope import (
    ARRAYS_RESULT_TYPE,
    RESULT_TYPE,
    ZSTD_RESULT_TYPE,
    Message,
    decode_request,
    decode_result,
    encode_request,
    encode_result,
)
from napari_cellseg.cloud.wire.pixels import NPY_TYPE, TIFF_TYPE
from napari_cellseg.cloud.wire.result_maps import MAPS_ASKED, asks_for_maps, with_maps
from napari_cellseg.core.errors import CellsegError, LimitError, RemoteError
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import (
    CellImage,
    PixelSize,
    PlaneMaps,
    SegmentationResult,
)

MIB = 2**20


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("CYX", (1, 9, 7)),
        ("CYX", (3, 9, 7)),
        ("CZYX", (1, 2, 9, 7)),
        ("TCYX", (4, 1, 9, 7)),
    ],
)
@pytest.mark.parametrize(
    "dtype", ["uint8", "uint16", "int16", "float32", "float16", "bool", ">u2", ">f4"]
)
@pytest.mark.parametrize("as_arrays", [False, True])
def test_pixels_axes_and_type_survive(
    axes: str, shape: tuple[int, ...], dtype: str, as_arrays: bool
) -> None:
    rng = np.random.default_rng(1)
    data = (rng.random(shape) * 200).astype(dtype)
    message = encode_request(
        CellImage(data, axes), SegmentOptions(), as_arrays=as_arrays
    )
    image, _ = decode_request(message, MIB)
    assert image.axes == axes
    assert np.asarray(image.data).dtype.name == data.dtype.name
    np.testing.assert_array_equal(np.asarray(image.data), data)


def test_options_pixel_size_and_colour_survive() -> None:
    size = PixelSize(0.25, 0.5, 2.0)
    options = SegmentOptions(diameter_px=17.5, preset="accurate", min_confidence=0.4)
    data = np.zeros((3, 8, 8), np.uint8)
    sent = encode_request(CellImage(data, pixel_size=size, is_rgb=True), options)
    image, received = decode_request(sent, MIB)
    assert received == options
    assert image.pixel_size == size
    assert image.is_rgb


@pytest.mark.parametrize("accept", ["", ZSTD_RESULT_TYPE, ARRAYS_RESULT_TYPE])
@pytest.mark.parametrize("largest", [79, 65_535, 65_536, 2**31 - 1])
def test_labels_and_confidence_survive(accept: str, largest: int) -> None:
    labels = np.arange(80, dtype=np.int32).reshape(8, 10)
    labels[-1, -1] = largest
    confidence = np.linspace(0, 1, 79).astype(np.float32)
    options = SegmentOptions(diameter_px=9.0)
    result = SegmentationResult(labels, confidence, "m", "d" * 64, options, "CPU", 0.5)
    image = CellImage(np.zeros((1, 8, 10), np.uint8))
    message = encode_result(result, {}, accept)
    got = decode_result(message, image, SegmentOptions(channel=None))
    assert got.labels.dtype == np.int32
    np.testing.assert_array_equal(got.labels, labels)
    np.testing.assert_array_equal(got.confidence, confidence)
    assert (got.model_digest, got.options.diameter_px) == ("d" * 64, 9.0)


@pytest.mark.parametrize(
    ("accept", "packing"),
    [
        ("", "ADOBE_DEFLATE"),
        ("*/*", "ADOBE_DEFLATE"),
        (RESULT_TYPE, "ADOBE_DEFLATE"),
        (ZSTD_RESULT_TYPE, "ZSTD"),
        (f"{ZSTD_RESULT_TYPE}{MAPS_ASKED}", "ZSTD"),
        (f"{RESULT_TYPE};maps=kept", "ADOBE_DEFLATE"),
    ],
)
def test_only_who_asks_for_zstd_gets_it(accept: str, packing: str) -> None:
    labels = np.ones((8, 10), np.int32)
    result = SegmentationResult(
        labels, np.ones(1, np.float32), "m", "d" * 64, SegmentOptions(), "CPU", 0.5
    )
    message = encode_result(result, {}, accept)
    if asks_for_maps(accept):
        maps = PlaneMaps(np.ones((5, 8, 10), np.uint8), (8, 10))
        message = with_maps(message, maps, accept)
    with zipfile.ZipFile(io.BytesIO(message.body)) as file:
        pictures = [name for name in file.namelist() if name.endswith(".tif")]
        for name in pictures:
            with tifffile.TiffFile(io.BytesIO(file.read(name))) as picture:
                assert picture.pages[0].compression.name == packing
    assert len(pictures) == 1 + asks_for_maps(accept)


def test_the_header_fits_into_what_sagemaker_hands_through() -> None:
    everything = SegmentOptions(
        channel=3, diameter_px=123.456, preset="accurate", decoder="flow",
        foreground_threshold=0.55, seed_threshold=0.65, min_area_px=99,
        min_confidence=0.45, fill_holes=False, keep_maps=True,
    )  # fmt: skip
    image = CellImage(
        np.zeros((1, 4, 4)), pixel_size=PixelSize(0.123456789, 0.123456789)
    )
    text = encode_request(image, everything).attributes
    assert len(text) <= 1024
    assert text.isascii()


def bomb() -> bytes:
    """Return a small TIFF that claims to be 64 MiB."""
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        np.zeros((8192, 8192), np.uint8),
        compression="zlib",
        photometric="minisblack",
    )
    return buffer.getvalue()


def npy_of(value: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([value], dtype=object), allow_pickle=True)
    return buffer.getvalue()


GOOD = '{"v":1,"axes":"CYX","shape":[1,4,4],"rgb":false,"options":{}}'
HOSTILE = {
    "no header": (b"", TIFF_TYPE, "nonsense"),
    "newer version": (b"", TIFF_TYPE, '{"v":2}'),
    "unknown key": (b"", TIFF_TYPE, '{"v":1,"axes":"CYX","path":"/etc"}'),
    "a list": (b"", TIFF_TYPE, "[1]"),
    "no TIFF": (b"<html>", TIFF_TYPE, GOOD),
    "cut off": (bomb()[:200], TIFF_TYPE, GOOD),
    "pickle": (npy_of({"a": 1}), NPY_TYPE, GOOD),
    "no npy": (b"\x93NUMPY", NPY_TYPE, GOOD),
    "wrong axes": (
        encode_request(CellImage(np.zeros((1, 4, 4))), SegmentOptions()).body,
        TIFF_TYPE,
        GOOD.replace("CYX", "TCZYX"),
    ),
    "unknown option": (
        encode_request(CellImage(np.zeros((1, 4, 4))), SegmentOptions()).body,
        TIFF_TYPE,
        GOOD.replace("{}", '{"shell":"rm"}'),
    ),
}


def tiff_of(*entries: tuple[int, int, int, int], after: int = 0) -> bytes:
    """Return a TIFF of 4 x 4 pixels, some of its tags changed (tag, type, count, value)."""
    usual = {256: 4, 257: 4, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 4, 279: 16}
    tags = {tag: (tag, 4, 1, value) for tag, value in usual.items()}
    tags |= {entry[0]: entry for entry in entries}
    packed = b"".join(struct.pack("<HHII", *tags[tag]) for tag in sorted(tags))
    head = b"II*\0" + struct.pack("<I", 24) + bytes(16)
    return head + struct.pack("<H", len(tags)) + packed + struct.pack("<I", after)


def empty_pages(n: int) -> bytes:
    """Return a TIFF of pages without a tag."""
    places = (struct.pack("<HI", 0, 8 + 6 * (page + 1)) for page in range(n))
    return b"II*\0" + struct.pack("<I", 8) + b"".join(places)


def npy_with(header: str) -> bytes:
    """Return an npy file with a header of one's own."""
    return (
        b"\x93NUMPY\x01\0"
        + struct.pack("<H", len(header))
        + header.encode()
        + bytes(64)
    )


SHAPE = "{'descr': '|u1', 'fortran_order': False, 'shape': %s}\n"
HOSTILE |= {
    "pages in a circle": (tiff_of(after=24), TIFF_TYPE, GOOD),
    "a width without a number": (tiff_of((256, 4, 0, 8)), TIFF_TYPE, GOOD),
    "a width of 2**32 numbers": (tiff_of((256, 4, 2**32 - 1, 8)), TIFF_TYPE, GOOD),
    "strips behind the end": (tiff_of((273, 4, 1, 2**32 - 1)), TIFF_TYPE, GOOD),
    "tags of a microscope": (tiff_of((34362, 4, 0, 8)), TIFF_TYPE, GOOD),
    "samples without a number": (tiff_of((277, 2, 0, 8)), TIFF_TYPE, GOOD),
    "a million pages": (empty_pages(10**6), TIFF_TYPE, GOOD),
    "open brackets": (npy_with("(" * 9000), NPY_TYPE, GOOD),
    "a call": (npy_with("__import__('os')"), NPY_TYPE, GOOD),
    "a length that is a claim": (npy_with(SHAPE % "(True, 4)"), NPY_TYPE, GOOD),
    "negative lengths": (npy_with(SHAPE % "(-4, -4)"), NPY_TYPE, GOOD),
    "lengths that wrap": (npy_with(SHAPE % "(1048576, -1048576)"), NPY_TYPE, GOOD),
    "an endless shape": (tiff_of(), TIFF_TYPE, GOOD.replace("1,4,4", "Infinity")),
    "options of no use": (tiff_of(), TIFF_TYPE, GOOD.replace("{}", "null")),
    "options in a list": (tiff_of(), TIFF_TYPE, GOOD.replace("{}", "[1, [2]]")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_request_is_refused(name: str) -> None:
    with pytest.raises(CellsegError) as refused:
        decode_request(Message(*HOSTILE[name]), MIB)
    assert 20 < len(str(refused.value)) < 600
    assert "\n" not in str(refused.value)


def test_a_bomb_is_refused_before_it_is_expanded() -> None:
    body = bomb()
    assert len(body) < MIB
    with pytest.raises(LimitError, match="64 MiB expanded"):
        decode_request(Message(body, TIFF_TYPE, GOOD), MIB)


def answer(labels: np.ndarray | None = None, **json_values: object) -> Message:
    shown = np.zeros((4, 4), np.int32) if labels is None else labels
    result = SegmentationResult(
        shown, np.zeros(0, np.float32), "m", "d", SegmentOptions(), "CPU", 0.1
    )
    return encode_result(result, json_values)


IMAGE = CellImage(np.zeros((1, 4, 4)))


def test_an_html_page_is_told_of() -> None:
    page = Message(b"<html>Please log in", "text/html; charset=utf-8")
    with pytest.raises(RemoteError, match="login page"):
        decode_result(page, IMAGE, SegmentOptions())


def test_an_answer_that_is_cut_off_is_told_of() -> None:
    cut = Message(answer().body[:-30], RESULT_TYPE)
    with pytest.raises(RemoteError, match="cut off"):
        decode_result(cut, IMAGE, SegmentOptions())


def test_labels_of_another_image_are_not_used() -> None:
    with pytest.raises(RemoteError, match=r"\(2, 2\)"):
        decode_result(answer(np.zeros((2, 2), np.int32)), IMAGE, SegmentOptions())


def test_an_answer_with_a_part_too_large_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("result.json", json.dumps({}))
        file.writestr("labels.tif", b"0" * (8 * MIB))
    with pytest.raises(LimitError, match=r"labels\.tif"):
        decode_result(Message(buffer.getvalue(), RESULT_TYPE), IMAGE, SegmentOptions())
