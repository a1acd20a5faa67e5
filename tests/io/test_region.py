"""A region of an image is what the whole image is there, and nothing more is read."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_cellseg.core.errors import ImageReadError, LimitError
from napari_cellseg.core.types import PixelSize
from napari_cellseg.io.limits import ReadLimits
from napari_cellseg.io.reading.images import read_image, read_one_image

BOX = (20, 40, 52, 90)  # 32 rows, 50 columns
ROWS, COLUMNS = slice(20, 52), slice(40, 90)


def written(folder: Path, kind: str) -> Path:
    """Write an image of 100 rows and 130 columns and return its path."""
    rng = np.random.default_rng(3)
    grey = rng.integers(0, 60_000, (100, 130), np.uint16)
    colour = rng.integers(0, 255, (100, 130, 4), np.uint8)
    stack = rng.integers(0, 60_000, (3, 2, 100, 130), np.uint16)
    path = folder / f"{kind}.tif"
    if kind == "tiled":
        tifffile.imwrite(path, grey, tile=(32, 32), compression="zlib")
    elif kind == "strips":
        tifffile.imwrite(path, grey, rowsperstrip=7)
    elif kind == "colour with alpha":
        tifffile.imwrite(path, colour, tile=(32, 32), photometric="rgb")
    elif kind == "white is 0":
        tifffile.imwrite(path, grey, photometric="miniswhite")
    elif kind == "stack":
        tifffile.imwrite(path, stack, ome=True, metadata={"axes": "ZCYX"})
    elif kind == "png":
        path = path.with_suffix(".png")
        Image.fromarray(colour[..., :3]).save(path)
    else:
        path = folder / "image.zarr"
        group = zarr.open_group(path, mode="w", zarr_format=2)
        array = group.create_array(
            "0", shape=stack.shape, chunks=(1, 1, 32, 32), dtype="u2"
        )
        array[...] = stack
        axes = [{"name": name, "type": "space"} for name in "zcyx"]
        scale = [{"type": "scale", "scale": [1, 1, 1, 1]}]
        sets = [{"path": "0", "coordinateTransformations": scale}]
        group.attrs["multiscales"] = [
            {"axes": axes, "datasets": sets, "version": "0.4"}
        ]
    return path


KINDS = ["tiled", "strips", "colour with alpha", "white is 0", "stack", "png", "zarr"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_lazy", [False, True], ids=["at once", "lazy"])
def test_a_region_is_what_the_whole_image_is_there(
    tmp_path: Path, kind: str, is_lazy: bool
) -> None:
    path = written(tmp_path, kind)
    limits = ReadLimits(lazy_bytes=0) if is_lazy else ReadLimits()

    part = read_one_image(path, None, region=BOX, limits=limits)

    whole = read_image(path)
    assert part.axes == whole.axes
    assert part.is_rgb == whole.is_rgb
    np.testing.assert_array_equal(part.data, np.asarray(whole.data)[..., ROWS, COLUMNS])
    assert "rows 20 to 52, columns 40 to 90" in part.notes[-1]


def test_a_region_of_a_lazy_image_can_be_sliced_and_sent(tmp_path: Path) -> None:
    path = written(tmp_path, "stack")

    part = read_one_image(path, None, region=BOX, limits=ReadLimits(lazy_bytes=0))

    whole = np.asarray(read_image(path).data)
    again = pickle.loads(pickle.dumps(part.data))
    np.testing.assert_array_equal(
        again[1, 2, 3:9, ::-7], whole[1, 2, 23:29, 40:90][:, ::-7]
    )


def test_a_region_of_a_plane_beyond_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "slide.tif"
    tile = np.zeros((256, 256), np.uint8)
    tifffile.imwrite(
        path,
        (tile for _ in range(64)),
        shape=(2048, 2048),
        dtype="u1",
        tile=(256, 256),
        compression="zlib",
    )
    limits = ReadLimits(max_bytes=2**20, lazy_bytes=2**19)
    with pytest.raises(LimitError):
        read_one_image(path, None, limits=limits)

    part = read_one_image(path, None, region=(1000, 1000, 1100, 1100), limits=limits)

    assert part.shape == (1, 100, 100)


def test_a_region_that_cannot_be_read_alone_keeps_to_the_limit(tmp_path: Path) -> None:
    path = written(tmp_path, "white is 0")

    with pytest.raises(LimitError, match="cannot be read alone"):
        read_one_image(path, None, region=BOX, limits=ReadLimits(max_bytes=20_000))


def test_a_region_beyond_the_image_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "tiled")

    with pytest.raises(ImageReadError, match="100 rows and 130 columns"):
        read_one_image(path, None, region=(0, 0, 101, 50))


def test_a_region_lies_in_the_pixels_of_its_level(tmp_path: Path) -> None:
    path = tmp_path / "pyramid.ome.tif"
    full = np.arange(128 * 128, dtype=np.uint16).reshape(128, 128)
    with tifffile.TiffWriter(path, ome=True) as tiff:
        sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "axes": "YX"}
        tiff.write(full, subifds=1, tile=(32, 32), metadata=sizes)
        tiff.write(full[::2, ::2], subfiletype=1, tile=(32, 32))

    part = read_one_image(path, None, level=1, region=(8, 4, 24, 40))

    np.testing.assert_array_equal(part.data[0], full[::2, ::2][8:24, 4:40])
    assert part.pixel_size == PixelSize(1.0, 1.0)
