"""OME-Zarr 0.4 and 0.5 written with plain zarr."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import zarr

from napari_cellseg.core.errors import AmbiguousAxesError, ImageReadError, LimitError
from napari_cellseg.core.types import PixelSize
from napari_cellseg.io.limits import ReadLimits
from napari_cellseg.io.reading.images import (
    probe,
    read_image,
    read_labels,
    read_one_image,
)

LAZY = ReadLimits(lazy_bytes=0)
KINDS = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def _write(
    path, data, version="0.5", *, axes="yx", unit="micrometer", scale=None, labels=()
):
    """Write an image with two levels and return its path."""
    group = zarr.open_group(path, mode="w", zarr_format=3 if version == "0.5" else 2)
    scale = scale or [1.0] * len(axes)
    datasets = []
    for level in range(2):
        step = 2**level
        part = data[..., ::step, ::step]
        chunks = tuple(min(16, size) for size in part.shape)
        array = group.create_array(
            str(level), shape=part.shape, chunks=chunks, dtype=part.dtype
        )
        array[...] = part
        lower = [
            s * (step if a in "yx" else 1) for s, a in zip(scale, axes, strict=True)
        ]
        transforms = [{"type": "scale", "scale": lower}]
        datasets.append({"path": str(level), "coordinateTransformations": transforms})
    described = [
        {"name": a, "type": KINDS[a], **({"unit": unit} if unit and a in "zyx" else {})}
        for a in axes
    ]
    ome = {
        "multiscales": [{"version": version, "axes": described, "datasets": datasets}],
        "omero": {"channels": [{"label": label} for label in labels]},
    }
    group.attrs.update({"ome": {"version": "0.5", **ome}} if version == "0.5" else ome)
    return path


@pytest.fixture(params=["0.4", "0.5"])
def version(request):
    return request.param


@pytest.mark.parametrize("limits", [ReadLimits(), LAZY], ids=["eager", "lazy"])
@pytest.mark.parametrize(
    ("axes", "shape", "wanted"),
    [
        ("yx", (8, 9), "CYX"),
        ("cyx", (2, 8, 9), "CYX"),
        ("zyx", (3, 8, 9), "CZYX"),
        ("tyx", (3, 8, 9), "TCYX"),
        ("tczyx", (2, 2, 3, 8, 9), "TCZYX"),
        ("tczyx", (1, 1, 1, 8, 9), "CYX"),
    ],
)
def test_axes_and_pixels(tmp_path, version, axes, shape, wanted, limits):
    data = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    image = read_image(
        _write(tmp_path / "a.zarr", data, version, axes=axes), limits=limits
    )
    assert image.axes == wanted
    np.testing.assert_array_equal(np.asarray(image.data).ravel(), data.ravel())


def test_scale_units_and_names(tmp_path, version):
    path = _write(
        tmp_path / "a.zarr",
        np.zeros((2, 3, 8, 9), np.uint8),
        version,
        axes="czyx",
        unit="nanometer",
        scale=[1, 2000, 500, 250],
        labels=["DAPI", "GFP"],
    )
    image = read_image(path)
    assert image.pixel_size == PixelSize(0.5, 0.25, 2.0)
    assert image.channel_names == ("DAPI", "GFP")
    assert read_image(path, level=1).pixel_size == PixelSize(1.0, 0.5, 2.0)
    assert probe(path).level_shapes == ((2, 3, 8, 9), (2, 3, 4, 5))


def test_a_scale_without_unit_is_unknown_with_a_note(tmp_path, version):
    path = _write(
        tmp_path / "a.zarr",
        np.zeros((8, 9), np.uint8),
        version,
        unit="",
        scale=[0.65, 0.65],
    )
    image = read_image(path)
    assert image.pixel_size is None
    assert "0.65 has no unit" in image.notes[0]


def test_large_images_are_read_where_they_are_asked(tmp_path, version):
    data = np.arange(2 * 64 * 64, dtype=np.uint16).reshape(2, 64, 64)
    path = _write(tmp_path / "a.zarr", data, version, axes="zyx")
    image = read_image(path, limits=LAZY)
    shutil.rmtree(path / "1")
    np.testing.assert_array_equal(image.plane((1,))[0], data[1])
    assert not isinstance(image.data, np.ndarray)


def test_a_plane_over_the_limit_names_the_lower_resolution(tmp_path):
    path = _write(tmp_path / "a.zarr", np.zeros((64, 64), np.uint8))
    with pytest.raises(LimitError, match="level=1: 32 × 32"):
        read_image(path, limits=ReadLimits(max_bytes=4095, lazy_bytes=0))


def test_chunks_over_the_limit_are_refused(tmp_path):
    zarr.create_array(
        tmp_path / "a.zarr", shape=(4, 4), chunks=(9000, 9000), dtype="u1"
    )
    with pytest.raises(LimitError, match="chunks of 77"):
        read_image(tmp_path / "a.zarr", limits=ReadLimits(max_bytes=2**20))


def test_the_array_inside_needs_no_metadata(tmp_path, version):
    path = _write(tmp_path / "a.zarr", np.ones((8, 9), np.uint8), version)
    assert read_image(path / "0").shape == (1, 8, 9)


def test_a_bare_stack_is_asked_for(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", data=np.zeros((3, 8, 9), np.uint8))
    with pytest.raises(AmbiguousAxesError):
        read_image(tmp_path / "a.zarr")
    assert read_image(tmp_path / "a.zarr", axes="TYX").axes == "TCYX"


def test_dimension_names_of_zarr_3_are_axes(tmp_path):
    names = ("z", "y", "x")
    zarr.create_array(
        tmp_path / "a.zarr", data=np.zeros((3, 8, 9), np.uint8), dimension_names=names
    )
    assert read_image(tmp_path / "a.zarr").axes == "CZYX"


def test_a_series_of_bioformats2raw_is_read(tmp_path):
    zarr.open_group(tmp_path, mode="w", zarr_format=2).attrs[
        "bioformats2raw.layout"
    ] = 3
    for index in range(2):
        _write(tmp_path / str(index), np.full((8, 9), index, np.uint8), "0.4")
    images = [read_one_image(tmp_path, number) for number in (1, 2)]
    assert [int(image.data.max()) for image in images] == [0, 1]


def test_a_plate_says_which_field_to_open(tmp_path):
    group = zarr.open_group(tmp_path / "p.zarr", mode="w", zarr_format=2)
    group.attrs["plate"] = {"wells": [{"path": "B/3"}]}
    with pytest.raises(ImageReadError, match="B/3/0"):
        read_image(tmp_path / "p.zarr")


def test_a_group_without_metadata_is_refused(tmp_path):
    zarr.open_group(tmp_path / "g.zarr", mode="w")
    with pytest.raises(ImageReadError, match="multiscales"):
        read_image(tmp_path / "g.zarr")


@pytest.mark.parametrize("outside", ["../b.zarr/0", "/etc", "a/../../b"])
def test_arrays_outside_of_the_folder_are_never_opened(tmp_path, outside):
    _write(tmp_path / "b.zarr", np.ones((8, 9), np.uint8))
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.attrs["ome"] = {
        "multiscales": [{"axes": [], "datasets": [{"path": outside}]}]
    }
    with pytest.raises(ImageReadError, match="outside"):
        read_image(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"zarr_format": 9, "node_type": "group"}']
)
def test_damaged_metadata_are_one_sentence(tmp_path, text):
    path = tmp_path / "a.zarr"
    path.mkdir()
    (path / "zarr.json").write_text(text)
    with pytest.raises(ImageReadError, match=r"a\.zarr"):
        read_image(path)


def test_a_damaged_chunk_is_one_sentence(tmp_path):
    path = _write(tmp_path / "a.zarr", np.arange(72, dtype=np.uint8).reshape(8, 9))
    for chunk in (path / "0" / "c").rglob("*"):
        _ = chunk.is_file() and chunk.write_bytes(b"\xff" * 9)
    with pytest.raises(ImageReadError, match=r"a\.zarr"):
        read_image(path)


def test_labels_are_read_from_ome_zarr(tmp_path, version):
    data = np.arange(72, dtype=np.uint32).reshape(8, 9)
    path = _write(tmp_path / "a.zarr", data, version, scale=[0.5, 0.5])
    labels, size = read_labels(path)
    np.testing.assert_array_equal(labels, data)
    assert size == PixelSize(0.5, 0.5)


def test_axes_of_time_and_channels_may_have_any_name(tmp_path):
    data = np.arange(2 * 3 * 8 * 9, dtype=np.uint16).reshape(2, 3, 8, 9)
    path = _write(tmp_path / "a.zarr", data, "0.4", axes="tcyx")
    group = zarr.open_group(path, mode="r+")
    scales = list(group.attrs["multiscales"])
    scales[0]["axes"][0]["name"] = "frame"
    scales[0]["axes"][1]["name"] = "wavelength"
    group.attrs["multiscales"] = scales

    image = read_image(path)

    assert image.axes == "TCYX"
    np.testing.assert_array_equal(image.data, data)
