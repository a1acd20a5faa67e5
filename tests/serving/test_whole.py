"""A plain file in, labels, overlay, table and counts out."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile

from fakes import FakeSegmenter
from napari_cellseg.cloud.pipeline.contract import PARTS, WHOLE_TYPE, file_attributes
from napari_cellseg.cloud.pipeline.outputs import unpacked
from napari_cellseg.cloud.wire.envelope import Message
from napari_cellseg.core.errors import CellsegError, OptionsError
from napari_cellseg.core.jobs import run
from napari_cellseg.core.types import PixelSize

pytest.importorskip("starlette", reason="the extra 'serve' is not installed")
from napari_cellseg.serving.requests.answering import reply_to
from napari_cellseg.serving.requests.asking import understood
from napari_cellseg.serving.requests.whole import file_reading

NAME = "A01 =ä, 細胞.tif"


def tiff(tmp_path: Path) -> bytes:
    pixels = np.zeros((16, 34), np.uint16)
    for number in range(3):
        pixels[4:9, 10 * number + 3 : 10 * number + 7] = 1000
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    return (tmp_path / "a.tif").read_bytes()


def test_the_answer_holds_every_part(tmp_path: Path) -> None:
    reading = json.dumps({"um": 0.5, "options": {"min_area_px": 3}})
    sent = Message(tiff(tmp_path), "image/tiff", file_attributes(NAME, reading))
    segmenter = FakeSegmenter()

    asked = understood(sent, 2**20)
    assert asked.work is not None
    result = run(asked.work(segmenter))  # type: ignore[arg-type]
    reply = reply_to(asked, result, WHOLE_TYPE, segmenter)

    assert (reply.status, reply.content_type) == (200, WHOLE_TYPE)
    with zipfile.ZipFile(io.BytesIO(reply.body)) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    assert set(parts) == set(PARTS)
    labels = tifffile.imread(io.BytesIO(parts["labels.tif"]))
    assert np.bincount(labels.ravel())[1:].tolist() == [20, 20, 20]
    counts = json.loads(parts["counts.json"])
    assert counts["n_cells"] == 3
    assert counts["image"]["name"] == NAME
    assert counts["requested_options"]["min_area_px"] == 3
    assert counts["pixel_size_um"]["x"] == 0.5
    rows = list(csv.DictReader(io.StringIO(parts["cells.csv"].decode())))
    assert [row["area_um2"] for row in rows] == ["5.0"] * 3
    assert rows[0]["image"] == NAME
    assert parts["overlay.png"].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("B02 ä.tif", "B02 ä.tif"),
        ("../../etc/pass:wd", "pass_wd.tif"),
        ("", "image.tif"),
    ],
)
def test_a_damaged_file_is_called_what_it_was_sent_as(
    tmp_path: Path, name: str, called: str
) -> None:
    cut = tiff(tmp_path)[:60]
    sent = Message(cut, "image/tiff", file_attributes(name, "{}"))
    with pytest.raises(CellsegError) as caught:
        understood(sent, 2**20)
    assert called in str(caught.value)
    assert "etc" not in str(caught.value)


def test_the_answer_for_a_stack_has_volumes(tmp_path: Path) -> None:
    pixels = np.zeros((3, 16, 34), np.uint16)
    pixels[1:, 4:9, 3:7] = 1000
    tifffile.imwrite(tmp_path / "s.tif", pixels, ome=True, metadata={"axes": "ZYX"})
    body = (tmp_path / "s.tif").read_bytes()
    attributes = file_attributes("s", '{"um": 0.5, "z_um": 2}')
    segmenter = FakeSegmenter()

    asked = understood(Message(body, "image/tiff", attributes), 2**20)
    assert asked.work is not None
    result = run(asked.work(segmenter))  # type: ignore[arg-type]
    reply = reply_to(asked, result, WHOLE_TYPE, segmenter)

    parts = unpacked(reply.body)
    (row,) = csv.DictReader(io.StringIO(parts["cells_3d.csv"].decode("utf-8-sig")))
    assert (row["volume_px"], float(row["volume_um3"])) == ("40", 20)


def test_a_pixel_size_that_was_given_counts_more(tmp_path: Path) -> None:
    path = tmp_path / "b.tif"
    values = {"axes": "YX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}
    tifffile.imwrite(path, np.zeros((9, 9), np.uint8), ome=True, metadata=values)

    sent = Message(path.read_bytes(), "image/tiff", file_attributes("b", '{"um": 9}'))
    image = understood(sent, 2**20).image

    assert image is not None
    assert image.pixel_size == PixelSize(9, 9)
    assert any("0.25" in note and "9 µm was given" in note for note in image.notes)


@pytest.mark.parametrize(
    "attributes",
    [
        '{"v":9,"file":"a.tif"}',
        '{"v":1,"file":"a.tif","evil":1}',
        '{"v":1,"file":"a.tif","options":{"diameter_px":-4}}',
        '{"v":1,"file":"a.tif","um":"wide"}',
        "nonsense",
        "[" * 60_000,
    ],
)
def test_a_header_that_is_not_understood_is_refused(
    attributes: str, tmp_path: Path
) -> None:
    with pytest.raises(CellsegError):
        understood(Message(tiff(tmp_path), "image/tiff", attributes), 2**20)


@pytest.mark.parametrize("body", [b"[" * 1_000_000, b'{"image": [[1, 2', b"\xff\xfe"])
def test_a_body_that_is_no_json_is_told_from_one_without_an_image(body: bytes) -> None:
    with pytest.raises(CellsegError, match="no JSON"):
        understood(Message(body, "application/json"), 2**20)
    with pytest.raises(CellsegError, match="holds no image"):
        understood(Message(b'{"picture": [[1, 2]]}', "application/json"), 2**20)


def test_another_request_of_ours_is_none_of_a_file() -> None:
    assert file_reading('{"v":1,"axes":"CYX"}') is None


def test_options_that_do_not_fit_into_the_header_are_told_of() -> None:
    reading = json.dumps({"options": {f"o{n}": "x" * 20 for n in range(60)}})

    with pytest.raises(OptionsError, match="SageMaker passes on 1024"):
        file_attributes("a.tif", reading)


def test_the_longest_name_fits_into_the_header() -> None:
    assert len(file_attributes("細" * 1000, "{}")) <= 1024


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("shape", "named", "axes", "expected"),
    [
        ((6, 7), None, "CYX", (1, 6, 7)),
        ((6, 7, 3), None, "CYX", (3, 6, 7)),
        ((2, 6, 7), "CYX", "CYX", (2, 6, 7)),
        ((4, 6, 7), "ZYX", "CZYX", (1, 4, 6, 7)),
        ((1, 6, 7, 1), "ZYXC", "CYX", (1, 6, 7)),
    ],
)
def test_an_array_of_another_client_is_an_image(
    shape: tuple[int, ...], named: str | None, axes: str, expected: tuple[int, ...]
) -> None:
    array = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    told = {"v": 1, "file": "well A1", "um": 0.5} | ({"axes": named} if named else {})
    message = Message(npy(array), "application/x-npy", json.dumps(told))
    image = understood(message, 2**20).image
    assert image is not None
    assert (image.axes, image.shape, image.name) == (axes, expected, "well A1")
    assert image.pixel_size is not None
    assert image.pixel_size.y_um == 0.5
    assert np.asarray(image.data).sum() == array.sum()
    assert image.is_rgb is (shape[-1] == 3)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 6, 7), np.uint8), "does not say what axis 1"),
        (np.zeros(9, np.uint8), "two axes or more"),
        (np.zeros((2048, 2048), np.uint8), "this server takes 1 MiB"),
        (np.array([["a", {}]], dtype=object), "Python objects"),
    ],
    ids=["unknown axis", "a line", "too large", "a pickle"],
)
def test_an_array_that_is_no_image_is_refused(array: np.ndarray, words: str) -> None:
    with pytest.raises(CellsegError, match=words):
        understood(Message(npy(array), "application/x-npy"), 2**20)


def test_json_that_would_fill_the_memory_is_not_read() -> None:
    body = b'{"instances":[' + b"0," * (33 * 2**20)
    with pytest.raises(CellsegError, match="The JSON has 66 MiB; at most 64"):
        understood(Message(body, "application/json"), 2**31)
