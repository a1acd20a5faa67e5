"""TIFF of every kind: axes, colours, pixel sizes and names as the file says them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import tifffile

from napari_cellseg.core.errors import AmbiguousAxesError, ImageReadError, LimitError
from napari_cellseg.core.types import PixelSize
from napari_cellseg.io.limits import ReadLimits
from napari_cellseg.io.reading.images import probe, read_image, read_one_image

LAZY = ReadLimits(lazy_bytes=0)
SIZES = {"T": 2, "C": 3, "Z": 4, "Y": 16, "X": 20}


def _counted(axes, dtype=np.uint16):
    """Return an array in which every value is different."""
    shape = tuple(SIZES[letter] for letter in axes)
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def _in_order(data, axes, wanted):
    """Return `data` with its axes in the order `wanted`, new ones of size 1."""
    missing = [letter for letter in wanted if letter not in axes]
    data = data.reshape(data.shape + (1,) * len(missing))
    letters = axes + "".join(missing)
    return data.transpose([letters.index(letter) for letter in wanted])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cells.tif"


@pytest.mark.parametrize("limits", [ReadLimits(), LAZY], ids=["eager", "lazy"])
@pytest.mark.parametrize(
    ("axes", "wanted"),
    [
        ("YX", "CYX"),
        ("CYX", "CYX"),
        ("ZYX", "CZYX"),
        ("TYX", "TCYX"),
        ("ZCYX", "CZYX"),
        ("CZYX", "CZYX"),
        ("TCYX", "TCYX"),
        ("CTYX", "TCYX"),
        ("TZCYX", "TCZYX"),
        ("TCZYX", "TCZYX"),
    ],
)
def test_ome_axes_become_ours(path, axes, wanted, limits):
    data = _counted(axes)
    tifffile.imwrite(
        path, data, ome=True, photometric="minisblack", metadata={"axes": axes}
    )
    image = read_image(path, limits=limits)
    assert image.axes == wanted
    np.testing.assert_array_equal(np.asarray(image.data), _in_order(data, axes, wanted))


@pytest.mark.parametrize("axes", ["YX", "CYX", "ZYX", "TYX", "ZCYX", "TZCYX"])
def test_imagej_axes_become_ours(path, axes):
    data = _counted(axes)
    tifffile.imwrite(path, data, imagej=True, metadata={"axes": axes})
    image = read_image(path)
    wanted = "".join(letter for letter in "TCZYX" if letter in axes or letter == "C")
    assert image.axes == wanted
    np.testing.assert_array_equal(image.data, _in_order(data, axes, wanted))


@pytest.mark.parametrize(
    ("unit", "um"),
    [
        ("\\u00B5m", 1.0),
        ("um", 1.0),
        ("micron", 1.0),
        ("nm", 1e-3),
        ("mm", 1e3),
    ],
)
def test_imagej_pixel_size(path, unit, um):
    tifffile.imwrite(
        path,
        _counted("ZYX"),
        imagej=True,
        resolution=(4, 2),
        metadata={"axes": "ZYX", "spacing": 3.0, "unit": unit},
    )
    size = read_image(path).pixel_size
    assert size is not None
    assert (size.y_um, size.x_um, size.z_um) == pytest.approx(
        (0.5 * um, 0.25 * um, 3 * um)
    )


@pytest.mark.parametrize("unit", ["pixel", "", "furlong"])
def test_imagej_without_a_length_has_no_pixel_size(path, unit):
    tifffile.imwrite(
        path, _counted("YX"), imagej=True, resolution=(4, 2), metadata={"unit": unit}
    )
    assert read_image(path).pixel_size is None


def test_imagej_pixels_finer_than_print_count_in_centimetres(path):
    tifffile.imwrite(
        path,
        _counted("YX"),
        imagej=True,
        resolution=(20_000, 20_000),
        metadata={"unit": "cm"},
    )
    assert read_image(path).pixel_size.x_um == pytest.approx(0.5)


@pytest.mark.parametrize(("unit", "per_unit"), [("inch", 72), ("cm", 118.11)])
def test_a_print_resolution_is_no_pixel_size(path, unit, per_unit):
    tifffile.imwrite(
        path,
        _counted("YX"),
        imagej=True,
        resolution=(per_unit, per_unit),
        metadata={"unit": unit},
    )
    image = read_image(path)
    assert image.pixel_size is None
    assert any("print" in note for note in image.notes)


def test_imagej_labels_name_the_channels(path):
    tifffile.imwrite(
        path,
        _counted("CYX"),
        imagej=True,
        metadata={"axes": "CYX", "Labels": ["DAPI", "c:2/3 - GFP", "actin"]},
    )
    assert read_image(path).channel_names == ("DAPI", "GFP", "actin")


def test_imagej_lookup_tables_are_no_colours(path):
    tables = [np.zeros((3, 256), np.uint8) for _ in range(3)]
    data = _counted("CYX", np.uint8)
    tifffile.imwrite(
        path,
        data,
        imagej=True,
        metadata={"axes": "CYX", "LUTs": tables, "mode": "composite"},
    )
    image = read_image(path)
    assert not image.is_rgb
    np.testing.assert_array_equal(image.data, data)


def test_imagej_rgb(path):
    data = np.random.default_rng(0).integers(0, 255, (8, 9, 3), np.uint8)
    tifffile.imwrite(path, data, imagej=True)
    image = read_image(path)
    assert image.is_rgb
    np.testing.assert_array_equal(image.data, data.transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("unit", "um"),
    [("µm", 1.0), ("nm", 1e-3), ("mm", 1e3), ("in", 25_400.0), ("Å", 1e-4), ("m", 1e6)],
)
def test_ome_pixel_size(path, unit, um):
    metadata = {"axes": "ZYX"}
    for axis, value in (("X", 0.25), ("Y", 0.5), ("Z", 3.0)):
        metadata |= {f"PhysicalSize{axis}": value, f"PhysicalSize{axis}Unit": unit}
    tifffile.imwrite(path, _counted("ZYX"), ome=True, metadata=metadata)
    size = read_image(path).pixel_size
    assert size is not None
    assert (size.y_um, size.x_um, size.z_um) == pytest.approx(
        (0.5 * um, 0.25 * um, 3 * um)
    )


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf")])
def test_an_impossible_ome_pixel_size_is_unknown(path, value):
    metadata = {"axes": "YX", "PhysicalSizeX": value, "PhysicalSizeY": value}
    tifffile.imwrite(path, _counted("YX"), ome=True, metadata=metadata)
    assert read_image(path).pixel_size is None


def test_ome_channel_names(path):
    metadata = {
        "axes": "CYX",
        "Channel": {"Name": ["DAPI", "Zellkerne – grün", "actin"]},
    }
    tifffile.imwrite(
        path, _counted("CYX"), ome=True, photometric="minisblack", metadata=metadata
    )
    assert read_image(path).channel_names == ("DAPI", "Zellkerne – grün", "actin")


def test_every_ome_image_is_read(path):
    with tifffile.TiffWriter(path, ome=True) as writer:
        for index in range(3):
            writer.write(
                np.full((8, 9 + index), index, np.uint8),
                photometric="minisblack",
                metadata={
                    "axes": "YX",
                    "Name": f"well {index}",
                    "PhysicalSizeX": index + 1,
                    "PhysicalSizeY": index + 1,
                },
            )
    images = [read_one_image(path, number) for number in (1, 2, 3)]
    assert [image.shape for image in images] == [(1, 8, 9), (1, 8, 10), (1, 8, 11)]
    assert [image.pixel_size for image in images] == [
        PixelSize(n, n) for n in (1, 2, 3)
    ]
    assert "3 images" in read_image(path).notes[-1]
    assert "well 2" in images[2].name


def test_resolution_in_centimetres_is_a_pixel_size_with_a_note(path):
    tifffile.imwrite(
        path, _counted("YX"), resolution=(20_000, 40_000), resolutionunit=3
    )
    image = read_image(path)
    assert image.pixel_size is not None
    assert (image.pixel_size.y_um, image.pixel_size.x_um) == pytest.approx((0.25, 0.5))
    assert "resolution tags" in image.notes[0]


@pytest.mark.parametrize("dpi", [72, 300, 1200])
def test_dots_per_inch_are_no_pixel_size(path, dpi):
    tifffile.imwrite(path, _counted("YX"), resolution=(dpi, dpi), resolutionunit=2)
    assert read_image(path).pixel_size is None


@pytest.mark.parametrize(
    "dtype",
    [
        "bool",
        "u1",
        "i1",
        "<u2",
        ">u2",
        "i2",
        "u4",
        "i4",
        "u8",
        "i8",
        "f2",
        "f4",
        ">f4",
        "f8",
    ],
)
def test_every_real_type_is_read_in_native_order(path, dtype):
    data = _counted("YX").astype(dtype)
    tifffile.imwrite(path, data, byteorder=">" if dtype[0] == ">" else "<")
    image = read_image(path)
    assert image.data.dtype == np.dtype(dtype).newbyteorder("=")
    assert image.data.dtype.isnative
    np.testing.assert_array_equal(image.data[0], data)


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize(
    "compression", [None, "zlib", "lzw", "zstd", "packbits", "jpeg2000"]
)
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_compressions_tiles_and_bigtiff(path, compression, tile, bigtiff):
    data = _counted("YX")
    options = {"compression": compression, "tile": tile, "bigtiff": bigtiff}
    tifffile.imwrite(path, data, **options)
    np.testing.assert_array_equal(read_image(path).data[0], data)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_rgb_is_told_by_metadata(path, planar, dtype):
    data = np.random.default_rng(0).integers(0, 255, (8, 9, 3)).astype(dtype)
    stored = data if planar == "contig" else data.transpose(2, 0, 1)
    tifffile.imwrite(path, stored, photometric="rgb", planarconfig=planar)
    image = read_image(path)
    assert image.is_rgb
    assert image.channel_names == ("red", "green", "blue")
    np.testing.assert_array_equal(image.data, data.transpose(2, 0, 1))


@pytest.mark.parametrize("limits", [ReadLimits(), LAZY], ids=["eager", "lazy"])
def test_alpha_is_left_out_with_a_note(path, limits):
    data = np.random.default_rng(0).integers(0, 255, (8, 9, 4), np.uint8)
    tifffile.imwrite(path, data, photometric="rgb", extrasamples=["unassalpha"])
    image = read_image(path, limits=limits)
    assert image.is_rgb
    assert "alpha" in image.notes[0]
    np.testing.assert_array_equal(
        np.asarray(image.data), data[..., :3].transpose(2, 0, 1)
    )


def test_grey_with_alpha_is_one_channel(path):
    data = _counted("YX").repeat(2).reshape(16, 20, 2)
    tifffile.imwrite(
        path,
        data,
        photometric="minisblack",
        planarconfig="contig",
        extrasamples=["unassalpha"],
    )
    image = read_image(path)
    np.testing.assert_array_equal(image.data, data[None, ..., 0])


def test_grey_samples_without_alpha_are_channels(path):
    data = _counted("YX").repeat(5).reshape(16, 20, 5)
    tifffile.imwrite(
        path,
        data,
        photometric="minisblack",
        planarconfig="contig",
        extrasamples=["unspecified"] * 4,
    )
    assert read_image(path).shape == (5, 16, 20)


@pytest.mark.parametrize(
    ("stored", "meant"),
    [
        (np.array([[0, 1], [254, 255]], np.uint8), [[255, 254], [1, 0]]),
        (np.array([[0, 1], [65534, 65535]], np.uint16), [[65535, 65534], [1, 0]]),
        (np.array([[False, True]]), [[True, False]]),
    ],
    ids=["8 bits", "16 bits", "1 bit"],
)
def test_white_is_zero_is_inverted(path, stored, meant):
    tifffile.imwrite(path, stored, photometric="miniswhite", metadata=None)
    image = read_image(path)
    np.testing.assert_array_equal(image.data[0], meant)
    assert "inverted" in image.notes[0]


def test_a_palette_becomes_rgb(path):
    colours = np.zeros((3, 256), np.uint16)
    colours[:, 7] = (255 * 257, 128 * 257, 0)
    tifffile.imwrite(
        path, np.full((4, 5), 7, np.uint8), photometric="palette", colormap=colours
    )
    image = read_image(path)
    assert image.is_rgb
    assert image.data[:, 0, 0].tolist() == [255, 128, 0]
    assert "Palette" in image.notes[0]


def test_a_grey_palette_becomes_one_channel(path):
    colours = np.tile((255 - np.arange(256, dtype=np.uint16)) * 257, (3, 1))
    tifffile.imwrite(
        path, np.full((4, 5), 7, np.uint8), photometric="palette", colormap=colours
    )
    image = read_image(path)
    assert image.shape == (1, 4, 5)
    assert image.data[0, 0, 0] == 248


def test_cmyk_becomes_rgb(path):
    ink = np.zeros((1, 4, 4), np.uint8)
    ink[0] = [(0, 0, 0, 0), (255, 0, 0, 0), (0, 0, 0, 255), (0, 255, 255, 0)]
    tifffile.imwrite(path, ink, photometric="separated", planarconfig="contig")
    image = read_image(path)
    assert image.is_rgb
    colours = [(255, 255, 255), (0, 255, 255), (0, 0, 0), (255, 0, 0)]
    np.testing.assert_array_equal(image.data[:, 0].T, colours)


@pytest.mark.parametrize(
    ("shape", "known"),
    [((3, 16, 20), "?YX"), ((2, 3, 16, 20), "??YX")],
    ids=["3-D", "4-D"],
)
def test_axes_without_a_name_are_asked_for(path, shape, known):
    tifffile.imwrite(path, np.zeros(shape, np.uint8), photometric="minisblack")
    with pytest.raises(AmbiguousAxesError) as caught:
        read_image(path)
    assert caught.value.shape == shape
    assert caught.value.known_axes == known
    assert "axes='" in str(caught.value)
    assert "--axes" in str(caught.value)


def test_plain_pages_are_asked_for(path):
    with tifffile.TiffWriter(path) as writer:
        for index in range(3):
            writer.write(
                np.full((16, 20), index, np.uint8), metadata=None, contiguous=False
            )
    with pytest.raises(AmbiguousAxesError):
        read_image(path)


@pytest.mark.parametrize(
    ("named", "wanted"),
    [("ZYX", "CZYX"), ("TYX", "TCYX"), ("CYX", "CYX"), ("zyx", "CZYX"), ("YXC", "CYX")],
)
def test_the_person_names_the_axes(path, named, wanted):
    data = np.arange(3 * 16 * 20).reshape(3, 16, 20).astype(np.uint16)
    tifffile.imwrite(path, data, photometric="minisblack")
    image = read_image(path, axes=named)
    assert image.axes == wanted
    np.testing.assert_array_equal(image.data, _in_order(data, named.upper(), wanted))


@pytest.mark.parametrize("named", ["YX", "ZZYX", "ZYY", "QYX", "ZCYX", ""])
def test_axes_that_do_not_fit_are_refused(path, named):
    tifffile.imwrite(path, np.zeros((3, 16, 20), np.uint8), photometric="minisblack")
    with pytest.raises(ImageReadError, match="axes"):
        read_image(path, axes=named)


def test_colours_of_a_named_stack_need_no_letter(path):
    data = np.random.default_rng(0).integers(0, 255, (2, 16, 20, 3), np.uint8)
    tifffile.imwrite(path, data, photometric="rgb")
    image = read_image(path, axes="ZYX")
    assert image.is_rgb
    np.testing.assert_array_equal(image.data, data.transpose(3, 0, 1, 2))


def test_axes_of_size_one_are_no_question(path):
    tifffile.imwrite(path, np.zeros((1, 1, 16, 20), np.uint8), photometric="minisblack")
    assert read_image(path).shape == (1, 16, 20)


def _write_pyramid(path, full):
    with tifffile.TiffWriter(path, ome=True) as writer:
        metadata = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
        writer.write(full, subifds=2, tile=(16, 16), metadata=metadata)
        writer.write(full[::2, ::2], subfiletype=1, tile=(16, 16))
        writer.write(full[::4, ::4], subfiletype=1, tile=(16, 16))


@pytest.mark.parametrize("limits", [ReadLimits(), LAZY], ids=["eager", "lazy"])
def test_the_full_resolution_is_read_unless_another_is_asked_for(path, limits):
    full = np.arange(64 * 96, dtype=np.uint16).reshape(64, 96)
    _write_pyramid(path, full)
    np.testing.assert_array_equal(
        np.asarray(read_image(path, limits=limits).data)[0], full
    )
    lower = read_image(path, level=2, limits=limits)
    np.testing.assert_array_equal(np.asarray(lower.data)[0], full[::4, ::4])
    assert lower.pixel_size == PixelSize(2.0, 2.0)


def test_a_slide_over_the_limit_names_the_lower_resolutions(path):
    _write_pyramid(path, np.zeros((64, 96), np.uint16))
    with pytest.raises(LimitError, match="level=1: 32 × 48"):
        read_image(path, limits=ReadLimits(max_bytes=5000, lazy_bytes=0))


def test_a_level_that_is_not_there_is_named(path):
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8))
    with pytest.raises(ImageReadError, match="level 3"):
        read_image(path, level=3)


def test_a_lazy_image_survives_pickling_and_closing(path):
    data = _counted("TZCYX")
    tifffile.imwrite(path, data, imagej=True, metadata={"axes": "TZCYX"})
    image = pickle.loads(pickle.dumps(read_image(path, limits=LAZY)))
    np.testing.assert_array_equal(image.plane((1, 2)), data[1, 2])


def test_a_lazy_file_that_is_gone_is_one_sentence(path):
    tifffile.imwrite(path, _counted("ZYX"), imagej=True, metadata={"axes": "ZYX"})
    image = read_image(path, limits=LAZY)
    path.unlink()
    with pytest.raises(ImageReadError, match="no such file"):
        image.plane((0,))


def test_more_planes_than_the_memory_holds_are_read_one_by_one(path):
    data = _counted("ZYX")
    tifffile.imwrite(path, data, imagej=True, metadata={"axes": "ZYX"})
    limits = ReadLimits(max_bytes=data[0].nbytes, lazy_bytes=0)
    np.testing.assert_array_equal(
        read_image(path, limits=limits).plane((3,))[0], data[3]
    )


def test_too_many_channels_are_refused(path):
    tifffile.imwrite(
        path, np.zeros((300, 4, 4), np.uint8), imagej=True, metadata={"axes": "CYX"}
    )
    with pytest.raises(LimitError, match="300 channels"):
        read_image(path)


def test_probe_reads_the_header_only(path):
    tifffile.imwrite(
        path,
        _counted("CYX"),
        ome=True,
        photometric="minisblack",
        metadata={"axes": "CYX", "Channel": {"Name": ["a", "b", "c"]}},
    )
    found = probe(path, limits=ReadLimits(max_bytes=1))
    assert (found.shape, found.axes) == ((3, 16, 20), "CYX")
    assert (found.n_bytes, found.n_images) == (3 * 16 * 20 * 2, 1)


def test_probe_shows_what_is_not_known(path):
    tifffile.imwrite(path, np.zeros((3, 16, 20), np.uint8), photometric="minisblack")
    assert probe(path).axes == "?YX"


@pytest.mark.parametrize(
    "name",
    [
        "Zellen grün.tif",
        "細胞 #1 %20+&.tif",
        "=cmd.tif",
        "a" * 240 + ".tif",
        "dot..tif",
        "🦠.tif",
    ],
)
def test_any_file_name_will_do(tmp_path, name):
    tifffile.imwrite(tmp_path / name, _counted("YX"))
    image = read_image(tmp_path / name)
    assert image.name == name
    assert image.source == str(tmp_path / name)
