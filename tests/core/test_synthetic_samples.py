"""The samples come with the package and are the files in ``sample_data``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.synthetic import SAMPLE_NAMES, sample_image, sample_scene

FOLDER = Path(__file__).parents[2] / "sample_data"


@pytest.mark.parametrize("name", SAMPLE_NAMES)
def test_a_sample_shows_many_cells(name: str) -> None:
    scene = sample_scene(name)

    assert scene.image.shape[-2:] == (512, 512)
    assert scene.labels.max() >= 30


def test_an_unknown_sample_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(OptionsError, match=r"no sample 'yeast'.*phase_contrast"):
        sample_image("yeast")


@pytest.mark.parametrize("file_name", ["nuclei.tif", "two_channels.ome.tif"])
def test_tiff_samples_name_their_scale_and_channels(file_name: str) -> None:
    with tifffile.TiffFile(FOLDER / file_name) as file:
        description = file.ome_metadata or ""

    assert 'PhysicalSizeX="0.325"' in description
    assert 'Name="nuclei"' in description


# The noise goes through exp and log, whose last bit differs between processors.
@pytest.mark.parametrize("name", ["phase_contrast", "histology"])
def test_png_samples_are_what_the_package_draws(name: str) -> None:
    stored = np.asarray(Image.open(FOLDER / f"{name}.png"), int)
    drawn = np.moveaxis(sample_image(name).data, 0, -1).squeeze().astype(int)

    assert np.mean(np.abs(stored - drawn) <= 2) > 0.99


def test_sample_files_are_small() -> None:
    sizes = [path.stat().st_size for path in FOLDER.iterdir() if path.suffix != ".py"]

    assert len([size for size in sizes if size < 600_000]) >= len(SAMPLE_NAMES)
    assert max(sizes) < 600_000
