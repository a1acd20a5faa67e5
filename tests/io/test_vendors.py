"""Files of microscope makers through bioio; here with a stand-in for it."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.core.types import PixelSize
from napari_cellseg.io.reading import vendors
from napari_cellseg.io.reading.images import read_image, read_one_image


class OddError(Exception):
    """An error that only bioio knows."""


class FakeImage:
    """Two scenes of a time series."""

    scenes = ("field 1", "field 2")
    dims = types.SimpleNamespace(order="TCZYX")
    shape = (2, 2, 1, 8, 9)
    dtype = np.uint16
    channel_names = ("DAPI", "")
    physical_pixel_sizes = types.SimpleNamespace(Z=None, Y=0.5, X=0.25)

    def __init__(self, path, reader):
        self.scene = 0

    def set_scene(self, index):
        self.scene = index

    @property
    def data(self):
        return np.full(self.shape, self.scene, self.dtype)


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Return a file that begins like a CZI, with a stand-in for bioio installed."""
    modules = {
        "bioio": types.SimpleNamespace(BioImage=FakeImage),
        "bioio_czi": types.SimpleNamespace(Reader=object),
        "bioio_base.exceptions": types.SimpleNamespace(OddError=OddError),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(vendors.importlib.util, "find_spec", modules.get)
    path = tmp_path / "a.czi"
    path.write_bytes(b"ZISRAWFILE" + bytes(100))
    return path


def test_scenes_axes_names_and_pixel_size_are_kept(path):
    first, second = (read_one_image(path, number) for number in (1, 2))
    assert (first.axes, first.shape) == ("TCYX", (2, 2, 8, 9))
    assert first.pixel_size == PixelSize(0.5, 0.25)
    assert first.channel_names == ("DAPI", "channel 2")
    assert (first.data.max(), second.data.max()) == (0, 1)
    assert second.name == "a.czi [field 2]"


def test_a_missing_pixel_size_is_noted(path, monkeypatch):
    def fail(_image):
        raise OddError("no scale")

    monkeypatch.setattr(FakeImage, "physical_pixel_sizes", property(fail))
    image = read_image(path)
    assert image.pixel_size is None
    assert "pixel size" in image.notes[0]


def test_its_own_errors_become_one_sentence(path, monkeypatch):
    def fail(_image):
        raise OddError("tile 3 is broken")

    monkeypatch.setattr(FakeImage, "data", property(fail))
    with pytest.raises(ImageReadError, match="by bioio-czi: tile 3 is broken") as said:
        read_image(path)
    assert "damaged" not in str(said.value)
