"""PNG, JPEG and the other formats of Pillow: modes, depth, frames, orientation."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from napari_cellseg.core.errors import LimitError
from napari_cellseg.io.limits import ReadLimits
from napari_cellseg.io.reading.images import read_image, read_labels

COLOUR = np.random.default_rng(0).integers(0, 255, (6, 7, 3), np.uint8)


@pytest.mark.parametrize(
    ("mode", "dtype", "n_channels", "note"),
    [
        ("1", "bool", 1, ""),
        ("L", "uint8", 1, ""),
        ("I;16", "uint16", 1, ""),
        ("LA", "uint8", 1, "alpha"),
        ("RGB", "uint8", 3, ""),
        ("RGBA", "uint8", 3, "alpha"),
        ("P", "uint8", 3, "Palette"),
    ],
)
def test_png_modes(tmp_path, mode, dtype, n_channels, note):
    path = tmp_path / "a.png"
    grey = Image.fromarray(COLOUR).convert("L")
    picture = (
        Image.fromarray(COLOUR).convert(mode)
        if mode != "I;16"
        else grey.convert("I;16")
    )
    picture.save(path)
    image = read_image(path)
    assert image.shape == (n_channels, 6, 7)
    assert image.data.dtype == dtype
    assert image.is_rgb == (n_channels == 3)
    assert note in "".join(image.notes)


def test_jpeg_cmyk_is_converted(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(COLOUR).convert("CMYK").save(path)
    image = read_image(path)
    assert image.is_rgb
    assert "CMYK" in image.notes[0]


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp", "ppm", "tga"])
def test_colours_are_kept_exactly(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(COLOUR).save(
        path, **({"lossless": True} if suffix == "webp" else {})
    )
    image = read_image(path)
    np.testing.assert_array_equal(image.data, COLOUR.transpose(2, 0, 1))


@pytest.mark.parametrize("n_samples", [1, 2, 3, 4])
def test_png_of_16_bits_loses_none(tmp_path, n_samples):
    path = tmp_path / "deep.png"
    data = (
        np.random.default_rng(0).integers(0, 65535, (6, 7, n_samples)).astype(np.uint16)
    )
    path.write_bytes(imagecodecs.png_encode(data.squeeze()))
    image = read_image(path)
    n_kept = 3 if n_samples > 2 else 1
    assert image.is_rgb == (n_kept == 3)
    np.testing.assert_array_equal(image.data, data[..., :n_kept].transpose(2, 0, 1))


def test_frames_are_time(tmp_path):
    path = tmp_path / "film.gif"
    frames = [Image.fromarray(np.full((6, 7), 40 * n, np.uint8)) for n in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    image = read_image(path)
    assert image.axes == "TCYX"
    assert image.data[:, 0, 0, 0].tolist() == [0, 40, 80]
    assert "time" in image.notes[-1]


def test_too_many_frames_are_refused(tmp_path):
    path = tmp_path / "film.gif"
    frames = [Image.fromarray(np.full((6, 7), 40 * n, np.uint8)) for n in range(4)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with pytest.raises(LimitError, match="4 frames"):
        read_image(path, limits=ReadLimits(max_pages=3))


@pytest.mark.parametrize(("orientation", "turned"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_a_photo_is_turned_as_the_camera_says(tmp_path, orientation, turned):
    path = tmp_path / "a.jpg"
    picture = Image.new("L", (16, 8))
    exif = picture.getexif()
    exif[0x0112] = orientation
    data = np.zeros((8, 16), np.uint8)
    data[:, 8:] = 255
    Image.fromarray(data).save(path, exif=exif, quality=95)
    image = read_image(path)
    np.testing.assert_array_equal(image.data[0] > 128, np.rot90(data, turned) > 128)
    assert len(image.notes) == (orientation != 1)


def test_a_picture_over_the_limit_is_refused_from_its_header(tmp_path):
    path = tmp_path / "a.png"
    Image.new("L", (2000, 2000)).save(path)
    with pytest.raises(LimitError, match=r"the limit is 1\.0 MiB"):
        read_image(path, limits=ReadLimits(max_bytes=2**20))


def test_pillows_own_limit_does_not_count_and_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = tmp_path / "a.png"
    Image.new("L", (20, 30), 7).save(path)
    assert read_image(path).data.shape == (1, 30, 20)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_palette_labels_are_read_as_numbers(tmp_path):
    path = tmp_path / "labels.png"
    indices = np.arange(42, dtype=np.uint8).reshape(6, 7)
    picture = Image.frombytes("P", (7, 6), indices.tobytes())
    picture.putpalette([value for n in range(256) for value in (n, 255 - n, 7)])
    picture.save(path)
    labels, size = read_labels(path)
    np.testing.assert_array_equal(labels, indices)
    assert size is None
