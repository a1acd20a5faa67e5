"""Pairs of image and mask in a folder, and what is read of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from skimage.io import imsave

from napari_cellseg.core.errors import ImageError
from napari_cellseg.io.datasets.dataset import pairs_in_folder, unlabelled_in_folder
from napari_cellseg.io.datasets.samples import read_sample


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two pairs, an image alone, and two channels in each image."""
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    for name in ("a", "b", "c"):
        pixels = rng.integers(0, 255, (2, 24, 32)).astype(np.uint8)
        tifffile.imwrite(
            tmp_path / "images" / f"{name}.tif",
            pixels,
            imagej=True,
            metadata={"axes": "CYX"},
        )
    mask = np.zeros((24, 32), np.uint8)
    mask[2:9, 2:9] = 1
    tifffile.imwrite(tmp_path / "masks" / "a.tif", mask.astype(np.uint16))
    imsave(tmp_path / "masks" / "b.png", mask, check_contrast=False)
    return tmp_path


def test_a_mask_may_be_any_image_and_images_without_one_are_named(folder: Path) -> None:
    assert [sample.name for sample in pairs_in_folder(folder)] == ["a", "b"]
    assert unlabelled_in_folder(folder) == ["c.tif"]
    assert read_sample(pairs_in_folder(folder)[1], 0)[1].max() == 1


def test_the_channel_that_was_asked_for_is_read(folder: Path) -> None:
    sample = pairs_in_folder(folder)[0]
    stored = tifffile.imread(sample.image_path)
    for channel in (0, 1):
        plane, _ = read_sample(sample, channel)
        np.testing.assert_array_equal(plane, stored[channel : channel + 1])


def test_the_channel_has_to_be_named_where_there_are_several(folder: Path) -> None:
    sample = pairs_in_folder(folder)[0]
    with pytest.raises(ImageError, match="2 channels"):
        read_sample(sample)
    with pytest.raises(ImageError, match="no channel 5"):
        read_sample(sample, 5)
