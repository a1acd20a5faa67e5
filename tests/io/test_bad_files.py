"""Broken, hostile and absent files: one clear sentence each, at once."""

from __future__ import annotations

import os
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cellseg.core.errors import CellsegError, ImageReadError, LimitError
from napari_cellseg.io.limits import ReadLimits
from napari_cellseg.io.reading.images import is_readable, read_image

GREY = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)


needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="needs /proc"
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cells.tif"


@pytest.fixture(autouse=True)
def _quick():
    start = time.process_time()  # a busy machine is slow
    yield
    assert time.process_time() - start < 5


def _header(**tags):
    """Return a TIFF with one page of the given tags, 8 bits, grey, one strip at byte 8."""
    numbers = {
        256: tags.get("width", 4),
        257: tags.get("height", 4),
        258: 8,
        259: tags.get("compression", 1),
        262: 1,
        273: tags.get("offset", 8),
        277: tags.get("samples", 1),
        278: tags.get("height", 4),
        279: tags.get("n_bytes", 16),
    }
    entries = b"".join(
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(numbers.items())
    )
    pixels = bytes(range(16))
    body = (
        struct.pack("<H", len(numbers))
        + entries
        + struct.pack("<I", tags.get("next", 0))
    )
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + body


def _png(width, height, data=b""):
    """Return a PNG header with the given size and compressed data."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body))
            + kind
            + body
            + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"II*\0\0\0\0\0", "no image"),
        (b"II*\0", "cells.tif"),
        (np.random.default_rng(0).bytes(4096), "no image"),
        (b"hello, these are notes", "begins with 'hello, these"),
        (b"<html>404</html>", "begins with '<html>404"),
        (_header(width=0), "empty: its size"),
        (_header(compression=9999), "compression"),
        (_header(offset=10_000), "cells.tif"),
        (_header(width=200_000, height=200_000, n_bytes=0xFFFFFFF0), "37.3 GiB"),
        (_header(samples=65_535), "cells.tif"),
        (_png(0, 5), "cells.tif"),
        (_png(200_000, 200_000), "the limit is"),
        (_png(64, 64, zlib.compress(b"\0" * 100)), "cells.tif"),
        (b"ZISRAWFILE" + bytes(200), "bioio-czi"),
        (b"\xda\xce\xbe\x0a" + bytes(200), "bioio-nd2"),
        (b"\x70\0\0\0" + bytes(200), "bioio-lif"),
        (bytes(128) + b"DICM" + bytes(50), "DICOM"),
        (b"\x89HDF\r\n\x1a\n" + bytes(50), "HDF5"),
        (b"PK\x03\x04" + bytes(50), "zip"),
        (b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml", "an Office document"),
        (b"PK\x03\x04" + bytes(26) + b"_rels/.rels", "an Office document"),
        (
            b"PK\x03\x04" + bytes(26) + b"mimetypeapplication/vnd.oasis.opendocument",
            "an OpenDocument file",
        ),
        (b"\x93NUMPY" + bytes(50), "numpy"),
    ],
    ids=[
        "0 bytes",
        "header only",
        "4 bytes",
        "random",
        "text",
        "html",
        "width 0",
        "compression 9999",
        "beyond the end",
        "200000 x 200000",
        "65535 samples",
        "PNG of width 0",
        "PNG bomb",
        "short PNG",
        "czi",
        "nd2",
        "lif",
        "dicom",
        "hdf5",
        "zip",
        "docx",
        "docx of LibreOffice",
        "odt",
        "npy",
    ],
)
def test_one_clear_sentence(path, content, words):
    path.write_bytes(content)
    with pytest.raises(CellsegError) as caught:
        read_image(path)
    text = str(caught.value)
    assert words in text
    assert "cells.tif" in text
    assert "\n" not in text
    assert len(text) < 400


@pytest.mark.parametrize("kept", [0.5, 0.98], ids=["half", "last bytes"])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_a_file_that_is_cut_short(path, kept, compression):
    noise = np.random.default_rng(0).integers(0, 65535, (64, 64)).astype(np.uint16)
    tifffile.imwrite(path, noise, compression=compression)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ImageReadError):
        read_image(path)


def test_a_corrupt_block(path):
    tifffile.imwrite(path, GREY, compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[0].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[offset : offset + 40] = b"\xff" * 40
    path.write_bytes(bytes(content))
    with pytest.raises(ImageReadError, match="damaged"):
        read_image(path)


def test_pages_that_lead_back_to_themselves(path):
    path.write_bytes(_header(next=24))
    assert read_image(path).shape == (1, 4, 4)


def test_the_header_is_checked_before_memory_is_asked_for(path):
    tifffile.imwrite(path, np.zeros((3000, 3000), np.uint8), compression="zlib")
    with pytest.raises(LimitError, match=r"the limit is 1\.0 MiB"):
        read_image(path, limits=ReadLimits(max_bytes=2**20))


def test_more_pixels_than_the_file_can_hold(path):
    tifffile.imwrite(path, np.zeros((9000, 9000), np.uint8), compression="zlib")
    with pytest.raises(LimitError, match="a trap"):
        read_image(path, limits=ReadLimits(max_ratio=100))


def test_too_many_pages_are_not_walked_to_the_end(path):
    with tifffile.TiffWriter(path) as writer:
        for _ in range(60):
            writer.write(GREY[:2, :2], metadata=None, contiguous=False)
    with pytest.raises(LimitError, match="more than 50 pages"):
        read_image(path, limits=ReadLimits(max_pages=50))


def test_a_png_named_tif_is_read_as_what_it_is(path):
    path.write_bytes(_png(2, 2, zlib.compress(b"\0\1\2\0\3\4")))
    np.testing.assert_array_equal(read_image(path).data, [[[1, 2], [3, 4]]])


def test_missing_tiles_are_counted(path):
    tifffile.imwrite(path, GREY + 1, tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        page = tiff.pages[0]
        page.tags["TileByteCounts"].overwrite((0, 0, *page.databytecounts[2:]))
        page.tags["TileOffsets"].overwrite((0, 0, *page.dataoffsets[2:]))
    image = read_image(path)
    assert "Missing tiles: 2" in image.notes[-1]
    assert not image.data[0, :16, :32].any()


def test_complex_values_are_refused(path):
    tifffile.imwrite(path, GREY.astype(np.complex64))
    with pytest.raises(ImageReadError, match="complex64"):
        read_image(path)


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 50), (50, 1), (3, 3)], ids=["1x1", "1xN", "Nx1", "3x3"]
)
def test_thin_images_are_images(path, shape):
    tifffile.imwrite(path, np.ones(shape, np.uint8))
    assert read_image(path).shape == (1, *shape)


@pytest.mark.parametrize("value", [0, 7, np.nan, np.inf, -np.inf], ids=str)
def test_dull_values_are_kept(path, value):
    data = np.full((5, 6), value, np.float32)
    tifffile.imwrite(path, data)
    np.testing.assert_array_equal(read_image(path).data[0], data)


def _ome_with(path, text):
    """Write two planes with a description of our own."""
    tifffile.imwrite(
        path,
        np.stack([GREY, GREY]),
        photometric="minisblack",
        metadata=None,
        description=text,
    )


def _ome(tiff_data, size_c=2):
    return (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        'UUID="urn:uuid:1"><Image ID="Image:0"><Pixels DimensionOrder="XYCZT" ID="Pixels:0" '
        f'SizeX="64" SizeY="64" SizeC="{size_c}" SizeZ="1" SizeT="1" Type="uint16">'
        f"{tiff_data}</Pixels></Image></OME>"
    )


def test_damaged_ome_xml_leaves_the_pixels(path):
    _ome_with(path, _ome("<TiffData/>")[:-20])
    image = read_image(path, axes="CYX")
    assert image.shape == (2, 64, 64)
    assert "OME-XML is damaged" in image.notes[0]


def test_an_xml_bomb_is_not_opened(path):
    layers = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE x [<!ENTITY a0 "ha">{layers}]>'
    _ome_with(path, _ome("<!-- &a11; -->").replace("?><OME", f"?>{bomb}<OME"))
    image = read_image(path, axes="CYX")
    assert "OME-XML is damaged" in image.notes[0]


@pytest.mark.parametrize(
    "tiff_data",
    [
        '<TiffData PlaneCount="900000000"/>',
        '<TiffData IFD="99999999999"/>',
        '<TiffData IFD="-1"/>',
    ],
)
def test_absurd_counts_in_ome_xml_are_not_believed(path, tiff_data):
    _ome_with(path, _ome(tiff_data))
    assert "OME-XML is damaged" in read_image(path, axes="CYX").notes[0]


def test_absurd_sizes_in_ome_xml_are_not_believed(path):
    _ome_with(path, _ome("<TiffData/>", size_c=900_000_000))
    assert "OME-XML is damaged" in read_image(path, axes="CYX").notes[0]


def _part(name, channel, uuid):
    return (
        f'<TiffData FirstC="{channel}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{name}">urn:uuid:{uuid}</UUID></TiffData>'
    )


def _write_part(path, xml, value):
    tifffile.imwrite(
        path, np.full((64, 64), value, np.uint16), metadata=None, description=xml
    )


def test_an_ome_image_in_several_files_is_put_together(tmp_path):
    xml = _ome(_part("a.tif", 0, 1) + _part("b.tif", 1, 2))
    _write_part(tmp_path / "a.tif", xml, 3)
    _write_part(
        tmp_path / "b.tif", xml.replace('UUID="urn:uuid:1"', 'UUID="urn:uuid:2"'), 5
    )
    image = read_image(tmp_path / "a.tif")
    assert image.data[:, 0, 0].tolist() == [3, 5]
    assert image.notes == ()


def test_missing_parts_are_counted(tmp_path):
    _write_part(
        tmp_path / "a.tif", _ome(_part("a.tif", 0, 1) + _part("b.tif", 1, 2)), 3
    )
    image = read_image(tmp_path / "a.tif")
    assert image.data[:, 0, 0].tolist() == [3, 0]
    assert "1 of 2 planes are missing" in image.notes[0]


@pytest.mark.parametrize(
    "name", ["../b.tif", "/etc/passwd", "..\\b.tif", "C:b.tif", "sub/b.tif"]
)
def test_parts_outside_of_the_folder_are_never_opened(tmp_path, name):
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    xml = _ome(_part("a.tif", 0, 1) + _part(name, 1, 2))
    _write_part(folder / "a.tif", xml, 3)
    _write_part(tmp_path / "b.tif", xml, 5)
    _write_part(folder / "sub" / "b.tif", xml, 5)
    image = read_image(folder / "a.tif")
    assert image.data.tolist() == np.full((1, 64, 64), 3).tolist()
    assert "not followed" in image.notes[0]


@needs_pipes
def test_a_part_that_is_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "b.tif")
    _write_part(
        tmp_path / "a.tif", _ome(_part("a.tif", 0, 1) + _part("b.tif", 1, 2)), 3
    )
    assert read_image(tmp_path / "a.tif").shape == (1, 64, 64)


def test_a_missing_file(tmp_path):
    with pytest.raises(ImageReadError, match="no such file"):
        read_image(tmp_path / "gone.tif")


def test_a_folder(path):
    path.mkdir()
    with pytest.raises(ImageReadError, match="is a folder"):
        read_image(path)


@needs_pipes
def test_a_pipe_does_not_hang(path):
    os.mkfifo(path)
    with pytest.raises(ImageReadError, match="a pipe"):
        read_image(path)


def test_a_link_that_leads_to_itself(path):
    path.symlink_to(path)
    with pytest.raises(ImageReadError, match="leads back to itself"):
        read_image(path)


def test_a_name_that_is_too_long(tmp_path):
    with pytest.raises(ImageReadError, match="too long"):
        read_image(tmp_path / ("a" * 300 + ".tif"))


def test_no_permission(path, monkeypatch):
    tifffile.imwrite(path, GREY)

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(ImageReadError, match="no permission"):
        read_image(path)


def test_a_file_that_goes_away_while_it_is_read(path, monkeypatch):
    tifffile.imwrite(path, GREY)

    def fail(*_args, **_options):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", fail)
    with pytest.raises(ImageReadError, match=r"Input/output error. Check the disk"):
        read_image(path)


def test_memory_that_runs_out_is_a_limit(path, monkeypatch):
    tifffile.imwrite(path, GREY)

    def fail(*_args, **_options):
        raise MemoryError

    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", fail)
    with pytest.raises(LimitError, match="out of memory"):
        read_image(path)


def test_our_own_faults_are_not_hidden(path, monkeypatch):
    tifffile.imwrite(path, GREY)

    def stop(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", stop)
    with pytest.raises(KeyboardInterrupt):
        read_image(path)


def test_what_can_be_read_is_told_by_the_first_bytes(tmp_path, path):
    tifffile.imwrite(tmp_path / "image.dat", GREY)
    path.write_text("no image")
    assert is_readable(tmp_path / "image.dat")
    assert not is_readable(path)
    assert not is_readable(tmp_path / "gone.tif")


@needs_proc
def test_no_file_stays_open_after_an_error(path):
    tifffile.imwrite(path, np.zeros((3, 8, 8), np.uint8), photometric="minisblack")
    before = set(Path("/proc/self/fd").iterdir())
    with pytest.raises(ImageReadError):
        read_image(path)
    assert len(set(Path("/proc/self/fd").iterdir()) - before) == 0
