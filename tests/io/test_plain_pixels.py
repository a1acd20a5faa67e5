"""Of an image that lies in a file in one piece, only the rows asked for are read."""

from __future__ import annotations

import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.io.limits import ReadLimits
from napari_cellseg.io.reading import tiff_pixels
from napari_cellseg.io.reading.images import read_image, read_one_image

LAZY = ReadLimits(lazy_bytes=0)


def written(path: Path, kind: str) -> Path:
    """Write an uncompressed image, each plane in one piece, and return its path."""
    values = np.random.default_rng(5)
    if kind == "plane":
        tifffile.imwrite(path, values.integers(0, 60_000, (60, 50), np.uint16))
    elif kind == "big-endian floats":
        floats = values.random((60, 50), np.float32)
        tifffile.imwrite(path, floats, byteorder=">")
    elif kind == "colour":
        colour = values.integers(0, 255, (60, 50, 4), np.uint8)
        tifffile.imwrite(path, colour, photometric="rgb")
    elif kind == "colours apart":
        colour = values.integers(0, 255, (3, 60, 50), np.uint8)
        tifffile.imwrite(path, colour, photometric="rgb", planarconfig="separate")
    else:
        stack = values.integers(0, 60_000, (3, 4, 2, 60, 50), np.uint16)
        tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "TZCYX"})
    return path


KINDS = ["plane", "big-endian floats", "colour", "colours apart", "ImageJ"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("band_bytes", [1, 1000, 2**26], ids="{} bytes".format)
def test_what_is_read_is_what_the_file_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, band_bytes: int
) -> None:
    monkeypatch.setattr(tiff_pixels, "BAND_BYTES", band_bytes)
    path = written(tmp_path / "a.tif", kind)
    whole = np.asarray(read_image(path).data)

    lazy = read_image(path, limits=LAZY).data

    assert isinstance(lazy._source._opened(), tiff_pixels.PlainPixels)
    assert lazy.dtype == whole.dtype
    np.testing.assert_array_equal(lazy[...], whole)
    np.testing.assert_array_equal(lazy[..., 7:31, ::-3], whole[..., 7:31, ::-3])
    np.testing.assert_array_equal(lazy[0, ..., 59, 49], whole[0, ..., 59, 49])
    np.testing.assert_array_equal(lazy[-1:, ..., 5:5, :], whole[-1:, ..., 5:5, :])


def test_a_small_part_of_a_large_plane_needs_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.tif"
    pixels = tifffile.memmap(path, shape=(10_000, 20_000), dtype=np.uint8)
    pixels[5000:5010, 700:710] = 9
    pixels.flush()
    del pixels
    read_one_image(path, None, region=(0, 0, 8, 8), limits=LAZY)  # what is imported
    tracemalloc.start()

    part = read_one_image(path, None, region=(5000, 700, 5010, 710), limits=LAZY)

    assert (part.data[...] == 9).all()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * 2**20


def test_threads_do_not_mix_what_they_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif", "ImageJ")
    whole = np.asarray(read_image(path).data)
    lazy = read_image(path, limits=LAZY).data
    is_same: list[bool] = []

    def read(seed: int) -> None:
        for t in np.random.default_rng(seed).integers(0, 3, 40):
            is_same.append(np.array_equal(lazy[t, :, 2, 10:20], whole[t, :, 2, 10:20]))

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert is_same == [True] * 160


def test_a_file_that_was_cut_since_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif", "plane")
    lazy = read_image(path, limits=LAZY).data
    path.write_bytes(path.read_bytes()[:3000])

    with pytest.raises(ImageReadError, match="cut short"):
        lazy[0, 50:60]
